// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Insertion sort: a register has 64 values at most and is nearly in order when it is sorted again. */

#include "core/stats/quantile.h"

#include <math.h>

double quantile_of(double *values, size_t count, double quantile)
{
    double place = quantile * (double) (count - 1), below = floor(place);
    size_t index = (size_t) below;

    for (size_t i = 1; i < count; i++) {
        double value = values[i];
        size_t j = i;

        for (; j > 0 && values[j - 1] > value; j--)
            values[j] = values[j - 1];
        values[j] = value;
    }
    if (index + 1 >= count)
        return values[count - 1];
    return values[index] + (place - below) * (values[index + 1] - values[index]);
}
