// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The interval on which the greatest number of sources agrees (RFC 5905, section 11.2.1, in the simpler form
 * that asks for no midpoints). */

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

typedef struct Interval {
    double low, high; /* s; high >= low */
} Interval;

/* Returns how many of the intervals contain the result; 0 for none given. Of several results with the same
 * number it is the narrowest. */
uint32_t intersection_find(const Interval *intervals, size_t count, Interval *ret);

static inline bool interval_overlaps(const Interval *a, const Interval *b)
{
    return a->low <= b->high && b->low <= a->high;
}
