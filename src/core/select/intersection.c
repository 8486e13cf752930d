// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Every largest intersection begins at the low end of some interval: count who contains each of them. The
 * square of a few dozen sources is less than sorting would need to be worth its memory. */

#include "core/select/intersection.h"

static uint32_t count_around(const Interval *intervals, size_t count, double low, Interval *ret)
{
    uint32_t depth = 0;

    *ret = (Interval) {low, __builtin_inf()};
    for (size_t i = 0; i < count; i++) {
        if (intervals[i].low > low || intervals[i].high < low)
            continue;
        ret->high = MIN(ret->high, intervals[i].high);
        depth++;
    }
    return depth;
}

uint32_t intersection_find(const Interval *intervals, size_t count, Interval *ret)
{
    uint32_t best = 0;

    for (size_t i = 0; i < count; i++) {
        Interval found;
        uint32_t depth = count_around(intervals, count, intervals[i].low, &found);

        if (depth < best || (depth == best && found.high - found.low >= ret->high - ret->low))
            continue;
        best = depth;
        *ret = found;
    }
    return best;
}
