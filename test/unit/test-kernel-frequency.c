// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>

#include "hw/kernel-frequency.h"
#include "unit.h"

static void test_round_trip(void **state)
{
    static const struct {
        const char *name;
        double frequency; /* asked for */
        double expected;  /* what the kernel can do */
        long hz;
    } rows[] = {
        {"none", 0, 0, 100},
        {"fine part only", 12.345678e-6, 12.345678e-6, 100},
        {"slow", -12.345678e-6, -12.345678e-6, 100},
        {"just below half a tick", 49.9e-6, 49.9e-6, 100},
        {"just above half a tick", 50.1e-6, 50.1e-6, 100},
        {"fast slew", 0.0833333, 0.0833333, 100},
        {"fast slew backwards", -0.0833333, -0.0833333, 100},
        {"end of the range", 0.1, 0.1, 100},
        {"beyond the range", 0.5, 0.1, 100},
        {"beyond the range, slow", -7.0, -0.1, 100},
        {"infinite", INFINITY, 0.1, 100},
        {"not a number", NAN, 0, 100},
        {"another tick rate", 0.0123456, 0.0123456, 1000},
        {"a tick rate that does not divide a second", 1e-6, 1e-6, 1024},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        KernelFrequency pair = kernel_frequency_split(rows[i].frequency, rows[i].hz);
        double back = kernel_frequency_join(pair, rows[i].hz);
        if (!(fabs(back - rows[i].expected) <= 1e-11))
            fail_msg("%s: %.15g became %.15g", rows[i].name, rows[i].frequency, back);
        if (pair.tick < 900000 / rows[i].hz || pair.tick > 1100000 / rows[i].hz)
            fail_msg("%s: tick %ld is refused by the kernel", rows[i].name, pair.tick);
        if (labs(pair.fine) > 500L << 16)
            fail_msg("%s: fine part %ld is refused by the kernel", rows[i].name, pair.fine);
    }
}

/* Positive makes the clock run faster: a longer tick, a positive fine part. */
static void test_sign(void **state)
{
    (void) state;
    assert_true(kernel_frequency_split(10e-6, 100).fine == 10L << 16);
    assert_true(kernel_frequency_split(10e-6, 100).tick == 10000);
    assert_true(kernel_frequency_split(0.01, 100).tick == 10100);
    assert_true(kernel_frequency_split(-0.01, 100).tick == 9900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sign),
    };

    return cmocka_run_group_tests_name("kernel-frequency", tests, NULL, NULL);
}
