// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* `filter`: combines several measurements, made at short intervals, into one of less noise: those nearest to
 * the median offset are averaged. */

#include "base/macros.h"
#include "core/stats/sample.h"

typedef struct SampleFilter SampleFilter;

/* length: samples that make one, 1..256. */
int sample_filter_new(size_t length, SampleFilter **ret) must_check_;
SampleFilter *sample_filter_free(SampleFilter *filter);
DEFINE_CLEANUP(SampleFilter, sample_filter_free)

void sample_filter_reset(SampleFilter *filter);

/* The source has set its clock by ns. */
void sample_filter_shift(SampleFilter *filter, int64_t ns);

/* Takes a sample in. True when it completes the number: ret is the combined one, and the filter is empty
 * again. frequency: of the model of the clock, by which offsets are compared. */
bool sample_filter_add(SampleFilter *filter, const Sample *sample, double frequency, Sample *ret);
