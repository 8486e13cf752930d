// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The key file as a file: what cannot be read costs no key that is there, and the log holds no secret. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key-store.h"
#include "unit.h"

static char folder[] = "/tmp/timeball-test-XXXXXX";
static const char *const names[] = {"keys", "log", "link", "fifo", "dir"};

static int set_up(void **state)
{
    (void) state;
    (void) umask(022);
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void) state;
    for (size_t i = 0; i < ELEMENTS(names); i++)
        (void) remove(names[i]);
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void put(const char *text, mode_t mode)
{
    FILE *file = fopen("keys", "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("keys", mode), 0);
}

/* Loads it; what the log says goes into said, what the caller is told into detail. */
static bool load(KeyRing *ring, const char *path, char said[static 1024], Text *detail)
{
    Journal *journal = NULL;

    (void) remove("log");
    assert_int_equal(journal_new("test", "log", false, LOG_LEVEL_DEBUG, &journal), 0);
    bool good = key_store_load(journal, path, ring, detail);
    journal_free(journal);
    FILE *log = fopen("log", "re");
    assert_non_null(log);
    said[fread(said, 1, 1023, log)] = '\0';
    fclose(log);
    return good;
}

static bool has_key(KeyRing *ring, uint32_t key)
{
    Authenticator authenticator = key_ring_authenticator(ring);
    KeyInfo info;

    return authenticator_find(&authenticator, key, &info);
}

static void test_good(void **state)
{
    cleanup_(key_ring_freep) KeyRing *ring = NULL;
    char said[1024];

    (void) state;
    assert_int_equal(key_ring_new(&ring), 0);
    put("1 SHA1 HEX:0011223344556677889900\nrubbish-secret\n2 verysecret\n2 othersecret", 0640);
    assert_true(load(ring, "keys", said, NULL));
    assert_true(has_key(ring, 1) && has_key(ring, 2));
    assert_non_null(strstr(said, "keys:2: expected ID [TYPE] KEY"));
    assert_non_null(strstr(said, "keys:4: key 2: the identifier was used before"));
    assert_non_null(strstr(said, "Read 2 keys from keys"));
    assert_null(strstr(said, "accessible"));
    assert_null(strstr(said, "secret"));
    assert_null(strstr(said, "001122"));

    /* Administrators keep such files elsewhere and link to them. */
    assert_int_equal(symlink("keys", "link"), 0);
    put("3 another\n", 0640);
    assert_true(load(ring, "link", said, NULL));
    assert_true(has_key(ring, 3) && !has_key(ring, 1));

    /* No file any more is no key any more. */
    assert_true(load(ring, NULL, said, NULL));
    assert_false(has_key(ring, 3));
}

static void test_mode(void **state)
{
    static const struct {
        mode_t mode;
        bool warned;
    } rows[] = {{0600, false}, {0640, false}, {0400, false}, {0644, true}, {0602, true}, {0660, true}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(key_ring_freep) KeyRing *ring = NULL;
        char said[1024];

        assert_int_equal(key_ring_new(&ring), 0);
        put("1 a\n", rows[i].mode);
        assert_true(load(ring, "keys", said, NULL));
        assert_int_equal(strstr(said, "should not be accessible") != NULL, rows[i].warned);
        assert_true(has_key(ring, 1));
    }
}

static void test_unreadable(void **state)
{
    cleanup_(key_ring_freep) KeyRing *ring = NULL;
    static const char *const paths[] = {"absent", "fifo", "dir", "/dev/zero", "keys"};
    char said[1024];

    (void) state;
    assert_int_equal(key_ring_new(&ring), 0);
    put("1 a\n", 0600);
    assert_true(load(ring, "keys", said, NULL));
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_int_equal(truncate("keys", 5 << 20), 0); /* too long */
    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        char buffer[128];
        Text detail = TEXT(buffer);

        assert_false(load(ring, paths[i], said, &detail));
        assert_true(detail.length > 0);
        assert_non_null(strstr(said, "Could not read keys from"));
        assert_true(has_key(ring, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_mode),
        cmocka_unit_test(test_unreadable),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
