// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Folders that come and go, and files in them. Each step is told once when it has come to rest, or, where it
 * is more than one change, at least once. */

#include "folder-watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

#define PATIENCE 15 /* s */
#define REST     20000
#define LONGEST  200000

static char top[] = "/tmp/test-folder-watch-XXXXXX";
static sd_event *event;
static unsigned told;

static const char *in(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % ELEMENTS(paths)];

    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

static void write_file(const char *name)
{
    FILE *file = fopen(in(name), "we");

    assert_non_null(file);
    assert_true(fputs("server 192.0.2.1\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool is_dotless(const char *name)
{
    return name[0] != '.';
}

static void on_changed(void *userdata)
{
    assert_ptr_equal(userdata, &told);
    told++;
}

static FolderWatch *watch_new(const char *first, const char *second)
{
    static const FolderWatchHandlers handlers = {.concerns = is_dotless, .on_changed = on_changed};
    char *paths[] = {(char *) first, (char *) second, NULL};
    FolderWatch *watch;

    told = 0;
    assert_int_equal(folder_watch_new(event, paths, REST, LONGEST, &handlers, &told, &watch), 0);
    return watch;
}

static int setup(void **state)
{
    (void) state;
    assert_non_null(mkdtemp(top));
    return sd_event_new(&event) < 0;
}

static int teardown(void **state)
{
    char command[100];

    (void) state;
    event = sd_event_unref(event);
    snprintf(command, sizeof command, "rm -r %s", top);
    return system(command);
}

static int empty(void **state)
{
    char command[100];

    (void) state;
    snprintf(command, sizeof command, "rm -rf %s/*", top);
    return system(command);
}

/* Waits until it is told once more, and then until nothing has happened for a while. */
static void expect_told(const char *what)
{
    time_t end = time(NULL) + PATIENCE;
    unsigned before = told;

    while (told == before && time(NULL) < end)
        assert_true(sd_event_run(event, 100000) >= 0);
    if (told == before)
        fail_msg("%s: not told", what);
    while (sd_event_run(event, 3 * (uint64_t) REST) > 0)
        ;
}

static void expect_silence(const char *what)
{
    unsigned before = told;

    while (sd_event_run(event, 3 * (uint64_t) REST) > 0)
        ;
    if (told != before)
        fail_msg("%s: told", what);
}

static void test_files(void **state)
{
    (void) state;
    assert_int_equal(mkdir(in("a"), 0755), 0);
    FolderWatch *watch = watch_new(in("a"), NULL);
    expect_told("start");
    write_file("a/one");
    expect_told("made");
    write_file("a/one");
    expect_told("written");
    write_file("a/.two");
    expect_silence("of no interest");
    assert_int_equal(rename(in("a/.two"), in("a/one")), 0);
    expect_told("replaced");
    assert_int_equal(rename(in("a/one"), in("a/three")), 0);
    expect_told("renamed");
    assert_int_equal(chmod(in("a/three"), 0600), 0);
    expect_told("rights");
    assert_int_equal(unlink(in("a/three")), 0);
    expect_told("removed");
    write_file("beside");
    assert_int_equal(mkdir(in("b"), 0755), 0);
    expect_silence("other folders");
    folder_watch_free(watch);
}

static void test_missing_folder(void **state)
{
    (void) state;
    FolderWatch *watch = watch_new(in("a/b/c"), NULL);
    expect_told("start");
    assert_int_equal(mkdir(in("x"), 0755), 0);
    expect_silence("another one");
    assert_int_equal(mkdir(in("a"), 0755), 0);
    expect_told("a");
    /* At once, before anybody has looked. */
    assert_int_equal(mkdir(in("a/b"), 0755), 0);
    assert_int_equal(mkdir(in("a/b/c"), 0755), 0);
    write_file("a/b/c/one");
    expect_told("all of it");
    write_file("a/b/c/two");
    expect_told("a file");
    folder_watch_free(watch);
}

static void test_made_again(void **state)
{
    (void) state;
    assert_int_equal(mkdir(in("a"), 0755), 0);
    FolderWatch *watch = watch_new(in("a"), NULL);
    expect_told("start");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rmdir(in("a")), 0);
        expect_told("removed");
        assert_int_equal(mkdir(in("a"), 0755), 0);
        expect_told("made again");
        write_file("a/one");
        expect_told("a file");
        assert_int_equal(unlink(in("a/one")), 0);
        expect_told("none");
    }
    assert_int_equal(rename(in("a"), in("b")), 0);
    expect_told("moved away");
    write_file("b/one");
    expect_silence("elsewhere");
    assert_int_equal(rename(in("b"), in("a")), 0);
    expect_told("moved back");
    assert_int_equal(unlink(in("a/one")), 0);
    expect_told("and watched");
    folder_watch_free(watch);
}

static void test_links(void **state)
{
    (void) state;
    assert_int_equal(mkdir(in("a"), 0755), 0);
    assert_int_equal(mkdir(in("b"), 0755), 0);
    assert_int_equal(symlink("a", in("link")), 0);
    assert_int_equal(symlink("loop", in("loop")), 0);
    FolderWatch *watch = watch_new(in("link"), in("loop"));
    expect_told("start");
    write_file("a/one");
    expect_told("behind the link");
    assert_int_equal(symlink("b", in("new")), 0);
    assert_int_equal(rename(in("new"), in("link")), 0);
    expect_told("turned");
    write_file("b/one");
    expect_told("behind it now");
    write_file("a/two");
    expect_silence("not any more");
    assert_int_equal(unlink(in("loop")), 0);
    assert_int_equal(mkdir(in("loop"), 0755), 0);
    expect_told("a folder now");
    write_file("loop/one");
    expect_told("and watched");
    folder_watch_free(watch);
}

static void test_two_in_one(void **state)
{
    (void) state;
    assert_int_equal(mkdir(in("a"), 0755), 0);
    FolderWatch *watch = watch_new(in("a"), in("a/b"));
    expect_told("start");
    assert_int_equal(mkdir(in("a/b"), 0755), 0);
    expect_told("the second one");
    write_file("a/one");
    expect_told("in the first one");
    write_file("a/b/one");
    expect_told("in the second one");
    folder_watch_free(watch);
}

/* A burst is told once, one without end all the same. */
static void test_patience(void **state)
{
    (void) state;
    assert_int_equal(mkdir(in("a"), 0755), 0);
    FolderWatch *watch = watch_new(in("a"), NULL);
    expect_told("start");
    unsigned before = told;
    for (int i = 0; i < 50; i++)
        write_file("a/one");
    expect_told("a burst");
    assert_int_equal(told, before + 1);

    time_t end = time(NULL) + PATIENCE;
    before = told;
    while (told == before && time(NULL) < end) {
        write_file("a/one");
        assert_true(sd_event_run(event, 1000) >= 0);
    }
    assert_true(told > before);
    folder_watch_free(watch);
}

/* More changes than the kernel keeps. */
static void test_overflow(void **state)
{
    (void) state;
    assert_int_equal(mkdir(in("a"), 0755), 0);
    FolderWatch *watch = watch_new(in("a"), NULL);
    expect_told("start");
    for (int i = 0; i < 9000; i++) {
        assert_int_equal(chmod(in("a"), i % 2 ? 0755 : 0700), 0);
        int fd = open(in("a/.x"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(unlink(in("a/.x")), 0);
    }
    write_file("a/one");
    expect_told("an overflow");
    write_file("a/two");
    expect_told("after it");
    folder_watch_free(watch);
}

static void test_none(void **state)
{
    (void) state;
    FolderWatch *watch = watch_new(NULL, NULL);
    expect_told("start");
    folder_watch_free(watch);
    watch = watch_new("/no/such/folder", "/dev/null/folder");
    expect_told("start");
    folder_watch_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_files, empty),
        cmocka_unit_test_teardown(test_missing_folder, empty),
        cmocka_unit_test_teardown(test_made_again, empty),
        cmocka_unit_test_teardown(test_links, empty),
        cmocka_unit_test_teardown(test_two_in_one, empty),
        cmocka_unit_test_teardown(test_patience, empty),
        cmocka_unit_test_teardown(test_overflow, empty),
        cmocka_unit_test(test_none),
    };

    return cmocka_run_group_tests_name("folder-watch", tests, setup, teardown);
}
