// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <stdlib.h>

#include "ctl/date.h"
#include "unit.h"

/* Sun Nov 22 12:34:56 UTC 2026, 13:34:56 in Prague. */
#define NOW 1795350896

static const struct {
    const char *text;
    long long expected; /* -1: refused */
} rows[] = {
    {"16:30", NOW - NOW % 86400 + 15 * 3600 + 30 * 60},
    {"16:30:05", NOW - NOW % 86400 + 15 * 3600 + 30 * 60 + 5},
    {"16:30:05 UTC", NOW - NOW % 86400 + 16 * 3600 + 30 * 60 + 5},
    {"2015-11-21 16:30:05", 1448119805},
    {"2015-11-21T16:30:05", 1448119805},
    {"2015-11-21T15:30:05Z", 1448119805},
    {"2015/11/21 16:30:05", 1448119805},
    {"Nov 21, 2015 16:30:05", 1448119805},
    {"Nov 21 2015 16:30:05", 1448119805},
    {"21 Nov 2015 16:30:05", 1448119805},
    {"2015-07-01 00:00 UTC", 1435708800},
    {"2015-07-01 02:00", 1435708800},
    {"2015-07-01", 1435701600},
    {"@1448119805", 1448119805},
    {"", -1},
    {"@", -1},
    {"@12x", -1},
    {"gibberish", -1},
    {"25:00", -1},
    {"16:30 foo", -1},
    {"2015-02-30", -1},
    {"2026-03-29 02:30", -1}, /* does not exist there */
    {"16:30:05UTC", -1},
    {"Z", -1},
    {"UTC", -1},
};

static void test_dates(void **state)
{
    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        time_t result = -1;

        print_message("%s\n", rows[i].text);
        assert_int_equal(date_parse(rows[i].text, NOW, &result), rows[i].expected >= 0);
        assert_int_equal(result, rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dates)};

    (void) setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    return cmocka_run_group_tests_name("ctl-date", tests, NULL, NULL);
}
