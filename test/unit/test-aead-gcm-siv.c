// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What is around gnutls' AES-128-GCM-SIV. Where gnutls lacks it, AES-128-GCM stands in
 * (test/unit/meson.build), whose lengths are the same: then everything is run but the cipher itself. */

#include <gnutls/gnutls.h>
#include <string.h>

#include "base/hex.h"
#include "nts/aead-gcm-siv.h"
#include "unit.h"

#define TAG 16

static const uint8_t key[16] = {1}, nonce_bytes[12] = {3};
static const AeadText nonce = {nonce_bytes, sizeof nonce_bytes};

/* RFC 8452, appendix C.1; and what the stand-in makes of the same. */
static void test_known_answers(void **state)
{
    static const struct {
        AeadText associated, plain;
        const char *sealed, *stand_in;
    } rows[] = {
        {{0}, {0}, "dc20e2d83f25705bb49e439eca56de25", "21a86b577ad34f4117b5ffb169be6d59"},
        {{0},
         {(const uint8_t *) "\1\0\0\0\0\0\0", 8},
         "b5d839330ac7b786578782fff6013b815b287c22493a364c",
         "75b8ab807784394388e874c8d7c885b20df00ef436282728"},
        {{(const uint8_t *) "\1", 1},
         {(const uint8_t *) "\2\0\0\0\0\0\0", 8},
         "1e6daba35669f4273b0a1a2560969cdf790d99759abd1508",
         "76b8ab80778439436e07016eded4095f3cecf7cceef19fd1"},
    };
    bool stand_in = GNUTLS_CIPHER_AES_128_SIV_GCM == GNUTLS_CIPHER_AES_128_GCM;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *text = stand_in ? rows[i].stand_in : rows[i].sealed;
        uint8_t expected[64], sealed[64];
        size_t length = strlen(text) / 2;

        assert_true(hex_decode(text, 2 * length, expected));
        assert_int_equal(aead_gcm_siv_seal(key, nonce, rows[i].associated, rows[i].plain, sealed,
                                           sizeof sealed),
                         length);
        assert_memory_equal(sealed, expected, length);
    }
}

static void test_round_trips(void **state)
{
    uint8_t plain[100] = "plain", sealed[sizeof plain + TAG], back[sizeof plain];
    const AeadText associated = {(const uint8_t *) "associated", 10}, cut_nonce = {nonce_bytes, 11};
    size_t length;

    (void) state;
    assert_int_equal(aead_gcm_siv_nonce_length(), sizeof nonce_bytes);
    for (size_t i = 0; i <= sizeof plain; i++) {
        const AeadText whole = {sealed, i + TAG};
        assert_int_equal(aead_gcm_siv_seal(key, nonce, associated, (AeadText) {plain, i}, sealed, i + TAG),
                         i + TAG);
        assert_true(aead_gcm_siv_open(key, nonce, associated, whole, back, i, &length));
        assert_int_equal(length, i);
        assert_memory_equal(back, plain, i);
        assert_false(aead_gcm_siv_open(key, cut_nonce, associated, whole, back, i, &length));
        assert_false(aead_gcm_siv_open(key, nonce, (AeadText) {0}, whole, back, i, &length));
        assert_false(i > 0 && aead_gcm_siv_open(key, nonce, associated, whole, back, i - 1, &length));
        for (size_t cut = 0; cut < i + TAG; cut++)
            assert_false(
                aead_gcm_siv_open(key, nonce, associated, (AeadText) {sealed, cut}, back, i, &length));
        sealed[i] ^= 1;
        assert_false(aead_gcm_siv_open(key, nonce, associated, whole, back, i, &length));
        assert_int_equal(aead_gcm_siv_seal(key, nonce, associated, (AeadText) {plain, i}, sealed,
                                           i + TAG - 1),
                         0);
        assert_int_equal(aead_gcm_siv_seal(key, cut_nonce, associated, (AeadText) {plain, i}, sealed,
                                           i + TAG),
                         0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_round_trips),
    };

    return cmocka_run_group_tests_name("aead-gcm-siv", tests, NULL, NULL);
}
