// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See authenticator.h. Version 4 cuts digests to 20 bytes (RFC 7822, section 7.5), so that a MAC and an
 * extension field can be told apart by length; version 3 has no extension fields, and takes them whole. */

#include "core/ntp/authenticator.h"

#include <string.h>

#include "base/bytes.h"

#define KEY_ID_SIZE 4

bool authenticator_find(const Authenticator *authenticator, uint32_t key, KeyInfo *ret)
{
    return key != 0 && authenticator->find && authenticator->find(authenticator->userdata, key, ret);
}

/* The digest as it goes over the wire; its length, 0: no such key. */
static size_t sign(const Authenticator *authenticator, uint32_t key, uint8_t version, const uint8_t *bytes,
                   size_t length, uint8_t ret[static NTP_DIGEST_MAX])
{
    if (key == 0 || !authenticator->sign)
        return 0;
    size_t digest = authenticator->sign(authenticator->userdata, key, bytes, length, ret);
    return version >= 4 ? MIN(digest, (size_t) MAC_DIGEST_MAX_V4) : digest;
}

/* Looks at every byte, whatever it finds. */
static bool equal_in_constant_time(const uint8_t *a, const uint8_t *b, size_t length)
{
    volatile uint8_t difference = 0;

    for (size_t i = 0; i < length; i++)
        difference = (uint8_t) (difference | (a[i] ^ b[i]));
    return difference == 0;
}

MacVerdict authenticator_check(const Authenticator *authenticator, const uint8_t *bytes, size_t length,
                               const NtpPacket *packet, uint32_t *ret_key)
{
    uint8_t digest[NTP_DIGEST_MAX];

    *ret_key = 0;
    if (packet->mac_length == 0)
        return MAC_ABSENT;
    if (packet->mac_length < KEY_ID_SIZE || packet->mac_length > length)
        return MAC_BAD;

    size_t before = length - packet->mac_length;
    ByteReader reader = byte_reader(bytes + before, packet->mac_length);
    uint32_t key = byte_reader_u32(&reader);
    *ret_key = key;
    if (packet->mac_length == KEY_ID_SIZE)
        return key == 0 ? MAC_NAK : MAC_BAD;
    size_t digest_length = sign(authenticator, key, packet->version, bytes, before, digest);
    if (digest_length == 0 || digest_length != reader.left)
        return MAC_BAD;
    return equal_in_constant_time(digest, reader.next, digest_length) ? MAC_GOOD : MAC_BAD;
}

size_t authenticator_append(const Authenticator *authenticator, uint32_t key, uint8_t version, uint8_t *bytes,
                            size_t length, size_t size)
{
    uint8_t digest[NTP_DIGEST_MAX];
    size_t digest_length = sign(authenticator, key, version, bytes, length, digest);

    if (digest_length == 0 || length > size || size - length < KEY_ID_SIZE + digest_length)
        return 0;
    ByteWriter writer = byte_writer(bytes + length, KEY_ID_SIZE);
    byte_writer_u32(&writer, key);
    memcpy(bytes + length + KEY_ID_SIZE, digest, digest_length);
    return length + KEY_ID_SIZE + digest_length;
}
