// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "known-time.h"
#include "unit.h"

static char directory[] = "/tmp/timeball-test-XXXXXX";
static char path[64], aside[64];

static int set_up(void **state)
{
    (void) state;
    if (!mkdtemp(directory))
        return -1;
    (void) text_copy(path, sizeof path, directory);
    strcat(path, "/" KNOWN_TIME_FILE);
    (void) text_copy(aside, sizeof aside, path);
    strcat(aside, ".bad");
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    (void) unlink(path);
    (void) unlink(aside);
    return rmdir(directory);
}

static void put(const void *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, length), length);
    close(fd);
}

static KnownTimeState read_it(int64_t *ret)
{
    char buffer[200];
    Text problem = TEXT(buffer);
    KnownTimeState state = known_time_read(directory, ret, &problem);

    /* Exactly a bad file has something to say. */
    assert_int_equal(state == KNOWN_TIME_BAD, problem.length > 0);
    return state;
}

/* A bad one is out of the way, with its content; none of it is believed. */
static void test_content(void **state)
{
    static const struct {
        const char *name, *content;
        size_t length;
        KnownTimeState expected;
        int64_t seconds;
    } rows[] = {
        {"ours", "1795000000\n", 11, KNOWN_TIME_LOADED, 1795000000},
        {"the epoch", "0\n", 2, KNOWN_TIME_LOADED, 0},
        {"the year 9999", "253402300799\n", 13, KNOWN_TIME_LOADED, 253402300799},
        {"later", "253402300800\n", 13, KNOWN_TIME_BAD, 0},
        {"before the epoch", "-1\n", 3, KNOWN_TIME_BAD, 0},
        {"empty", "", 0, KNOWN_TIME_BAD, 0},
        {"cut off", "17950", 5, KNOWN_TIME_BAD, 0},
        {"two lines", "1795000000\n1\n", 13, KNOWN_TIME_BAD, 0},
        {"words", "yesterday\n", 10, KNOWN_TIME_BAD, 0},
        {"a fraction", "1795000000.5\n", 13, KNOWN_TIME_BAD, 0},
        {"a zero byte", "1795\0000000\n", 11, KNOWN_TIME_BAD, 0},
        {"overflow", "99999999999999999999999\n", 24, KNOWN_TIME_BAD, 0},
        {"long", "00000000000000000000000000000001795000000\n", 42, KNOWN_TIME_BAD, 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int64_t seconds = 0;

        put(rows[i].content, rows[i].length);
        KnownTimeState found = read_it(&seconds);
        if (found != rows[i].expected || seconds != rows[i].seconds)
            fail_msg("%s: state %d, %" PRId64, rows[i].name, (int) found, seconds);
        if ((access(path, F_OK) == 0) != (found == KNOWN_TIME_LOADED) ||
            (access(aside, F_OK) == 0) != (found == KNOWN_TIME_BAD))
            fail_msg("%s: the file is not where it belongs", rows[i].name);
        (void) unlink(path);
        (void) unlink(aside);
    }
}

static void test_no_file_at_all(void **state)
{
    int64_t seconds = 7;

    (void) state;
    assert_int_equal(read_it(&seconds), KNOWN_TIME_ABSENT);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_it(&seconds), KNOWN_TIME_BAD);
    assert_int_equal(unlink(aside), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(read_it(&seconds), KNOWN_TIME_BAD);
    assert_int_equal(unlink(aside), 0);
    assert_int_equal(seconds, 7);
}

static void test_write_and_read_back(void **state)
{
    struct stat status;
    int64_t seconds;

    (void) state;
    umask(0);
    assert_int_equal(known_time_write(directory, 1795000000), 0);
    assert_int_equal(known_time_write(directory, 1795003600), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(read_it(&seconds), KNOWN_TIME_LOADED);
    assert_int_equal(seconds, 1795003600);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_no_file_at_all),
        cmocka_unit_test(test_write_and_read_back),
    };

    return cmocka_run_group_tests_name("known-time", tests, set_up, tear_down);
}
