// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Offset and frequency of an oscillator whose frequency does a random walk of unknown strength, out of
 * measurements whose noise is known in part. */

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* The offset is anywhere within `half_width` of the measured one with the same probability, and the
 * measurement has a normal error on top. */
typedef struct Measurement {
    double time;       /* s, any origin, ascending */
    double offset;     /* s */
    double half_width; /* s, 0 or more */
    double variance;   /* s^2, above 0: of the normal error */
    bool moved;        /* what is measured by has been set since the last one: the offset begins anew, the
                          frequency goes on */
} Measurement;

/* At some time, that of the newest measurement or of what it was extrapolated to. */
typedef struct OscillatorState {
    double offset, frequency;
    double offset_variance, covariance, frequency_variance;
    double wander; /* variance that the frequency gains each second */
    double noise;  /* s^2, variance of a typical measurement; in the mean of all only */
} OscillatorState;

/* Carries a state on by `seconds` (not negative). */
void oscillator_extrapolate(OscillatorState *state, double seconds);

/* Combinations of wander and common noise that are tried. */
#define OSCILLATOR_WANDERS    13
#define OSCILLATOR_NOISES     6
#define OSCILLATOR_HYPOTHESES (OSCILLATOR_WANDERS * OSCILLATOR_NOISES)

typedef struct OscillatorHypothesis {
    OscillatorState state;
    double evidence;    /* log likelihood */
    double information; /* 1/s^2, mean of the inverse variances of the measurements */
} OscillatorHypothesis;

/* All of them, after some measurements. A zeroed one has seen none. */
typedef struct OscillatorBank {
    uint32_t count; /* measurements that went in */
    double time;    /* s, of the last one */
    OscillatorHypothesis hypotheses[OSCILLATOR_HYPOTHESES];
} OscillatorBank;

/* Takes one more measurement in, not older than the last. `jitter`: s, the scale of the unknown noise.
 * `fading`: what is left of the evidence so far, 0..1. */
void oscillator_bank_take(OscillatorBank *bank, const Measurement *measurement, double jitter, double fading);

/* The mean of all hypotheses, at the time of the last measurement; at least one was taken in. */
void oscillator_bank_state(const OscillatorBank *bank, OscillatorState *ret);
