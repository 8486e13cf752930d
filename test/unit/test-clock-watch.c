// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The page of a hypervisor, as a file. What the kernel says of its clock nobody can test here, where the
 * clock must not be set: that is done in the lab. */

#include "hw/clock-watch.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#define PAGE     ((size_t) sysconf(_SC_PAGESIZE))
#define SEQUENCE 12
#define MARKER   16

static char folder[] = "/tmp/test-clock-watch-XXXXXX";
static char path[64];
static sd_event *event;
static unsigned set, restored;

static void on_set(void *userdata)
{
    assert_ptr_equal(userdata, &set);
    set++;
}

static void on_restored(void *userdata)
{
    assert_ptr_equal(userdata, &set);
    restored++;
}

static const ClockWatchHandlers handlers = {.on_set = on_set, .on_restored = on_restored};

static int setup(void **state)
{
    (void) state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/vmclock", folder);
    return sd_event_new(&event) < 0;
}

static int teardown(void **state)
{
    (void) state;
    sd_event_unref(event);
    (void) unlink(path);
    return rmdir(folder);
}

/* A page as it is in a machine that has just begun; mapped for writing. */
static uint8_t *make_page(uint32_t magic, uint32_t size, uint16_t version, size_t length)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint32_t sequence = 2;
    uint64_t marker = 77;

    assert_true(fd >= 0 && ftruncate(fd, (off_t) length) == 0);
    uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    close(fd);
    if (length < PAGE)
        return page;
    memcpy(page, &magic, 4);
    memcpy(page + 4, &size, 4);
    memcpy(page + 8, &version, 2);
    memcpy(page + SEQUENCE, &sequence, 4);
    memcpy(page + MARKER, &marker, 8);
    return page;
}

static void put_sequence(uint8_t *page, uint32_t sequence)
{
    memcpy(page + SEQUENCE, &sequence, 4);
}

static void put_marker(uint8_t *page, uint64_t marker)
{
    memcpy(page + MARKER, &marker, 8);
}

static ClockWatch *watch_it(void)
{
    ClockWatch *watch;

    set = restored = 0;
    assert_true(clock_watch_new(event, path, &handlers, &set, &watch) >= 0);
    return watch;
}

static void test_restored(void **state)
{
    uint8_t *page = make_page(UINT32_C(0x4b4c4356), 104, 1, PAGE);
    ClockWatch *watch = watch_it();

    (void) state;
    clock_watch_look(watch);
    assert_int_equal(restored, 0);
    /* Something else than the marker has changed. */
    put_sequence(page, 4);
    page[40]++;
    clock_watch_look(watch);
    assert_int_equal(restored, 0);
    /* Half way through a change nobody knows. */
    put_sequence(page, 5);
    put_marker(page, 78);
    clock_watch_look(watch);
    assert_int_equal(restored, 0);
    put_sequence(page, 6);
    clock_watch_look(watch);
    clock_watch_look(watch);
    assert_int_equal(restored, 1);
    /* Back to an older snapshot. */
    put_sequence(page, 8);
    put_marker(page, 12);
    clock_watch_look(watch);
    assert_int_equal(restored, 2);
    clock_watch_free(watch);
    assert_int_equal(munmap(page, PAGE), 0);
}

/* What is no such page is done without. */
static void test_strange_devices(void **state)
{
    static const struct {
        const char *name;
        uint32_t magic, size;
        uint16_t version;
        bool is_short;
    } rows[] = {
        {"something else", 0, 104, 1, false},
        {"another version", UINT32_C(0x4b4c4356), 104, 2, false},
        {"too small", UINT32_C(0x4b4c4356), 24, 1, false},
        {"a short file", UINT32_C(0x4b4c4356), 104, 1, true},
    };
    ClockWatch *watch;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t *page =
            make_page(rows[i].magic, rows[i].size, rows[i].version, rows[i].is_short ? 100 : PAGE);
        watch = watch_it();
        if (!rows[i].is_short)
            put_marker(page, 78);
        clock_watch_look(watch);
        if (restored != 0)
            fail_msg("%s", rows[i].name);
        clock_watch_free(watch);
        assert_int_equal(munmap(page, PAGE), 0);
    }
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 3; i++) {
        if (i == 1)
            assert_int_equal(mkfifo(path, 0600), 0);
        if (i == 2)
            assert_int_equal(mkdir(path, 0700), 0);
        watch = watch_it();
        clock_watch_look(watch);
        assert_int_equal(restored, 0);
        clock_watch_free(watch);
        if (i == 1)
            assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(path), 0);
}

/* Nobody sets the clock: nothing wakes us up. */
static void test_idle(void **state)
{
    ClockWatch *watch = watch_it();

    (void) state;
    assert_int_equal(sd_event_run(event, 50000), 0);
    assert_int_equal(set, 0);
    clock_watch_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restored),
        cmocka_unit_test(test_strange_devices),
        cmocka_unit_test(test_idle),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
