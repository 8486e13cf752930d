// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Digests against published vectors: CMAC of RFC 4493 and of NIST SP 800-38B, SHA-1, SHA-2 and SHA-3 of
 * "abc", MD5 of RFC 1321. A hash over key and message is a hash over both together: "a" and "bc" is "abc". */

#include <string.h>

#include "nts/mac.h"
#include "unit.h"

static size_t from_hex(const char *hex, uint8_t *ret)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        unsigned value = 0;
        for (int j = 0; j < 2; j++) {
            char c = hex[2 * i + (size_t) j];
            value = value << 4 | (unsigned) (c <= '9' ? c - '0' : c - 'a' + 10);
        }
        ret[i] = (uint8_t) value;
    }
    return n;
}

static void test_vectors(void **state)
{
    static const struct {
        const char *name;
        KeyType type;
        const char *secret, *message, *digest;
    } rows[] = {
        {"RFC 4493, example 1", KEY_TYPE_AES128, "2b7e151628aed2a6abf7158809cf4f3c", "",
         "bb1d6929e95937287fa37d129b756746"},
        {"RFC 4493, example 2", KEY_TYPE_AES128, "2b7e151628aed2a6abf7158809cf4f3c",
         "6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"},
        {"RFC 4493, example 3", KEY_TYPE_AES128, "2b7e151628aed2a6abf7158809cf4f3c",
         "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
         "dfa66747de9ae63030ca32611497c827"},
        {"SP 800-38B, AES-256, example 10", KEY_TYPE_AES256,
         "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
         "6bc1bee22e409f96e93d7e117393172a", "28a7023f452e8f82bd4bf28d8c37c35c"},
        {"MD5", KEY_TYPE_MD5, "61", "6263", "900150983cd24fb0d6963f7d28e17f72"},
        {"SHA1", KEY_TYPE_SHA1, "61", "6263", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"SHA256", KEY_TYPE_SHA256, "61", "6263",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"SHA384", KEY_TYPE_SHA384, "61", "6263",
         "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
        {"SHA512", KEY_TYPE_SHA512, "61", "6263",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {"SHA3-224", KEY_TYPE_SHA3_224, "61", "6263",
         "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"},
        {"SHA3-256", KEY_TYPE_SHA3_256, "61", "6263",
         "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
        {"SHA3-384", KEY_TYPE_SHA3_384, "61", "6263",
         "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25"},
        {"SHA3-512", KEY_TYPE_SHA3_512, "61", "6263",
         "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
         "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t secret[64], message[64], expected[NTP_DIGEST_MAX], digest[NTP_DIGEST_MAX];
        size_t secret_length = from_hex(rows[i].secret, secret);
        size_t length = from_hex(rows[i].message, message);
        size_t expected_length = from_hex(rows[i].digest, expected);

        print_message("%s\n", rows[i].name);
        assert_int_equal(mac_compute(rows[i].type, secret, secret_length, message, length, digest),
                         expected_length);
        assert_memory_equal(digest, expected, expected_length);
    }
}

static void test_every_type(void **state)
{
    (void) state;
    for (const KeyTypeInfo *info = KEY_TYPES; info->name; info++) {
        static const uint8_t secret[32];
        uint8_t digest[NTP_DIGEST_MAX];
        size_t length = info->key_length > 0 ? info->key_length : 20;

        assert_true(mac_is_supported(info->type));
        assert_int_equal(mac_compute(info->type, secret, length, secret, 1, digest), info->mac_length);
        assert_ptr_equal(key_type_find(info->name), info);
        assert_string_equal(key_type_name(info->type), info->name);
    }
    assert_false(mac_is_supported(KEY_TYPE_NONE));
    assert_null(key_type_find("sha1"));
    assert_string_equal(key_type_name(KEY_TYPE_NONE), "");
}

static void test_refused(void **state)
{
    static const uint8_t zeros[4096];
    uint8_t digest[NTP_DIGEST_MAX];

    (void) state;
    assert_int_equal(mac_compute(KEY_TYPE_AES128, zeros, 15, zeros, 48, digest), 0);
    assert_int_equal(mac_compute(KEY_TYPE_AES256, zeros, 16, zeros, 48, digest), 0);
    assert_int_equal(mac_compute(KEY_TYPE_SHA1, zeros, MAC_KEY_MAX + 1, zeros, 48, digest), 0);
    assert_int_equal(mac_compute(KEY_TYPE_SHA1, zeros, 20, zeros, 4096, digest), 0);
    assert_int_equal(mac_compute(KEY_TYPE_SHA1, zeros, MAC_KEY_MAX, zeros, 1140, digest), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
