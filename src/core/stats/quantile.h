// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Quantile of a few of the latest numbers. */

#include "base/macros.h"

/* The value below which the fraction `quantile` (0..1) of values lies, interpolated; values is reordered.
 * count at least 1. */
double quantile_of(double *values, size_t count, double quantile);
