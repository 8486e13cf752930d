// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The message authentication code behind a packet (RFC 5905, section 7.3; RFC 8573): a key identifier and a
 * digest over all that stands before it. Core knows keys by their identifiers only; secrets and digests are
 * somebody else's. */

#include "core/api/authentication.h"
#include "core/ntp/packet.h"

/* The longest digest, and the longest MAC with its key identifier. */
#define NTP_DIGEST_MAX    64
#define NTP_MAC_MAX       (4 + NTP_DIGEST_MAX)
/* What version 4 cuts longer digests to. */
#define MAC_DIGEST_MAX_V4 20

/* Who has the keys. May be called from several threads at once. Without functions there are no keys. */
typedef struct Authenticator {
    /* False: there is no such key, ret is untouched. */
    bool (*find)(void *userdata, uint32_t key, KeyInfo *ret);
    /* Writes the whole digest over the bytes. Returns its length, 0: there is no such key. */
    size_t (*sign)(void *userdata, uint32_t key, const uint8_t *bytes, size_t length,
                   uint8_t ret[static NTP_DIGEST_MAX]);
    void *userdata;
} Authenticator;

/* What stands behind a packet. */
typedef enum MacVerdict {
    MAC_ABSENT = 0,
    MAC_NAK, /* a crypto-NAK: somebody says that our MAC was not right. Nothing proves it. */
    MAC_BAD, /* no such key, the wrong length or the wrong digest */
    MAC_GOOD,
} MacVerdict;

/* False: there is no such key. */
bool authenticator_find(const Authenticator *authenticator, uint32_t key, KeyInfo *ret) must_check_;

/* Looks at the MAC of a packet that was parsed from these bytes. ret_key: the identifier in it, 0: none; that
 * it is good tells nothing about whether this key may speak for the sender. Takes the same time wherever
 * digests differ. */
MacVerdict authenticator_check(const Authenticator *authenticator, const uint8_t *bytes, size_t length,
                               const NtpPacket *packet, uint32_t *ret_key) must_check_;

/* Appends the MAC for a packet of that version to `length` bytes in a buffer of `size`. Returns the new
 * length, 0: there is no such key, or no room. */
size_t authenticator_append(const Authenticator *authenticator, uint32_t key, uint8_t version, uint8_t *bytes,
                            size_t length, size_t size) must_check_;
