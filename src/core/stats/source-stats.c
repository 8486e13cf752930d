// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The register of one source.
 *
 * What a measurement is worth follows from its own round trip: what it took longer than the path's minimum
 * may have been lost on either way, so that the offset is uniform over half of that excess to both sides. The
 * filter takes each with its own variance; the regression for people takes the same weights.
 *
 * Everything that costs is computed when a sample comes in. */

#include "core/stats/source-stats.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/stats/oscillator-filter.h"
#include "core/stats/quantile.h"
#include "core/stats/regression.h"

/* Before anything is known: an oscillator is this far from right, and the jitter of a path this part of its
 * round trip. */
#define FREQUENCY_SD_UNKNOWN 2e-3
#define JITTER_UNKNOWN       0.1
/* Excess delays beyond this many times the usual say nothing about asymmetry. */
#define ASYMMETRY_LIMIT      0.5
#define ASYMMETRY_ACTS       0.45
#define ASYMMETRY_RUN        10
#define SAMPLES_OPINION      6 /* before a delay is judged by the others */
#define REGRESSION_LEAST     3

struct SourceStats {
    SourceStatsConfig config;
    Sample samples[STATS_SAMPLES_MAX]; /* in order of time */
    size_t count;
    double jitter;    /* s, mean of one direction */
    double min_delay; /* s */
    OscillatorState state;
    bool regressed; /* line is valid */
    Regression line;
    double jitter_asymmetry;
    uint32_t asymmetric_run; /* samples in a row for which the asymmetry was beyond doubt */
};

int source_stats_new(const SourceStatsConfig *config, SourceStats **ret)
{
    SourceStats *stats = calloc(1, sizeof(*stats));

    if (!stats)
        return -ENOMEM;
    stats->config = *config;
    stats->config.max_samples = CLAMP(config->max_samples, 1, STATS_SAMPLES_MAX);
    *ret = stats;
    return 0;
}

SourceStats *source_stats_free(SourceStats *stats)
{
    free(stats);
    return NULL;
}

void source_stats_reset(SourceStats *stats)
{
    SourceStatsConfig config = stats->config;

    *stats = (SourceStats) {.config = config};
}

/* Offsets are kept as differences from the newest measurement: small enough for double. */
static double relative_offset(const SourceStats *stats, const Sample *sample)
{
    const Sample *newest = &stats->samples[stats->count - 1];
    int64_t offset = sample->truth.ns - sample->time.ns, base = newest->truth.ns - newest->time.ns;

    return (double) (offset - base) * 1e-9;
}

/* Shortest round trip and the mean of what is above it; a minimum of n has an excess of its own, which counts
 * for all. */
static double measure_delays(SourceStats *stats)
{
    double n = (double) stats->count, sum = 0;

    stats->min_delay = INFINITY;
    for (size_t i = 0; i < stats->count; i++)
        stats->min_delay = MIN(stats->min_delay, stats->samples[i].peer_delay);
    for (size_t i = 0; i < stats->count; i++)
        sum += stats->samples[i].peer_delay - stats->min_delay;
    stats->jitter = (sum + JITTER_UNKNOWN * stats->min_delay) / (2 * n);
    return stats->jitter * sqrt(2 / n);
}

static double sample_variance(const SourceStats *stats, const Sample *sample, double floor_excess)
{
    double excess = sample->peer_delay - stats->min_delay + floor_excess;
    double precision = stats->config.precision;

    return precision * precision + excess * excess / 12;
}

/* Which part of the excess delay is on one way, by regression of the residuals on it: -0.5..0.5. */
static void measure_asymmetry(SourceStats *stats, const RegressionPoint *points)
{
    double xx = 0, xy = 0, asymmetry;

    for (size_t i = stats->line.start; i < stats->count; i++) {
        double x = stats->samples[i].peer_delay - stats->min_delay;
        double y = points[i].value - stats->line.intercept - stats->line.slope * points[i].time;

        xx += x * x;
        xy += x * y;
    }
    asymmetry = xx > 0 ? xy / xx : 0;
    if (fabs(asymmetry) >= ASYMMETRY_ACTS && stats->count >= SAMPLES_OPINION)
        stats->asymmetric_run++;
    else
        stats->asymmetric_run = 0;
    stats->jitter_asymmetry = CLAMP(asymmetry, -ASYMMETRY_LIMIT, ASYMMETRY_LIMIT);
}

/* Delay on one way only: what a sample lost on it is known and taken out. */
static double asymmetry_correction(const SourceStats *stats, const Sample *sample)
{
    if (stats->asymmetric_run < ASYMMETRY_RUN)
        return 0;
    return stats->jitter_asymmetry * (sample->peer_delay - stats->min_delay);
}

static void update(SourceStats *stats)
{
    Measurement measurements[STATS_SAMPLES_MAX];
    RegressionPoint points[STATS_SAMPLES_MAX];
    LocalTime newest = stats->samples[stats->count - 1].time;
    double floor_excess = measure_delays(stats);

    for (size_t i = 0; i < stats->count; i++) {
        const Sample *s = &stats->samples[i];
        double time = local_diff(s->time, newest), offset = relative_offset(stats, s);
        double variance = sample_variance(stats, s, floor_excess);

        measurements[i] = (Measurement) {time, offset - asymmetry_correction(stats, s), variance};
        points[i] = (RegressionPoint) {time, offset, 1 / variance};
    }
    stats->regressed =
        regression_fit(points, stats->count,
                       (size_t) CLAMP(stats->config.min_samples, REGRESSION_LEAST, STATS_SAMPLES_MAX),
                       stats->config.precision, &stats->line);
    if (stats->regressed)
        measure_asymmetry(stats, points);
    oscillator_filter(measurements, stats->count, FREQUENCY_SD_UNKNOWN, &stats->state);
}

bool source_stats_add(SourceStats *stats, const Sample *sample)
{
    size_t most = (size_t) stats->config.max_samples;

    if (stats->count > 0 && sample->time.ns <= stats->samples[stats->count - 1].time.ns)
        return false;
    if (stats->count == most) {
        memmove(stats->samples, stats->samples + 1, (most - 1) * sizeof(*sample));
        stats->count--;
    }
    stats->samples[stats->count++] = *sample;
    update(stats);
    return true;
}

bool source_stats_estimate(const SourceStats *stats, LocalTime at, Estimate *ret)
{
    OscillatorState state = stats->state;
    const Sample *newest;
    double elapsed;

    if (stats->count == 0)
        return false;
    newest = &stats->samples[stats->count - 1];
    elapsed = local_diff(at, newest->time);
    if (elapsed >= 0)
        oscillator_extrapolate(&state, elapsed);
    else /* a moment back, before a sample that is newer than the instant: no wander worth counting */
        state.offset += state.frequency * elapsed;
    *ret = (Estimate) {
        .time = at,
        .truth = cooked_add((CookedTime) {newest->truth.ns - newest->time.ns + at.ns}, state.offset),
        .frequency = state.frequency,
        .offset_sd = sqrt(state.offset_variance),
        .frequency_sd = sqrt(state.frequency_variance),
        .offset_frequency_covariance = state.covariance,
        .wander = state.wander,
        .has_frequency = stats->count >= REGRESSION_LEAST,
    };
    return true;
}

void source_stats_report(const SourceStats *stats, SourceStatsReport *ret)
{
    size_t start = stats->regressed ? stats->line.start : 0;

    *ret = (SourceStatsReport) {
        .samples = (uint32_t) (stats->count - start),
        .runs = stats->regressed ? stats->line.runs : 0,
        .span = stats->count > 0
                    ? local_diff(stats->samples[stats->count - 1].time, stats->samples[start].time)
                    : 0,
        .frequency = stats->regressed ? stats->line.slope : 0,
        .skew = stats->regressed ? stats->line.slope_sd : FREQUENCY_SD_UNKNOWN,
        .standard_deviation = stats->regressed ? stats->line.standard_deviation : 4,
        .jitter_asymmetry = stats->jitter_asymmetry,
        .min_delay = stats->count > 0 ? stats->min_delay : 0,
    };
}

const Sample *source_stats_newest(const SourceStats *stats)
{
    return stats->count > 0 ? &stats->samples[stats->count - 1] : NULL;
}

uint32_t source_stats_count(const SourceStats *stats)
{
    return (uint32_t) stats->count;
}

double source_stats_delay_limit_ratio(const SourceStats *stats, double ratio)
{
    return stats->count >= SAMPLES_OPINION ? stats->min_delay * ratio : INFINITY;
}

double source_stats_delay_limit_deviation(const SourceStats *stats, double ratio, double offset_residual)
{
    double deviation = 0;

    if (stats->count < SAMPLES_OPINION)
        return INFINITY;
    if (stats->regressed)
        deviation = stats->line.standard_deviation;
    /* A delay on one way makes an error of half of it at most: an offset further off than that is news. */
    return stats->min_delay + MAX(ratio * deviation, 2 * (fabs(offset_residual) - deviation));
}

double source_stats_delay_limit_quantile(const SourceStats *stats, double quantile)
{
    double delays[STATS_SAMPLES_MAX];

    if (stats->count < SAMPLES_OPINION)
        return INFINITY;
    for (size_t i = 0; i < stats->count; i++)
        delays[i] = stats->samples[i].peer_delay;
    return quantile_of(delays, stats->count, quantile);
}
