// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The interleaved mode of the server (RFC 9769, section 2): an answer tells when the answer before it really
 * left. What that takes is kept with the client, found by its address, and named by the receive timestamp of
 * the earlier answer: whoever cannot see that answer has to guess 64 bits, and gets at no other client's with
 * them. Each is good for one answer. */

#include "core/ntp/client-log.h"
#include "core/ntp/server.h"

/* Which answer a transmit timestamp of the kernel will be of. */
typedef struct ServerSent {
    uint64_t record;  /* of the log of clients */
    uint64_t receive; /* timestamp in the answer */
    RawTime at;       /* about when it left */
} ServerSent;

/* Makes an interleaved answer of a basic one, if that is asked for and possible, and keeps what the next one
 * will take. epoch: another one, and what was kept before means nothing. wants: this client uses the mode,
 * and a better transmit timestamp of this answer would be of use. Returns whether it is interleaved;
 * *ret_origin: where its transmit timestamp is from. */
bool server_interleave(ClientRecord *record, const ServerQuestion *question, uint8_t epoch,
                       uint8_t answer[static SERVER_ANSWER_SIZE], bool *ret_wants,
                       TimestampOrigin *ret_origin);

/* Receive timestamp of the last answer that was kept. */
uint64_t server_interleave_newest(const ClientRecord *record);

/* The answer that had this receive timestamp left at `transmit` (NtpTime), which the kernel or the daemon
 * says. Nothing happens when nobody needs it any more. */
void server_interleave_on_sent(ClientRecord *record, uint64_t receive, uint64_t transmit,
                               TimestampOrigin origin);
