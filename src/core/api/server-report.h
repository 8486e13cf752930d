// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the server tells of itself and of its clients: `serverstats`, `clients`. */

#include "core/api/report.h"

/* What became of a packet that came to the server's port. */
typedef enum ServerVerdict {
    SERVER_ANSWERED = 0,
    SERVER_KISSED,          /* answered with kiss-o'-death RATE */
    SERVER_NTS_NAK,         /* answered with an NTS NAK: the cookie is not ours, or the request not proven */
    SERVER_LIMITED,         /* silence: that client asks too often */
    SERVER_DENIED,          /* silence: not allowed */
    SERVER_MALFORMED,       /* silence: too short, bad extension field, trailing rubbish */
    SERVER_BAD_VERSION,     /* silence: not 1 to 4 */
    SERVER_BAD_MODE,        /* silence: not a request */
    SERVER_MS_SNTP,         /* handed to Samba, which is to sign the answer; silence without ntpsigndsocket */
    SERVER_UNAUTHENTICATED, /* silence: its MAC is not right, we have no such key, or NTS is malformed */
    SERVER_LATE,            /* silence: it waited too long for us, or the clock was stepped meanwhile */
    SERVER_VERDICT_COUNT,
} ServerVerdict;

/* Counters since the daemon started. */
typedef struct ServerReport {
    bool listening;         /* a socket is open */
    bool logs_clients;      /* the log of clients is kept */
    uint64_t received;      /* well-formed requests of allowed clients */
    uint64_t authenticated; /* of those, with a MAC of one of our keys, or with NTS */
    uint64_t dropped;       /* of those, not answered or kissed because of ratelimit */
    uint64_t verdicts[SERVER_VERDICT_COUNT];
    uint64_t log_dropped;       /* records of clients that had to make room */
    uint64_t clients;           /* records that are held now */
    uint64_t interleaved;       /* answers in interleaved mode */
    uint64_t exchanges;         /* answers that are kept for it now */
    double exchanges_span;      /* s, since the oldest of them */
    uint64_t receive_stamps[3]; /* answers, by TimestampOrigin of their receive timestamp */
    uint64_t transmit_stamps[3];
    uint64_t failed; /* answers that the network refused to take */
} ServerReport;

/* An interval that is not known. */
#define CLIENT_INTERVAL_UNKNOWN 127

/* One client as the log knows it. */
typedef struct ClientReport {
    IpAddress address;
    uint32_t received, dropped;
    int8_t interval;         /* log2 s, mean between packets */
    int8_t limited_interval; /* log2 s, mean after a packet that was not answered */
    double since_last;       /* s */
} ClientReport;

/* "answered", "rate-limited"... Never NULL. */
const char *server_verdict_name(ServerVerdict verdict);

/* Adds the numbers of one report to another. */
void server_report_add(ServerReport *to, const ServerReport *from);
