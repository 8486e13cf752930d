// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Dates as people write them. */

#include <stdbool.h>
#include <time.h>

#include "base/macros.h"

/* Accepts "HH:MM[:SS]" of today, a date with or without such a time ("2026-11-22", "22 Nov 2026", "Nov 22,
 * 2026"), in the zone of TZ, or of UTC with "UTC" or "Z" behind it, and "@SECONDS" since 1970. now: which day
 * today is. */
bool date_parse(const char *text, time_t now, time_t *ret) must_check_;
