// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The yardstick: a Kalman filter that is told the oscillator's wander and the variance of the offsets, sees
 * the same answers as the engine, and whose estimate a perfect clock would show at once. It knows nothing of
 * delays, and nothing of lies. */

#include <stdbool.h>

typedef struct Kalman {
    double wander_variance, noise_variance;
    bool started;
    double time; /* s */
    double offset, frequency;
    double p00, p01, p11;
} Kalman;

Kalman kalman_new(double wander, double noise);

/* offset: s, of the bare oscillator as measured. */
void kalman_take(Kalman *k, double time, double offset);
double kalman_offset(const Kalman *k, double time);
