// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Product of two normal distributions over offset and frequency: information adds up. */

#include "core/select/combine.h"

#include <math.h>

typedef struct Matrix {
    double oo, of, ff; /* symmetric: offset, covariance, frequency */
} Matrix;

static Matrix covariance_of(const Estimate *e)
{
    return (Matrix) {e->offset_sd * e->offset_sd, e->offset_frequency_covariance,
                     e->frequency_sd * e->frequency_sd};
}

/* Of a covariance that rounding may have left without an inverse: then the two errors count as independent.
 */
static Matrix inverse(Matrix m)
{
    double determinant = m.oo * m.ff - m.of * m.of;

    if (!(determinant > 1e-12 * m.oo * m.ff))
        return (Matrix) {1 / m.oo, 0, 1 / m.ff};
    return (Matrix) {m.ff / determinant, -m.of / determinant, m.oo / determinant};
}

void combine_first(const Estimate *estimate, Estimate *ret)
{
    *ret = *estimate;
}

void combine_add(Estimate *combined, const Estimate *estimate)
{
    Matrix a = inverse(covariance_of(combined)), b = inverse(covariance_of(estimate));
    Matrix sum = inverse((Matrix) {a.oo + b.oo, a.of + b.of, a.ff + b.ff});
    double offset = cooked_diff(estimate->truth, combined->truth);
    double frequency = estimate->frequency - combined->frequency;
    /* What b says beyond a, in units of information. */
    double io = b.oo * offset + b.of * frequency, jf = b.of * offset + b.ff * frequency;
    double wander_weight = b.ff / (a.ff + b.ff);

    combined->truth = cooked_add(combined->truth, sum.oo * io + sum.of * jf);
    combined->frequency += sum.of * io + sum.ff * jf;
    combined->offset_sd = sqrt(sum.oo);
    combined->frequency_sd = sqrt(sum.ff);
    combined->offset_frequency_covariance = sum.of;
    combined->wander += wander_weight * (estimate->wander - combined->wander);
    combined->has_frequency |= estimate->has_frequency;
}
