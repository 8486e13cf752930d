// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>

#include "core/clock/reference.h"
#include "unit.h"

static ReferenceUpdate update_at(double seconds, double offset)
{
    return (ReferenceUpdate) {
        .source = {1},
        .name = "a",
        .stratum = 2,
        .root_delay = 0.02,
        .root_dispersion = 0.001,
        .offset = offset,
        .dispersion_rate = 2e-6,
        .local = {ns_from_seconds(seconds)},
        .cooked = {ns_from_seconds(seconds)},
    };
}

static void test_bound(void **state)
{
    Reference reference = reference_start();
    ReferenceUpdate first = update_at(100, 0.5);

    (void) state;
    assert_int_equal(reference_stratum(&reference), 0);
    assert_true(isinf(reference_max_error(&reference, (LocalTime) {0}, 0)));
    reference_update(&reference, &first);
    assert_int_equal(reference_stratum(&reference), 3);
    assert_true(fabs(reference_max_error(&reference, first.local, -0.25) - 0.261) < 1e-12);
    /* It grows by itself, linearly. */
    for (int i = 0; i < 5; i++) {
        LocalTime at = {ns_from_seconds(100 + 1000 * i)};
        assert_true(fabs(reference_root_dispersion(&reference, at) - (0.001 + 0.002 * i)) < 1e-12);
    }
    /* ... also when no source is followed any more. */
    assert_true(reference_lose(&reference, CLOCK_NO_SELECTABLE));
    assert_false(reference_lose(&reference, CLOCK_NO_SELECTABLE));
    assert_int_equal(reference_stratum(&reference), 0);
    assert_true(reference_max_error(&reference, (LocalTime) {ns_from_seconds(10100)}, 0) > 0.03);
}

/* Nothing is known any more, whatever was; the next update knows it again. */
static void test_doubt(void **state)
{
    Reference reference = reference_start();
    ReferenceUpdate updates[] = {update_at(0, 0), update_at(64, 0)};

    (void) state;
    reference_update(&reference, &updates[0]);
    reference_doubt(&reference);
    assert_true(isinf(reference_max_error(&reference, updates[0].local, 0)));
    assert_true(isinf(reference_root_dispersion(&reference, updates[0].local)));
    reference_update(&reference, &updates[1]);
    assert_true(fabs(reference_max_error(&reference, updates[1].local, 0) - 0.011) < 1e-12);
}

static void test_rms(void **state)
{
    Reference reference = reference_start();
    ReferenceUpdate updates[] = {update_at(0, -3e-3), update_at(64, 1e-3)};

    (void) state;
    reference_update(&reference, &updates[0]);
    assert_true(fabs(reference.rms_offset - 3e-3) < 1e-15);
    reference_update(&reference, &updates[1]);
    assert_true(fabs(reference.rms_offset - sqrt(0.9 * 9e-6 + 0.1 * 1e-6)) < 1e-12);
    assert_true(reference.update_interval == 64);
    assert_string_equal(reference.name, "a");
}

static void test_leap_days(void **state)
{
    static const struct {
        const char *name;
        int64_t unix_seconds;
        LeapStatus leap, expected;
    } rows[] = {
        {"2016-12-31 12:00", 1483185600, LEAP_INSERT, LEAP_INSERT},
        {"2016-12-30 23:59:59", 1483142399, LEAP_INSERT, LEAP_NORMAL},
        {"2016-12-31 00:00", 1483142400, LEAP_INSERT, LEAP_INSERT},
        {"2016-12-31 23:59:59", 1483228799, LEAP_INSERT, LEAP_INSERT},
        {"2017-01-01 00:00", 1483228800, LEAP_INSERT, LEAP_NORMAL},
        {"2015-06-30 12:00", 1435665600, LEAP_DELETE, LEAP_DELETE},
        {"2015-07-01 12:00", 1435752000, LEAP_DELETE, LEAP_NORMAL},
        {"2012-06-30 12:00, a leap year", 1341057600, LEAP_INSERT, LEAP_INSERT},
        {"1969-12-31 12:00", -43200, LEAP_INSERT, LEAP_INSERT},
        {"nothing announced", 1483185600, LEAP_NORMAL, LEAP_NORMAL},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Reference reference = reference_start();
        ReferenceUpdate update = update_at(0, 0);
        update.leap = rows[i].leap;
        reference_update(&reference, &update);
        CookedTime at = {rows[i].unix_seconds * NSEC_PER_SEC};
        if (reference_leap_today(&reference, at) != rows[i].expected)
            fail_msg("%s", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_rms),
        cmocka_unit_test(test_leap_days),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
