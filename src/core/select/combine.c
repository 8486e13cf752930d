// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Mean weighted by inverse variance, with one more variance that is the same for all: sources that differ by
 * more than their own errors explain have constant errors (asymmetric paths), which no filter sees, and the
 * more they differ the more equal their weights become (DerSimonian and Laird, 1986). */

#include "core/select/combine.h"

#include <math.h>

/* Share of a source's variance that comes from the oscillator and is therefore common to all: in the steady
 * state of a filter that is tuned to its input. */
#define COMMON_SHARE 0.25

typedef struct Weighing {
    const Estimate *const *estimates;
    size_t count;
    CookedTime reference;
    double between; /* s^2, variance of the sources' constant errors */
} Weighing;

static double offset_of(const Weighing *w, size_t i)
{
    return cooked_diff(w->estimates[i]->truth, w->reference);
}

static double offset_variance(const Weighing *w, size_t i)
{
    return w->estimates[i]->offset_sd * w->estimates[i]->offset_sd;
}

static double variance_between(const Weighing *w)
{
    double sum = 0, squares = 0, mean = 0, spread = 0, excess;

    if (w->count < 2)
        return 0;
    for (size_t i = 0; i < w->count; i++) {
        double weight = 1 / offset_variance(w, i);

        sum += weight;
        squares += weight * weight;
        mean += weight * offset_of(w, i);
    }
    mean /= sum;
    for (size_t i = 0; i < w->count; i++) {
        double distance = offset_of(w, i) - mean;

        spread += distance * distance / offset_variance(w, i);
    }
    excess = (spread - (double) (w->count - 1)) / (sum - squares / sum);
    return MAX(excess, 0.0);
}

static void combine_offsets(const Weighing *w, Estimate *ret)
{
    double sum = 0, mean = 0, own = 0, common = 0, share = w->count > 1 ? COMMON_SHARE : 0;

    for (size_t i = 0; i < w->count; i++) {
        double variance = offset_variance(w, i), weight = 1 / (variance + w->between);

        sum += weight;
        mean += weight * offset_of(w, i);
        own += weight * weight * ((1 - share) * variance + w->between);
        common += weight * sqrt(share * variance);
    }
    ret->truth = cooked_add(w->reference, mean / sum);
    ret->offset_sd = sqrt(own + common * common) / sum;
}

static void combine_frequencies(const Weighing *w, Estimate *ret)
{
    double sum = 0, mean = 0, own = 0, common = 0, wander = 0, correlation = 0;
    double share = w->count > 1 ? COMMON_SHARE : 0;

    for (size_t i = 0; i < w->count; i++) {
        const Estimate *e = w->estimates[i];
        double variance = e->frequency_sd * e->frequency_sd, weight = 1 / variance;

        sum += weight;
        mean += weight * e->frequency;
        own += weight * weight * (1 - share) * variance;
        common += weight * sqrt(share * variance);
        wander += weight * e->wander;
        correlation += weight * e->offset_frequency_covariance / (e->offset_sd * e->frequency_sd);
        ret->has_frequency |= e->has_frequency;
    }
    ret->frequency = mean / sum;
    ret->frequency_sd = sqrt(own + common * common) / sum;
    ret->wander = wander / sum;
    ret->offset_frequency_covariance = correlation / sum * ret->offset_sd * ret->frequency_sd;
}

void combine_estimates(const Estimate *const *estimates, size_t count, Estimate *ret)
{
    Weighing w = {.estimates = estimates, .count = count, .reference = estimates[0]->truth};

    *ret = (Estimate) {.time = estimates[0]->time};
    w.between = variance_between(&w);
    combine_offsets(&w, ret);
    combine_frequencies(&w, ret);
}
