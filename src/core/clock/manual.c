// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A robust line through few points that people made: the median of the slopes between any two of them (Theil
 * and Sen), so that one that was mistyped does not bend it.
 *
 * Two entries that are some minutes apart tell the frequency worse than anybody knows it who knows
 * oscillators at all, two that are days apart tell it well. So the slope is weighed against what was known
 * before by the variances of both, always all entries against the same knowledge: entering the time ten times
 * in a minute makes nothing surer, and a deleted entry leaves nothing behind. */

#include "core/clock/manual.h"

#include <math.h>
#include <string.h>

#include "base/macros.h"
#include "core/stats/quantile.h"

/* s, standard deviation of the moment at which somebody confirms a time that is told in seconds. */
#define ENTRY_ERROR      0.3
/* Of the frequency between entries: an ordinary oscillator and its temperature, as variance each second. */
#define WANDER           1e-18
/* An oscillator of which nothing is known is this far from right; and one that was measured once will have
 * changed by so much, with its temperature and its age. */
#define FREQUENCY_USUAL  1e-4
#define FREQUENCY_DRIFT  1e-6
/* Median of absolute deviations to the standard deviation of a normal distribution. */
#define MEDIAN_DEVIATION 1.4826
#define PAIRS_MAX        (MANUAL_ENTRIES_MAX * (MANUAL_ENTRIES_MAX - 1) / 2)

typedef struct Line {
    double offset, slope; /* truth - time at the last entry (s, less that of this entry), and its growth */
    double slope_sd;
    double error; /* s, standard deviation of an entry from it */
} Line;

static double x_of(const Manual *manual, size_t i)
{
    return local_diff(manual->entries[i].time, manual->entries[manual->count - 1].time);
}

static double y_of(const Manual *manual, size_t i)
{
    const ManualEntry *entry = &manual->entries[i], *last = &manual->entries[manual->count - 1];

    return cooked_diff(entry->truth, last->truth) - local_diff(entry->time, last->time);
}

static double median_slope(const Manual *manual)
{
    double slopes[PAIRS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < manual->count; i++)
        for (size_t k = 0; k < i; k++)
            slopes[n++] = (y_of(manual, i) - y_of(manual, k)) / (x_of(manual, i) - x_of(manual, k));
    return n > 0 ? quantile_of(slopes, n, 0.5) : 0;
}

/* Where a line of that slope passes the last entry, and how far the entries are from it. */
static double median_offset(const Manual *manual, double slope, double *ret_deviation)
{
    double rests[MANUAL_ENTRIES_MAX];
    size_t n = manual->count;

    for (size_t i = 0; i < n; i++)
        rests[i] = y_of(manual, i) - slope * x_of(manual, i);
    double offset = quantile_of(rests, n, 0.5);
    for (size_t i = 0; i < n; i++)
        rests[i] = fabs(rests[i] - offset);
    *ret_deviation = MEDIAN_DEVIATION * quantile_of(rests, n, 0.5);
    return offset;
}

/* Root of the sum of squared distances of the times from their mean, s. */
static double spread(const Manual *manual)
{
    double mean = 0, squares = 0;

    for (size_t i = 0; i < manual->count; i++)
        mean += x_of(manual, i) / (double) manual->count;
    for (size_t i = 0; i < manual->count; i++)
        squares += (x_of(manual, i) - mean) * (x_of(manual, i) - mean);
    return sqrt(squares);
}

static Line fit(const Manual *manual)
{
    double known = manual->known_sd * manual->known_sd, slope = median_slope(manual), deviation, weight = 0;
    Line line;

    (void) median_offset(manual, slope, &deviation);
    double sd = MAX(deviation, ENTRY_ERROR) / spread(manual);
    if (manual->count > 1)
        weight = known / (known + sd * sd);
    line.slope = manual->known_frequency + weight * (slope - manual->known_frequency);
    line.slope_sd = manual->known_sd * sqrt(1 - weight);
    line.offset = median_offset(manual, line.slope, &deviation);
    line.error = MAX(deviation, ENTRY_ERROR);
    return line;
}

void manual_set_known(Manual *manual, double frequency, double sd)
{
    manual->known_frequency = frequency;
    manual->known_sd = isnan(sd) ? FREQUENCY_USUAL : CLAMP(sd, FREQUENCY_DRIFT, FREQUENCY_USUAL);
}

bool manual_add(Manual *manual, const ManualEntry *entry)
{
    if (manual->count > 0 && local_diff(entry->time, manual->entries[manual->count - 1].time) < MANUAL_APART)
        return false;
    if (manual->count == MANUAL_ENTRIES_MAX)
        (void) manual_delete(manual, 0);
    manual->entries[manual->count++] = *entry;
    return true;
}

bool manual_delete(Manual *manual, size_t index)
{
    if (index >= manual->count)
        return false;
    manual->count--;
    memmove(manual->entries + index, manual->entries + index + 1,
            (manual->count - index) * sizeof(manual->entries[0]));
    return true;
}

bool manual_estimate(const Manual *manual, LocalTime at, Estimate *ret)
{
    if (manual->count == 0)
        return false;

    const ManualEntry *last = &manual->entries[manual->count - 1];
    Line line = fit(manual);
    double since = local_diff(at, last->time);
    *ret = (Estimate) {
        .time = at,
        .truth = cooked_add(last->truth, line.offset + since * (1.0 + line.slope)),
        .frequency = line.slope,
        .offset_sd = line.error / sqrt((double) manual->count),
        .frequency_sd = line.slope_sd,
        .wander = WANDER,
        .has_frequency = manual->count > 1,
    };
    return true;
}

void manual_report(const Manual *manual, const Clock *clock, ManualReport *ret)
{
    Line line = {0};

    *ret = (ManualReport) {.enabled = manual->enabled, .count = manual->count};
    if (manual->count > 0)
        line = fit(manual);
    for (size_t i = 0; i < manual->count; i++) {
        const ManualEntry *entry = &manual->entries[i];
        CookedTime model = clock_to_cooked(clock, entry->time);

        ret->entries[i] = (ManualEntryReport) {
            .time = model,
            .slewed = cooked_diff(entry->truth, model),
            .original = entry->original,
            .residual = y_of(manual, i) - line.slope * x_of(manual, i) - line.offset,
        };
    }
}
