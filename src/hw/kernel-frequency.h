// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* How the kernel holds a frequency: length of a tick in whole microseconds (the coarse part, +-10 %), and a
 * fine part in 2^-16 ppm (+-500 ppm). Arithmetic only. */

typedef struct KernelFrequency {
    long tick; /* us; 9000..11000 when there are 100 ticks in a second */
    long fine; /* 2^-16 ppm; -32768000..32768000 */
} KernelFrequency;

/* Nearest to frequency (correction, dimensionless; limited to +-0.1, NaN is 0) for a kernel with
 * ticks_per_second (USER_HZ, 100 nearly everywhere). The fine part is kept small. */
KernelFrequency kernel_frequency_split(double frequency, long ticks_per_second);

/* What the pair amounts to, as a correction. */
double kernel_frequency_join(KernelFrequency pair, long ticks_per_second);
