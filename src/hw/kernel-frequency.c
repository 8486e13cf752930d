// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Frequencies as adjtimex(2) holds them; see kernel-frequency.h. */

#include "hw/kernel-frequency.h"

#include <math.h>

#include "base/macros.h"

#define FREQUENCY_LIMIT 0.1                 /* the kernel refuses a tick further away */
#define FINE_UNIT       (1e-6 / (1L << 16)) /* dimensionless */
#define FINE_LIMIT      (500L * (1L << 16)) /* MAXFREQ of the kernel */
#define USEC_PER_SECOND 1000000L

KernelFrequency kernel_frequency_split(double frequency, long ticks_per_second)
{
    long nominal = USEC_PER_SECOND / ticks_per_second;
    double tick_unit = 1e-6 * (double) ticks_per_second; /* frequency that one microsecond of tick makes */
    double base = (double) (nominal * ticks_per_second - USEC_PER_SECOND) * 1e-6;

    if (isnan(frequency))
        frequency = 0;
    frequency = CLAMP(frequency, -FREQUENCY_LIMIT, FREQUENCY_LIMIT);

    long low = (long) (900000 / ticks_per_second), high = (long) (1100000 / ticks_per_second);
    long tick = CLAMP(nominal + lrint((frequency - base) / tick_unit), low, high);
    double rest = frequency - base - (double) (tick - nominal) * tick_unit;
    return (KernelFrequency) {.tick = tick, .fine = CLAMP(lrint(rest / FINE_UNIT), -FINE_LIMIT, FINE_LIMIT)};
}

double kernel_frequency_join(KernelFrequency pair, long ticks_per_second)
{
    return (double) (pair.tick * ticks_per_second - USEC_PER_SECOND) * 1e-6 + (double) pair.fine * FINE_UNIT;
}
