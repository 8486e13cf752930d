// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>

#include "core/clock/discipline.h"
#include "unit.h"

#define T0 (INT64_C(1772323200) * NSEC_PER_SEC)

static ClockConfig defaults(void)
{
    return (ClockConfig) {
        .corr_time_ratio = 3,
        .max_clock_error = 1e-6,
        .max_drift = 0.1,
        .max_update_skew = 1e-3,
        .max_slew_rate = 0.0833,
        .log_change = 1,
    };
}

static DisciplineInput input_of(double offset, double frequency, double frequency_sd)
{
    return (DisciplineInput) {
        .estimate =
            {
                .time = {T0},
                .truth = {T0 + ns_from_seconds(offset)},
                .frequency = frequency,
                .frequency_sd = frequency_sd,
                .has_frequency = true,
            },
        .cooked = {T0},
        .raw = {T0},
        .counts = true,
    };
}

static void test_frequency(void **state)
{
    static const struct {
        const char *name;
        double old_skew, new_skew, max_update_skew, max_drift;
        double low, high; /* of the frequency, ppm; old 10, new 20 */
        bool limited;
    } rows[] = {
        {"surer", 1e-6, 0.5e-6, 1e-3, 0.1, 20, 20, false},
        {"as sure", 1e-6, 1e-6, 1e-3, 0.1, 20, 20, false},
        {"nothing known", NAN, 1e-6, 1e-3, 0.1, 20, 20, false},
        {"less sure", 1e-7, 1e-5, 1e-3, 0.1, 10, 10.01, false},
        {"hardly less sure", 1e-6, 1.1e-6, 1e-3, 0.1, 20, 20, false},
        {"clearly less sure", 1e-6, 2.5e-6, 1e-3, 0.1, 13, 14, false},
        {"above maxupdateskew", NAN, 2e-6, 1e-6, 0.1, 10, 10, false},
        {"above maxdrift", NAN, 1e-6, 1e-3, 15e-6, 15, 15, true},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        ClockConfig config = defaults();
        config.max_update_skew = rows[i].max_update_skew;
        config.max_drift = rows[i].max_drift;
        Discipline discipline = discipline_start(&config, 10e-6, rows[i].old_skew, false);
        DisciplineInput input = input_of(0, 20e-6, rows[i].new_skew);
        DisciplineDecision decision;
        discipline_update(&discipline, &config, &input, &decision);
        double ppm = decision.frequency * 1e6;
        if (ppm < rows[i].low - 1e-9 || ppm > rows[i].high + 1e-9 || decision.limited != rows[i].limited)
            fail_msg("%s: %g ppm", rows[i].name, ppm);
    }
}

/* What people say is weighed before it comes here: neither maxupdateskew nor what was known has a say. */
static void test_frequency_by_hand(void **state)
{
    ClockConfig config = defaults();
    Discipline discipline = discipline_start(&config, 10e-6, 1e-9, false);
    DisciplineInput input = input_of(0, 20e-6, 90e-6);
    DisciplineDecision decision;

    (void) state;
    config.max_update_skew = discipline.max_update_skew = 1e-6;
    input.by_hand = true;
    discipline_update(&discipline, &config, &input, &decision);
    assert_true(fabs(decision.frequency - 20e-6) < 1e-12 && fabs(decision.skew - 90e-6) < 1e-12);
    input.estimate.has_frequency = false;
    input.estimate.frequency = 0;
    discipline_update(&discipline, &config, &input, &decision);
    assert_true(fabs(decision.frequency - 20e-6) < 1e-12);
}

/* An old frequency that has become wrong is left within some updates. */
static void test_old_frequency_fades(void **state)
{
    ClockConfig config = defaults();
    Discipline discipline = discipline_start(&config, 100e-6, 1e-8, false);
    DisciplineInput input = input_of(0, 20e-6, 1e-6);
    DisciplineDecision decision;

    (void) state;
    for (int i = 0; i < 20; i++)
        discipline_update(&discipline, &config, &input, &decision);
    assert_true(fabs(decision.frequency - 20e-6) < 1e-6);
}

static void test_steps(void **state)
{
    static const struct {
        const char *name;
        double threshold;
        int32_t limit;
        bool restarted;
        double offset;
        bool expected[3]; /* in the first updates */
    } rows[] = {
        {"off", 0, 0, false, 10, {false, false, false}},
        {"above", 1, 2, false, 1.5, {true, true, false}},
        {"exactly at the threshold", 1, 2, false, 1, {false, false, false}},
        {"backwards", 1, 1, false, -1.5, {true, false, false}},
        {"always", 1, -1, false, 2, {true, true, true}},
        {"restarted", 1, 2, true, 2, {false, false, false}},
        {"restarted, always", 1, -1, true, 2, {true, true, true}},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        ClockConfig config = defaults();
        config.step_threshold = rows[i].threshold;
        config.step_limit = rows[i].limit;
        Discipline discipline = discipline_start(&config, 0, NAN, rows[i].restarted);
        for (int k = 0; k < 3; k++) {
            DisciplineInput input = input_of(rows[i].offset, 0, 1e-6);
            DisciplineDecision decision;
            discipline_update(&discipline, &config, &input, &decision);
            if ((decision.verdict == DISCIPLINE_STEP) != rows[i].expected[k])
                fail_msg("%s: update %d", rows[i].name, k);
            assert_int_equal(decision.wrong, fabs(rows[i].offset) > 1);
        }
    }
}

/* makestep counts anew after that, and nothing else does: neither what maxchange counts nor what is kept for
 * the case of a crash. */
static void test_after_disruption(void **state)
{
    static const struct {
        const char *name;
        int32_t limit;
        bool restarted, command;
        int32_t left;
    } rows[] = {
        {"makestep 1 3", 3, false, false, 3},
        {"started again", 3, true, false, 3},
        {"off", 0, false, false, 0},
        {"always", -1, false, false, -1},
        {"as a command said", 3, false, true, 5},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        ClockConfig config = defaults();
        DisciplineInput input = input_of(0, 0, 1e-6);
        DisciplineDecision decision;
        config.step_limit = rows[i].limit;
        Discipline discipline = discipline_start(&config, 0, NAN, rows[i].restarted);
        if (rows[i].command)
            discipline_set_step_policy(&discipline, 1, 5);
        for (int k = 0; k < 10; k++)
            discipline_update(&discipline, &config, &input, &decision);
        assert_true(discipline.step_limit <= 0);
        discipline_on_disruption(&discipline);
        if (discipline.step_limit != rows[i].left || discipline.updates != 10)
            fail_msg("%s: %d", rows[i].name, discipline.step_limit);
    }
}

/* Whoever makes the daemon crash gets no more steps than makestep has given, and no change past maxchange. */
static void test_after_crash(void **state)
{
    static const struct {
        const char *name;
        int32_t limit;
        uint32_t updates;
        int32_t left;
        bool counts; /* how many updates there are is still of interest */
    } rows[] = {
        {"in the middle", 3, 2, 1, true}, {"all used up", 3, 3, 0, true},
        {"long ago", 3, 1000, 0, false},  {"more than there are numbers", 3, UINT32_MAX, 0, false},
        {"off", 0, 5, 0, false},          {"always", -1, 5, -1, false},
        {"no crash", 3, 0, 3, true},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        ClockConfig config = defaults();
        config.step_limit = rows[i].limit;
        Discipline discipline = discipline_start(&config, 0, NAN, false);
        discipline_resume(&discipline, rows[i].updates);
        if (discipline.step_limit != rows[i].left ||
            discipline_counts_updates(&discipline, &config) != rows[i].counts)
            fail_msg("%s: %d", rows[i].name, discipline.step_limit);
    }

    ClockConfig config = defaults();
    DisciplineInput bad = input_of(0.5, 0, 1e-6);
    DisciplineDecision decision;
    config.max_change_offset = 0.1;
    config.max_change_start = 1;
    config.max_change_ignore = -1;
    Discipline discipline = discipline_start(&config, 0, NAN, false);
    discipline_resume(&discipline, 1);
    discipline_update(&discipline, &config, &bad, &decision);
    assert_int_equal(decision.verdict, DISCIPLINE_REFUSE);
}

/* The threshold of initstepslew decides alone, and is itself a step. */
static void test_steps_at_start(void **state)
{
    static const struct {
        const char *name;
        double threshold, offset;
        int32_t makestep;
        bool step;
    } rows[] = {
        {"below", 10, 9.9, 0, false},           {"exactly at the threshold", 10, 10, 0, true},
        {"backwards", 10, -10.5, 0, true},      {"always", 0, 1e-6, 0, true},
        {"negative", -1, 0, 0, true},           {"makestep would", 10, 9.9, -1, false},
        {"backwards, below", 10, -9, 0, false},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        ClockConfig config = defaults();
        config.step_threshold = 1;
        config.step_limit = rows[i].makestep;
        Discipline discipline = discipline_start(&config, 0, NAN, false);
        DisciplineInput input = input_of(rows[i].offset, 0, 1e-6);
        DisciplineDecision decision;
        input.at_start = true;
        input.counts = false;
        input.threshold = rows[i].threshold;
        discipline_update(&discipline, &config, &input, &decision);
        if ((decision.verdict == DISCIPLINE_STEP) != rows[i].step)
            fail_msg("%s", rows[i].name);
        assert_int_equal(discipline.updates, 0);
        assert_int_equal(discipline.step_limit, rows[i].makestep);
    }
}

static void test_max_change(void **state)
{
    ClockConfig config = defaults();
    DisciplineInput good = input_of(0.01, 0, 1e-6), bad = input_of(0.5, 0, 1e-6);
    DisciplineDecision decision;

    (void) state;
    config.max_change_offset = 0.1;
    config.max_change_start = 1;
    config.max_change_ignore = 1;
    Discipline discipline = discipline_start(&config, 0, NAN, false);
    discipline_update(&discipline, &config, &bad, &decision); /* before the first update it does not count */
    assert_int_equal(decision.verdict, DISCIPLINE_SLEW);
    discipline_update(&discipline, &config, &good, &decision);
    assert_int_equal(decision.verdict, DISCIPLINE_SLEW);
    discipline_update(&discipline, &config, &bad, &decision);
    assert_int_equal(decision.verdict, DISCIPLINE_REFUSE);
    discipline_update(&discipline, &config, &bad, &decision);
    assert_int_equal(decision.verdict, DISCIPLINE_END);
    config.max_change_ignore = -1;
    discipline_update(&discipline, &config, &bad, &decision);
    assert_int_equal(decision.verdict, DISCIPLINE_REFUSE);
}

static void test_slew(void **state)
{
    static const struct {
        const char *name;
        SlewInput input;
        double low, high; /* s */
    } rows[] = {
        {"nothing", {0, 1e-5, 1e-5, 64, 64}, 0, 0},
        {"small: until the next request", {1e-6, 0, 1e-5, 64, 40}, 40, 40},
        {"one sigma, next request in an hour", {1e-5, 0, 1e-5, 64, 3600}, 96, 96},
        {"large: at once", {1e-3, 0, 1e-5, 64, 64}, 1, 1},
        {"as fast as maxslewrate", {8.33, 0, 1e-5, 64, 64}, 99.9, 100.1},
        {"backwards", {-8.33, 0, 1e-5, 64, 64}, 99.9, 100.1},
        {"the kernel's range", {2, 0.08, 1e-5, 64, 64}, 99.9, 100.1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        ClockConfig config = defaults();
        Slew slew = discipline_slew(&config, &rows[i].input);
        if (slew.duration < rows[i].low || slew.duration > rows[i].high)
            fail_msg("%s: %g s", rows[i].name, slew.duration);
        assert_true(fabs((slew.frequency - rows[i].input.frequency) * slew.duration -
                         rows[i].input.remaining) < 1e-12);
        assert_true(fabs(slew.frequency) <= 0.1 + 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frequency),
        cmocka_unit_test(test_frequency_by_hand),
        cmocka_unit_test(test_old_frequency_fades),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_steps_at_start),
        cmocka_unit_test(test_max_change),
        cmocka_unit_test(test_after_crash),
        cmocka_unit_test(test_after_disruption),
        cmocka_unit_test(test_slew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
