// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "number-file.h"
#include "unit.h"

static char path[] = "/tmp/timeball-test-number-XXXXXX";

static void put(const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void test_read(void **state)
{
    static const struct {
        const char *content;
        bool good;
        int64_t number;
    } rows[] = {
        {"3\n", true, 3},
        {"3", true, 3},
        {"-4\n\n", true, -4},
        {"9223372036854775807\n", true, INT64_MAX},
        {"9223372036854775808\n", false, 0},
        {"", false, 0},
        {"\n", false, 0},
        {"three\n", false, 0},
        {"3 4\n", false, 0},
        {"3.5\n", false, 0},
        {"0000000000000000000000000000000000000000003\n", false, 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int64_t number = -1;
        put(rows[i].content);
        bool good = number_file_read(path, &number);
        if (good != rows[i].good || number != (good ? rows[i].number : -1))
            fail_msg("\"%s\"", rows[i].content);
    }
}

/* Neither a link nor a FIFO is read, nor waited for. */
static void test_traps(void **state)
{
    char target[sizeof path + 8];
    struct stat status;
    int64_t number;

    (void) state;
    snprintf(target, sizeof target, "%s.x", path);
    put("3\n");
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_false(number_file_read(path, &number));
    assert_int_equal(number_file_write(path, 4), 0);
    assert_true(number_file_read(path, &number) && number == 4);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_true(number_file_read(target, &number) && number == 3);
    (void) unlink(target);
    (void) unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(number_file_read(path, &number));
    assert_true(number_file_write(path, 5) < 0);
    (void) unlink(path);
    assert_false(number_file_read(path, &number));
}

static int make_name(void **state)
{
    int fd = mkstemp(path);

    (void) state;
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int remove_name(void **state)
{
    (void) state;
    (void) unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_traps)};

    return cmocka_run_group_tests(tests, make_name, remove_name);
}
