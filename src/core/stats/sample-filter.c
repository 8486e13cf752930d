// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Median filter; see sample-filter.h. Offsets are compared at the instant of the newest sample, carried there
 * by the clock's frequency; the 60 % that lie nearest to the median are averaged. */

#include "core/stats/sample-filter.h"

#include <errno.h>
#include <math.h>

#define LENGTH_MAX 256
#define KEPT       0.6

typedef struct Entry {
    Sample sample;
    double offset; /* s, at the newest sample's instant, against the newest sample's own offset */
} Entry;

struct SampleFilter {
    size_t length, count;
    Entry entries[];
};

int sample_filter_new(size_t length, SampleFilter **ret)
{
    length = CLAMP(length, (size_t) 1, (size_t) LENGTH_MAX);
    SampleFilter *filter = calloc(1, sizeof(*filter) + length * sizeof(filter->entries[0]));

    if (!filter)
        return -ENOMEM;
    filter->length = length;
    *ret = filter;
    return 0;
}

SampleFilter *sample_filter_free(SampleFilter *filter)
{
    free(filter);
    return NULL;
}

void sample_filter_reset(SampleFilter *filter)
{
    filter->count = 0;
}

void sample_filter_shift(SampleFilter *filter, int64_t ns)
{
    for (size_t i = 0; i < filter->count; i++)
        filter->entries[i].sample.truth.ns += ns;
}

static int compare_offsets(const void *a, const void *b)
{
    double x = ((const Entry *) a)->offset, y = ((const Entry *) b)->offset;

    return (x > y) - (x < y);
}

/* Averages count entries around the middle of the sorted ones. */
static Sample combine(const SampleFilter *filter, const Sample *newest)
{
    size_t count = (size_t) ceil(KEPT * (double) filter->count);
    size_t first = (filter->count - count) / 2;
    double offset = 0, age = 0, delay = INFINITY, dispersion = 0, square = 0;
    Sample combined = *newest;

    for (size_t i = first; i < first + count; i++) {
        const Entry *entry = &filter->entries[i];
        offset += entry->offset / (double) count;
        age += local_diff(newest->time, entry->sample.time) / (double) count;
        delay = fmin(delay, entry->sample.peer_delay);
        dispersion = fmax(dispersion, entry->sample.peer_dispersion);
        combined.root_delay = fmax(combined.root_delay, entry->sample.root_delay);
        combined.root_dispersion = fmax(combined.root_dispersion, entry->sample.root_dispersion);
    }
    for (size_t i = first; i < first + count; i++)
        square += (filter->entries[i].offset - offset) * (filter->entries[i].offset - offset);
    combined.time = local_add(newest->time, -age);
    combined.truth = cooked_add(newest->truth, offset - age);
    combined.peer_delay = delay;
    combined.peer_dispersion = dispersion + sqrt(square) / (double) count;
    return combined;
}

bool sample_filter_add(SampleFilter *filter, const Sample *sample, double frequency, Sample *ret)
{
    filter->entries[filter->count++].sample = *sample;
    if (filter->count < filter->length)
        return false;

    for (size_t i = 0; i < filter->count; i++) {
        Entry *entry = &filter->entries[i];
        double span = local_diff(sample->time, entry->sample.time);
        entry->offset = (double) ((entry->sample.truth.ns - entry->sample.time.ns) -
                                  (sample->truth.ns - sample->time.ns)) *
                            1e-9 +
                        span * frequency;
    }
    qsort(filter->entries, filter->count, sizeof(filter->entries[0]), compare_offsets);
    *ret = combine(filter, sample);
    /* The offset was taken at the newest instant; the combined sample stands at the mean one. */
    ret->truth = cooked_add(ret->truth, -local_diff(sample->time, ret->time) * frequency);
    filter->count = 0;
    return true;
}
