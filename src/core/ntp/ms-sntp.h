// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Requests of members of a Windows domain ([MS-SNTP]), whose answers are signed with the password of the
 * machine that asks. Only the domain controller knows it: Samba signs for us (ntp_signd), and this is what is
 * said between us. Bytes only; who carries them is net/signd.h. */

#include "core/ntp/server.h"

/* A key identifier as it is in the packet: the relative identifier of an account, little-endian, which only
 * Samba has to understand. */
#define MS_SNTP_KEY_SIZE    4
#define MS_SNTP_DIGEST_SIZE 16
#define MS_SNTP_SIZE        (SERVER_ANSWER_SIZE + MS_SNTP_KEY_SIZE + MS_SNTP_DIGEST_SIZE)

/* Whether the request (well formed) asks for such a signature: version 3, an account, and zeros where a
 * digest would be ([MS-SNTP] 2.2.1). The extended form (2.2.3) is not known. */
bool ms_sntp_is_request(const uint8_t *bytes, size_t length) must_check_;

/* An answer that waits for its signature. */
typedef struct MsSntpAnswer {
    uint8_t key[MS_SNTP_KEY_SIZE]; /* of its request */
    uint8_t bytes[SERVER_ANSWER_SIZE];
} MsSntpAnswer;

/* Asks for one signature; with its length before it. */
#define SIGND_QUESTION_SIZE (20 + SERVER_ANSWER_SIZE)
void signd_question_build(uint16_t number, const MsSntpAnswer *answer,
                          uint8_t ret[static SIGND_QUESTION_SIZE]);

/* What was said to that. */
typedef enum SigndVerdict {
    SIGND_INCOMPLETE = 0, /* there is more to come */
    SIGND_SIGNED,
    SIGND_REFUSED, /* there is no such account */
    SIGND_RUBBISH,
} SigndVerdict;

/* No reply is longer. */
#define SIGND_REPLY_SIZE (16 + MS_SNTP_SIZE)

/* Reads the reply to a question from the bytes that have come so far. SIGND_SIGNED: ret is our answer and
 * nothing else, with its signature. */
SigndVerdict signd_reply_parse(const uint8_t *bytes, size_t length, uint16_t number,
                               const MsSntpAnswer *answer, uint8_t ret[static MS_SNTP_SIZE]);
