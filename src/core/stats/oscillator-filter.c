// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A Kalman filter with two states for each of a row of wanders, and the mean of their results weighted by how
 * well each foresaw the measurements. The mean adapts by itself and never jumps from one wander to another.
 */

#include "core/stats/oscillator-filter.h"

#include <math.h>

/* Standard deviation that the frequency gains in a second: from better than an oven to worse than a machine
 * in the sun, two values to the decade. */
#define WANDER_LEAST  1e-12
#define WANDER_STEP   3.1622776601683795
#define WANDER_VALUES 13

typedef struct Hypothesis {
    OscillatorState state;
    double evidence; /* log likelihood */
} Hypothesis;

void oscillator_extrapolate(OscillatorState *state, double seconds)
{
    double t = seconds, q = state->wander;

    state->offset += state->frequency * t;
    state->offset_variance += t * (2 * state->covariance + t * state->frequency_variance) + q * t * t * t / 3;
    state->covariance += t * state->frequency_variance + q * t * t / 2;
    state->frequency_variance += q * t;
}

static void take_measurement(Hypothesis *h, const Measurement *m, bool counts)
{
    OscillatorState *s = &h->state;
    double innovation = m->offset - s->offset;
    double variance = s->offset_variance + m->variance;
    double gain = s->offset_variance / variance, frequency_gain = s->covariance / variance;

    if (counts)
        h->evidence -= 0.5 * (log(variance) + innovation * innovation / variance);
    s->offset += gain * innovation;
    s->frequency += frequency_gain * innovation;
    s->frequency_variance -= frequency_gain * s->covariance;
    s->offset_variance = gain * m->variance;
    s->covariance *= m->variance / variance;
}

static void filter_one(const Measurement *m, size_t count, double frequency_sd, double wander,
                       Hypothesis *ret)
{
    ret->state = (OscillatorState) {
        .offset = m[0].offset,
        .offset_variance = m[0].variance,
        .frequency_variance = frequency_sd * frequency_sd,
        .wander = wander,
    };
    /* Most machines are in the middle of the row; two decades away is one standard deviation. */
    ret->evidence = log10(wander) + 17;
    ret->evidence *= -0.5 * ret->evidence / 16;
    for (size_t i = 1; i < count; i++) {
        oscillator_extrapolate(&ret->state, m[i].time - m[i - 1].time);
        take_measurement(ret, &m[i], i >= 2);
    }
}

/* Mean and covariance of the mixture. */
static void mix(const Hypothesis *all, OscillatorState *ret)
{
    double best = -INFINITY, sum = 0;
    OscillatorState mean = {0};

    for (size_t k = 0; k < WANDER_VALUES; k++)
        best = MAX(best, all[k].evidence);
    for (size_t k = 0; k < WANDER_VALUES; k++) {
        double p = exp(all[k].evidence - best);

        sum += p;
        mean.offset += p * all[k].state.offset;
        mean.frequency += p * all[k].state.frequency;
        mean.wander += p * all[k].state.wander;
    }
    mean.offset /= sum;
    mean.frequency /= sum;
    mean.wander /= sum;
    for (size_t k = 0; k < WANDER_VALUES; k++) {
        const OscillatorState *s = &all[k].state;
        double p = exp(all[k].evidence - best) / sum;
        double offset = s->offset - mean.offset, frequency = s->frequency - mean.frequency;

        mean.offset_variance += p * (s->offset_variance + offset * offset);
        mean.covariance += p * (s->covariance + offset * frequency);
        mean.frequency_variance += p * (s->frequency_variance + frequency * frequency);
    }
    *ret = mean;
}

void oscillator_filter(const Measurement *measurements, size_t count, double frequency_sd,
                       OscillatorState *ret)
{
    Hypothesis all[WANDER_VALUES];
    double wander = WANDER_LEAST;

    for (size_t k = 0; k < WANDER_VALUES; k++, wander *= WANDER_STEP)
        filter_one(measurements, count, frequency_sd, wander * wander, &all[k]);
    mix(all, ret);
}
