// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Files that are replaced in all the ways there are. */

#include "file-watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

#define PATIENCE 15 /* s */

static char folder[] = "/tmp/test-file-watch-XXXXXX";
static char certificate[64], key[64], link_name[64];
static sd_event *event;
static unsigned told;

static const char *path_of(const char *name, char ret[static 64])
{
    snprintf(ret, 64, "%s/%s", folder, name);
    return ret;
}

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void on_changed(void *userdata)
{
    assert_ptr_equal(userdata, &told);
    told++;
}

static int setup(void **state)
{
    char target[64];

    (void) state;
    assert_non_null(mkdtemp(folder));
    write_file(path_of("certificate", certificate), "one");
    write_file(path_of("key", key), "one");
    write_file(path_of("target", target), "one");
    assert_int_equal(symlink("target", path_of("link", link_name)), 0);
    return sd_event_new(&event) < 0;
}

static int teardown(void **state)
{
    char command[100];

    (void) state;
    event = sd_event_unref(event);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* Waits until it was told so often in all. */
static void expect_told(unsigned times)
{
    time_t end = time(NULL) + PATIENCE;

    while (told < times && time(NULL) < end)
        assert_true(sd_event_run(event, 100000) >= 0);
    assert_int_equal(told, times);
}

static void overwrite(void)
{
    write_file(certificate, "two");
}

static void rename_over(void)
{
    char other[64];

    write_file(path_of("other", other), "three");
    assert_int_equal(rename(other, certificate), 0);
}

/* Two changes, one telling. */
static void both(void)
{
    write_file(certificate, "four");
    write_file(key, "four");
}

static void exchange_link(void)
{
    char target[64], other[64];

    write_file(path_of("target2", target), "two");
    assert_int_equal(symlink("target2", path_of("link2", other)), 0);
    assert_int_equal(rename(other, link_name), 0);
}

static void permit(void)
{
    assert_int_equal(chmod(key, 0600), 0);
}

static void take_away(void)
{
    assert_int_equal(unlink(certificate), 0);
}

static void give_back(void)
{
    write_file(certificate, "five");
}

static void test_changes(void **state)
{
    static void (*const changes[])(void) = {overwrite, rename_over, both,      exchange_link,
                                            permit,    take_away,   give_back, overwrite};
    char *paths[] = {certificate, key, link_name, NULL};
    FileWatch *watch;

    (void) state;
    told = 0;
    assert_int_equal(file_watch_new(event, paths, on_changed, &told, &watch), 0);
    for (unsigned i = 0; i < ELEMENTS(changes); i++) {
        changes[i]();
        expect_told(i + 1);
    }
    file_watch_free(watch);
}

/* What happens beside the files is nothing; what was looked at is known. */
static void test_nothing_new(void **state)
{
    char *paths[] = {certificate, key, NULL};
    FileWatch *watch;
    char other[64];

    (void) state;
    told = 0;
    assert_int_equal(file_watch_new(event, paths, on_changed, &told, &watch), 0);
    write_file(path_of("neighbour", other), "noise");
    write_file(certificate, "known");
    file_watch_look(watch);
    for (int i = 0; i < 15; i++)
        assert_true(sd_event_run(event, 100000) >= 0);
    assert_int_equal(told, 0);
    file_watch_free(watch);
}

/* Neither files nor folders have to be there. */
static void test_absent(void **state)
{
    char *paths[] = {(char[]) {"/nonexistent/folder/file"}, NULL};
    FileWatch *watch;

    (void) state;
    assert_int_equal(file_watch_new(event, paths, on_changed, &told, &watch), 0);
    file_watch_free(watch);
    assert_int_equal(file_watch_new(event, NULL, on_changed, &told, &watch), 0);
    file_watch_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_nothing_new),
        cmocka_unit_test(test_absent),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
