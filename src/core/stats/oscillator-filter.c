// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A Kalman filter with two states (offset, frequency) for each of a grid of wanders and noises, and the mean
 * of their results weighted by how well each foresaw the measurements. The mean adapts by itself and never
 * jumps from one wander to another. doc/estimator.md has the measurements that led here. */

#include "core/stats/oscillator-filter.h"

#include <math.h>

/* Standard deviation that the frequency gains in a second: from better than an oven to worse than a machine
 * in the sun, two values to the decade. Most machines are in the middle; two decades away is one standard
 * deviation of what is believed before anything is measured. */
#define WANDER_LEAST  1e-12
#define WANDER_STEP   3.1622776601683795
#define WANDER_USUAL  -8.5 /* log10 */
#define WANDER_SPREAD 2.0

/* Before anything is known the oscillator is this far from right. */
#define FREQUENCY_SD 2e-3

/* Evidence of measurements that are gone fades with each that follows them: the weather changes. */
#define FADING 0.9

/* Noise that the delay does not tell of (timestamps, the server's own clock), in units of the jitter. */
static const double noises[OSCILLATOR_NOISES] = {0, 0.1, 0.3, 1};

void oscillator_extrapolate(OscillatorState *state, double seconds)
{
    double t = seconds, q = state->wander;

    state->offset += state->frequency * t;
    state->offset_variance += t * (2 * state->covariance + t * state->frequency_variance) + q * t * t * t / 3;
    state->covariance += t * state->frequency_variance + q * t * t / 2;
    state->frequency_variance += q * t;
}

static void take_first(OscillatorHypothesis *h, const Measurement *m, double variance)
{
    h->state.offset = m->offset;
    h->state.offset_variance = variance;
    h->state.covariance = 0;
    h->state.frequency = 0;
    h->state.frequency_variance = FREQUENCY_SD * FREQUENCY_SD;
}

static void take_measurement(OscillatorHypothesis *h, const Measurement *m, double noise_variance)
{
    OscillatorState *s = &h->state;
    double innovation = m->offset - s->offset;
    double variance = s->offset_variance + noise_variance;
    double gain = s->offset_variance / variance, frequency_gain = s->covariance / variance;

    h->evidence -= 0.5 * (log(variance) + innovation * innovation / variance);
    s->offset += gain * innovation;
    s->frequency += frequency_gain * innovation;
    s->frequency_variance -= frequency_gain * s->covariance;
    s->offset_variance = gain * noise_variance;
    s->covariance *= noise_variance / variance;
}

static OscillatorHypothesis hypothesis_at(size_t index)
{
    double exponent = log10(WANDER_LEAST) + 0.5 * (double) (index % OSCILLATOR_WANDERS);
    double distance = (exponent - WANDER_USUAL) / WANDER_SPREAD;

    return (OscillatorHypothesis) {.state = {.wander = pow(10, 2 * exponent)},
                                   .evidence = -0.5 * distance * distance};
}

static double noise_variance(size_t index, double jitter)
{
    double noise = noises[index / OSCILLATOR_WANDERS] * jitter;

    return noise * noise;
}

/* Mean and covariance of the mixture. */
static void mix(const OscillatorHypothesis *all, OscillatorState *ret)
{
    double best = -INFINITY, sum = 0, weights[OSCILLATOR_HYPOTHESES];
    OscillatorState mean = {0};

    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++)
        best = MAX(best, all[k].evidence);
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        weights[k] = exp(all[k].evidence - best);
        sum += weights[k];
    }
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        weights[k] /= sum;
        mean.offset += weights[k] * all[k].state.offset;
        mean.frequency += weights[k] * all[k].state.frequency;
        mean.wander += weights[k] * all[k].state.wander;
        mean.noise += weights[k] * all[k].state.noise;
    }
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        const OscillatorState *s = &all[k].state;
        double offset = s->offset - mean.offset, frequency = s->frequency - mean.frequency;

        mean.offset_variance += weights[k] * (s->offset_variance + offset * offset);
        mean.covariance += weights[k] * (s->covariance + offset * frequency);
        mean.frequency_variance += weights[k] * (s->frequency_variance + frequency * frequency);
    }
    *ret = mean;
}

static void follow(OscillatorHypothesis *h, const Measurement *m, size_t count, double common_variance)
{
    for (size_t i = 1; i < count; i++) {
        oscillator_extrapolate(&h->state, m[i].time - m[i - 1].time);
        take_measurement(h, &m[i], m[i].variance + common_variance);
    }
}

void oscillator_filter(const OscillatorMemory *memory, const Measurement *measurements, size_t count,
                       double jitter, OscillatorState *ret)
{
    OscillatorHypothesis all[OSCILLATOR_HYPOTHESES];

    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        double common = noise_variance(k, jitter), variance = measurements[0].variance + common;

        all[k] = hypothesis_at(k);
        if (memory->valid) {
            all[k].state = memory->hypotheses[k].state;
            all[k].evidence += memory->hypotheses[k].evidence;
            oscillator_extrapolate(&all[k].state, measurements[0].time - memory->time);
            take_measurement(&all[k], &measurements[0], variance);
        } else {
            take_first(&all[k], &measurements[0], variance);
        }
        follow(&all[k], measurements, count, common);
        all[k].state.noise = common;
    }
    mix(all, ret);
}

/* Only differences of evidence count: keep them small. */
static void normalize(OscillatorMemory *memory)
{
    double best = -INFINITY;

    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++)
        best = MAX(best, memory->hypotheses[k].evidence);
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++)
        memory->hypotheses[k].evidence -= best;
}

void oscillator_remember(OscillatorMemory *memory, const Measurement *measurement, double jitter)
{
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        OscillatorHypothesis *h = &memory->hypotheses[k];
        double variance = measurement->variance + noise_variance(k, jitter);

        if (memory->valid) {
            h->evidence *= FADING;
            oscillator_extrapolate(&h->state, measurement->time - memory->time);
            take_measurement(h, measurement, variance);
        } else {
            *h = hypothesis_at(k);
            h->evidence = 0; /* what is believed at first is added when the evidence is used */
            take_first(h, measurement, variance);
        }
    }
    normalize(memory);
    memory->valid = true;
    memory->time = measurement->time;
}
