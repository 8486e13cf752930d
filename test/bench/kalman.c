// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include "kalman.h"

#define FREQUENCY_SD 1e-3

Kalman kalman_new(double wander, double noise)
{
    return (Kalman) {.wander_variance = wander * wander, .noise_variance = noise * noise};
}

static void predict(Kalman *k, double time)
{
    double t = time - k->time, q = k->wander_variance;

    k->offset += t * k->frequency;
    k->p00 += t * (2 * k->p01 + t * k->p11) + q * t * t * t / 3;
    k->p01 += t * k->p11 + q * t * t / 2;
    k->p11 += q * t;
    k->time = time;
}

void kalman_take(Kalman *k, double time, double offset)
{
    double gain0, gain1, innovation;

    if (!k->started) {
        *k = (Kalman) {
            k->wander_variance,         k->noise_variance, true, time, offset, 0, k->noise_variance, 0,
            FREQUENCY_SD * FREQUENCY_SD};
        return;
    }
    predict(k, time);
    innovation = offset - k->offset;
    gain0 = k->p00 / (k->p00 + k->noise_variance);
    gain1 = k->p01 / (k->p00 + k->noise_variance);
    k->offset += gain0 * innovation;
    k->frequency += gain1 * innovation;
    k->p11 -= gain1 * k->p01;
    k->p01 *= 1 - gain0;
    k->p00 *= 1 - gain0;
}

double kalman_offset(const Kalman *k, double time)
{
    return k->offset + (time - k->time) * k->frequency;
}
