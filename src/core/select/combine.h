// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* One estimate out of those of several sources that see the same oscillator. */

#include "core/select/select.h"

/* Starts with the first estimate. */
void combine_first(const Estimate *estimate, Estimate *ret);

/* Adds one for the same instant, weighted by what it knows. */
void combine_add(Estimate *combined, const Estimate *estimate);
