// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* One estimate out of those of several sources that see the same oscillator. */

#include "core/select/select.h"

/* Combines `count` (at least 1) estimates for the same instant. */
void combine_estimates(const Estimate *const *estimates, size_t count, Estimate *ret);
