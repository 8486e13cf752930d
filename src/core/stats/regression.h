// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Weighted linear regression with a runs test: the line that people know from `sourcestats`. */

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

typedef struct RegressionPoint {
    double time;   /* s, any origin */
    double value;  /* s */
    double weight; /* above 0; inverse variance, or anything in proportion to it */
} RegressionPoint;

typedef struct Regression {
    size_t start;              /* first point that the line describes: older ones fail the runs test */
    uint32_t runs;             /* of residuals with the same sign */
    double intercept, slope;   /* value at time 0; s and dimensionless */
    double standard_deviation; /* s, of the weighted residuals; 0 for exact lines */
    double scatter;            /* s, root mean square of the residuals, all weighted alike */
    double slope_sd;           /* standard error of slope */
} Regression;

/* Fits points (in order of time) by the longest tail whose residuals change sign often enough for a straight
 * line with independent noise (one-sided, 5 %), but never by fewer than `least` points (or all there are).
 * `resolution`: residuals this small (s) are rounding, and their signs mean nothing. false: fewer than 3
 * points. */
bool regression_fit(const RegressionPoint *points, size_t count, size_t least, double resolution,
                    Regression *ret);

/* The smallest number of runs that `count` residuals of a straight line show in 95 % of cases. */
uint32_t regression_critical_runs(size_t count);
