// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* xoshiro256** by Blackman and Vigna (2018); normal numbers by the polar method of Marsaglia. */

#include "random.h"

#include <math.h>
#include <string.h>

Random random_seeded(uint64_t seed)
{
    Random r = {.spare = NAN};

    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        r.state[i] = z ^ (z >> 31);
    }
    return r;
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t random_bits(Random *r)
{
    uint64_t *s = r->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double random_uniform(Random *r)
{
    return ((double) (random_bits(r) >> 11) + 0.5) * 0x1p-53;
}

double random_exponential(Random *r)
{
    return -log(random_uniform(r));
}

double random_normal(Random *r)
{
    double u, v, s, factor;

    if (!isnan(r->spare)) {
        double spare = r->spare;

        r->spare = NAN;
        return spare;
    }
    do {
        u = 2 * random_uniform(r) - 1;
        v = 2 * random_uniform(r) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s <= 0);
    factor = sqrt(-2 * log(s) / s);
    r->spare = v * factor;
    return u * factor;
}

void random_fill(Random *r, void *buffer, size_t size)
{
    uint8_t *at = buffer;

    while (size > 0) {
        uint64_t bits = random_bits(r);
        size_t n = size < sizeof(bits) ? size : sizeof(bits);

        memcpy(at, &bits, n);
        at += n;
        size -= n;
    }
}
