// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Dates by a list of formats of strptime(); see date.h. */

#include "ctl/date.h"

#include <string.h>

#include "base/text.h"

#define DATE_MAX 64

static const char *const days[] = {"", "%Y-%m-%d", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%Y/%m/%d"};
static const char *const times[] = {"%H:%M:%S", "%H:%M", ""};

/* Takes a trailing "UTC" or "Z" off. */
static bool strip_utc(char *text)
{
    size_t length = strlen(text);

    if (length > 1 && text[length - 1] == 'Z' && text[length - 2] >= '0' && text[length - 2] <= '9') {
        text[length - 1] = '\0';
        return true;
    }
    if (length < 4 || !text_equal(text + length - 3, "UTC") || text[length - 4] != ' ')
        return false;
    text[length - 4] = '\0';
    return true;
}

static bool matches(const char *text, const char *format, struct tm *time)
{
    const char *end = strptime(text, format, time);

    return end && *end == '\0';
}

/* A day, a time of day, or both; time comes with those of today, and midnight. */
static bool parse_local(const char *text, struct tm *time)
{
    char format[32];

    for (size_t d = 0; d < ELEMENTS(days); d++)
        for (size_t t = 0; t < ELEMENTS(times); t++) {
            Text both = TEXT(format);
            struct tm trial = *time;

            text_append(&both, days[d]);
            text_append(&both, days[d][0] != '\0' && times[t][0] != '\0' ? " " : "");
            text_append(&both, times[t]);
            if (format[0] == '\0' || !matches(text, format, &trial))
                continue;
            *time = trial;
            return true;
        }
    return false;
}

/* "2026-11-22T10:00" */
static void split_iso(char *text)
{
    char *t = strchr(text, 'T');

    if (t && t > text && t[-1] >= '0' && t[-1] <= '9' && t[1] >= '0' && t[1] <= '9')
        *t = ' ';
}

static bool is_same(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday &&
           a->tm_hour == b->tm_hour && a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

bool date_parse(const char *text, time_t now, time_t *ret)
{
    char buffer[DATE_MAX];
    struct tm time;
    int64_t seconds;

    if (!text_copy(buffer, sizeof(buffer), text))
        return false;
    if (buffer[0] == '@') {
        if (!text_to_int(buffer + 1, &seconds))
            return false;
        *ret = seconds;
        return true;
    }
    bool utc = strip_utc(buffer);
    split_iso(buffer);
    if (!(utc ? gmtime_r(&now, &time) : localtime_r(&now, &time)))
        return false;
    time.tm_hour = time.tm_min = time.tm_sec = 0;
    if (!parse_local(buffer, &time))
        return false;
    time.tm_isdst = -1;
    struct tm wanted = time;
    time_t result = utc ? timegm(&time) : mktime(&time);
    if (!is_same(&wanted, &time)) /* 30 February, or an hour that daylight saving skips */
        return false;
    *ret = result;
    return true;
}
