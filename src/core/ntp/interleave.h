// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The interleaved mode of a client (RFC 9769, section 2): an answer carries the transmit timestamp of the
 * answer before it, which by then the server's kernel or network card has told exactly. A request that asks
 * for it names the last exchange by the receive timestamp that the server gave it, and has a second secret in
 * its own receive timestamp, which an interleaved answer repeats where a basic one repeats the first. A
 * server that knows nothing of all this answers in basic mode, which is as good as it ever was. */

#include "core/api/verdict.h"
#include "core/ntp/packet.h"

/* Requests without an answer after which one is made in basic mode again. */
#define INTERLEAVE_MISSED_MAX 4

/* The four timestamps of a measurement: ours on the local scale, the source's in ns since 1970. */
typedef struct ExchangeTimes {
    LocalTime sent, received;
    int64_t remote_received, remote_sent;
    TimestampOrigin sent_origin, received_origin;
} ExchangeTimes;

/* Looked at and changed by the functions below only. */
typedef struct Interleave {
    bool known;           /* there is a last exchange */
    bool measured;        /* it was in basic mode, so that there is a sample of it */
    ExchangeTimes last;   /* its times; remote_sent is the one in the packet */
    NtpTime last_receive; /* what the server calls it */
    NtpTime received_as;  /* the secret in the open request; 0: it is a basic one */
    uint32_t missed;      /* requests without an answer since */
} Interleave;

/* Forgets the last exchange: the next request is a basic one. */
void interleave_reset(Interleave *interleave);

/* Makes an interleaved request of a basic one, if there is an exchange to ask for. secret: unpredictable, and
 * not the transmit timestamp. */
void interleave_ask(Interleave *interleave, uint64_t secret, NtpPacket *request);

/* Whether this is an interleaved answer to the open request. */
bool interleave_is_answer(const Interleave *interleave, const NtpPacket *answer);

/* Which times an interleaved answer measures. `now` has those of this exchange, but for remote_sent, which is
 * of the last one. False: they make no sense, or were measured before. */
bool interleave_times(const Interleave *interleave, const ExchangeTimes *now, ExchangeTimes *ret) must_check_;

/* The open request was answered; name: receive timestamp of the answer. */
void interleave_on_answer(Interleave *interleave, const ExchangeTimes *times, NtpTime name, bool basic);

/* There was a packet of which there is no exchange. */
void interleave_lose(Interleave *interleave);

/* It was not. */
void interleave_on_missed(Interleave *interleave);

/* The source has set its clock by ns: what it stamped before counts as if it had been right then. */
void interleave_shift(Interleave *interleave, int64_t ns);
