// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Messages between us and ntp_signd; see ms-sntp.h.
 *
 * Each is its length, then a version, what it is, the number of the question, and the rest; all of it
 * big-endian but the key, which is handed on as it came. The number has two bytes and two of padding in a
 * question, and four in a reply. What comes back is held against what was asked: nobody gets a packet from
 * us that we have not made. */

#include "core/ntp/ms-sntp.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "core/ntp/packet.h"

#define SIGND_VERSION 0

enum { OP_SIGN_TO_CLIENT = 0, OP_SIGNED = 3, OP_REFUSED = 4 };

/* Bytes behind the length. */
#define REPLY_HEADER_SIZE 12

static_assert(SIGND_REPLY_SIZE == 4 + REPLY_HEADER_SIZE + MS_SNTP_SIZE, "length, header, packet");

static bool is_zero(const uint8_t *bytes, size_t length)
{
    uint8_t any = 0;

    for (size_t i = 0; i < length; i++)
        any |= bytes[i];
    return any == 0;
}

bool ms_sntp_is_request(const uint8_t *bytes, size_t length)
{
    const uint8_t *key = bytes + NTP_HEADER_SIZE, *digest = key + MS_SNTP_KEY_SIZE;

    return length == MS_SNTP_SIZE && (bytes[0] >> 3 & 7) == 3 && !is_zero(key, MS_SNTP_KEY_SIZE) &&
           is_zero(digest, MS_SNTP_DIGEST_SIZE);
}

void signd_question_build(uint16_t number, const MsSntpAnswer *answer,
                          uint8_t ret[static SIGND_QUESTION_SIZE])
{
    ByteWriter writer = byte_writer(ret, SIGND_QUESTION_SIZE);

    byte_writer_u32(&writer, SIGND_QUESTION_SIZE - sizeof(uint32_t));
    byte_writer_u32(&writer, SIGND_VERSION);
    byte_writer_u32(&writer, OP_SIGN_TO_CLIENT);
    byte_writer_u16(&writer, number);
    byte_writer_u16(&writer, 0);
    memcpy(writer.next, answer->key, sizeof(answer->key));
    memcpy(writer.next + sizeof(answer->key), answer->bytes, sizeof(answer->bytes));
}

SigndVerdict signd_reply_parse(const uint8_t *bytes, size_t length, uint16_t number,
                               const MsSntpAnswer *answer, uint8_t ret[static MS_SNTP_SIZE])
{
    ByteReader reader = byte_reader(bytes, length);
    size_t announced = byte_reader_u32(&reader);

    if (reader.failed)
        return SIGND_INCOMPLETE;
    if (announced < REPLY_HEADER_SIZE || announced > SIGND_REPLY_SIZE - sizeof(uint32_t) ||
        reader.left > announced)
        return SIGND_RUBBISH;
    if (reader.left < announced)
        return SIGND_INCOMPLETE;
    uint32_t version = byte_reader_u32(&reader), operation = byte_reader_u32(&reader);
    if (version != SIGND_VERSION || byte_reader_u32(&reader) != number)
        return SIGND_RUBBISH;
    if (operation == OP_REFUSED)
        return SIGND_REFUSED;
    if (operation != OP_SIGNED || reader.left != MS_SNTP_SIZE ||
        memcmp(reader.next, answer->bytes, sizeof(answer->bytes)) != 0 ||
        memcmp(reader.next + sizeof(answer->bytes), answer->key, sizeof(answer->key)) != 0)
        return SIGND_RUBBISH;
    memcpy(ret, reader.next, MS_SNTP_SIZE);
    return SIGND_SIGNED;
}
