// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pid-file.h"
#include "unit.h"

static char path[] = "/tmp/timeball-test-pid-XXXXXX";

static void put(const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void test_owner(void **state)
{
    static const struct {
        const char *name, *content;
    } nobody[] = {
        {"empty", ""},
        {"words", "hello\n"},
        {"negative", "-1\n"},
        {"a group", "0\n"},
        {"nobody", "4194305\n"},
        {"huge", "99999999999\n"},
        {"rubbish after it", "1x\n"},
        {"init is not one of us", "1\n"},
    };
    char text[32];

    (void) state;
    for (size_t i = 0; i < ELEMENTS(nobody); i++) {
        put(nobody[i].content);
        if (pid_file_owner(path) != 0)
            fail_msg("%s: taken for a running daemon", nobody[i].name);
    }
    snprintf(text, sizeof text, "%d\n", (int) getppid());
    put(text);
    assert_int_equal(pid_file_owner(path), getppid());
    (void) unlink(path);
    assert_int_equal(pid_file_owner(path), 0);
}

static void test_write_and_remove(void **state)
{
    char foreign[sizeof path + 8];
    struct stat status;

    (void) state;
    snprintf(foreign, sizeof foreign, "%s.x", path);
    int fd = open(foreign, O_WRONLY | O_CREAT, 0600);
    close(fd);
    assert_int_equal(symlink(foreign, path), 0);
    assert_int_equal(pid_file_write(path), 0);
    assert_int_equal(stat(foreign, &status), 0);
    assert_int_equal(status.st_size, 0); /* a link is replaced, not written through */
    (void) unlink(foreign);

    assert_int_equal(pid_file_owner(path), 0); /* it is ourselves */
    pid_file_remove(path);
    assert_int_equal(access(path, F_OK), -1);

    put("1\n");
    pid_file_remove(path); /* somebody else's */
    assert_int_equal(access(path, F_OK), 0);
    (void) unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_write_and_remove),
    };

    int fd = mkstemp(path);
    close(fd);
    return cmocka_run_group_tests_name("pid-file", tests, NULL, NULL);
}
