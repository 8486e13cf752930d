// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Offset and frequency of an oscillator whose frequency does a random walk of unknown strength, out of
 * measurements whose noise is known but for a part that is common to all. */

#include <stdbool.h>

#include "base/macros.h"

typedef struct Measurement {
    double time;     /* s, any origin, ascending */
    double offset;   /* s */
    double variance; /* s^2, above 0: what is known of its noise */
} Measurement;

/* At some time, that of the newest measurement or of what it was extrapolated to. */
typedef struct OscillatorState {
    double offset, frequency;
    double offset_variance, covariance, frequency_variance;
    double wander; /* variance that the frequency gains each second */
    double noise;  /* s^2, of each measurement beyond its own variance */
} OscillatorState;

/* Carries a state on by `seconds` (not negative). */
void oscillator_extrapolate(OscillatorState *state, double seconds);

/* Combinations of wander and common noise that are tried. */
#define OSCILLATOR_WANDERS    13
#define OSCILLATOR_NOISES     4
#define OSCILLATOR_HYPOTHESES (OSCILLATOR_WANDERS * OSCILLATOR_NOISES)

typedef struct OscillatorHypothesis {
    OscillatorState state;
    double evidence; /* log likelihood */
} OscillatorHypothesis;

/* What is remembered of measurements that are gone. A zeroed one remembers nothing. */
typedef struct OscillatorMemory {
    bool valid;
    double time; /* s, of the last one taken in */
    OscillatorHypothesis hypotheses[OSCILLATOR_HYPOTHESES];
} OscillatorMemory;

/* State at the newest of `count` (at least 1) measurements, all newer than what is remembered, with times
 * and offsets from the same origin. `jitter`: s, the scale of the common noise. */
void oscillator_filter(const OscillatorMemory *memory, const Measurement *measurements, size_t count,
                       double jitter, OscillatorState *ret);

/* Takes a measurement into the memory. */
void oscillator_remember(OscillatorMemory *memory, const Measurement *measurement, double jitter);
