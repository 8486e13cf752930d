// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Offset and frequency of an oscillator whose frequency does a random walk of unknown strength, out of
 * measurements of known variance. */

#include <stdbool.h>

#include "base/macros.h"

typedef struct Measurement {
    double time;     /* s, any origin, ascending */
    double offset;   /* s */
    double variance; /* s^2, above 0 */
} Measurement;

/* At the time of the newest measurement, or of whatever it was extrapolated to. */
typedef struct OscillatorState {
    double offset, frequency;
    double offset_variance, covariance, frequency_variance;
    double wander; /* variance that the frequency gains each second */
} OscillatorState;

/* count at least 1. `frequency_sd`: how far from 0 the frequency may be before anything is known. */
void oscillator_filter(const Measurement *measurements, size_t count, double frequency_sd,
                       OscillatorState *ret);

/* Carries a state on by `seconds` (not negative). */
void oscillator_extrapolate(OscillatorState *state, double seconds);
