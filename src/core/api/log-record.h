// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Rows of the log files of measurements (directive `log`), as values: what chrony's files hold, in our signs
 * (instant.h). Whoever writes them turns the signs of its columns. */

#include "core/api/report.h"

typedef enum LogKind {
    LOG_MEASUREMENTS = 0, /* an answer of a source */
    LOG_STATISTICS,       /* what its samples say, after a good one */
    LOG_SELECTION,        /* a source in a selection */
    LOG_TRACKING,         /* an update of the clock */
    LOG_KIND_COUNT,
} LogKind;

typedef struct LogMeasurement {
    LeapStatus leap;
    uint8_t stratum, mode;
    int8_t local_poll, remote_poll; /* log2 s */
    uint16_t tests;                 /* TEST_* */
    double score;                   /* of the adaptation of the interval */
    double offset;                  /* s; this and the following two are 0 for an answer that is not valid */
    double peer_delay, peer_dispersion;
    double root_delay, root_dispersion;
    uint32_t reference_id; /* of the server */
    bool interleaved;
    TimestampOrigin transmit_origin, receive_origin;
} LogMeasurement;

typedef struct LogStatistics {
    double standard_deviation, offset, offset_sd; /* s */
    double residual_frequency, skew;
    double stress; /* change of the frequency against the skew that it had */
    uint32_t samples, discarded, runs;
    double asymmetry;
} LogStatistics;

typedef struct LogSelection {
    SourceState state;
    SelectOptions options; /* effective */
    uint8_t reachability;
    double score;
    double since_sample; /* s; this and the limits are 0 without a sample */
    double low, high;    /* s */
} LogSelection;

typedef struct LogTracking {
    uint8_t stratum;          /* ours; 0: not synchronised */
    double frequency, skew;   /* of the clock */
    double offset, offset_sd; /* s, that the update found */
    double remaining;         /* s, left of the last correction */
    double root_delay;        /* s; this and the following two are infinite when unknown */
    double root_dispersion;   /* s */
    double max_error;         /* s, of the clock just before the update */
    LeapStatus leap;
    uint32_t combined;
} LogTracking;

typedef struct LogRecord {
    LogKind kind;
    CookedTime time;
    SourceId source;       /* 0: none */
    IpAddress address;     /* of the source; IP_UNSPEC: see reference_id */
    uint32_t reference_id; /* what stands for a source that has no address; 0: nothing does */
    union {
        LogMeasurement measurement;
        LogStatistics statistics;
        LogSelection selection;
        LogTracking tracking;
    };
} LogRecord;
