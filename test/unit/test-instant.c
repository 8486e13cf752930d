// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include "base/instant.h"
#include "unit.h"

#define YEAR (INT64_C(31556952) * NSEC_PER_SEC)

static void test_ntp_round_trip(void **state)
{
    static const struct {
        const char *name;
        int64_t unix_ns, pivot;
    } rows[] = {
        {"epoch", 0, 0},
        {"before the epoch", -1, 0},
        {"today", INT64_C(1795000000123456789), INT64_C(1795000000000000000)},
        {"last of era 0", INT64_C(2085978495999999999), INT64_C(1795000000000000000)},
        {"era 1", INT64_C(2085978496000000001), INT64_C(1795000000000000000)},
        {"era 1 from a clock in 1970", INT64_C(2085978496000000001), 67 * YEAR},
        {"2106", INT64_C(4294967296500000000), 130 * YEAR},
        {"fraction that rounds up to a second", INT64_C(999999999), 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int64_t back = ntp_time_to_ns(ntp_time_from_ns(rows[i].unix_ns), rows[i].pivot);
        if (back - rows[i].unix_ns > 1 || back - rows[i].unix_ns < -1)
            fail_msg("%s: %lld became %lld", rows[i].name, (long long) rows[i].unix_ns, (long long) back);
    }
}

static void test_ntp_known_value(void **state)
{
    (void) state;
    assert_true(ntp_time_from_ns(0).value == UINT64_C(2208988800) << 32);
    assert_true(ntp_time_from_ns(NSEC_PER_SEC / 2).value ==
                (UINT64_C(2208988800) << 32) + (UINT64_C(1) << 31));
}

static void test_additions_saturate(void **state)
{
    (void) state;
    assert_int_equal(mono_add((MonoTime) {0}, 1.5).ns, 1500000000);
    assert_int_equal(mono_add((MonoTime) {INT64_MAX - 1}, 1e9).ns, INT64_MAX);
    assert_int_equal(mono_add(MONO_UNSET, 1).ns, TIME_UNSET);
    assert_int_equal(ns_from_seconds(1e300), INT64_C(9200000000000000000));
    assert_int_equal(mono_earliest(MONO_UNSET, (MonoTime) {5}).ns, 5);
    assert_int_equal(mono_earliest((MonoTime) {7}, (MonoTime) {5}).ns, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ntp_round_trip),
        cmocka_unit_test(test_ntp_known_value),
        cmocka_unit_test(test_additions_saturate),
    };

    return cmocka_run_group_tests_name("instant", tests, NULL, NULL);
}
