// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <string.h>
#include <unistd.h>

#include "hw/rtc-mode.h"
#include "unit.h"

static void test_content(void **state)
{
    static const struct {
        const char *name, *content;
        bool local;
    } rows[] = {
        {"as hwclock writes it", "0.000000 1700000000 0.000000\n1700000000\nLOCAL\n", true},
        {"UTC", "0.000000 1700000000 0.000000\n1700000000\nUTC\n", false},
        {"as timedated writes it", "0.0 0 0\n0\nLOCAL\n", true},
        {"no newline at the end", "0.0 0 0\n0\nLOCAL", true},
        {"two lines", "0.0 0 0\nLOCAL\n", false},
        {"empty", "", false},
        {"another word", "0.0 0 0\n0\nLOCALTIME\n", false},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char path[] = "/tmp/timeball-test-rtc-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, rows[i].content, strlen(rows[i].content)), strlen(rows[i].content));
        close(fd);
        bool local = rtc_keeps_local_time(path);
        (void) unlink(path);
        if (local != rows[i].local)
            fail_msg("%s: taken for %s", rows[i].name, local ? "local time" : "UTC");
    }
}

static void test_no_file(void **state)
{
    (void) state;
    assert_false(rtc_keeps_local_time("/nowhere/adjtime"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_no_file),
    };

    return cmocka_run_group_tests_name("rtc-mode", tests, NULL, NULL);
}
