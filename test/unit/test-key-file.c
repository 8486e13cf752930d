// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <stdio.h>
#include <string.h>

#include "nts/key-file.h"
#include "nts/key-ring.h"
#include "unit.h"

typedef struct Told {
    size_t count;
    KeyProblem problem; /* the last one */
    uint32_t line, id;
} Told;

static void note(void *userdata, KeyProblem problem, uint32_t line, uint32_t id)
{
    Told *told = userdata;

    *told = (Told) {told->count + 1, problem, line, id};
}

/* One line; a good one gives one key. */
static void test_lines(void **state)
{
    static const struct {
        const char *line;
        KeyProblem problem; /* KEY_PROBLEM_COUNT: none */
        uint32_t id;
        KeyType type;
        const char *secret;
    } rows[] = {
        {"1 secret", KEY_PROBLEM_COUNT, 1, KEY_TYPE_MD5, "secret"},
        {" \t7\tSHA1  ASCII:secret \r", KEY_PROBLEM_COUNT, 7, KEY_TYPE_SHA1, "secret"},
        {"4294967295 SHA256 HEX:736563726574", KEY_PROBLEM_COUNT, UINT32_MAX, KEY_TYPE_SHA256, "secret"},
        {"3 SHA3-512 HEX:4a4B", KEY_PROBLEM_COUNT, 3, KEY_TYPE_SHA3_512, "JK"},
        {"4 AES128 0123456789abcdef", KEY_PROBLEM_COUNT, 4, KEY_TYPE_AES128, "0123456789abcdef"},
        {"4 AES256 0123456789abcdef0123456789abcdef", KEY_PROBLEM_COUNT, 4, KEY_TYPE_AES256,
         "0123456789abcdef0123456789abcdef"},
        {"5 hex:00", KEY_PROBLEM_COUNT, 5, KEY_TYPE_MD5, "hex:00"},
        {"6", KEY_PROBLEM_WORDS},
        {"6 SHA1 a b", KEY_PROBLEM_WORDS},
        {"0 secret", KEY_PROBLEM_ID},
        {"-1 secret", KEY_PROBLEM_ID},
        {"4294967296 secret", KEY_PROBLEM_ID},
        {"18446744073709551617 secret", KEY_PROBLEM_ID},
        {"0x10 secret", KEY_PROBLEM_ID},
        {"6 sha1 secret", KEY_PROBLEM_TYPE},
        {"6 TIGER secret", KEY_PROBLEM_TYPE},
        {"6 SHA3-512-and-much-more secret", KEY_PROBLEM_TYPE},
        {"6 SHA1 HEX:", KEY_PROBLEM_SECRET},
        {"6 SHA1 ASCII:", KEY_PROBLEM_SECRET},
        {"6 SHA1 HEX:123", KEY_PROBLEM_SECRET},
        {"6 SHA1 HEX:0g", KEY_PROBLEM_SECRET},
        {"6 AES128 HEX:00", KEY_PROBLEM_LENGTH},
        {"6 AES256 0123456789abcdef", KEY_PROBLEM_LENGTH},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Told told = {0};
        Keys keys;

        print_message("%s\n", rows[i].line);
        assert_int_equal(keys_parse(rows[i].line, strlen(rows[i].line), note, &told, &keys), 0);
        if (rows[i].problem != KEY_PROBLEM_COUNT) {
            assert_int_equal(keys.count, 0);
            assert_int_equal(told.count, 1);
            assert_int_equal(told.problem, rows[i].problem);
            assert_int_equal(told.line, 1);
        } else {
            const Key *key = keys_find(&keys, rows[i].id);
            assert_int_equal(told.count, 0);
            assert_non_null(key);
            assert_int_equal(key->type, rows[i].type);
            assert_int_equal(key->length, strlen(rows[i].secret));
            assert_memory_equal(keys.secrets + key->offset, rows[i].secret, key->length);
        }
        keys_clear(&keys);
    }
}

/* Bad lines, comments and a line without its end cost nothing but themselves; of good ones the last counts.
 */
static void test_file(void **state)
{
    static const char text[] =
        "# comment\n\n; 9 x\n! 9 x\n% 9 x\n"
        "30 SHA1 c\nrubbish\n10 MD5 other\n20 SHA1 b\n10 MD5 another\n10 SHA1 a\n40 d\n"
        "10 AES128 too-short";
    Told told = {0};
    Keys keys;

    (void) state;
    assert_int_equal(keys_parse(text, strlen(text), note, &told, &keys), 0);
    assert_int_equal(keys.count, 4);
    assert_int_equal(told.count, 4);
    assert_int_equal(told.problem, KEY_PROBLEM_DUPLICATE);
    assert_int_equal(told.line, 11);
    assert_int_equal(told.id, 10);
    for (uint32_t id = 10; id <= 40; id += 10) {
        const Key *key = keys_find(&keys, id);
        assert_non_null(key);
        assert_int_equal(keys.secrets[key->offset], 'a' + id / 10 - 1);
    }
    assert_int_equal(keys_find(&keys, 10)->type, KEY_TYPE_SHA1);
    assert_null(keys_find(&keys, 9));
    assert_null(keys_find(&keys, 41));
    keys_clear(&keys);
    assert_int_equal(keys.count, 0);
    assert_null(keys_find(&keys, 10));
}

static void test_long_lines(void **state)
{
    static char text[3 * KEY_LINE_MAX];
    size_t good = (size_t) snprintf(text, sizeof(text), "1 SHA1 ");
    Told told = {0};
    Keys keys;

    (void) state;
    memset(text + good, 'x', sizeof(text) - good);
    assert_int_equal(keys_parse(text, KEY_LINE_MAX, note, &told, &keys), 0);
    assert_int_equal(keys.count, 1);
    keys_clear(&keys);
    assert_int_equal(keys_parse(text, KEY_LINE_MAX + 1, note, &told, &keys), 0);
    assert_int_equal(keys.count, 0);
    assert_int_equal(told.problem, KEY_PROBLEM_LINE_TOO_LONG);
    keys_clear(&keys);
}

static void put_keys(KeyRing *ring, const char *text)
{
    Keys keys;

    assert_int_equal(keys_parse(text, strlen(text), NULL, NULL, &keys), 0);
    key_ring_replace(ring, &keys);
    assert_null(keys.items);
}

static void test_ring(void **state)
{
    cleanup_(key_ring_freep) KeyRing *ring = NULL;
    uint8_t digest[NTP_DIGEST_MAX];
    KeyInfo info;

    (void) state;
    assert_int_equal(key_ring_new(&ring), 0);
    Authenticator authenticator = key_ring_authenticator(ring);
    assert_false(authenticator_find(&authenticator, 1, &info));
    put_keys(ring, "1 SHA1 a\n2 AES256 0123456789abcdef0123456789abcdef\n");
    assert_true(authenticator_find(&authenticator, 1, &info));
    assert_int_equal(info.type, KEY_TYPE_SHA1);
    assert_int_equal(info.bits, 8);
    assert_int_equal(info.mac_length, 20);
    assert_true(authenticator_find(&authenticator, 2, &info));
    assert_int_equal(info.bits, 256);
    assert_int_equal(authenticator.sign(authenticator.userdata, 1, (const uint8_t *) "bc", 2, digest), 20);
    assert_int_equal(digest[0], 0xa9); /* SHA-1 of "abc" */
    put_keys(ring, "2 b\n");
    assert_false(authenticator_find(&authenticator, 1, &info));
    assert_int_equal(authenticator.sign(authenticator.userdata, 1, (const uint8_t *) "bc", 2, digest), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
