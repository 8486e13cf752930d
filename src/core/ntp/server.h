// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* How a request is answered: a function of its bytes, of where and when it came from, of what we know of our
 * own time, and of some random bits. Modes 3 (client) and 1 (symmetric active) are answered with modes 4 and
 * 2, everything else with silence; an answer is never longer than its request. It has the request's version,
 * a poll not below what we allow, stratum 16 as 0, and timestamps that are random below the precision (chrony
 * behaviour). */

#include "core/api/report.h"
#include "core/api/server-report.h"
#include "core/ntp/mono-root.h"

#define SERVER_ANSWER_SIZE 48

/* What we know of our own time at an instant. Only words of eight bytes, so that it can be copied word by
 * word while others read it. Made by the engine; everything about the present follows from it for as long as
 * nothing is changed. */
typedef struct ServerSnapshot {
    int64_t base;           /* RawTime for which the numbers hold */
    int64_t valid_from;     /* RawTime of the last step: what was stamped before is on another scale */
    int64_t correction;     /* ns, to be added to the kernel clock at base */
    double correction_rate; /* by which that changes, dimensionless */
    double root_delay;      /* s */
    double root_dispersion; /* s, at base */
    double dispersion_rate; /* by which it grows, dimensionless */
    uint64_t reference;     /* NtpTime of the last update; 0: none */
    uint64_t reference_id;  /* host order */
    uint64_t stratum;       /* 1..15; 16: not synchronised */
    uint64_t leap;          /* LeapStatus */
    int64_t precision;      /* log2 s */
    int64_t corrected;      /* ns by which our time was set since the epoch began */
    uint64_t epoch;         /* 32 bits, see MonoRoot */
} ServerSnapshot;

/* Bits of a timestamp below a precision (log2 s). */
uint64_t server_fuzz_mask(int64_t precision);

/* The snapshot made ready for the requests of one batch: the beginning of each answer, and the clock. */
typedef struct ServerBatch {
    uint8_t header[24]; /* up to the reference timestamp; version, mode and poll are still missing */
    uint64_t fuzz_mask; /* bits of a timestamp below the precision */
    uint8_t fuzz_bits;  /* their number */
    int8_t min_poll;    /* log2 s, told to clients; INT8_MIN: none */
    MonoRoot mono_root; /* without the receive timestamp */
    RawTime now;        /* when the answers are made */
    uint64_t told;      /* the same (NtpTime), as it is told */
    double pace;        /* of told time against the kernel clock, NtpTime per ns */
    ServerSnapshot snapshot;
} ServerBatch;

/* now: when the answers are made. min_poll: as above. */
void server_batch_start(const ServerSnapshot *snapshot, RawTime now, int8_t min_poll, ServerBatch *ret);

typedef struct ServerRequest {
    const uint8_t *bytes;
    size_t length;
    IpEndpoint remote;
    RawTime received;       /* best there is */
    TimestampOrigin origin; /* of received */
} ServerRequest;

/* What of a request decides about the answer. */
typedef struct ServerQuestion {
    uint8_t version, mode; /* of the answer */
    int8_t poll;
    uint64_t origin, receive; /* NtpTime, as the client has them */
    uint64_t transmit;        /* NtpTime of the client, to be repeated */
    bool has_tail;            /* it is longer than a header */
    bool has_mac;             /* which is still to be looked at */
    bool wants_mono_root;     /* it has the extension field, and so may the answer */
    bool for_samba;           /* no MAC, but the wish for one that Samba makes, see ms-sntp.h */
    NtpPacket packet;         /* valid if has_tail */
} ServerQuestion;

/* Whether it is a request that may be answered: SERVER_ANSWERED with *ret, or why not. Cheap, without state.
 */
ServerVerdict server_check(const ServerRequest *request, ServerQuestion *ret);

/* Writes the answer: SERVER_ANSWERED, or SERVER_LATE with nothing written. random: 64 unpredictable bits. */
ServerVerdict server_answer(const ServerBatch *batch, const ServerRequest *request,
                            const ServerQuestion *question, uint64_t random,
                            uint8_t ret[static SERVER_ANSWER_SIZE]);

/* Writes the extension field behind an answer. */
void server_append_mono_root(const ServerBatch *batch,
                             uint8_t answer[static SERVER_ANSWER_SIZE + MONO_ROOT_SIZE]);

/* The time that is told for an instant (NtpTime). */
uint64_t server_time(const ServerSnapshot *snapshot, RawTime raw);

/* Makes a kiss-o'-death of an answer. code: as a reference ID in host order. */
void server_kiss(uint8_t answer[static SERVER_ANSWER_SIZE], uint32_t code);
