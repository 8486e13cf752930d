// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The samples of one source and what they say about the oscillator: offset and frequency with their
 * uncertainty.
 *
 * Samples are kept on the oscillator's own scale (LocalTime), so that nothing here changes when the clock is
 * steered. What the clock currently applies is passed in where a result depends on it. */

#include "base/macros.h"
#include "core/stats/sample.h"

#define STATS_SAMPLES_MAX 64

typedef struct SourceStatsConfig {
    int32_t min_samples, max_samples; /* 1..64 */
    double precision;                 /* s, of our clock */
    double min_delay;                 /* s, shortest round trip when it is known; 0: as measured */
    bool has_asymmetry;               /* false: to be estimated */
    double asymmetry;                 /* part of what a round trip takes longer that is an error of the
                                         offset: 0.5 all on the way to the source, -0.5 all on the way back */
} SourceStatsConfig;

typedef struct SourceStats SourceStats;

int source_stats_new(const SourceStatsConfig *config, SourceStats **ret) must_check_;
SourceStats *source_stats_free(SourceStats *stats);
DEFINE_CLEANUP(SourceStats, source_stats_free);

/* Forgets all samples. */
void source_stats_reset(SourceStats *stats);

/* Takes a sample in. Samples come in order of time; one that is not newer than the newest is refused (false).
 * One that is further off than any oscillator drifts and any path delays is kept aside (false, too) until the
 * next one: if that confirms it, the source has set its clock, and the older samples are shifted. */
bool source_stats_add(SourceStats *stats, const Sample *sample);

/* A leap second has passed: UTC counts on by ns less or more than the oscillator did. */
void source_stats_shift(SourceStats *stats, int64_t ns);

/* What a source says, extrapolated to an instant. */
typedef struct Estimate {
    LocalTime time;                     /* the instant */
    CookedTime truth;                   /* estimated true time at it */
    double frequency;                   /* correction that the bare oscillator needs */
    double offset_sd;                   /* s, standard deviation of truth */
    double frequency_sd;                /* dimensionless: the skew */
    double offset_frequency_covariance; /* s */
    double wander;                      /* estimated variance that the frequency gains each second, 1/s */
    bool has_frequency;                 /* false: too few samples, frequency means nothing */
} Estimate;

/* false: no sample at all. */
bool source_stats_estimate(const SourceStats *stats, LocalTime at, Estimate *ret);

/* The regression over the samples that are kept, for people. */
typedef struct SourceStatsReport {
    uint32_t samples, runs;
    uint32_t discarded;        /* older samples that the line does not describe */
    double span;               /* s */
    double frequency, skew;    /* as Estimate */
    double standard_deviation; /* s, of the residuals */
    double jitter_asymmetry;   /* as SourceStatsConfig has it */
    double min_delay;          /* s */
} SourceStatsReport;
void source_stats_report(const SourceStats *stats, SourceStatsReport *ret);

/* Seconds in which the oscillator's wander makes an offset as uncertain as one more measurement would be;
 * NaN: too few samples to know. Asking much more often adds little, asking much less often loses what was
 * known. */
double source_stats_coherence(const SourceStats *stats);

/* The newest sample; NULL: none. Valid until the next add or reset. */
const Sample *source_stats_newest(const SourceStats *stats);
uint32_t source_stats_count(const SourceStats *stats);

/* The round trip of a valid exchange, whether a sample comes of it or not: what the limits below are measured
 * by must not depend on what they let through. */
void source_stats_on_delay(SourceStats *stats, double delay);

/* Is this round trip believable next to the others? For tests B (ratio to the shortest), C (deviations) and
 * the quantile: the limit above which a delay is refused; infinite: no opinion yet. */
double source_stats_delay_limit_ratio(const SourceStats *stats, double ratio);
double source_stats_delay_limit_deviation(const SourceStats *stats, double ratio, double offset_residual);
double source_stats_delay_limit_quantile(const SourceStats *stats, double quantile);
