// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Keys and cookies between two runs: the text, and the files. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kept-keys-files.h"
#include "kept-keys-store.h"
#include "nts/kept-keys.h"
#include "unit.h"

#define KEY    "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
#define OTHER  "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
#define HEAD   "NNC0\nntp.example.net\n1772323200.5\n192.0.2.9 1123\n3 15 " KEY " " OTHER "\n"
#define COOKIE "C0FFEE00\n"

static char directory[] = "/tmp/timeball-test-XXXXXX";
static Journal *journal;
static const IpAddress server = {.family = IP_V4, .bytes = {192, 0, 2, 1}};

static int set_up(void **state)
{
    (void) state;
    return mkdtemp(directory) ? journal_new("test", "/dev/null", false, LOG_LEVEL_DEBUG, &journal) : -1;
}

static int tear_down(void **state)
{
    (void) state;
    journal = journal_free(journal);
    return rmdir(directory);
}

static void test_parse(void **state)
{
    static const char text[] = HEAD COOKIE "00\n";
    NtsKept kept;

    (void) state;
    assert_true(kept_keys_parse(text, strlen(text), &kept));
    assert_string_equal(kept.name, "ntp.example.net");
    assert_int_equal(kept.established_s, 1772323200);
    assert_int_equal(kept.remote.address.bytes[3], 9);
    assert_int_equal(kept.remote.port, 1123);
    assert_int_equal(kept.serial, 3);
    assert_int_equal(kept.keys.aead, NTS_AEAD_AES_SIV_CMAC_256);
    assert_int_equal(kept.keys.length, 32);
    assert_int_equal(kept.keys.s2c[31], 0x1f);
    assert_int_equal(kept.keys.c2s[31], 0x3f);
    assert_int_equal(kept.cookie_count, 2);
    assert_int_equal(kept.cookies[0].length, 4);
    assert_int_equal(kept.cookies[0].bytes[1], 0xff);
    assert_int_equal(kept.cookies[1].length, 1);
}

static void test_what_is_no_such_text(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "NNC0",
        "NNC1\nntp.example.net\n0\n192.0.2.9 123\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\n\n0\n192.0.2.9 123\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\ntwo words\n0\n192.0.2.9 123\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n-1\n192.0.2.9 123\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\nnan\n192.0.2.9 123\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n1e300\n192.0.2.9 123\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.256 123\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9 0\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9 65536\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9\n3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9 123\n3 16 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9 123\n3 30 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9 123\n-3 15 " KEY " " OTHER "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9 123\n3 15 " KEY "\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9 123\n3 15 " KEY " " OTHER "0\n" COOKIE,
        "NNC0\na\n0\n192.0.2.9 123\n3 15 " KEY " x" OTHER "\n" COOKIE,
        HEAD "C0FFEE0\n",
        HEAD "C0 FFEE\n",
        HEAD "tea\n",
        HEAD "\n",
        HEAD "C0FFEE", /* cut off */
    };
    NtsKept kept;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(texts); i++)
        if (kept_keys_parse(texts[i], strlen(texts[i]), &kept))
            fail_msg("accepted: %s", texts[i]);
}

/* Never more cookies, longer names or longer cookies than there is room for. */
static void test_excess(void **state)
{
    char buffer[KEPT_KEYS_TEXT_MAX];
    Text many = TEXT(buffer);
    NtsKept kept;

    (void) state;
    text_append(&many, HEAD);
    for (int i = 0; i < 20; i++)
        text_append(&many, COOKIE);
    assert_true(kept_keys_parse(many.data, many.length, &kept));
    assert_int_equal(kept.cookie_count, NTS_COOKIES);

    Text name = TEXT(buffer);
    text_append(&name, "NNC0\n");
    for (int i = 0; i < NTS_NAME_MAX; i++)
        text_append(&name, "a");
    text_append(&name, "\n0\n192.0.2.9 123\n3 15 " KEY " " OTHER "\n" COOKIE);
    assert_false(kept_keys_parse(name.data, name.length, &kept));

    Text cookie = TEXT(buffer);
    text_append(&cookie, HEAD);
    for (int i = 0; i <= NTS_COOKIE_MAX; i++)
        text_append(&cookie, "AA");
    text_append(&cookie, "\n");
    assert_false(kept_keys_parse(cookie.data, cookie.length, &kept));
}

static NtsKept largest(void)
{
    NtsKept kept = {
        .established_s = INT64_C(999999999999),
        .remote = {{.family = IP_V6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 9}}, 65535},
        .serial = UINT32_MAX,
        .keys = {.aead = NTS_AEAD_AES_SIV_CMAC_256, .length = 32},
        .cookie_count = NTS_COOKIES,
    };

    memset(kept.name, 'n', sizeof kept.name - 1);
    memset(kept.keys.c2s, 0xc2, 32);
    memset(kept.keys.s2c, 0x2c, 32);
    for (size_t i = 0; i < NTS_COOKIES; i++) {
        kept.cookies[i].length = NTS_COOKIE_MAX;
        memset(kept.cookies[i].bytes, (int) (0xb0 + i), NTS_COOKIE_MAX);
    }
    return kept;
}

static void test_files(void **state)
{
    char path[128];
    struct stat status;
    NtsKept kept = largest(), back;

    (void) state;
    snprintf(path, sizeof path, "%s/192.0.2.1.nts", directory);
    assert_false(kept_keys_take(journal, directory, &server, &back));
    kept_keys_leave(journal, directory, &server, &kept);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_true(kept_keys_take(journal, directory, &server, &back));
    assert_string_equal(back.name, kept.name);
    assert_int_equal(back.established_s, kept.established_s);
    assert_true(ip_endpoint_equal(&back.remote, &kept.remote));
    assert_int_equal(back.serial, kept.serial);
    assert_memory_equal(&back.keys, &kept.keys, sizeof kept.keys);
    assert_int_equal(back.cookie_count, NTS_COOKIES);
    assert_memory_equal(back.cookies, kept.cookies, sizeof kept.cookies);

    /* No cookie is ever used twice. */
    assert_int_equal(stat(path, &status), -1);
    assert_false(kept_keys_take(journal, directory, &server, &back));
}

/* Whatever else lies there is not believed, and not there the next time. */
static void test_strange_files(void **state)
{
    char path[128], target[128];
    NtsKept kept;

    (void) state;
    snprintf(path, sizeof path, "%s/192.0.2.1.nts", directory);
    snprintf(target, sizeof target, "%s/target", directory);
    int fd = open(target, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, HEAD COOKIE, strlen(HEAD COOKIE)), strlen(HEAD COOKIE));
    close(fd);
    assert_int_equal(symlink(target, path), 0);
    assert_false(kept_keys_take(journal, directory, &server, &kept));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(target, F_OK), 0);

    assert_int_equal(rename(target, path), 0);
    assert_int_equal(truncate(path, (off_t) strlen(HEAD) - 3), 0);
    assert_false(kept_keys_take(journal, directory, &server, &kept));
    assert_int_equal(access(path, F_OK), -1);

    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(kept_keys_take(journal, directory, &server, &kept)); /* and it does not wait */
    assert_int_equal(access(path, F_OK), -1);
}

static void test_no_directory(void **state)
{
    NtsKept kept = largest();

    (void) state;
    kept_keys_leave(journal, "/nonexistent", &server, &kept); /* a warning */
    assert_false(kept_keys_take(journal, "/nonexistent", &server, &kept));
}

static int memory_of(const char *text, size_t length)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
    return fd;
}

/* Over a restart in memory: all sources in one, each taken once. */
static void test_store(void **state)
{
    static const IpAddress other = {.family = IP_V6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 1}};
    cleanup_(kept_keys_store_freep) KeptKeysStore *store = NULL, *next = NULL;
    NtsKept kept = largest(), back;
    char *text;
    size_t length;

    (void) state;
    assert_int_equal(kept_keys_store_new(&store), 0);
    assert_int_equal(kept_keys_store_format(store, &text, &length), 0);
    assert_null(text);
    kept.serial = 1;
    assert_int_equal(kept_keys_store_leave(store, &server, &kept), 0);
    kept.serial = 2;
    assert_int_equal(kept_keys_store_leave(store, &other, &kept), 0);
    kept.serial = 3;
    assert_int_equal(kept_keys_store_leave(store, &server, &kept), 0); /* the later one counts */
    assert_int_equal(kept_keys_store_format(store, &text, &length), 0);

    for (size_t cut = 0; cut < 2; cut++) {
        int fd = memory_of(text, length - cut);
        assert_int_equal(kept_keys_store_new(&next), 0);
        assert_int_equal(kept_keys_store_read(next, fd), cut == 0);
        close(fd);
        assert_true(kept_keys_store_take(next, &server, &back));
        assert_int_equal(back.serial, 3);
        assert_memory_equal(back.cookies, kept.cookies, sizeof kept.cookies);
        assert_false(kept_keys_store_take(next, &server, &back));
        assert_int_equal(kept_keys_store_take(next, &other, &back), cut == 0);
        next = kept_keys_store_free(next);
    }
    free(text);
}

static void test_strange_stores(void **state)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "192.0.2.1\n",
                                        "192.0.2.1\n\n",
                                        "nowhere\n" HEAD COOKIE "\n",
                                        HEAD COOKIE "\n",
                                        "192.0.2.1\n" HEAD COOKIE};
    NtsKept kept;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        cleanup_(kept_keys_store_freep) KeptKeysStore *store = NULL;
        int fd = memory_of(texts[i], strlen(texts[i]));
        assert_int_equal(kept_keys_store_new(&store), 0);
        if (kept_keys_store_read(store, fd))
            fail_msg("accepted: %s", texts[i]);
        close(fd);
        assert_false(kept_keys_store_take(store, &server, &kept));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),         cmocka_unit_test(test_what_is_no_such_text),
        cmocka_unit_test(test_excess),        cmocka_unit_test(test_files),
        cmocka_unit_test(test_strange_files), cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_store),         cmocka_unit_test(test_strange_stores),
    };

    return cmocka_run_group_tests_name("kept-keys", tests, set_up, tear_down);
}
