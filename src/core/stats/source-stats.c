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
/* So many samples in a row that are that many jitters too long are another path: by chance this happens once
 * in a hundred million. */
#define PATH_SAMPLES      8
#define PATH_MARGIN       4
#define SAMPLES_OPINION   6 /* before a delay is judged by the others */
#define REGRESSION_LEAST  3

struct SourceStats {
    SourceStatsConfig config;
    Sample samples[STATS_SAMPLES_MAX]; /* in order of time */
    size_t count;
    double delays[STATS_SAMPLES_MAX]; /* s, of the latest exchanges, refused ones included; a ring */
    size_t delay_count;               /* exchanges in all */
    LocalTime origin;        /* of the first sample: times and offsets for the filter are relative to it */
    int64_t base_ns;         /* truth - time of that sample */
    size_t path_start;       /* first sample that took the present path */
    double old_min_delay;    /* s, of the samples before it */
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

static double shortest(const SourceStats *stats, size_t from, size_t to)
{
    double least = INFINITY;

    for (size_t i = from; i < to; i++)
        least = MIN(least, stats->samples[i].peer_delay);
    return least;
}

static double mean_delay(const SourceStats *stats, size_t from)
{
    double sum = 0;

    for (size_t i = from; i < stats->count; i++)
        sum += stats->samples[i].peer_delay;
    return sum / (double) (stats->count - from);
}

/* When all of the latest samples took much longer than the shortest before them, the path has become longer,
 * and the old minimum says nothing about the new one. The new path begins after the last sample that was too
 * short for it. */
static void find_path(SourceStats *stats)
{
    size_t recent = stats->count - MIN(stats->count, (size_t) PATH_SAMPLES);
    double least = shortest(stats, recent, stats->count);
    double margin = PATH_MARGIN * (mean_delay(stats, recent) - least) / 2 + stats->config.precision;

    stats->path_start = 0;
    if (recent == 0 || least - shortest(stats, 0, recent) <= margin)
        return;
    stats->path_start = recent;
    while (stats->samples[stats->path_start - 1].peer_delay > least - margin / 2)
        stats->path_start--;
}

/* What a round trip took beyond the shortest on its path. */
static double excess_delay(const SourceStats *stats, size_t i)
{
    return stats->samples[i].peer_delay - (i < stats->path_start ? stats->old_min_delay : stats->min_delay);
}

/* How far the shortest of n is expected above the true minimum, in units of the jitter: the excess of a way
 * is exponential, that of a round trip a sum of two. */
static double shortest_excess(double n)
{
    return n > 1 ? 0.93 * sqrt(2 / n) + 0.3 / n : 2;
}

/* Shortest round trip, and the mean of what one way adds to its half. */
static void measure_delays(SourceStats *stats)
{
    double sum = 0, expected = 0;

    find_path(stats);
    stats->old_min_delay = shortest(stats, 0, stats->path_start);
    stats->min_delay = shortest(stats, stats->path_start, stats->count);
    for (size_t i = 0; i < stats->count; i++) {
        sum += excess_delay(stats, i);
        expected += 2 - shortest_excess((double) (i < stats->path_start ? stats->path_start
                                                                        : stats->count - stats->path_start));
    }
    stats->jitter = (sum + 2 * JITTER_UNKNOWN * stats->min_delay) / (expected + 2);
}

/* Uniform over half of the excess to both sides; the shortest has some excess too. */
static double sample_variance(const SourceStats *stats, size_t i)
{
    size_t n = i < stats->path_start ? stats->path_start : stats->count - stats->path_start;
    double excess = excess_delay(stats, i) + 0.6 * stats->jitter * sqrt(2 / (double) n);
    double precision = stats->config.precision;

    return precision * precision + excess * excess / 12;
}

/* Delay on one way only: what a sample lost on it is known and taken out. */
static double asymmetry_correction(const SourceStats *stats, size_t i)
{
    if (stats->asymmetric_run < ASYMMETRY_RUN)
        return 0;
    return stats->jitter_asymmetry * excess_delay(stats, i);
}

static Measurement measurement_of(const SourceStats *stats, size_t i)
{
    const Sample *sample = &stats->samples[i];
    int64_t offset_ns = sample->truth.ns - sample->time.ns - stats->base_ns;

    return (Measurement) {
        .time = local_diff(sample->time, stats->origin),
        .offset = (double) offset_ns * 1e-9,
        .variance = sample_variance(stats, i),
    };
}

/* Which part of the excess delay is on one way, by regression of the residuals on it: -0.5..0.5. */
static void measure_asymmetry(SourceStats *stats, const RegressionPoint *points)
{
    double xx = 0, xy = 0, asymmetry;

    for (size_t i = stats->line.start; i < stats->count; i++) {
        double x = excess_delay(stats, i);
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
        Measurement m = measurement_of(stats, i);

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
        measurements[i] = measurement_of(stats, i);
        measurements[i].offset -= asymmetry_correction(stats, i);
    }
    oscillator_filter(&stats->memory, measurements, stats->count, stats->jitter, &stats->state);
}

/* The oldest one leaves. What it said is kept, unless the user wants a short memory. */
static void make_room(SourceStats *stats)
{
    if (stats->config.max_samples == STATS_SAMPLES_MAX) {
        Measurement oldest = measurement_of(stats, 0);

        oldest.offset -= asymmetry_correction(stats, 0);
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

void source_stats_shift(SourceStats *stats, int64_t ns)
{
    for (size_t i = 0; i < stats->count; i++)
        stats->samples[i].truth.ns += ns;
    stats->base_ns += ns;
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

double source_stats_coherence(const SourceStats *stats)
{
    double information = 0;

    if (stats->count < REGRESSION_LEAST)
        return NAN;
    for (size_t i = 0; i < stats->count; i++)
        information += 1 / (sample_variance(stats, i) + stats->state.noise);
    return cbrt((double) stats->count / (information * stats->state.wander));
}

uint32_t source_stats_count(const SourceStats *stats)
{
    return (uint32_t) stats->count;
}

void source_stats_on_delay(SourceStats *stats, double delay)
{
    stats->delays[stats->delay_count++ % STATS_SAMPLES_MAX] = delay;
}

/* When every one of the latest exchanges took longer than the samples in the register, the path has changed,
 * and refusing them all would end in having none. */
static double present_min_delay(const SourceStats *stats)
{
    double least = INFINITY;

    for (size_t i = 1; i <= MIN(stats->delay_count, (size_t) PATH_SAMPLES); i++)
        least = MIN(least, stats->delays[(stats->delay_count - i) % STATS_SAMPLES_MAX]);
    return stats->delay_count >= PATH_SAMPLES ? MAX(least, stats->min_delay) : stats->min_delay;
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
    return present_min_delay(stats) + MAX(ratio * deviation, 2 * (fabs(offset_residual) - deviation));
}

double source_stats_delay_limit_quantile(const SourceStats *stats, double quantile)
{
    double delays[STATS_SAMPLES_MAX];
    size_t count = MIN(stats->delay_count, (size_t) STATS_SAMPLES_MAX);

    if (count < SAMPLES_OPINION)
        return INFINITY;
    memcpy(delays, stats->delays, count * sizeof(double));
    return quantile_of(delays, count, quantile);
}
