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
    manual_set_known(&manual, 0, NAN);
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
    assert_true(estimate.frequency_sd < 2e-6);
    assert_true(estimate.frequency_sd > 0.3 / (6 * 86400));
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

/* Entries count for the frequency by how well they know it, which is how long they are apart. */
static void test_weight_of_frequency(void **state)
{
    static const struct {
        const char *name;
        double known_sd; /* of a frequency of 10 ppm; the oscillator needs 50 ppm */
        size_t count;
        double apart;
        double low, high; /* ppm */
    } rows[] = {
        {"one entry", 1e-4, 1, 0, 10, 10},
        {"seconds apart", 1e-4, 2, 10, 9.9, 10.1},
        {"many, seconds apart", 1e-4, 16, 2, 9.9, 10.5},
        {"an hour apart", 1e-4, 2, 3600, 20, 35},
        {"a day apart", 1e-4, 2, 86400, 49, 50},
        {"nothing known, a day apart", NAN, 2, 86400, 49, 50},
        {"far too sure, a week apart", 1e-9, 2, 7 * 86400, 35, 45},
        {"sure, a day apart", 1e-6, 2, 86400, 10.5, 14},
        {"far too unsure, seconds apart", 1, 2, 10, 9.9, 10.1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Manual manual = {0};
        Estimate estimate;

        manual_set_known(&manual, 10e-6, rows[i].known_sd);
        for (size_t k = 0; k < rows[i].count; k++) {
            ManualEntry entry = entry_at((double) k * rows[i].apart, 50e-6, 0);
            assert_true(manual_add(&manual, &entry));
        }
        LocalTime at = manual.entries[rows[i].count - 1].time;
        assert_true(manual_estimate(&manual, at, &estimate));
        double ppm = estimate.frequency * 1e6;
        if (ppm < rows[i].low - 1e-9 || ppm > rows[i].high + 1e-9)
            fail_msg("%s: %g ppm", rows[i].name, ppm);
        assert_true(estimate.frequency_sd > 0 && estimate.frequency_sd <= 1e-4);
    }
}

/* People are off by tenths of a second: what they enter within a minute must not throw the frequency about,
 * and the time is the middle of what they said. */
static void test_hasty_entries(void **state)
{
    Manual manual = {0};
    ManualEntry first = entry_at(0, 0, 0.4), second = entry_at(10, 0, -0.4);
    Estimate estimate;

    (void) state;
    manual_set_known(&manual, 0, NAN);
    assert_true(manual_add(&manual, &first) && manual_add(&manual, &second));
    assert_true(manual_estimate(&manual, second.time, &estimate));
    assert_true(fabs(estimate.frequency) < 1e-6);
    assert_true(fabs((double) (estimate.truth.ns - second.time.ns) * 1e-9 - 5) < 0.01);
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
    manual_set_known(&manual, 0, 1e-6);
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
        cmocka_unit_test(test_weight_of_frequency),
        cmocka_unit_test(test_hasty_entries),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_report),
    };

    return cmocka_run_group_tests_name("manual", tests, NULL, NULL);
}
