// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the battery-backed clock (RTC) keeps. */

#include <stdbool.h>

/* Where hwclock(8) and timedated note it. */
#define ADJTIME_FILE "/etc/adjtime"

/* True when the third line of that file says LOCAL; without the file the RTC keeps UTC. */
bool rtc_keeps_local_time(const char *adjtime_file);
