// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>

#include "core/clock/manual.h"
#include "unit.h"

/* An entry that is right but for `error` s, by an oscillator that loses `rate`, after `seconds`. */
static ManualEntry entry_at(double seconds, double rate, double error)
{
    LocalTime time = local_add((LocalTime) {INT64_C(1795000000) * NSEC_PER_SEC}, seconds);

    return (ManualEntry) {
        .time = time,
        .truth = {time.ns + ns_from_seconds(seconds * rate + error + 5)},
        .original = 5,
    };
}

static void test_line(void **state)
{
    static const double errors[] = {0.2, -0.3, 30, 0.1, -0.1, 0.3, -0.2}; /* one was mistyped */
    Manual manual = {0};
    Estimate estimate;

    (void) state;
    assert_false(manual_estimate(&manual, LOCAL_UNSET, &estimate));
    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        ManualEntry entry = entry_at((double) i * 86400, 50e-6, errors[i]);
        assert_true(manual_add(&manual, &entry));
    }
    LocalTime at = local_add(manual.entries[6].time, 100);
    assert_true(manual_estimate(&manual, at, &estimate));
    assert_true(estimate.has_frequency);
    assert_true(fabs((estimate.frequency) - (50e-6)) < 1e-6);
    assert_true(fabs((double) (estimate.truth.ns - at.ns) * 1e-9 - 5 - (6 * 86400 + 100) * 50e-6) < 0.4);
    assert_true(estimate.frequency_sd < 100e-6);
    assert_true(estimate.frequency_sd > 0.3 / (3 * 86400));
}

static void test_one_entry_says_no_frequency(void **state)
{
    ManualEntry entry = entry_at(0, 0, 0);
    Manual manual = {0};
    Estimate estimate;

    (void) state;
    assert_true(manual_add(&manual, &entry));
    assert_true(manual_estimate(&manual, entry.time, &estimate));
    assert_int_equal(estimate.truth.ns, entry.truth.ns);
    assert_false(estimate.has_frequency);
}

static void test_limits(void **state)
{
    Manual manual = {0};
    ManualEntry entry = entry_at(0, 0, 0), soon = entry_at(0.99, 0, 0), earlier = entry_at(-3, 0, 0);

    (void) state;
    assert_true(manual_add(&manual, &entry));
    assert_false(manual_add(&manual, &soon));
    assert_false(manual_add(&manual, &earlier));
    for (int i = 1; i <= 20; i++) {
        entry = entry_at(i, 0, 0);
        assert_true(manual_add(&manual, &entry));
    }
    assert_int_equal(manual.count, MANUAL_ENTRIES_MAX);
    assert_int_equal(manual.entries[0].time.ns, entry_at(5, 0, 0).time.ns);
    assert_false(manual_delete(&manual, MANUAL_ENTRIES_MAX));
    assert_true(manual_delete(&manual, 1));
    assert_int_equal(manual.count, MANUAL_ENTRIES_MAX - 1);
    assert_int_equal(manual.entries[1].time.ns, entry_at(7, 0, 0).time.ns);
}

static void test_report(void **state)
{
    Now now = {.mono = {0}, .raw = {INT64_C(1795000000) * NSEC_PER_SEC}};
    Clock clock = clock_start(now, 0);
    Manual manual = {.enabled = true};
    ManualReport report;

    (void) state;
    for (int i = 0; i < 3; i++) {
        ManualEntry entry = entry_at(i * 1000, 0, i == 1 ? 0.5 : 0);
        assert_true(manual_add(&manual, &entry));
    }
    clock_set_model(&clock, manual.entries[2].time, manual.entries[2].truth, 0);
    manual_report(&manual, &clock, &report);
    assert_true(report.enabled);
    assert_int_equal(report.count, 3);
    assert_true(fabs(report.entries[0].slewed) < 1e-9);
    assert_true(fabs(report.entries[1].slewed - 0.5) < 1e-9);
    assert_true(fabs(report.entries[1].residual - 0.5) < 1e-9);
    assert_true(fabs(report.entries[1].original - 5) < 1e-9);
    assert_int_equal(report.entries[0].time.ns, manual.entries[0].truth.ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_one_entry_says_no_frequency),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_report),
    };

    return cmocka_run_group_tests_name("manual", tests, NULL, NULL);
}
