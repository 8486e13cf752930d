// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The AEADs against known answers, and what they refuse. */

#include <stdio.h>
#include <string.h>

#include "nts/aead.h"
#include "unit.h"

#define SIZE_MAX_TEXT 200

typedef struct Bytes {
    uint8_t bytes[SIZE_MAX_TEXT];
    size_t length;
} Bytes;

static Bytes hex(const char *text)
{
    Bytes bytes = {.length = strlen(text) / 2};

    for (size_t i = 0; i < bytes.length; i++) {
        unsigned value;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &value), 1);
        bytes.bytes[i] = (uint8_t) value;
    }
    return bytes;
}

static AeadText text(const Bytes *bytes)
{
    return (AeadText) {bytes->bytes, bytes->length};
}

/* Keys and texts of RFC 5297, appendix A, in the order of its section 6 (associated data, nonce, plain text),
 * and others; computed by OpenSSL's AES-SIV, which gives the RFC's own results. */
static const struct {
    const char *key, *associated, *nonce, *plain, *sealed;
} siv_rows[] = {
    {"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "101112131415161718191a1b1c1d1e1f2021222324252627", "09f911029d74e35bd84156c5635688c0",
     "112233445566778899aabbccddee", "b477a36b0d0f78987d985f3887a7572d52352f0ed261459e0de50f268260"},
    {"7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f", "",
     "09f911029d74e35bd84156c5635688c0",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
     "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
     "38ed8a0c823db47b2c8fd9b9ac3d9313083a93320aeab424b171de251d6f59e4"
     "50eafd6d6acda84c2ca708de0d2e67735fa59c7026a35bd748bdf1489bd25d7a98ceced1e2b9bc447f4ca8fbd4fae9b2"},
    {"7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f", "78787878787878787878787878", "09",
     "797979797979797979797979797979797979797979797979797979797979797979",
     "c1bf6c81108558c94fb670174177797d8d23245137444d5d1f78d4824fc8bcb59b366e72212b5f77f5b4574b1a4ddc6beb"},
    {"7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f", "7a7a7a7a7a7a7a",
     "09f911029d74e35bd84156c5635688c009f911029d74e35bd84156c5635688c071",
     "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553",
     "23873c3f8fc6ec713689a41bb7d879aa8563de7ca8d2caf77480658296a85f74"
     "b051271f24d8280403d95800b55cef863786bfc0ac365f66d507fd576195f8"},
};

static void test_known_answers(void **state)
{
    const Aead aead = aead_ciphers();

    (void) state;
    for (size_t i = 0; i < ELEMENTS(siv_rows); i++) {
        Bytes key = hex(siv_rows[i].key), associated = hex(siv_rows[i].associated),
              nonce = hex(siv_rows[i].nonce), plain = hex(siv_rows[i].plain),
              sealed = hex(siv_rows[i].sealed);
        uint8_t ret[SIZE_MAX_TEXT];
        size_t length;

        assert_int_equal(aead.seal(aead.userdata, NTS_AEAD_AES_SIV_CMAC_256, key.bytes, text(&nonce),
                                   text(&associated), text(&plain), ret, sizeof(ret)),
                         sealed.length);
        assert_memory_equal(ret, sealed.bytes, sealed.length);
        assert_true(aead.open(aead.userdata, NTS_AEAD_AES_SIV_CMAC_256, key.bytes, text(&nonce),
                              text(&associated), text(&sealed), ret, sizeof(ret), &length));
        assert_int_equal(length, plain.length);
        assert_memory_equal(ret, plain.bytes, plain.length);
    }
}

/* Of every AEAD that this machine has: what is sealed opens, for every length; nothing else does. */
static void test_round_trips(void **state)
{
    static const NtsAead all[] = {NTS_AEAD_AES_SIV_CMAC_256, NTS_AEAD_AES_128_GCM_SIV};
    const Aead aead = aead_ciphers();
    const uint8_t key[NTS_KEY_MAX] = "a key, and another one that is not", other[NTS_KEY_MAX] = "b";
    Bytes nonce = {"nonce nonce nonce", 0}, associated = {"associated", 0}, plain = {"plain", 0};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(all); i++) {
        nonce.length = aead.nonce_length(aead.userdata, all[i]);
        print_message("%d: %zu\n", all[i], nonce.length);
        if (nonce.length == 0)
            continue;
        assert_true(nonce.length <= AEAD_NONCE_MAX && nts_aead_key_length(all[i]) <= NTS_KEY_MAX);
        for (plain.length = 0; plain.length <= 130; plain.length++) {
            uint8_t ret[SIZE_MAX_TEXT];
            Bytes sealed, back;
            associated.length = plain.length * 7 % 150;
            sealed.length = aead.seal(aead.userdata, all[i], key, text(&nonce), text(&associated),
                                      text(&plain), sealed.bytes, sizeof(sealed.bytes));
            assert_true(sealed.length > plain.length && sealed.length <= plain.length + AEAD_OVERHEAD_MAX);
            /* No room for the last byte. */
            assert_int_equal(aead.seal(aead.userdata, all[i], key, text(&nonce), text(&associated),
                                       text(&plain), ret, sealed.length - 1),
                             0);
            assert_true(aead.open(aead.userdata, all[i], key, text(&nonce), text(&associated), text(&sealed),
                                  back.bytes, plain.length, &back.length));
            assert_int_equal(back.length, plain.length);
            assert_memory_equal(back.bytes, plain.bytes, plain.length);
            if (plain.length > 0)
                assert_false(aead.open(aead.userdata, all[i], key, text(&nonce), text(&associated),
                                       text(&sealed), back.bytes, plain.length - 1, &back.length));
            assert_false(aead.open(aead.userdata, all[i], other, text(&nonce), text(&associated),
                                   text(&sealed), back.bytes, sizeof(back.bytes), &back.length));
            nonce.length--;
            assert_false(aead.open(aead.userdata, all[i], key, text(&nonce), text(&associated), text(&sealed),
                                   back.bytes, sizeof(back.bytes), &back.length));
            nonce.length++;
            associated.length++;
            assert_false(aead.open(aead.userdata, all[i], key, text(&nonce), text(&associated), text(&sealed),
                                   back.bytes, sizeof(back.bytes), &back.length));
            associated.length--;
            for (size_t j = 0; j < sealed.length; j++) {
                sealed.bytes[j] ^= 0x10;
                assert_false(aead.open(aead.userdata, all[i], key, text(&nonce), text(&associated),
                                       text(&sealed), back.bytes, sizeof(back.bytes), &back.length));
                sealed.bytes[j] ^= 0x10;
            }
            while (sealed.length-- > 0)
                assert_false(aead.open(aead.userdata, all[i], key, text(&nonce), text(&associated),
                                       text(&sealed), back.bytes, sizeof(back.bytes), &back.length));
        }
    }
}

/* What we cannot do is refused, not done wrongly. */
static void test_refused(void **state)
{
    static const NtsAead unknown[] = {NTS_AEAD_NONE, (NtsAead) 16, (NtsAead) 65535};
    const Aead aead = aead_ciphers();
    const Bytes nonce = {"0123456789abcdef", 16}, empty = {"", 0}, plain = {"plain", 5};
    uint8_t key[NTS_KEY_MAX] = {0}, ret[SIZE_MAX_TEXT];
    size_t length;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(unknown); i++) {
        assert_int_equal(aead.nonce_length(aead.userdata, unknown[i]), 0);
        assert_int_equal(nts_aead_key_length(unknown[i]), 0);
        assert_int_equal(aead.seal(aead.userdata, unknown[i], key, text(&nonce), text(&empty), text(&plain),
                                   ret, sizeof(ret)),
                         0);
        assert_false(aead.open(aead.userdata, unknown[i], key, text(&nonce), text(&empty), text(&nonce), ret,
                               sizeof(ret), &length));
    }
    assert_true(aead.nonce_length(aead.userdata, NTS_AEAD_AES_SIV_CMAC_256) > 0);
    assert_int_equal(aead.seal(aead.userdata, NTS_AEAD_AES_SIV_CMAC_256, key, text(&empty), text(&plain),
                               text(&plain), ret, sizeof(ret)),
                     0);
    assert_false(aead.open(aead.userdata, NTS_AEAD_AES_SIV_CMAC_256, key, text(&empty), text(&plain),
                           text(&nonce), ret, sizeof(ret), &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("aead", tests, NULL, NULL);
}
