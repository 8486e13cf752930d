// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Numbers as chronyc prints them: short, in the unit that suits the size, padded to the columns of its
 * tables. Every function writes into the caller's cell and returns it. Signs are printed as given: the caller
 * turns corrections into chronyc's "positive: our clock is ahead". */

#include <stdint.h>

#include "core/api/report.h"

/* Room for any number in any style, with terminator. */
#define CELL_MAX 64
typedef char Cell[CELL_MAX];

/* No interval is known. */
#define INTERVAL_NONE UINT32_MAX

/* Seconds since something as a whole number; INTERVAL_NONE for a negative age. */
uint32_t interval_from_age(double seconds);

/* "  42", " 20m", "   -": four wide. */
const char *format_interval(uint32_t seconds, Cell cell);

/* "   +12us": seconds with sign, seven wide, and without sign, six wide. */
const char *format_offset(double seconds, Cell cell);
const char *format_error(double seconds, Cell cell);

/* ppm with sign ("    +1.000") and without, ten wide. */
const char *format_frequency(double ppm, Cell cell);
const char *format_skew(double ppm, Cell cell);

/* "Thu Jan  1 00:00:00 1970" in UTC, and seconds since 1970 with nine digits. Unset is the epoch. */
const char *format_instant(CookedTime t, Cell cell);
const char *format_epoch(CookedTime t, Cell cell);

/* A reference ID as text: those of its four characters that can be printed. */
const char *format_reference_id(uint32_t id, Cell cell);

/* Offset for people who read a sentence: "1.000 s", "12.50 ms", without sign. */
const char *format_duration(double seconds, Cell cell);

/* "Normal", "Insert second"... and the letter of a table: N + - ?. */
const char *leap_status_title(LeapStatus leap);
char leap_status_letter(LeapStatus leap);
