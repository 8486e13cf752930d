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

/* What is reported before there is a line: worse than any oscillator and any path. */
#define SKEW_UNKNOWN      2e-3
#define DEVIATION_UNKNOWN 4.0
/* Before anything is known, the jitter of one way is this part of the round trip; that counts as much as one
 * measurement. */
#define JITTER_UNKNOWN    0.1
#define ASYMMETRY_LIMIT   0.5
#define ASYMMETRY_ACTS    0.45
#define ASYMMETRY_RUN     10
#define SAMPLES_OPINION   6 /* before a delay is judged by the others */
#define REGRESSION_LEAST  3

struct SourceStats {
    SourceStatsConfig config;
    Sample samples[STATS_SAMPLES_MAX]; /* in order of time */
    size_t count;
    LocalTime origin;        /* of the first sample: times and offsets for the filter are relative to it */
    int64_t base_ns;         /* truth - time of that sample */
    double jitter;           /* s, mean of one direction */
    double min_delay;        /* s */
    OscillatorMemory memory; /* of samples that are no longer in the register */
    OscillatorState state;   /* at the newest sample */
    bool regressed;          /* line is valid */
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

/* Shortest round trip, and the mean of what one way adds to its half. The excess of a way is exponential,
 * that of a round trip a sum of two; the shortest of n has an excess of its own, which the mean has to make
 * up for.
 */
static void measure_delays(SourceStats *stats)
{
    double n = (double) stats->count, sum = 0, shortest_excess;

    stats->min_delay = INFINITY;
    for (size_t i = 0; i < stats->count; i++)
        stats->min_delay = MIN(stats->min_delay, stats->samples[i].peer_delay);
    for (size_t i = 0; i < stats->count; i++)
        sum += stats->samples[i].peer_delay - stats->min_delay;
    shortest_excess = stats->count > 1 ? 0.93 * sqrt(2 / n) + 0.3 / n : 2; /* in units of the jitter */
    stats->jitter = (sum + 2 * JITTER_UNKNOWN * stats->min_delay) / (n * (2 - shortest_excess) + 2);
}

/* Uniform over half of the excess to both sides; the shortest has some excess too. */
static double sample_variance(const SourceStats *stats, const Sample *sample)
{
    double shortest_excess = 0.6 * stats->jitter * sqrt(2 / (double) stats->count);
    double excess = sample->peer_delay - stats->min_delay + shortest_excess;
    double precision = stats->config.precision;

    return precision * precision + excess * excess / 12;
}

/* Delay on one way only: what a sample lost on it is known and taken out. */
static double asymmetry_correction(const SourceStats *stats, const Sample *sample)
{
    if (stats->asymmetric_run < ASYMMETRY_RUN)
        return 0;
    return stats->jitter_asymmetry * (sample->peer_delay - stats->min_delay);
}

static Measurement measurement_of(const SourceStats *stats, const Sample *sample)
{
    int64_t offset_ns = sample->truth.ns - sample->time.ns - stats->base_ns;

    return (Measurement) {
        .time = local_diff(sample->time, stats->origin),
        .offset = (double) offset_ns * 1e-9,
        .variance = sample_variance(stats, sample),
    };
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

static void fit_line(SourceStats *stats)
{
    RegressionPoint points[STATS_SAMPLES_MAX];
    size_t least = (size_t) CLAMP(stats->config.min_samples, REGRESSION_LEAST, STATS_SAMPLES_MAX);

    for (size_t i = 0; i < stats->count; i++) {
        Measurement m = measurement_of(stats, &stats->samples[i]);

        points[i] = (RegressionPoint) {m.time, m.offset, 1 / m.variance};
    }
    stats->regressed = regression_fit(points, stats->count, least, stats->config.precision, &stats->line);
    if (stats->regressed)
        measure_asymmetry(stats, points);
}

static void update(SourceStats *stats)
{
    Measurement measurements[STATS_SAMPLES_MAX];

    measure_delays(stats);
    fit_line(stats);
    for (size_t i = 0; i < stats->count; i++) {
        measurements[i] = measurement_of(stats, &stats->samples[i]);
        measurements[i].offset -= asymmetry_correction(stats, &stats->samples[i]);
    }
    oscillator_filter(&stats->memory, measurements, stats->count, stats->jitter, &stats->state);
}

/* The oldest one leaves. What it said is kept, unless the user wants a short memory. */
static void make_room(SourceStats *stats)
{
    if (stats->config.max_samples == STATS_SAMPLES_MAX) {
        Measurement oldest = measurement_of(stats, &stats->samples[0]);

        oldest.offset -= asymmetry_correction(stats, &stats->samples[0]);
        oscillator_remember(&stats->memory, &oldest, stats->jitter);
    }
    memmove(stats->samples, stats->samples + 1, (stats->count - 1) * sizeof(Sample));
    stats->count--;
}

bool source_stats_add(SourceStats *stats, const Sample *sample)
{
    if (stats->count > 0 && sample->time.ns <= stats->samples[stats->count - 1].time.ns)
        return false;
    if (stats->count == (size_t) stats->config.max_samples)
        make_room(stats);
    if (stats->count == 0 && !stats->memory.valid) {
        stats->origin = sample->time;
        stats->base_ns = sample->truth.ns - sample->time.ns;
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
        .truth = cooked_add((CookedTime) {at.ns + stats->base_ns}, state.offset),
        .frequency = state.frequency,
        .offset_sd = sqrt(state.offset_variance),
        .frequency_sd = sqrt(state.frequency_variance),
        .offset_frequency_covariance = state.covariance,
        .wander = state.wander,
        .has_frequency = stats->count >= REGRESSION_LEAST,
    };
    return true;
}

/* Whoever wants so few samples that there is never a line takes them as they are. */
static double deviation_without_line(const SourceStats *stats)
{
    if (stats->config.max_samples < REGRESSION_LEAST && stats->count > 0)
        return sqrt(stats->state.offset_variance);
    return DEVIATION_UNKNOWN;
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
        .skew = stats->regressed ? stats->line.slope_sd : SKEW_UNKNOWN,
        .standard_deviation =
            stats->regressed ? stats->line.standard_deviation : deviation_without_line(stats),
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
