// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The implementation with the processor's instructions gives what nettle's gives, for every way in which
 * texts can end within a block; buffers are as long as they have to be, so that a sanitizer sees a byte too
 * much. */

#include <stdlib.h>
#include <string.h>

#include "nts/siv.h"
#include "unit.h"

static uint8_t *filled(size_t length, uint8_t seed)
{
    uint8_t *bytes = malloc(length > 0 ? length : 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t) (seed + i * 37 + i / 16);
    return bytes;
}

static void compare(size_t nonce_length, size_t associated_length, size_t plain_length)
{
    const SivCipher *native = siv_native();
    uint8_t *nonce = filled(nonce_length, 1), *associated = filled(associated_length, 2),
            *plain = filled(plain_length, 3), *ours = filled(plain_length + SIV_TAG_SIZE, 0),
            *theirs = filled(plain_length + SIV_TAG_SIZE, 0), *back = filled(plain_length, 4),
            *bytes = filled(SIV_KEY_SIZE, (uint8_t) (nonce_length + associated_length + plain_length));
    const AeadText n = {nonce, nonce_length}, a = {associated, associated_length};
    SivKey native_key, nettle_key;

    native->prepare(bytes, &native_key);
    SIV_NETTLE.prepare(bytes, &nettle_key);
    native->seal(&native_key, n, a, (AeadText) {plain, plain_length}, ours);
    SIV_NETTLE.seal(&nettle_key, n, a, (AeadText) {plain, plain_length}, theirs);
    if (memcmp(ours, theirs, plain_length + SIV_TAG_SIZE) != 0)
        fail_msg("nonce %zu, associated %zu, plain %zu", nonce_length, associated_length, plain_length);
    assert_true(native->open(&native_key, n, a, (AeadText) {theirs, plain_length + SIV_TAG_SIZE}, back));
    assert_memory_equal(back, plain, plain_length);
    theirs[plain_length * 7 % (plain_length + SIV_TAG_SIZE)] ^= 0x80;
    assert_false(native->open(&native_key, n, a, (AeadText) {theirs, plain_length + SIV_TAG_SIZE}, back));
    free(nonce), free(associated), free(plain), free(ours), free(theirs), free(back), free(bytes);
}

static void require_native(void)
{
    if (!siv_native()) {
        print_message("this processor has none\n");
        skip();
    }
    assert_ptr_equal(siv_cipher(), siv_native());
}

static void test_lengths(void **state)
{
    (void) state;
    require_native();
    for (size_t plain = 0; plain <= 100; plain++)
        for (size_t associated = 0; associated <= 50; associated++)
            compare(1 + (plain + associated) % 40, associated, plain);
    for (size_t nonce = 1; nonce <= 70; nonce++)
        compare(nonce, 188, nonce % 3 * 8);
}

static void test_long_texts(void **state)
{
    (void) state;
    require_native();
    for (size_t length = 1000; length < 1140; length++)
        compare(16, length, 1200 - length), compare(16, 84, length);
}

/* Counters whose last bytes overflow while a text is sealed: of a thousand keys some begin near enough. */
static void test_keys(void **state)
{
    uint8_t key[SIV_KEY_SIZE] = {0}, plain[4200] = {0}, ours[sizeof plain + SIV_TAG_SIZE],
            theirs[sizeof ours];
    const AeadText nonce = {(const uint8_t *) "n", 1}, text = {plain, sizeof plain};
    SivKey native_key, nettle_key;
    size_t near = 0;

    (void) state;
    require_native();
    for (unsigned i = 0; i < 1000; i++) {
        key[0] = (uint8_t) i, key[1] = (uint8_t) (i >> 8);
        siv_native()->prepare(key, &native_key);
        SIV_NETTLE.prepare(key, &nettle_key);
        siv_native()->seal(&native_key, nonce, (AeadText) {0}, text, ours);
        SIV_NETTLE.seal(&nettle_key, nonce, (AeadText) {0}, text, theirs);
        assert_memory_equal(ours, theirs, sizeof ours);
        near += theirs[15] == 0xff || theirs[14] == 0xff;
    }
    assert_true(near > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests_name("siv", tests, NULL, NULL);
}
