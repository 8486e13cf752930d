// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A robust line through few points that people made: the median of the slopes between any two of them (Theil
 * and Sen), so that one that was mistyped does not bend it. */

#include "core/clock/manual.h"

#include <math.h>
#include <string.h>

#include "base/macros.h"
#include "core/stats/quantile.h"

/* s, standard deviation of the moment at which somebody confirms a time that is told in seconds. */
#define ENTRY_ERROR 0.3
/* Of the frequency between entries: an ordinary oscillator and its temperature, as variance each second. */
#define WANDER      1e-18
#define PAIRS_MAX   (MANUAL_ENTRIES_MAX * (MANUAL_ENTRIES_MAX - 1) / 2)

typedef struct Line {
    double offset, slope; /* truth - time at the last entry (s, less that of this entry), and its growth */
    double deviation;     /* s, of the entries from it */
    double spread;        /* s, root of the sum of squared distances of the times from their mean */
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

static Line fit(const Manual *manual)
{
    Line line = {.slope = median_slope(manual)};
    double rests[MANUAL_ENTRIES_MAX], mean = 0, squares = 0;
    size_t n = manual->count;

    for (size_t i = 0; i < n; i++) {
        rests[i] = y_of(manual, i) - line.slope * x_of(manual, i);
        mean += x_of(manual, i) / (double) n;
    }
    line.offset = quantile_of(rests, n, 0.5);
    for (size_t i = 0; i < n; i++) {
        double rest = y_of(manual, i) - line.slope * x_of(manual, i) - line.offset;
        double x = x_of(manual, i) - mean;
        squares += rest * rest;
        line.spread += x * x;
    }
    line.deviation = n > 2 ? sqrt(squares / (double) (n - 2)) : 0;
    line.spread = sqrt(line.spread);
    return line;
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
    double error = MAX(line.deviation, ENTRY_ERROR);

    *ret = (Estimate) {
        .time = at,
        .truth = cooked_add(last->truth, line.offset + since * (1.0 + line.slope)),
        .frequency = line.slope,
        .offset_sd = error / sqrt((double) manual->count),
        .frequency_sd = manual->count > 1 ? error / line.spread : INFINITY,
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
