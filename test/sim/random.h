// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Random numbers that are the same on every machine: xoshiro256** seeded by splitmix64. */

#include <stddef.h>
#include <stdint.h>

typedef struct Random {
    uint64_t state[4];
    double spare; /* the second normal number of a pair; NaN: none */
} Random;

Random random_seeded(uint64_t seed);

uint64_t random_bits(Random *r);
double random_uniform(Random *r);     /* 0 < u < 1 */
double random_exponential(Random *r); /* mean 1 */
double random_normal(Random *r);      /* mean 0, standard deviation 1 */
void random_fill(Random *r, void *buffer, size_t size);
