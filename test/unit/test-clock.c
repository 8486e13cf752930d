// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>
#include <stdlib.h>

#include "core/clock/clock.h"
#include "unit.h"

#define START (INT64_C(1772323200) * NSEC_PER_SEC)

static Now at(int64_t ns)
{
    return (Now) {.mono = {ns + 1000}, .raw = {START + ns}};
}

static RawTime raw_at(double seconds)
{
    return raw_add((RawTime) {START}, seconds);
}

static double local_at(const Clock *clock, RawTime raw)
{
    return (double) (clock_to_local(clock, raw).ns - START) * 1e-9;
}

static void test_pieces(void **state)
{
    Clock clock = clock_start(at(0), 0);

    (void) state;
    assert_true(clock_to_local(&clock, raw_at(5)).ns == START + 5 * NSEC_PER_SEC);
    /* From 10 s on the kernel clock runs 1 % fast: 10.1 s of it are 10 s of the oscillator. */
    clock_on_frequency(&clock, raw_at(10), 0.01);
    assert_true(fabs(local_at(&clock, raw_at(20.1)) - 20) < 2e-9);
    /* ... and before it nothing has changed. */
    assert_true(fabs(local_at(&clock, raw_at(5)) - 5) < 2e-9);
    assert_true(clock_applied_frequency(&clock) == 0.01);
    clock_on_frequency(&clock, raw_at(20.1), 0);
    assert_true(fabs(local_at(&clock, raw_at(30.1)) - 30) < 4e-9);
    assert_true(fabs(local_at(&clock, raw_at(15.05)) - 15) < 4e-9);
    /* A step by an hour: the oscillator knows nothing of it. */
    clock_on_step(&clock, raw_at(3640.1), 3600 * NSEC_PER_SEC);
    assert_true(fabs(local_at(&clock, raw_at(3640.1)) - 40) < 4e-9);
    assert_true(fabs(local_at(&clock, raw_at(35.1)) - 35) < 4e-9);
}

static void test_many_pieces(void **state)
{
    Clock clock = clock_start(at(0), 0);
    double raw = 0;

    (void) state;
    for (int i = 0; i < 100; i++) {
        clock_on_frequency(&clock, raw_at(raw), i % 2 == 0 ? 0.001 : -0.001);
        raw += i % 2 == 0 ? 1.001 : 0.999;
    }
    assert_true(fabs(local_at(&clock, raw_at(raw)) - 100) < 2e-7);
    assert_true(fabs(local_at(&clock, raw_at(raw - 10)) - 90) < 2e-7);
}

static void test_model(void **state)
{
    Clock clock = clock_start(at(0), 0);

    (void) state;
    assert_int_equal(clock_remaining_ns(&clock, raw_at(100)), 0);
    /* The clock is 0.5 s late, and its oscillator 10 ppm slow. */
    clock_set_model(&clock, (LocalTime) {START}, (CookedTime) {START + 500000000}, 10e-6);
    assert_int_equal(clock_remaining_ns(&clock, raw_at(100)), 501000000);
    clock_on_frequency(&clock, raw_at(100), 10e-6 + 0.001);
    assert_true(llabs(clock_remaining_ns(&clock, raw_at(101.001)) - 500000000) < 20000);
}

/* What the model was set by, without what it was steered; a step makes that mean nothing. */
static void test_corrected(void **state)
{
    Clock clock = clock_start(at(0), 0);
    uint32_t epoch = clock.epoch;

    (void) state;
    clock_set_model(&clock, (LocalTime) {START}, (CookedTime) {START + 2000000}, 10e-6);
    assert_int_equal(clock.corrected, 2000000);
    /* Only the frequency changes; what it gained until then is no correction. */
    LocalTime later = {START + 100 * NSEC_PER_SEC};
    clock_set_model(&clock, later, clock_to_cooked(&clock, later), -10e-6);
    assert_int_equal(clock.corrected, 2000000);
    clock_set_model(&clock, later, (CookedTime) {clock_to_cooked(&clock, later).ns - 5000000}, -10e-6);
    assert_int_equal(clock.corrected, -3000000);
    clock_on_frequency(&clock, raw_at(200), 50e-6);
    assert_int_equal(clock.corrected, -3000000);
    assert_int_equal(clock.epoch, epoch);
    clock_on_step(&clock, raw_at(300), NSEC_PER_SEC);
    assert_true(clock.epoch != epoch && clock.corrected == 0);
    epoch = clock.epoch;
    clock_set_model(&clock, later, (CookedTime) {later.ns + NSEC_PER_SEC}, 0);
    clock_begin_epoch(&clock);
    assert_true(clock.epoch != epoch && clock.corrected == 0);
}

static void test_disruptions(void **state)
{
    static const struct {
        const char *name;
        int64_t jump, slept;
        int readings; /* until it is believed; 0: never */
    } rows[] = {
        {"noise", 400000, 0, 0},
        {"a millisecond", 1000000, 0, 2},
        {"back a millisecond", -1000000, 0, 2},
        {"0.9 s", 900000000, 0, 2},
        {"a second", NSEC_PER_SEC, 0, 1},
        {"back a day", -86400 * NSEC_PER_SEC, 0, 1},
        {"noise of both", 400000, 400000, 0},
        {"a nap", 0, 300000000, 2},
        {"a sleep of a second", 0, NSEC_PER_SEC, 1},
        {"a night", 0, 36000 * NSEC_PER_SEC, 1},
        {"a night, and the clock is set by a millisecond", 1000000, 36000 * NSEC_PER_SEC, 1},
        {"a night, and the clock is set back to where it was", -36000 * NSEC_PER_SEC, 36000 * NSEC_PER_SEC,
         1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Clock clock = clock_start(at(0), 0);
        int readings = 0;
        for (int k = 1; k <= 5 && readings == 0; k++) {
            Now now = at(k * NSEC_PER_SEC);
            now.raw.ns += rows[i].jump;
            now.raw.ns += rows[i].slept;
            now.asleep_ns = rows[i].slept;
            ClockDisruption found;
            if (!clock_check_disruption(&clock, now, &found))
                continue;
            readings = k;
            assert_int_equal(found.jump_ns, rows[i].jump);
            assert_int_equal(found.slept_ns, rows[i].slept);
            assert_true(llabs(clock_to_local(&clock, now.raw).ns - START - k * NSEC_PER_SEC) < 10);
            assert_int_equal(clock_remaining_ns(&clock, now.raw), 0);
            assert_false(clock_check_disruption(&clock, now, &found));
        }
        if (readings != rows[i].readings)
            fail_msg("%s", rows[i].name);
    }
}

/* One torn reading is forgotten; two different ones are no step either. */
static void test_torn_readings(void **state)
{
    Clock clock = clock_start(at(0), 0);
    Now torn = at(NSEC_PER_SEC);
    ClockDisruption found;

    (void) state;
    torn.raw.ns += 20000000;
    assert_false(clock_check_disruption(&clock, torn, &found));
    assert_true(clock_suspects_disruption(&clock));
    assert_false(clock_check_disruption(&clock, at(2 * NSEC_PER_SEC), &found));
    assert_false(clock_suspects_disruption(&clock));
    assert_false(clock_check_disruption(&clock, torn, &found));
    torn.raw.ns -= 15000000;
    assert_false(clock_check_disruption(&clock, torn, &found));
    /* Held up before CLOCK_BOOTTIME was read: that is neither a sleep nor a step. */
    torn = at(3 * NSEC_PER_SEC);
    torn.asleep_ns += 20000000;
    assert_false(clock_check_disruption(&clock, torn, &found));
    assert_false(clock_check_disruption(&clock, at(4 * NSEC_PER_SEC), &found));
    assert_false(clock_suspects_disruption(&clock));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),      cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_model),       cmocka_unit_test(test_corrected),
        cmocka_unit_test(test_disruptions), cmocka_unit_test(test_torn_readings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
