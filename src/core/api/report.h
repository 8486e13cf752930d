// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What can be asked of the engine: plain values, complete in themselves, safe to keep. Signs are corrections
 * (instant.h); durations are seconds, frequencies dimensionless (1e-6 is 1 ppm) unless a name says otherwise.
 */

#include "base/address.h"
#include "base/instant.h"
#include "core/api/authentication.h"
#include "core/api/network.h"
#include "core/api/verdict.h"

/* Longest name of a source as configured, with '#N' and terminator (a DNS name has at most 253 characters).
 */
#define SOURCE_NAME_MAX 264

/* Names a source as long as the daemon runs; never used again for another one. 0: none. */
typedef struct SourceId {
    uint32_t value;
} SourceId;

static inline bool source_id_equal(SourceId a, SourceId b)
{
    return a.value == b.value;
}

/* The clock as a whole: `tracking`, org.timeball1.Clock. */
typedef struct ClockReport {
    bool synchronized;
    ClockReason reason; /* CLOCK_SYNCHRONIZED, or why not */
    bool may_set_clock; /* false: observing only */
    LeapStatus leap;
    uint8_t stratum;                      /* 0: not synchronised */
    uint32_t reference_id;                /* host order; 0: not synchronised */
    char reference_name[SOURCE_NAME_MAX]; /* of the selected source as configured; "": none */
    IpAddress reference_address;          /* IP_UNSPEC: none */
    SourceId reference_source;            /* 0: none */
    CookedTime reference_time;            /* of the last update; unset before the first */
    double system_offset;                 /* what is still to be added to the kernel clock */
    double last_offset;                   /* estimated at the last update */
    double rms_offset;                    /* exponential mean of the offsets at updates */
    double frequency;                     /* correction that is applied to the oscillator */
    double residual_frequency;            /* between what is applied and what the selected source says */
    double skew;                          /* error bound of frequency */
    double root_delay;
    double root_dispersion; /* now, including what grew since the last update */
    double
        max_error; /* |system_offset| + root_delay / 2 + root_dispersion; infinite before the first update */
    double update_interval; /* between the last two updates */
    uint32_t source_count;  /* sources that went into the last update, the selected one included */
    uint32_t step_count;    /* steps since start */
} ClockReport;

/* Room for where a source is from: the name of a file in a sourcedir, or of an interface. */
#define ORIGIN_NAME_MAX 64

/* The reach register: the last eight polls, newest in bit 0. */
typedef struct SourceReport {
    SourceId id;
    SourceKind kind;
    char name[SOURCE_NAME_MAX]; /* as configured; '#N' for the members of a pool. Unique. */
    IpEndpoint remote;          /* address IP_UNSPEC while unresolved */
    uint32_t reference_id;      /* of its address, or of the reference clock; its id while unresolved */
    SourceState state;
    SourceOrigin origin;
    char origin_name[ORIGIN_NAME_MAX]; /* of the .sources file or of the interface; "": neither */
    bool online;
    OfflineReason offline_reason; /* OFFLINE_NOT when it is online */
    int way_error;                /* errno that decided it, 0: none did */
    bool resolving;               /* its name has no address yet */
    uint8_t reachability;
    uint8_t stratum;
    int8_t poll;             /* log2 s */
    double since_sample;     /* s since the last good sample; negative: never */
    CookedTime last_receive; /* of the last valid packet; unset: never */
    double offset;           /* last sample: adjusted to the clock as it is now */
    double measured_offset;  /* last sample: as it was measured */
    double offset_error;     /* last sample: error bound */
    /* Regression over the samples that are kept: `sourcestats`. */
    uint32_t samples;          /* NP */
    uint32_t runs;             /* NR */
    double span;               /* s between the oldest and the newest */
    double residual_frequency; /* against the corrected clock */
    double skew;
    double estimated_offset; /* at the present */
    double estimated_offset_error;
    double standard_deviation;
} SourceReport;

/* Options of selection as letters are printed: N P T R. */
typedef struct SelectOptions {
    bool noselect, prefer, trust, require;
} SelectOptions;

/* One source in the last selection: `selectdata`. */
typedef struct SelectionReport {
    SourceId id;
    SourceState state;
    bool authenticated;
    SelectOptions configured, effective;
    double since_sample; /* s; negative: never */
    double score;
    double low_limit; /* interval in which true time lies by this source, as corrections at the present */
    double high_limit;
    LeapStatus leap;
    double root_distance;
} SelectionReport;

/* The last exchange and the counters of an NTP source: `ntpdata`. */
typedef struct NtpReport {
    SourceId id;
    IpEndpoint remote;
    IpAddress local;
    bool valid; /* a valid packet was received; without it the fields up to `tests` are 0 */
    LeapStatus leap;
    uint8_t version, mode, stratum;
    int8_t poll, precision; /* log2 s */
    double root_delay, root_dispersion;
    uint32_t reference_id;
    CookedTime reference_time; /* of the server */
    double offset;             /* s */
    double peer_delay, peer_dispersion, response_time;
    double jitter_asymmetry; /* -0.5..0.5; negative: the way to the source varies more */
    uint16_t tests;          /* TEST_* */
    PacketVerdict last_verdict;
    bool interleaved, authenticated;
    TimestampOrigin transmit_origin, receive_origin;
    uint32_t sent, received, valid_received, good_received;
    uint32_t kernel_sent, kernel_received, hardware_sent, hardware_received;
    uint32_t verdicts[PACKET_VERDICT_COUNT];
} NtpReport;

/* The time as people entered it: `manual list`. */
#define MANUAL_ENTRIES_MAX 16
typedef struct ManualEntryReport {
    CookedTime time; /* when it was entered, by the clock as it is corrected now */
    double slewed;   /* s, correction that it means now */
    double original; /* s, that it meant then */
    double residual; /* s, from the line through all entries */
} ManualEntryReport;

typedef struct ManualReport {
    bool enabled; /* the time may be entered */
    size_t count;
    ManualEntryReport entries[MANUAL_ENTRIES_MAX]; /* the oldest first */
} ManualReport;

typedef struct ActivityReport {
    uint32_t online, offline, burst_online, burst_offline, unresolved;
} ActivityReport;

/* What Explain answers: the state, and the numbers that decided it. */
typedef struct Explanation {
    SourceReport source;
    SelectionReport selection;
    AuthenticationReport authentication;
    PacketVerdict last_verdict;
    double limit; /* what was compared against (maxdistance, maxjitter, samples needed...); NaN: nothing */
    double value; /* what was compared; NaN: nothing */
    uint32_t agreeing, candidates;      /* of the last intersection: how many agree, of how many */
    double majority_low, majority_high; /* the interval on which they agree; NaN: none */
    NetworkState network;
    bool refused_name;  /* DNSSEC is against what it is said to mean */
    bool doubtful_name; /* it was looked up where nobody had said that all is well */
    bool keys_held;     /* they are not established before a portal is passed */
} Explanation;
