// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Numbers in chronyc's styles; see format.h. The limits between units lie where rounding would make a number
 * one digit wider. */

#include "ctl/format.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#define MINUTE 60
#define HOUR   3600
#define DAY    86400
#define YEAR   (365 * DAY)

uint32_t interval_from_age(double seconds)
{
    if (!(seconds >= 0))
        return INTERVAL_NONE;
    return seconds < INTERVAL_NONE ? (uint32_t) seconds : INTERVAL_NONE - 1;
}

const char *format_interval(uint32_t seconds, Cell cell)
{
    uint32_t days = seconds / DAY;

    if (seconds == INTERVAL_NONE)
        snprintf(cell, CELL_MAX, "   -");
    else if (seconds < 20 * MINUTE)
        snprintf(cell, CELL_MAX, "%4" PRIu32, seconds);
    else if (seconds < 10 * HOUR)
        snprintf(cell, CELL_MAX, "%3" PRIu32 "m", seconds / MINUTE);
    else if (seconds < 4 * DAY)
        snprintf(cell, CELL_MAX, "%3" PRIu32 "h", seconds / HOUR);
    else if (days <= 999)
        snprintf(cell, CELL_MAX, "%3" PRIu32 "d", days);
    else
        snprintf(cell, CELL_MAX, "%3" PRIu32 "y", days / 365);
    return cell;
}

/* One unit of durations: values up to limit (s) are printed as seconds / scale with decimals. */
static const struct DurationUnit {
    double limit, scale;
    int decimals;
    const char *suffix;
} units[] = {
    {9999.5e-9, 1e-9, 0, "ns"},     {9999.5e-6, 1e-6, 0, "us"},
    {9999.5e-3, 1e-3, 0, "ms"},     {999.5, 1, 1, "s"},
    {99999.5, 1, 0, "s"},           {99999.5 * MINUTE, MINUTE, 0, "m"},
    {99999.5 * HOUR, HOUR, 0, "h"}, {99999.5 * DAY, DAY, 0, "d"},
    {INFINITY, YEAR, 0, "y"},
};

static const struct DurationUnit *unit_for(double seconds)
{
    size_t i = 0;

    while (i < ELEMENTS(units) - 1 && !(fabs(seconds) < units[i].limit))
        i++;
    return &units[i];
}

/* width: of the number with its unit. A suffix of one character leaves the number one wider. */
static const char *format_with_unit(double seconds, const char *sign, int width, Cell cell)
{
    const struct DurationUnit *unit = unit_for(seconds);
    double value = seconds / unit->scale + 0.0; /* + 0.0: a zero has no sign */
    char number[CELL_MAX];

    snprintf(number, sizeof(number), *sign ? "%+.*f" : "%.*f", unit->decimals, value);
    snprintf(cell, CELL_MAX, "%*s%s", width - (unit->suffix[1] ? 2 : 1), number, unit->suffix);
    return cell;
}

const char *format_offset(double seconds, Cell cell)
{
    return format_with_unit(seconds, "+", 7, cell);
}

const char *format_error(double seconds, Cell cell)
{
    return format_with_unit(seconds, "", 6, cell);
}

const char *format_frequency(double ppm, Cell cell)
{
    snprintf(cell, CELL_MAX, "%+10.*f", fabs(ppm) < 99999.5 ? 3 : 0, ppm + 0.0);
    return cell;
}

const char *format_skew(double ppm, Cell cell)
{
    snprintf(cell, CELL_MAX, "%10.*f", fabs(ppm) < 99999.5 ? 3 : 0, ppm + 0.0);
    return cell;
}

/* Whole seconds and the rest; the epoch when unset. */
static struct timespec timespec_or_epoch(CookedTime t)
{
    return t.ns == TIME_UNSET ? (struct timespec) {0} : timespec_from_ns(t.ns);
}

const char *format_instant(CookedTime t, Cell cell)
{
    struct timespec ts = timespec_or_epoch(t);
    struct tm tm;

    cell[0] = '\0';
    if (gmtime_r(&ts.tv_sec, &tm))
        strftime(cell, CELL_MAX, "%a %b %d %H:%M:%S %Y", &tm);
    return cell;
}

const char *format_epoch(CookedTime t, Cell cell)
{
    struct timespec ts = timespec_or_epoch(t);

    snprintf(cell, CELL_MAX, "%" PRIdMAX ".%09ld", (intmax_t) ts.tv_sec, ts.tv_nsec);
    return cell;
}

const char *format_reference_id(uint32_t id, Cell cell)
{
    size_t n = 0;

    for (int shift = 24; shift >= 0; shift -= 8) {
        unsigned char c = (unsigned char) (id >> shift);
        if (c < 0x80 && isprint(c))
            cell[n++] = (char) c;
    }
    cell[n] = '\0';
    return cell;
}

const char *format_duration(double seconds, Cell cell)
{
    double size = fabs(seconds);

    if (!(size < 9.9995))
        snprintf(cell, CELL_MAX, "%.1f s", size);
    else if (size >= 0.99995)
        snprintf(cell, CELL_MAX, "%.3f s", size);
    else if (size >= 999.95e-6)
        snprintf(cell, CELL_MAX, "%.2f ms", size * 1e3);
    else if (size >= 999.5e-9)
        snprintf(cell, CELL_MAX, "%.1f us", size * 1e6);
    else
        snprintf(cell, CELL_MAX, "%.0f ns", size * 1e9);
    return cell;
}

const char *leap_status_title(LeapStatus leap)
{
    switch (leap) {
    case LEAP_NORMAL: return "Normal";
    case LEAP_INSERT: return "Insert second";
    case LEAP_DELETE: return "Delete second";
    case LEAP_UNSYNCHRONIZED: return "Not synchronised";
    }
    return "Invalid";
}

char leap_status_letter(LeapStatus leap)
{
    switch (leap) {
    case LEAP_NORMAL: return 'N';
    case LEAP_INSERT: return '+';
    case LEAP_DELETE: return '-';
    case LEAP_UNSYNCHRONIZED: break;
    }
    return '?';
}
