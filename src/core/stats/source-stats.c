// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The register of one source.
 *
 * What a measurement is worth follows from its own round trip: what it took longer than the path's minimum
 * may have been lost on either way, so that the offset is uniform over half of that excess to both sides. The
 * filter takes each with its own variance; the regression for people takes the same weights.
 *
 * A source may set its clock. No oscillator and no path explains such an offset; when the next sample says
 * the same, the samples before are shifted to the new time, for the line and for the delays, and the filter
 * begins its offset anew: the frequency, about which the source has said nothing new, goes on. One sample
 * alone never moves anything, and is dropped when the next one does not confirm it.
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
/* Excess of the shortest round trip of n, and how far that is off, in parts of jitter * sqrt(2 / n). */
#define SHORTEST_EXCESS   0.5
#define EDGE_UNSHARP      0.15
#define SAMPLES_OPINION   6 /* before a delay is judged by the others */
/* With fewer samples the filter is built up anew for each; with more, after that many at the latest. */
#define INCREMENTAL_FROM  16
#define INCREMENTAL_MAX   8
/* Evidence of samples that left the register fades with each that follows them: the weather changes. */
#define FADING            0.9
#define REGRESSION_LEAST  3
/* No frequency is further off than this from the one that was measured, and no noise by more deviations. */
#define FREQUENCY_FAR     500e-6
#define NOISE_FAR         5
/* After so many samples in a row that fit neither the register nor one another, it is something else. */
#define DOUBTS_MAX        3

/* How the register sees the path; when that changes, so does what each sample means. */
typedef struct PathView {
    size_t start; /* first sample that took the present path */
    double min_delay, old_min_delay;
    bool asymmetric;
} PathView;

struct SourceStats {
    SourceStatsConfig config;
    Sample samples[STATS_SAMPLES_MAX]; /* in order of time */
    bool moved[STATS_SAMPLES_MAX];     /* the source had set its clock before that sample */
    size_t count;
    Sample doubtful;                  /* the last of those that are kept aside */
    uint32_t doubts;                  /* how many in a row; 0: doubtful means nothing */
    double delays[STATS_SAMPLES_MAX]; /* s, of the latest exchanges, refused ones included; a ring */
    size_t delay_count;               /* exchanges in all */
    LocalTime origin;       /* of the first sample: times and offsets for the filter are relative to it */
    int64_t base_ns;        /* truth - time of that sample */
    size_t path_start;      /* first sample that took the present path */
    double old_min_delay;   /* s, of the samples before it */
    double jitter;          /* s, mean of one direction */
    double min_delay;       /* s */
    OscillatorBank memory;  /* after the samples that are no longer in the register */
    OscillatorBank present; /* after all of them */
    PathView view;          /* by which the samples went into it */
    uint32_t incremental;   /* samples that went into it since it was last built up anew */
    OscillatorState state;  /* at the newest sample */
    bool regressed;         /* line is valid */
    Regression line;
    double jitter_asymmetry;
    uint32_t asymmetric_run; /* samples in a row for which the asymmetry was beyond doubt */
};

/* A register without samples. */
static void clear(SourceStats *stats, const SourceStatsConfig *config)
{
    *stats = (SourceStats) {.config = *config};
    if (config->has_asymmetry) {
        stats->jitter_asymmetry = config->asymmetry;
        stats->asymmetric_run = ASYMMETRY_RUN;
    }
}

int source_stats_new(const SourceStatsConfig *config, SourceStats **ret)
{
    SourceStats *stats = calloc(1, sizeof(*stats));

    if (!stats)
        return -ENOMEM;
    clear(stats, config);
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

    clear(stats, &config);
}

static double shortest(const SourceStats *stats, size_t from, size_t to)
{
    double least = INFINITY;

    for (size_t i = from; i < to; i++)
        least = MIN(least, stats->samples[i].peer_delay);
    return least;
}

/* How far the shortest of n is expected above the true minimum, in units of the jitter: the excess of a way
 * is exponential, that of a round trip a sum of two. */
static double shortest_excess(double n)
{
    return n > 1 ? 0.93 * sqrt(2 / n) + 0.3 / n : 2;
}

/* The shortest and the mean of the latest exchanges; false: too few of them. */
static bool latest_delays(const SourceStats *stats, double *ret_least, double *ret_mean)
{
    double least = INFINITY, sum = 0;

    if (stats->delay_count < PATH_SAMPLES)
        return false;
    for (size_t i = 1; i <= PATH_SAMPLES; i++) {
        double delay = stats->delays[(stats->delay_count - i) % STATS_SAMPLES_MAX];

        least = MIN(least, delay);
        sum += delay;
    }
    *ret_least = least;
    *ret_mean = sum / PATH_SAMPLES;
    return true;
}

/* When all of the latest exchanges took much longer than the shortest sample, the path has become longer, and
 * the old minimum says nothing about the new one. The new path begins after the last sample that was too
 * short for it. */
static void find_path(SourceStats *stats)
{
    double least, mean, jitter, margin;

    stats->path_start = 0;
    if (!latest_delays(stats, &least, &mean))
        return;
    jitter = (mean - least) / (2 - shortest_excess(PATH_SAMPLES));
    margin = PATH_MARGIN * jitter + stats->config.precision;
    if (least - shortest(stats, 0, stats->count) <= margin)
        return;
    stats->path_start = stats->count;
    while (stats->samples[stats->path_start - 1].peer_delay > least - margin / 2)
        stats->path_start--;
    /* None of the long ones has become a sample yet. */
    if (stats->path_start == stats->count)
        stats->path_start = 0;
}

/* The shortest round trip is not measured, but given. */
static bool knows_min_delay(const SourceStats *stats)
{
    return stats->config.min_delay > 0;
}

/* What a round trip took beyond the shortest on its path. */
static double excess_delay(const SourceStats *stats, size_t i)
{
    double delay = stats->samples[i].peer_delay;

    if (knows_min_delay(stats))
        return fmax(0, delay - stats->config.min_delay);
    return delay - (i < stats->path_start ? stats->old_min_delay : stats->min_delay);
}

/* Of the samples on the same path as this one. */
static double path_samples(const SourceStats *stats, size_t i)
{
    return (double) (i < stats->path_start ? stats->path_start : stats->count - stats->path_start);
}

/* Shortest round trip, and the mean of what one way adds to its half. */
static void measure_delays(SourceStats *stats)
{
    double sum = 0, expected = 0;

    if (knows_min_delay(stats)) {
        stats->path_start = 0;
        stats->min_delay = stats->config.min_delay;
    } else {
        find_path(stats);
        stats->old_min_delay = shortest(stats, 0, stats->path_start);
        stats->min_delay = shortest(stats, stats->path_start, stats->count);
    }
    for (size_t i = 0; i < stats->count; i++) {
        sum += excess_delay(stats, i);
        expected += knows_min_delay(stats) ? 2 : 2 - shortest_excess(path_samples(stats, i));
    }
    stats->jitter = (sum + 2 * JITTER_UNKNOWN * stats->min_delay) / (expected + 2);
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
    /* The shortest has some excess, too, which is not known better than this. */
    double unseen = knows_min_delay(stats) ? 0 : stats->jitter * sqrt(2 / path_samples(stats, i));
    double unsharp = EDGE_UNSHARP * unseen, precision = stats->config.precision;

    return (Measurement) {
        .time = local_diff(sample->time, stats->origin),
        .offset = (double) offset_ns * 1e-9,
        .half_width = (excess_delay(stats, i) + SHORTEST_EXCESS * unseen) / 2,
        .variance = precision * precision + unsharp * unsharp,
        .moved = stats->moved[i],
    };
}

/* Which part of the excess delay is on one way, by regression of the residuals on it: -0.5..0.5. */
static void measure_asymmetry(SourceStats *stats, const RegressionPoint *points)
{
    double n = (double) (stats->count - stats->line.start), x_sum = 0, y_sum = 0, xx = 0, xy = 0, asymmetry;

    if (stats->config.has_asymmetry)
        return;
    for (size_t i = stats->line.start; i < stats->count; i++) {
        double x = excess_delay(stats, i);
        double y = points[i].value - stats->line.intercept - stats->line.slope * points[i].time;

        x_sum += x;
        y_sum += y;
        xx += x * x;
        xy += x * y;
    }
    xx -= x_sum * x_sum / n;
    asymmetry = xx > 0 ? (xy - x_sum * y_sum / n) / xx : 0;
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

        points[i] = (RegressionPoint) {m.time, m.offset, 1 / (m.variance + m.half_width * m.half_width / 3)};
    }
    stats->regressed = regression_fit(points, stats->count, least, stats->config.precision, &stats->line);
    if (stats->regressed)
        measure_asymmetry(stats, points);
}

static PathView path_view(const SourceStats *stats)
{
    return (PathView) {
        .start = stats->path_start,
        .min_delay = stats->min_delay,
        .old_min_delay = stats->old_min_delay,
        .asymmetric = stats->asymmetric_run >= ASYMMETRY_RUN,
    };
}

static bool view_is_same(const PathView *a, const PathView *b)
{
    return a->start == b->start && a->asymmetric == b->asymmetric &&
           !(a->min_delay < b->min_delay || a->min_delay > b->min_delay) &&
           !(a->old_min_delay < b->old_min_delay || a->old_min_delay > b->old_min_delay);
}

/* Each of the samples means something new when there is a new minimum, and a little when the jitter is known
 * better. Building everything up again takes some hundred microseconds, one more sample some microseconds. */
static void run_filter(SourceStats *stats)
{
    PathView view = path_view(stats);
    bool anew = stats->count < INCREMENTAL_FROM || stats->incremental >= INCREMENTAL_MAX ||
                !view_is_same(&view, &stats->view);
    size_t first = anew ? 0 : stats->count - 1;

    if (anew)
        stats->present = stats->memory;
    for (size_t i = first; i < stats->count; i++) {
        Measurement m = measurement_of(stats, i);

        m.offset -= asymmetry_correction(stats, i);
        oscillator_bank_take(&stats->present, &m, stats->jitter, 1);
    }
    stats->incremental = anew ? 0 : stats->incremental + 1;
    stats->view = view;
    oscillator_bank_state(&stats->present, &stats->state);
}

static void update(SourceStats *stats)
{
    measure_delays(stats);
    fit_line(stats);
    run_filter(stats);
}

/* The oldest one leaves. What it said is kept, unless the user wants a short memory. */
static void make_room(SourceStats *stats)
{
    if (stats->config.max_samples == STATS_SAMPLES_MAX) {
        Measurement oldest = measurement_of(stats, 0);

        oldest.offset -= asymmetry_correction(stats, 0);
        oscillator_bank_take(&stats->memory, &oldest, stats->jitter, FADING);
    }
    memmove(stats->samples, stats->samples + 1, (stats->count - 1) * sizeof(Sample));
    memmove(stats->moved, stats->moved + 1, (stats->count - 1) * sizeof(bool));
    stats->count--;
}

static void take(SourceStats *stats, const Sample *sample, bool moved)
{
    if (stats->count == (size_t) stats->config.max_samples)
        make_room(stats);
    if (stats->count == 0 && stats->memory.count == 0) {
        stats->origin = sample->time;
        stats->base_ns = sample->truth.ns - sample->time.ns;
    }
    stats->moved[stats->count] = moved;
    stats->samples[stats->count++] = *sample;
    update(stats);
}

static double uncertainty(const Sample *sample)
{
    return sample->peer_delay / 2 + sample->peer_dispersion;
}

/* Between two samples, how far the source went from where the oscillator went, in parts of what drift, delays
 * and noise explain at the most. */
static double surprise(const SourceStats *stats, const Sample *from, const Sample *to)
{
    double elapsed = local_diff(to->time, from->time);
    int64_t gained_ns = (to->truth.ns - to->time.ns) - (from->truth.ns - from->time.ns);
    double unexpected = fabs((double) gained_ns * 1e-9 - stats->state.frequency * elapsed);
    double noise = stats->regressed ? stats->line.scatter : 0;

    return unexpected / (FREQUENCY_FAR * elapsed + uncertainty(from) + uncertainty(to) + NOISE_FAR * noise);
}

/* The doubtful sample was no accident: this one goes on from it, and not from the register. */
static bool confirms(const SourceStats *stats, const Sample *sample)
{
    double here = surprise(stats, &stats->doubtful, sample);

    return here <= 1 && here < surprise(stats, source_stats_newest(stats), sample);
}

/* The source has set its clock before the doubtful sample. */
static void follow_move(SourceStats *stats)
{
    Sample first = stats->doubtful;
    Estimate before;

    if (!source_stats_estimate(stats, first.time, &before))
        return;
    source_stats_shift(stats, first.truth.ns - before.truth.ns);
    take(stats, &first, true);
}

/* Who wants so few samples that there is never a line takes them as they are. */
static bool may_doubt(const SourceStats *stats)
{
    return stats->count > 0 && stats->config.max_samples >= REGRESSION_LEAST && stats->doubts < DOUBTS_MAX;
}

bool source_stats_add(SourceStats *stats, const Sample *sample)
{
    const Sample *newest = stats->doubts > 0 ? &stats->doubtful : source_stats_newest(stats);

    if (newest && sample->time.ns <= newest->time.ns)
        return false;
    if (stats->doubts > 0 && confirms(stats, sample)) {
        follow_move(stats);
    } else if (may_doubt(stats) && surprise(stats, source_stats_newest(stats), sample) > 1) {
        stats->doubtful = *sample;
        stats->doubts++;
        return false;
    }
    stats->doubts = 0;
    take(stats, sample, false);
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
    stats->doubtful.truth.ns += ns;
    stats->base_ns += ns;
}

void source_stats_report(const SourceStats *stats, SourceStatsReport *ret)
{
    size_t start = stats->regressed ? stats->line.start : 0;

    *ret = (SourceStatsReport) {
        .samples = (uint32_t) (stats->count - start),
        .runs = stats->regressed ? stats->line.runs : 0,
        .discarded = (uint32_t) start,
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
    return stats->count >= REGRESSION_LEAST ? cbrt(stats->state.noise / stats->state.wander) : NAN;
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
    double least, mean;

    if (knows_min_delay(stats))
        return stats->config.min_delay;
    return latest_delays(stats, &least, &mean) ? MAX(least, stats->min_delay) : stats->min_delay;
}

double source_stats_delay_limit_ratio(const SourceStats *stats, double ratio)
{
    if (knows_min_delay(stats))
        return stats->config.min_delay * ratio;
    return stats->count >= SAMPLES_OPINION ? stats->min_delay * ratio : INFINITY;
}

double source_stats_delay_limit_deviation(const SourceStats *stats, double ratio, double offset_residual)
{
    double deviation = 0;

    if (stats->count < SAMPLES_OPINION)
        return INFINITY;
    if (stats->regressed)
        deviation = stats->line.scatter;
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
