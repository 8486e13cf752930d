// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>

#include "core/stats/sample-filter.h"
#include "unit.h"

#define T0 (INT64_C(1772323200) * NSEC_PER_SEC)

static Sample sample_at(double seconds, double offset, double delay)
{
    LocalTime time = {T0 + ns_from_seconds(seconds)};

    return (Sample) {
        .time = time,
        .truth = {time.ns + ns_from_seconds(offset)},
        .peer_delay = delay,
        .peer_dispersion = 1e-6,
        .root_delay = 0.01,
        .stratum = 2,
    };
}

/* Five samples on a line, two of them far off it: the combined one lies on the line. */
static void test_outliers(void **state)
{
    static const double errors[] = {0, 0.5, 0, -0.5, 0};
    const double frequency = 1e-4;
    cleanup_(sample_filter_freep) SampleFilter *filter = NULL;
    Sample combined;

    (void) state;
    assert_int_equal(sample_filter_new(5, &filter), 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++) {
            Sample sample = sample_at(2 * i, 0.1 + frequency * 2 * i + errors[i], 0.002 + 0.001 * i);
            assert_int_equal(sample_filter_add(filter, &sample, frequency, &combined), i == 4);
        }
        double time = (double) (combined.time.ns - T0) * 1e-9;
        double offset = (double) (combined.truth.ns - combined.time.ns) * 1e-9;
        assert_true(fabs(time - 4) < 1e-6);
        assert_true(fabs(offset - (0.1 + frequency * time)) < 1e-8);
        assert_true(combined.peer_delay == 0.002);
        assert_int_equal(combined.stratum, 2);
    }
}

static void test_reset(void **state)
{
    cleanup_(sample_filter_freep) SampleFilter *filter = NULL;
    Sample sample = sample_at(0, 0, 0.001), combined;

    (void) state;
    assert_int_equal(sample_filter_new(2, &filter), 0);
    assert_false(sample_filter_add(filter, &sample, 0, &combined));
    sample_filter_reset(filter);
    assert_false(sample_filter_add(filter, &sample, 0, &combined));
    assert_true(sample_filter_add(filter, &sample, 0, &combined));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outliers),
        cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
