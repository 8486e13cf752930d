// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Which sources are right, and what they say together. A pure function of what each source says: candidates
 * in, a state for each and one combined estimate out. */

#include "core/api/report.h"
#include "core/config/config.h"
#include "core/stats/source-stats.h"

/* What selection keeps about a source between its runs; zero it for a new source. Owned by the caller. */
typedef struct SelectMemory {
    double score;             /* against the selected one, 1.0: equal */
    uint32_t distant_updates; /* still not combined because it was too distant */
    bool was_selected;
} SelectMemory;

typedef struct SelectCandidate {
    SourceId id;
    SelectOptions options; /* effective */
    SourceKind kind;
    uint8_t stratum; /* with min_stratum of the source applied */
    LeapStatus leap;
    bool has_samples;                   /* estimate and the values below are valid */
    uint32_t samples;                   /* kept */
    uint32_t samples_needed;            /* before it may be selected */
    Estimate estimate;                  /* at the instant of this run */
    double root_delay, root_dispersion; /* at the instant of this run, the exchange's own included */
    double standard_deviation;          /* s, of the residuals */
    LocalTime newest, oldest;           /* samples */
    bool reachable;                     /* reach register not empty */
    bool may_still_start;               /* has not had the time for its first samples */
    uint32_t unreachable_run;           /* polls without an answer */
    int32_t max_unreach;
    bool updated;              /* a new sample since the last run */
    uint32_t reference_id;     /* of the source; host order; the two are looked at in orphan mode only */
    uint32_t own_reference_id; /* of us, as the source knows us; 0: unknown */
    bool authenticated;        /* by a symmetric key or NTS */
    bool contradictory;        /* what it says is outside the dates of its certificates */
    bool provisional;          /* our clock is outside of them: it needs witnesses */
    bool outdated;             /* it says a time before one that was known once: it needs more of them */
    const char *name;          /* that its certificate is for; sources with the same name ... */
    IpAddress address;         /* ... or address ... */
    NtsHostKey host_key;       /* ... or key are one witness */
    SelectMemory *memory;
} SelectCandidate;

typedef struct SelectOutcome {
    SourceState state;
    double root_distance; /* s */
    double low, high;     /* interval of true time, as corrections to `reference` of the run */
    double value, limit;  /* what was compared to what; NaN: nothing */
} SelectOutcome;

typedef struct SelectResult {
    bool selected; /* false: reason says why there is none */
    ClockReason reason;
    size_t best;                        /* index of the selected candidate */
    size_t combined;                    /* how many went into `estimate`, best included */
    Estimate estimate;                  /* combined */
    double root_delay, root_dispersion; /* of the best */
    LeapStatus leap;                    /* by majority of those that may vote */
    uint32_t agreeing, candidates;
    double majority_low, majority_high; /* NaN: none */
} SelectResult;

/* `reference` is the corrected clock at `at`: intervals and reports are relative to it. outcomes has count
 * elements. */
void select_run(const SelectionConfig *config, SelectCandidate *candidates, size_t count, LocalTime at,
                CookedTime reference, SelectOutcome *outcomes, SelectResult *ret);
