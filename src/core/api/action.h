// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What core wants done in the world. One interpreter (src/actions.c; the simulator has its own) carries an
 * action out in the order given and tells the outcome by the engine_on_*() call named with it. */

#include "core/api/name-lookup.h"
#include "core/api/nts.h"
#include "core/api/report.h"

/* One request and what may answer it: a socket of its own. Never used again. */
typedef struct ExchangeId {
    uint64_t value;
} ExchangeId;

/* Largest NTP packet that we send or accept: header, extension fields, MAC. */
#define NTP_PACKET_MAX 1140

typedef enum ActionKind {
    ACTION_SEND = 0, /* open a socket for `exchange` (if it has none), connect, send. -> engine_on_sent() or
                        engine_on_send_failed() */
    ACTION_CLOSE,    /* nothing more is expected for `exchange` */
    ACTION_RESOLVE,  /* look up a name -> engine_on_resolved() */
    ACTION_SET_FREQUENCY,  /* of the kernel clock, slew included -> engine_on_frequency_set() */
    ACTION_STEP,           /* add to the kernel clock at once -> engine_on_stepped() */
    ACTION_SET_STATUS,     /* what the kernel tells programs: no answer */
    ACTION_SAVE_DRIFT,     /* write the drift file: no answer */
    ACTION_SAVE_UPDATES,   /* write how many updates there were, before anything that follows: no answer */
    ACTION_ESTABLISH_KEYS, /* by TLS, for a source with NTS -> engine_on_keys_established() */
    ACTION_KEEP_KEYS,      /* for the next start: no answer */
    ACTION_TEST_WAY,       /* could a request to that address leave now? -> engine_on_way() */
    ACTION_SAVE_STAMP,     /* write down what time it is for certain: no answer */
    ACTION_EXIT,           /* end the daemon with `status` */
    ACTION_KIND_COUNT,
} ActionKind;

typedef struct Action {
    ActionKind kind;
    union {
        struct {
            ExchangeId exchange;
            IpEndpoint remote;
            IpAddress local;     /* bind to it; IP_UNSPEC: any */
            uint16_t local_port; /* and to this port, beside others of ours; 0: as configured */
            uint16_t length;
            uint8_t bytes[NTP_PACKET_MAX];
        } send;
        ExchangeId close;
        struct {
            SourceId source; /* for whom */
            LookupQuestion question;
        } resolve;
        struct {
            SourceId source; /* for whom */
            IpEndpoint remote;
            IpAddress local; /* as of send */
        } way;
        struct {
            double frequency; /* correction of the oscillator in all, slew included; |f| <= 0.1 */
        } frequency;
        struct {
            int64_t offset_ns; /* to be added */
        } step;
        struct {
            bool synchronized;
            LeapStatus leap;
            double max_error;   /* s */
            double est_error;   /* s */
            int32_t tai_offset; /* s; 0: leave as it is */
        } status;
        struct {
            double frequency_ppm; /* as in the file: positive when the oscillator gains */
            double skew_ppm;
        } drift;
        uint32_t updates; /* that makestep and maxchange have counted */
        struct {
            SourceId source;
            char name[SOURCE_NAME_MAX]; /* that the certificate has to be for: a host, or an address */
            IpEndpoint server;          /* of keys */
            uint32_t cert_set;
            NtsAead aeads[NTS_AEADS_MAX]; /* the best first */
            size_t aead_count;
            NtsDates dates;
            int64_t now_s;         /* seconds since 1970, by our clock */
            int64_t lower_bound_s; /* it is certainly later */
            bool anew;             /* what was kept from an earlier run is of no use */
        } establish;
        struct {
            IpAddress server; /* of keys */
            NtsKept kept;
        } keep;
        int64_t stamp_s; /* seconds since 1970 */
        int exit_status;
    };
} Action;
