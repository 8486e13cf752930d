// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Cookies of our own server: what is sealed opens for as long as its key is there, nothing else does; the
 * file of keys; all of it while others read. */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "nts/cookie-ring.h"
#include "unit.h"

/* As chronyd 4.3 wrote it. */
static const char old_text[] = "NKS0\n15 3.0\n"
                               "BD187EA1 18CD40CD3986222A9E9ED1EC126A73EF9F0CB325D4E3AADC1139352239C19BAB\n"
                               "A286390E 60EC1C11861AEBD1B44E31CFEDC7D993A36774F25B6CDB553329E072C8E0174A\n"
                               "3EF957B3 C88C0F0E40668E10C7C64D12A7DB3700EF799713C911179D9A2B01037DC670E1\n"
                               "A09503E8 CBC8AD94809B5F777000740B4AA3A46DD293709213F4A91EB257DB2C767FDF8F\n";
/* The same keys in the newer format. */
static const char new_text[] =
    "NKS1\n3.0\n"
    "BD187EA1 18CD40CD3986222A9E9ED1EC126A73EF9F0CB325D4E3AADC1139352239C19BAB 15\n"
    "A286390E 60EC1C11861AEBD1B44E31CFEDC7D993A36774F25B6CDB553329E072C8E0174A 15\n"
    "3EF957B3 C88C0F0E40668E10C7C64D12A7DB3700EF799713C911179D9A2B01037DC670E1 15\n"
    "A09503E8 CBC8AD94809B5F777000740B4AA3A46DD293709213F4A91EB257DB2C767FDF8F 15\n";
/* A cookie of the second key for the client below; computed by OpenSSL's AES-SIV. */
static const char known_cookie[] =
    "a286390e000102030405060708090a0b0c0d0e0fb8bc220b95b39e27e66d2811ce8484aa41e7008a94980c71076f86ecb9fe"
    "f18bfb199a7118612eab8c6a3151b7177ec2c2ac97fe16953e4e31130ff39160ea046d453a21cb057dc107c233f85d76f40d";

static const NtsKeys client = {
    .aead = NTS_AEAD_AES_SIV_CMAC_256,
    .length = 32,
    .c2s = "\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2"
           "\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2",
    .s2c = "\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c"
           "\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c\x2c",
};

static CookieRing *ring_new(void)
{
    CookieRing *ring;

    assert_int_equal(cookie_ring_new(&ring), 0);
    return ring;
}

static CookieRing *ring_of(const char *text)
{
    CookieRing *ring = ring_new();
    double age;

    assert_true(cookie_ring_parse(ring, text, strlen(text), &age));
    assert_true(age == 3.0);
    return ring;
}

static NtsCookie seal(CookieRing *ring)
{
    CookieJar jar = cookie_ring_jar(ring);
    NtsCookie cookie;

    cookie.length = (uint16_t) jar.seal(jar.userdata, &client, cookie.bytes);
    return cookie;
}

static bool opens(CookieRing *ring, const NtsCookie *cookie)
{
    CookieJar jar = cookie_ring_jar(ring);
    NtsKeys keys = {0};

    if (!jar.open(jar.userdata, cookie->bytes, cookie->length, &keys))
        return false;
    assert_memory_equal(&keys, &client, sizeof(keys));
    return true;
}

static void test_cookies(void **state)
{
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_new(), *other = ring_new();

    (void) state;
    assert_int_equal(seal(ring).length, 0); /* there is no key yet */
    assert_false(cookie_ring_has_keys(ring));
    assert_int_equal(cookie_ring_renew(ring), 0);
    assert_int_equal(cookie_ring_renew(other), 0);
    assert_true(cookie_ring_has_keys(ring));
    NtsCookie cookie = seal(ring), again = seal(ring);
    assert_int_equal(cookie.length, 100);
    assert_true(opens(ring, &cookie) && opens(ring, &again));
    /* Of one client, but nobody can see that. */
    for (size_t i = 4; i < 20; i += 4)
        assert_memory_not_equal(cookie.bytes + i, again.bytes + i, 4);
    assert_memory_not_equal(cookie.bytes + 20, again.bytes + 20, 80);
    assert_false(opens(other, &cookie));
    cookie_ring_clear(ring);
    assert_false(opens(ring, &cookie));
    assert_int_equal(seal(ring).length, 0);
}

/* Each bit counts, and the length does. */
static void test_forged(void **state)
{
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_new();

    (void) state;
    assert_int_equal(cookie_ring_renew(ring), 0);
    NtsCookie cookie = seal(ring);
    for (size_t i = 0; i < 8U * cookie.length; i++) {
        cookie.bytes[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_false(opens(ring, &cookie));
        cookie.bytes[i / 8] ^= (uint8_t) (1 << i % 8);
    }
    for (uint16_t length = 0; length <= NTS_COOKIE_MAX; length++) {
        NtsCookie cut = cookie;
        if (length == cookie.length)
            continue;
        cut.length = length;
        assert_false(opens(ring, &cut));
    }
    assert_true(opens(ring, &cookie));
}

/* Keys that a client cannot have. */
static void test_strange_keys(void **state)
{
    static const NtsKeys rows[] = {{NTS_AEAD_NONE, 32}, {NTS_AEAD_AES_SIV_CMAC_256, 16}, {(NtsAead) 16, 48}};
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_new();
    CookieJar jar = cookie_ring_jar(ring);
    uint8_t cookie[NTS_COOKIE_MAX];

    (void) state;
    assert_int_equal(cookie_ring_renew(ring), 0);
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        assert_int_equal(jar.seal(jar.userdata, &rows[i], cookie), 0);
    /* Those of the other AEAD fit in, whether we have it or not. */
    assert_int_equal(jar.seal(jar.userdata, &(NtsKeys) {NTS_AEAD_AES_128_GCM_SIV, 16}, cookie), 68);
    NtsKeys keys = {0};
    assert_true(jar.open(jar.userdata, cookie, 68, &keys));
    assert_int_equal(keys.aead, NTS_AEAD_AES_128_GCM_SIV);
    assert_int_equal(keys.length, 16);
}

/* A cookie lives through two rotations, and no third; the first of another server with the same keys, which
 * has rotated before us, opens here at once. */
static void test_rotation(void **state)
{
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_of(old_text), *ahead = ring_of(old_text);
    NtsCookie cookies[7];

    (void) state;
    for (size_t i = 0; i < ELEMENTS(cookies); i++) {
        cookies[i] = seal(ring);
        for (size_t j = 0; j <= i; j++)
            assert_int_equal(opens(ring, &cookies[j]), i - j <= 2);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(cookies[i].bytes, cookies[j].bytes, 4);
        assert_int_equal(cookie_ring_rotate(ring), 0);
    }
    double age;
    assert_true(cookie_ring_parse(ring, old_text, strlen(old_text), &age));
    assert_int_equal(cookie_ring_rotate(ahead), 0);
    NtsCookie cookie = seal(ahead);
    assert_true(opens(ring, &cookie));
    cookie = seal(ring);
    assert_true(opens(ahead, &cookie));
}

/* Without keys a rotation makes some. */
static void test_first_rotation(void **state)
{
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_new();

    (void) state;
    assert_int_equal(cookie_ring_rotate(ring), 0);
    NtsCookie cookie = seal(ring);
    assert_true(opens(ring, &cookie));
}

static void test_known_cookie(void **state)
{
    cleanup_(cookie_ring_freep) CookieRing *old = ring_of(old_text), *new = ring_of(new_text);
    NtsCookie cookie = {.length = 100};

    (void) state;
    assert_true(hex_decode(known_cookie, strlen(known_cookie), cookie.bytes));
    assert_true(opens(old, &cookie) && opens(new, &cookie));
    /* The third of four is in use. */
    assert_memory_equal(seal(old).bytes, "\x3e\xf9\x57\xb3", 4);
}

static void test_text(void **state)
{
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_of(old_text), *back = ring_new();
    char text[COOKIE_RING_TEXT_MAX];
    double age;

    (void) state;
    assert_int_equal(cookie_ring_format(back, 3, text), 0);
    /* What chronyd 4.3 wrote it can read again; it takes nothing newer. */
    assert_int_equal(cookie_ring_format(ring, 3, text), strlen(old_text));
    assert_string_equal(text, old_text);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(cookie_ring_rotate(ring), 0);
        size_t length = cookie_ring_format(ring, 604800.26, text);
        assert_true(cookie_ring_parse(back, text, length, &age));
        assert_true(age == 604800.3);
        NtsCookie cookie = seal(ring), other = seal(back);
        assert_true(opens(back, &cookie) && opens(ring, &other));
        assert_memory_equal(cookie.bytes, other.bytes, 4);
    }
    assert_true(cookie_ring_format(ring, -1, text) > 0);
    assert_memory_equal(text, "NKS0\n15 0.0\n", 12);
}

/* What is no such file is refused, and what was there before stays. */
static void test_bad_text(void **state)
{
#define KEY "60EC1C11861AEBD1B44E31CFEDC7D993A36774F25B6CDB553329E072C8E0174A"
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"nothing", ""},
        {"another file", "NNC0\n3.0\n"},
        {"no keys", "NKS1\n3.0\n"},
        {"three keys", "NKS1\n3.0\n00000000 " KEY " 15\n00000001 " KEY " 15\n00000002 " KEY " 15\n"},
        {"five keys", "NKS1\n3.0\n00000000 " KEY " 15\n00000001 " KEY " 15\n00000002 " KEY
                      " 15\n00000003 " KEY " 15\n00000000 " KEY " 15\n"},
        {"out of order",
         "NKS1\n3.0\n00000000 " KEY " 15\n00000002 " KEY " 15\n00000001 " KEY " 15\n00000003 " KEY " 15\n"},
        {"twice the same",
         "NKS1\n3.0\n00000000 " KEY " 15\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000002 " KEY " 15\n"},
        {"unknown AEAD",
         "NKS1\n3.0\n00000000 " KEY " 16\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000003 " KEY " 15\n"},
        {"no AEAD", "NKS1\n3.0\n00000000 " KEY "\n00000001 " KEY "\n00000002 " KEY "\n00000003 " KEY "\n"},
        {"a short key",
         "NKS1\n3.0\n00000000 60EC 15\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000003 " KEY " 15\n"},
        {"a long key",
         "NKS1\n3.0\n00000000 " KEY "00 15\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000003 " KEY " 15\n"},
        {"no hexadecimal number",
         "NKS1\n3.0\n0000000g " KEY " 15\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000003 " KEY " 15\n"},
        {"a short number",
         "NKS1\n3.0\n0 " KEY " 15\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000003 " KEY " 15\n"},
        {"an age before its time",
         "NKS1\n-1\n00000000 " KEY " 15\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000003 " KEY " 15\n"},
        {"no age",
         "NKS1\n00000000 " KEY " 15\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000003 " KEY " 15\n"},
        {"the old head without AEAD",
         "NKS0\n3.0\n00000000 " KEY "\n00000001 " KEY "\n00000002 " KEY "\n00000003 " KEY "\n"},
        {"words behind a key",
         "NKS1\n3.0\n00000000 " KEY " 15 1\n00000001 " KEY " 15\n00000002 " KEY " 15\n00000003 " KEY " 15\n"},
    };
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_of(old_text);
    double age = 7;

    (void) state;
    NtsCookie cookie = seal(ring);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (cookie_ring_parse(ring, rows[i].text, strlen(rows[i].text), &age))
            fail_msg("%s", rows[i].name);
        assert_true(opens(ring, &cookie) && age == 7);
    }
    /* Nor is any part of a good one, but for the last end of line. */
    for (size_t length = 0; length < strlen(new_text) - 1; length++)
        if (length != strlen(new_text) - 2) /* AEAD 1 */
            assert_false(cookie_ring_parse(ring, new_text, length, &age));
    assert_false(cookie_ring_parse(ring, new_text, strlen(new_text) - 2, &age));
    assert_true(cookie_ring_parse(ring, new_text, strlen(new_text) - 1, &age));
}

/* --- threads --- */

typedef struct User {
    CookieRing *ring;
    _Atomic bool over;
    _Atomic unsigned opened;
} User;

static void *use(void *userdata)
{
    User *user = userdata;
    bool good = true;

    while (!atomic_load(&user->over)) {
        NtsCookie cookie = seal(user->ring);
        good &= cookie.length == 100 && opens(user->ring, &cookie);
        atomic_fetch_add(&user->opened, 1);
    }
    return good ? NULL : user;
}

/* Rotations as fast as they may come: each user has opened a cookie since the last one, so that no more than
 * two of them fall between sealing and opening. */
static void test_threads(void **state)
{
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_of(old_text);
    User users[3] = {{.ring = ring}, {.ring = ring}, {.ring = ring}};
    pthread_t threads[ELEMENTS(users)];
    char text[COOKIE_RING_TEXT_MAX];

    (void) state;
    for (size_t i = 0; i < ELEMENTS(users); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    for (unsigned rotations = 0; rotations < 50; rotations++) {
        unsigned before[ELEMENTS(users)];
        for (size_t i = 0; i < ELEMENTS(users); i++)
            before[i] = atomic_load(&users[i].opened);
        assert_int_equal(cookie_ring_rotate(ring), 0);
        assert_true(cookie_ring_format(ring, 0, text) > 0);
        for (size_t i = 0; i < ELEMENTS(users); i++)
            while (atomic_load(&users[i].opened) == before[i])
                sched_yield();
    }
    for (size_t i = 0; i < ELEMENTS(users); i++) {
        void *failed;
        atomic_store(&users[i].over, true);
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookies),        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_strange_keys),   cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_first_rotation), cmocka_unit_test(test_known_cookie),
        cmocka_unit_test(test_text),           cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests_name("cookie-ring", tests, NULL, NULL);
}
