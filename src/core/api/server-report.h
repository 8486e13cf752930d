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

/* What became of somebody who connected for keys (key establishment of Network Time Security). */
typedef enum KeyVerdict {
    KEYS_GIVEN = 0,
    KEYS_REFUSED,     /* and told why: a bad request, or no protocol or AEAD that both know */
    KEYS_NO_TLS,      /* no TLS 1.3 with `ntske/1`, or our certificate did not suit the client */
    KEYS_HUNG_UP,     /* gone before it had asked */
    KEYS_LATE,        /* took too long */
    KEYS_CROWDED_OUT, /* made room for somebody else */
    KEYS_LIMITED,     /* comes too often (ntsratelimit) */
    KEYS_DENIED,      /* not allowed */
    KEYS_FAILED,      /* for want of memory, or of a key for cookies */
    KEY_VERDICT_COUNT,
} KeyVerdict;

/* Why nobody gets keys though the configuration wants it, or that all is well. */
typedef enum KeyServerState {
    KEY_SERVER_OFF = 0,        /* neither certificate nor key, port 0, or nobody is allowed */
    KEY_SERVER_LISTENING,      /* all is well */
    KEY_SERVER_NO_CERTIFICATE, /* a certificate or key cannot be used */
    KEY_SERVER_NO_KEYS,        /* cookies cannot be sealed: ntsrotate 0, and no file of keys */
    KEY_SERVER_NO_SOCKET,      /* the port cannot be had */
    KEY_SERVER_STATE_COUNT,
} KeyServerState;

/* Who hands out keys. Counters since the daemon started. */
typedef struct KeyServerReport {
    KeyServerState state;
    uint64_t accepted; /* connections of allowed clients */
    uint64_t dropped;  /* of those, because of ntsratelimit */
    uint64_t verdicts[KEY_VERDICT_COUNT];
    CookedTime certificate_end; /* when the first certificate expires; unset: there is none */
} KeyServerReport;

/* An interval that is not known. */
#define CLIENT_INTERVAL_UNKNOWN 127

/* One client as the log knows it. */
typedef struct ClientReport {
    IpAddress address;
    uint32_t received, dropped;
    int8_t interval;                      /* log2 s, mean between packets */
    int8_t limited_interval;              /* log2 s, mean after a packet that was not answered */
    double since_last;                    /* s; negative: it never asked for the time */
    uint32_t keys_received, keys_dropped; /* connections for keys */
    int8_t keys_interval;                 /* log2 s, mean between them */
    double keys_since_last;               /* s; negative: there was none */
} ClientReport;

/* "answered", "rate-limited"... Never NULL. */
const char *server_verdict_name(ServerVerdict verdict);

/* "given", "rate-limited"... */
const char *key_verdict_name(KeyVerdict verdict);

/* "listening", "no-certificate"... */
const char *key_server_state_name(KeyServerState state);

/* Adds the numbers of one report to another. */
void server_report_add(ServerReport *to, const ServerReport *from);
