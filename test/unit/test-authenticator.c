// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <string.h>

#include "core/ntp/authenticator.h"
#include "unit.h"

/* Key 5 has a toy digest of `length` bytes: the sum of the bytes, counting upwards. */
static size_t digest_length;

static bool find(void *userdata, uint32_t key, KeyInfo *ret)
{
    (void) userdata;
    *ret = (KeyInfo) {.type = KEY_TYPE_SHA512, .bits = 160, .mac_length = (uint8_t) digest_length};
    return key == 5;
}

static size_t sign(void *userdata, uint32_t key, const uint8_t *bytes, size_t length,
                   uint8_t ret[static NTP_DIGEST_MAX])
{
    uint8_t sum = 0;

    (void) userdata;
    if (key != 5)
        return 0;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t) (sum + bytes[i]);
    for (size_t i = 0; i < digest_length; i++)
        ret[i] = (uint8_t) (sum + i);
    return digest_length;
}

static const Authenticator AUTHENTICATOR = {.find = find, .sign = sign};
static const Authenticator NOBODY;

static MacVerdict check(const Authenticator *authenticator, const uint8_t *bytes, size_t length,
                        uint32_t *ret_key)
{
    NtpPacket packet;

    assert_true(ntp_packet_parse(bytes, length, &packet));
    return authenticator_check(authenticator, bytes, length, &packet, ret_key);
}

/* What is appended for a version is accepted in that version, and in no way changed. */
static void test_round_trip(void **state)
{
    static const struct {
        uint8_t version;
        size_t digest, mac;
    } rows[] = {{4, 16, 20}, {4, 20, 24}, {4, 32, 24}, {4, 64, 24},
                {3, 16, 20}, {3, 20, 24}, {3, 64, 68}, {2, 32, 36}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t bytes[NTP_HEADER_SIZE + NTP_MAC_MAX] = {(uint8_t) (rows[i].version << 3 | 3)};
        uint32_t key;

        digest_length = rows[i].digest;
        size_t length =
            authenticator_append(&AUTHENTICATOR, 5, rows[i].version, bytes, NTP_HEADER_SIZE, sizeof(bytes));
        assert_int_equal(length, NTP_HEADER_SIZE + rows[i].mac);
        assert_int_equal(check(&AUTHENTICATOR, bytes, length, &key), MAC_GOOD);
        assert_int_equal(key, 5);
        assert_int_equal(check(&NOBODY, bytes, length, &key), MAC_BAD);
        for (size_t j = 1; j < length; j++) {
            bytes[j] ^= 0x40;
            assert_int_equal(check(&AUTHENTICATOR, bytes, length, &key), MAC_BAD);
            bytes[j] ^= 0x40;
        }
        assert_int_equal(check(&AUTHENTICATOR, bytes, length, &key), MAC_GOOD);
    }
}

static void test_other_tails(void **state)
{
    uint8_t bytes[NTP_HEADER_SIZE + NTP_MAC_MAX] = {4 << 3 | 3};
    uint32_t key = 1;

    (void) state;
    digest_length = 32;
    assert_int_equal(check(&AUTHENTICATOR, bytes, 48, &key), MAC_ABSENT);
    assert_int_equal(key, 0);
    assert_int_equal(check(&AUTHENTICATOR, bytes, 52, &key), MAC_NAK);
    bytes[51] = 5;
    assert_int_equal(check(&AUTHENTICATOR, bytes, 52, &key), MAC_BAD);
    bytes[0] = 3 << 3 | 3;
    /* A digest that is cut where it must be whole. */
    assert_int_equal(authenticator_append(&AUTHENTICATOR, 5, 3, bytes, 48, sizeof(bytes)), 84);
    assert_int_equal(check(&AUTHENTICATOR, bytes, 84, &key), MAC_GOOD);
    assert_int_equal(check(&AUTHENTICATOR, bytes, 72, &key), MAC_BAD);
}

static void test_no_room(void **state)
{
    uint8_t bytes[NTP_HEADER_SIZE + NTP_MAC_MAX] = {0};

    (void) state;
    digest_length = 16;
    assert_int_equal(authenticator_append(&AUTHENTICATOR, 5, 4, bytes, 48, 67), 0);
    assert_int_equal(authenticator_append(&AUTHENTICATOR, 5, 4, bytes, 48, 68), 68);
    assert_int_equal(authenticator_append(&AUTHENTICATOR, 5, 4, bytes, 48, 47), 0);
    assert_int_equal(authenticator_append(&AUTHENTICATOR, 6, 4, bytes, 48, sizeof(bytes)), 0);
    assert_int_equal(authenticator_append(&AUTHENTICATOR, 0, 4, bytes, 48, sizeof(bytes)), 0);
    assert_int_equal(authenticator_append(&NOBODY, 5, 4, bytes, 48, sizeof(bytes)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_other_tails),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
