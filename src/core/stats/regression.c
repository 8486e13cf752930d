// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Weighted least squares over the tail of a register. The signs of the residuals of a good line are coin
 * tosses, so the number of sign changes is binomial; a curve (the oscillator's frequency moved) leaves long
 * stretches with one sign, and the oldest points are left out until it no longer does. */

#include "core/stats/regression.h"

#include <math.h>

#define POINTS_LEAST 3
#define RUNS_LEVEL   0.05

uint32_t regression_critical_runs(size_t count)
{
    double changes, probability, cumulative;

    if (count < POINTS_LEAST)
        return 1;
    /* P(k changes) of count - 1 places, each with probability one half, summed up from k = 0. */
    changes = (double) (count - 1);
    probability = exp2(-changes);
    cumulative = probability;
    for (uint32_t k = 0; k < count; k++) {
        if (cumulative > RUNS_LEVEL)
            return k + 1;
        probability *= (changes - k) / (k + 1.0);
        cumulative += probability;
    }
    return 1;
}

static void fit_line(const RegressionPoint *points, size_t start, size_t count, Regression *ret)
{
    double weights = 0, mean_time = 0, mean_value = 0, tt = 0, tv = 0;

    for (size_t i = start; i < count; i++) {
        weights += points[i].weight;
        mean_time += points[i].weight * points[i].time;
        mean_value += points[i].weight * points[i].value;
    }
    mean_time /= weights;
    mean_value /= weights;
    for (size_t i = start; i < count; i++) {
        double t = points[i].time - mean_time;

        tt += points[i].weight * t * t;
        tv += points[i].weight * t * (points[i].value - mean_value);
    }
    ret->start = start;
    ret->slope = tt > 0 ? tv / tt : 0;
    ret->intercept = mean_value - ret->slope * mean_time;
    /* Filled in with the residuals. */
    ret->slope_sd = tt > 0 ? 1 / sqrt(tt / weights) : INFINITY;
}

static void measure_residuals(const RegressionPoint *points, size_t count, Regression *line)
{
    double squares = 0, weights = 0, plain = 0;
    size_t used = count - line->start;
    bool positive = false;

    line->runs = 0;
    for (size_t i = line->start; i < count; i++) {
        double residual = points[i].value - line->intercept - line->slope * points[i].time;

        if (i == line->start || (residual >= 0) != positive)
            line->runs++;
        positive = residual >= 0;
        squares += points[i].weight * residual * residual;
        weights += points[i].weight;
        plain += residual * residual;
    }
    /* Two degrees of freedom went into the line. */
    line->standard_deviation = sqrt(squares / weights * (double) used / (double) (used - 2));
    line->scatter = sqrt(plain / (double) (used - 2));
    line->slope_sd *= line->standard_deviation / sqrt((double) used);
}

bool regression_fit(const RegressionPoint *points, size_t count, size_t least, double resolution,
                    Regression *ret)
{
    Regression line;

    if (count < POINTS_LEAST)
        return false;
    for (size_t start = 0;; start++) {
        fit_line(points, start, count, &line);
        measure_residuals(points, count, &line);
        if (count - start <= MAX(least, (size_t) POINTS_LEAST) || line.standard_deviation <= resolution ||
            line.runs >= regression_critical_runs(count - start))
            break;
    }
    *ret = line;
    return true;
}
