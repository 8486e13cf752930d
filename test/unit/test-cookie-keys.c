// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The keys of cookies through the life of a daemon: made, kept, rotated, somebody else's. */

#include "cookie-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "unit.h"

#define PATIENCE 15 /* s */
#define WEEK     604800

static char folder[] = "/tmp/test-cookie-keys-XXXXXX";
static char path[64];
static sd_event *event;
static Journal *journal;
static unsigned changes;

static void on_changed(void *userdata)
{
    assert_ptr_equal(userdata, &changes);
    changes++;
}

static int setup(void **state)
{
    (void) state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ntskeys", folder);
    assert_int_equal(journal_new("test", "/dev/null", false, LOG_LEVEL_FATAL, &journal), 0);
    return sd_event_new(&event) < 0;
}

static int teardown(void **state)
{
    (void) state;
    event = sd_event_unref(event);
    journal = journal_free(journal);
    (void) unlink(path);
    return rmdir(folder);
}

static CookieKeys *start(int stored, const CookieKeysConfig *config)
{
    const CookieKeysSetup of_keys = {
        .event = event, .journal = journal, .stored = stored, .on_changed = on_changed, .userdata = &changes};
    CookieKeys *keys;

    assert_int_equal(cookie_keys_new(&of_keys, &keys), 0);
    assert_int_equal(cookie_keys_configure(keys, config), 0);
    return keys;
}

static NtsCookie sealed_by(const CookieKeys *keys)
{
    const NtsKeys client = {.aead = NTS_AEAD_AES_SIV_CMAC_256,
                            .length = 32,
                            .c2s = "to us",
                            .s2c = "from us"};
    CookieJar jar = cookie_keys_jar(keys);
    NtsCookie cookie;

    cookie.length = (uint16_t) jar.seal(jar.userdata, &client, cookie.bytes);
    assert_int_equal(cookie.length, 100);
    return cookie;
}

static bool opens(const CookieKeys *keys, const NtsCookie *cookie)
{
    CookieJar jar = cookie_keys_jar(keys);
    NtsKeys client;

    return jar.open(jar.userdata, cookie->bytes, cookie->length, &client) &&
           strcmp((char *) client.c2s, "to us") == 0;
}

static size_t read_file(char ret[static COOKIE_RING_TEXT_MAX])
{
    size_t length;

    assert_int_equal(file_read_small(path, ret, COOKIE_RING_TEXT_MAX, &length), 0);
    return length;
}

/* Cookies outlive the daemon in the file, and without one they do not. */
static void test_file(void **state)
{
    const CookieKeysConfig kept = {.wanted = true, .folder = folder, .rotate = WEEK},
                           lost = {.wanted = true, .rotate = WEEK};
    char text[COOKIE_RING_TEXT_MAX];
    struct stat status;

    (void) state;
    CookieKeys *keys = start(-1, &kept);
    NtsCookie cookie = sealed_by(keys);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    cookie_keys_free(keys);
    keys = start(-1, &kept);
    assert_true(opens(keys, &cookie));
    cookie_keys_free(keys);
    keys = start(-1, &lost);
    assert_false(opens(keys, &cookie));
    /* A folder that comes later gets what there is. */
    cookie = sealed_by(keys);
    assert_int_equal(cookie_keys_configure(keys, &kept), 0);
    assert_true(opens(keys, &cookie));
    cookie_keys_free(keys);
    keys = start(-1, &kept);
    assert_true(opens(keys, &cookie));
    cookie_keys_free(keys);
    (void) read_file(text);
    assert_memory_equal(text, "NKS0\n", 5);
}

/* What the service manager has kept counts where there is no file. */
static void test_stored(void **state)
{
    const CookieKeysConfig kept = {.wanted = true, .folder = folder, .rotate = WEEK},
                           stored = {.wanted = true, .rotate = WEEK};

    (void) state;
    CookieKeys *keys = start(-1, &kept);
    NtsCookie cookie = sealed_by(keys);
    cookie_keys_free(keys);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    keys = start(fd, &stored);
    assert_true(opens(keys, &cookie));
    cookie_keys_free(keys);
    close(fd);
    /* Rubbish is no key. */
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    keys = start(fd, &stored);
    assert_true(cookie_keys_are_there(keys));
    assert_false(opens(keys, &cookie));
    cookie_keys_free(keys);
    close(fd);
}

static void turn_until(bool (*condition)(CookieKeys *keys), CookieKeys *keys)
{
    time_t end = time(NULL) + PATIENCE;

    while (!condition(keys) && time(NULL) < end)
        assert_true(sd_event_run(event, 100000) >= 0);
    assert_true(condition(keys));
}

static NtsCookie old;

static bool is_forgotten(CookieKeys *keys)
{
    return !opens(keys, &old);
}

/* With a second for each key, a cookie is good for two of them at least and then no more. */
static void test_rotation(void **state)
{
    const CookieKeysConfig config = {.wanted = true, .rotate = 1};
    struct timespec begin, end;

    (void) state;
    CookieKeys *keys = start(-1, &config);
    old = sealed_by(keys);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    turn_until(is_forgotten, keys);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - begin.tv_sec >= 2);
    NtsCookie cookie = sealed_by(keys);
    assert_true(opens(keys, &cookie));
    cookie_keys_free(keys);
}

static bool are_there(CookieKeys *keys)
{
    return cookie_keys_are_there(keys);
}

static bool opens_old(CookieKeys *keys)
{
    return opens(keys, &old);
}

/* Somebody else's: nothing is made or written, a new file is taken up, a bad one costs nothing. */
static void test_of_others(void **state)
{
    const CookieKeysConfig own = {.wanted = true, .folder = folder, .rotate = WEEK},
                           theirs = {.wanted = true, .folder = folder};
    char text[COOKIE_RING_TEXT_MAX], after[COOKIE_RING_TEXT_MAX];
    CookieKeys *keys;

    (void) state;
    (void) unlink(path);
    keys = start(-1, &own);
    old = sealed_by(keys);
    cookie_keys_free(keys);
    size_t length = read_file(text);
    assert_int_equal(unlink(path), 0);

    changes = 0;
    keys = start(-1, &theirs);
    assert_false(cookie_keys_are_there(keys));
    assert_false(cookie_keys_reload(keys, NULL));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(file_replace(path, text, length, 0600), 0);
    turn_until(are_there, keys);
    assert_int_equal(changes, 1);
    turn_until(opens_old, keys);

    assert_int_equal(file_replace(path, "rubbish", 7, 0600), 0);
    char buffer[200];
    Text detail = TEXT(buffer);
    assert_false(cookie_keys_reload(keys, &detail));
    assert_non_null(strstr(detail.data, path));
    assert_true(opens(keys, &old));
    cookie_keys_free(keys);
    assert_int_equal(read_file(after), 7);
}

/* Who needs none has none. */
static void test_unwanted(void **state)
{
    const CookieKeysConfig wanted = {.wanted = true, .rotate = WEEK}, unwanted = {.rotate = WEEK};

    (void) state;
    CookieKeys *keys = start(-1, &unwanted);
    assert_false(cookie_keys_are_there(keys));
    assert_int_equal(cookie_keys_configure(keys, &wanted), 0);
    assert_true(cookie_keys_are_there(keys));
    assert_int_equal(cookie_keys_configure(keys, &unwanted), 0);
    assert_false(cookie_keys_are_there(keys));
    cookie_keys_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),      cmocka_unit_test(test_stored),   cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_of_others), cmocka_unit_test(test_unwanted),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
