// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drift-file.h"
#include "unit.h"

static char directory[] = "/tmp/timeball-test-XXXXXX";
static char path[64], other[64];

static int set_up(void **state)
{
    (void) state;
    if (!mkdtemp(directory))
        return -1;
    (void) text_copy(path, sizeof path, directory);
    (void) text_copy(other, sizeof other, directory);
    strcat(path, "/drift");
    strcat(other, "/other");
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    (void) unlink(path);
    (void) unlink(other);
    return rmdir(directory);
}

static void put(const char *name, const void *data, size_t length)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, length), length);
    close(fd);
}

static DriftFileState read_it(Drift *ret)
{
    char buffer[200];
    Text problem = TEXT(buffer);
    DriftFileState state = drift_file_read(path, ret, &problem);

    /* Exactly a bad file has something to say. */
    assert_int_equal(state == DRIFT_FILE_BAD, problem.length > 0);
    return state;
}

static void test_content(void **state)
{
    static const struct {
        const char *name, *content;
        DriftFileState expected;
        double frequency, skew;
    } rows[] = {
        {"as chrony writes it", "           12.345678             0.123456\n", DRIFT_FILE_LOADED, 12.345678,
         0.123456},
        {"negative", "-12.5 0.1", DRIFT_FILE_LOADED, -12.5, 0.1},
        {"tabs", "\t1\t2\t\n", DRIFT_FILE_LOADED, 1, 2},
        {"limits", "100000 100000\n", DRIFT_FILE_LOADED, 100000, 100000},
        {"empty", "", DRIFT_FILE_BAD},
        {"blank", "   \n\n", DRIFT_FILE_BAD},
        {"cut off", "   12.345678", DRIFT_FILE_BAD},
        {"cut off in the second number", "12.345678 1e", DRIFT_FILE_BAD},
        {"three numbers", "1 2 3\n", DRIFT_FILE_BAD},
        {"words", "hello world\n", DRIFT_FILE_BAD},
        {"not a number", "nan 1\n", DRIFT_FILE_BAD},
        {"infinite", "inf 1\n", DRIFT_FILE_BAD},
        {"infinite skew", "1 inf\n", DRIFT_FILE_BAD},
        {"too large", "1e9 1\n", DRIFT_FILE_BAD},
        {"just too large", "-100001 1\n", DRIFT_FILE_BAD},
        {"no skew", "1 0\n", DRIFT_FILE_BAD},
        {"negative skew", "1 -1\n", DRIFT_FILE_BAD},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Drift drift = {};
        put(path, rows[i].content, strlen(rows[i].content));
        DriftFileState result = read_it(&drift);
        if (result != rows[i].expected || fabs(drift.frequency_ppm - rows[i].frequency) > 1e-9 ||
            fabs(drift.skew_ppm - rows[i].skew) > 1e-9)
            fail_msg("%s: state %d, %g +/- %g", rows[i].name, result, drift.frequency_ppm, drift.skew_ppm);
    }
}

static void test_what_is_no_drift_file(void **state)
{
    static const char zeros[] = "1 2\n\0more";
    static char huge[100000];
    Drift drift;

    (void) state;
    (void) unlink(path);
    assert_int_equal(read_it(&drift), DRIFT_FILE_ABSENT);

    put(path, zeros, sizeof zeros - 1);
    assert_int_equal(read_it(&drift), DRIFT_FILE_BAD);

    memset(huge, '1', sizeof huge);
    put(path, huge, sizeof huge);
    assert_int_equal(read_it(&drift), DRIFT_FILE_BAD);

    (void) unlink(path);
    put(other, "1 2\n", 4);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(read_it(&drift), DRIFT_FILE_BAD);

    (void) unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_it(&drift), DRIFT_FILE_BAD); /* and does not wait for a writer */

    (void) unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(read_it(&drift), DRIFT_FILE_BAD);
    assert_int_equal(rmdir(path), 0);
}

static void test_write(void **state)
{
    const Drift written = {.frequency_ppm = -17.25, .skew_ppm = 0.031};
    struct stat status;
    char content[100] = "";
    Drift drift;

    (void) state;
    /* A link is replaced, not written through. */
    put(other, "untouched", 9);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(drift_file_write(path, &written), 0);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0644);
    assert_int_equal(lstat(other, &status), 0);
    assert_int_equal(status.st_size, 9);

    assert_int_equal(read_it(&drift), DRIFT_FILE_LOADED);
    assert_true(fabs(drift.frequency_ppm - written.frequency_ppm) < 1e-9);
    assert_true(fabs(drift.skew_ppm - written.skew_ppm) < 1e-9);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, content, sizeof content - 1), 42);
    close(fd);
    assert_string_equal(content, "          -17.250000             0.031000\n");
}

/* "driftfile /dev/null": the device stays what it is. */
static void test_special_file_is_not_replaced(void **state)
{
    const Drift written = {.frequency_ppm = 1, .skew_ppm = 1};
    struct stat status;

    (void) state;
    (void) unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(drift_file_write(path, &written), -EEXIST);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    assert_int_equal(unlink(path), 0);
}

static void test_write_failure(void **state)
{
    const Drift drift = {.frequency_ppm = 1, .skew_ppm = 1};

    (void) state;
    assert_true(drift_file_write("/nowhere/at/all/drift", &drift) < 0);
    assert_true(drift_file_write("/dev/full/drift", &drift) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content),       cmocka_unit_test(test_what_is_no_drift_file),
        cmocka_unit_test(test_write),         cmocka_unit_test(test_special_file_is_not_replaced),
        cmocka_unit_test(test_write_failure),
    };

    umask(022);
    return cmocka_run_group_tests_name("drift-file", tests, set_up, tear_down);
}
