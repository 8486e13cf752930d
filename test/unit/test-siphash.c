// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* SipHash: the vectors of the paper's authors. */

#include "base/siphash.h"
#include "unit.h"

static void test_vectors(void **state)
{
    static const uint64_t expected[] = {
        [0] = UINT64_C(0x726fdb47dd0e0e31),
        [15] = UINT64_C(0xa129ca6149be45e5),
    };
    uint8_t bytes[16];

    (void) state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t) i;
    SipKey key = siphash_key(bytes);
    assert_true(siphash(&key, bytes, 0) == expected[0]);
    assert_true(siphash(&key, bytes, 15) == expected[15]);
}

static void test_word(void **state)
{
    static const uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8}, secret[SIPHASH_KEY_SIZE] = {9};
    SipKey key = siphash_key(secret);

    (void) state;
    assert_true(siphash_word(&key, UINT64_C(0x0807060504030201)) == siphash(&key, bytes, sizeof(bytes)));
}

static void test_short(void **state)
{
    static const uint8_t bytes[7] = {1, 2, 3, 4, 5, 6, 7}, secret[SIPHASH_KEY_SIZE] = {9};
    SipKey key = siphash_key(secret);

    (void) state;
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        uint64_t word = UINT64_C(0x07060504030201) & ((UINT64_C(1) << 8 * length) - 1);
        assert_true(siphash_short(&key, word, length) == siphash(&key, bytes, length));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_word),
        cmocka_unit_test(test_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
