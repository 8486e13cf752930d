// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A filter with two states (offset, frequency) for each of a grid of wanders and noises, and the mean of
 * their results weighted by how well each foresaw the measurements. The mean adapts by itself and never jumps
 * from one wander to another.
 *
 * Between measurements it is a Kalman filter. A measurement tells an interval, not a normal distribution:
 * what is known after it is a normal distribution cut off on both sides, and the filter goes on with a normal
 * one that has the same mean and variance (assumed density filtering). Several intervals cut each other down
 * much faster than their variances would average. doc/estimator.md has the measurements that led here. */

#include "core/stats/oscillator-filter.h"

#include <math.h>

/* Decimal logarithms of the standard deviation that the frequency gains in a second: from better than an oven
 * to worse than a machine in the sun, two values to the decade. Most machines are in the middle; two decades
 * away is one standard deviation of what is believed before anything is measured. */
#define WANDER_LEAST  -12.0
#define WANDER_STEP   0.5
#define WANDER_USUAL  -8.5
#define WANDER_SPREAD 2.0

/* Before anything is known the oscillator is this far from right. */
#define FREQUENCY_SD 1e-4

/* Measurements in the mean of what they tell. */
#define INFORMATION_MEMORY 64u

/* How noisy a measurement is: whether its delay means anything, and a noise that the delay does not tell of
 * (timestamps, the server's own clock), in units of the jitter. */
static const struct {
    bool delay;
    double noise;
} noises[OSCILLATOR_NOISES] = {{true, 0}, {true, 0.1}, {true, 0.3}, {true, 1}, {false, 0.3}, {false, 0.6}};

/* Beyond so many standard deviations outside of an interval its edges are not to be believed. */
#define EDGE_FAR 5.0

void oscillator_extrapolate(OscillatorState *state, double seconds)
{
    double t = seconds, q = state->wander;

    state->offset += state->frequency * t;
    state->offset_variance += t * (2 * state->covariance + t * state->frequency_variance) + q * t * t * t / 3;
    state->covariance += t * state->frequency_variance + q * t * t / 2;
    state->frequency_variance += q * t;
}

static double measured_variance(const Measurement *m)
{
    return m->variance + m->half_width * m->half_width / 3;
}

/* Nothing is known of the offset but this. */
static void take_offset(OscillatorHypothesis *h, const Measurement *m)
{
    h->state.offset = m->offset;
    h->state.offset_variance = measured_variance(m);
    h->state.covariance = 0;
}

static void take_first(OscillatorHypothesis *h, const Measurement *m)
{
    take_offset(h, m);
    h->state.frequency = 0;
    h->state.frequency_variance = FREQUENCY_SD * FREQUENCY_SD;
}

/* New moments from the first two derivatives of the evidence by the expected offset. */
static void correct(OscillatorState *s, double slope, double curvature)
{
    double gain = s->offset_variance, frequency_gain = s->covariance;

    s->offset += gain * slope;
    s->frequency += frequency_gain * slope;
    s->offset_variance += gain * gain * curvature;
    s->covariance += gain * frequency_gain * curvature;
    s->frequency_variance += frequency_gain * frequency_gain * curvature;
}

static void take_normal(OscillatorHypothesis *h, const Measurement *m, double variance)
{
    double total = h->state.offset_variance + variance, innovation = m->offset - h->state.offset;

    h->evidence -= 0.5 * (log(2 * M_PI * total) + innovation * innovation / total);
    correct(&h->state, innovation / total, -1 / total);
}

static double normal_density(double x)
{
    return exp(-0.5 * x * x) / sqrt(2 * M_PI);
}

static double normal_probability(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

static void take_measurement(OscillatorHypothesis *h, const Measurement *m)
{
    double total = h->state.offset_variance + m->variance, sd = sqrt(total);
    double low = (m->offset - m->half_width - h->state.offset) / sd;
    double high = (m->offset + m->half_width - h->state.offset) / sd;
    double inside, slope, curvature;

    if (low < -EDGE_FAR && high > EDGE_FAR) { /* all that is possible is inside */
        h->evidence -= log(2 * m->half_width);
        return;
    }
    if (m->half_width <= 0 || low > EDGE_FAR || high < -EDGE_FAR) {
        take_normal(h, m, measured_variance(m));
        return;
    }
    inside = normal_probability(high) - normal_probability(low);
    /* An interval far narrower than what is known is as good as a point. */
    if (!(inside > 1e-9)) {
        take_normal(h, m, measured_variance(m));
        return;
    }
    slope = (normal_density(low) - normal_density(high)) / inside;
    curvature = (low * normal_density(low) - high * normal_density(high)) / inside - slope * slope;
    h->evidence += log(inside / (2 * m->half_width));
    correct(&h->state, slope / sd, CLAMP(curvature, -1.0, -1e-9) / total);
}

static double wander_exponent(size_t index)
{
    return WANDER_LEAST + WANDER_STEP * (double) (index % OSCILLATOR_WANDERS);
}

/* What is believed of a hypothesis before anything is measured, as evidence. */
static double prior_evidence(size_t index)
{
    double distance = (wander_exponent(index) - WANDER_USUAL) / WANDER_SPREAD;

    return -0.5 * distance * distance;
}

/* A measurement as a hypothesis sees it. */
static Measurement as_seen(const Measurement *m, size_t index, double jitter)
{
    double noise = noises[index / OSCILLATOR_WANDERS].noise * jitter;
    Measurement seen = *m;

    if (!noises[index / OSCILLATOR_WANDERS].delay)
        seen.half_width = 0;
    seen.variance += noise * noise;
    return seen;
}

/* Mean and covariance of the mixture. */
void oscillator_bank_state(const OscillatorBank *bank, OscillatorState *ret)
{
    const OscillatorHypothesis *all = bank->hypotheses;
    double best = -INFINITY, sum = 0, weights[OSCILLATOR_HYPOTHESES];
    OscillatorState mean = {0};

    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        weights[k] = all[k].evidence + prior_evidence(k);
        best = MAX(best, weights[k]);
    }
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        weights[k] = exp(weights[k] - best);
        sum += weights[k];
    }
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        weights[k] /= sum;
        mean.offset += weights[k] * all[k].state.offset;
        mean.frequency += weights[k] * all[k].state.frequency;
        mean.wander += weights[k] * all[k].state.wander;
        mean.noise += weights[k] / all[k].information;
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

/* Only differences of evidence count: keep them small. */
static void normalize(OscillatorBank *bank)
{
    double best = -INFINITY;

    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++)
        best = MAX(best, bank->hypotheses[k].evidence);
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++)
        bank->hypotheses[k].evidence -= best;
}

void oscillator_bank_take(OscillatorBank *bank, const Measurement *measurement, double jitter, double fading)
{
    for (size_t k = 0; k < OSCILLATOR_HYPOTHESES; k++) {
        OscillatorHypothesis *h = &bank->hypotheses[k];
        Measurement m = as_seen(measurement, k, jitter);
        double information = 1 / measured_variance(&m);

        if (bank->count > 0) {
            h->evidence *= fading;
            h->information +=
                (information - h->information) / (double) MIN(bank->count + 1, INFORMATION_MEMORY);
            oscillator_extrapolate(&h->state, m.time - bank->time);
            if (m.moved)
                take_offset(h, &m);
            else
                take_measurement(h, &m);
        } else {
            *h = (OscillatorHypothesis) {.information = information};
            h->state.wander = pow(10, 2 * wander_exponent(k));
            take_first(h, &m);
        }
    }
    normalize(bank);
    bank->count++;
    bank->time = measurement->time;
}
