// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What comes over a clock from outside: it is set, the machine sleeps, or stands still and knows nothing of
 * it. From the moment at which the daemon hears of it the bound of the error holds, whatever the true error
 * is, in the report and in what the kernel is told; and the clock is right again as soon as the step policy
 * allows. */

#include <math.h>

#include "sim.h"
#include "unit.h"

#define HOUR    3600.0
#define YEAR    (365 * 86400.0)
/* Requests at 0.2 s, and every two seconds three more; then a step, or half a second of slewing. */
#define AT_ONCE 12
/* Further off than this a clock is not right, s; the servers are 15 ms away. */
#define RIGHT   5e-3
/* Between two requests at the longest interval. */
#define LONGEST 1100

static const SimOscillator usual = {.offset = 0.01, .frequency = 20e-6, .wander = 1e-9};
static const SimServer far = {.there = {.delay = 15e-3, .jitter = 1e-3},
                              .back = {.delay = 15e-3, .jitter = 1e-3},
                              .wrong_from = INFINITY};

/* More than a second is stepped during the first three updates only, as it is configured mostly. */
static Sim *build(uint64_t seed, size_t count, bool iburst)
{
    Sim *sim = sim_new(seed, &usual);

    for (size_t i = 0; i < count; i++)
        sim_add_source(sim, sim_add_server(sim, &far))->iburst = iburst;
    sim_config(sim)->clock.step_threshold = 1;
    sim_config(sim)->clock.step_limit = 3;
    return sim;
}

static ClockReport report_of(Sim *sim)
{
    ClockReport report;

    engine_clock_report(sim_engine(sim), sim_now(sim), &report);
    return report;
}

static bool is_honest(Sim *sim)
{
    return fabs(sim_error(sim)) <= report_of(sim).max_error &&
           (!sim_counters(sim)->synchronized || fabs(sim_error(sim)) <= sim_counters(sim)->max_error + 1e-3);
}

/* Nobody knows how wrong it is, and everybody is told so. */
static void assert_in_doubt(Sim *sim, ClockReason reason, const char *name)
{
    ClockReport report = report_of(sim);

    if (report.synchronized || report.reason != reason || !isinf(report.max_error) ||
        sim_counters(sim)->synchronized || !isinf(sim_counters(sim)->max_error))
        fail_msg("%s: %s, within %g s; the kernel is told %s, within %g s", name,
                 clock_reason_name(report.reason), report.max_error,
                 sim_counters(sim)->synchronized ? "synchronized" : "unsynchronized",
                 sim_counters(sim)->max_error);
}

/* Seconds until the error is small, and stays so until `seconds` are over. */
static double becomes_right(Sim *sim, double seconds, const char *name)
{
    double begin = sim_time(sim), since = 0;

    while (sim_time(sim) < begin + seconds) {
        sim_run(sim, 0.1);
        if (!is_honest(sim))
            fail_msg("%s: after %g s the clock is off by %g s, and %g s are told", name,
                     sim_time(sim) - begin, sim_error(sim), report_of(sim).max_error);
        if (fabs(sim_error(sim)) > RIGHT)
            since = sim_time(sim) - begin;
    }
    return since;
}

typedef struct Told {
    size_t count;
    ClockReason reason;
    double value;
} Told;

static void on_event(void *userdata, double time, const Event *event)
{
    Told *told = userdata;

    (void) time;
    if (event->kind != EVENT_DISRUPTED)
        return;
    told->count++;
    told->reason = event->reason;
    told->value = event->value;
}

static void test_sleep(void **state)
{
    static const struct {
        const char *name;
        double seconds, error; /* s, by which the kernel believes to have slept longer */
        bool iburst;
        double right; /* s after which it is */
        uint64_t steps;
    } rows[] = {
        {"a second", 1, 0, true, AT_ONCE, 0},
        {"nine seconds", 9, 0.9, true, AT_ONCE + 10, 0},
        {"eleven seconds", 11, -0.9, true, AT_ONCE + 10, 0},
        {"ten hours", 10 * HOUR, 0.5, true, AT_ONCE + 10, 0},
        {"ten hours, without iburst", 10 * HOUR, -0.5, false, AT_ONCE + 10, 0},
        {"ten hours, and a bad RTC", 10 * HOUR, 6, true, AT_ONCE, 1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows) * 2; i++) {
        const typeof(rows[0]) *row = &rows[i / 2];
        cleanup_(sim_freep) Sim *sim = build(i + 1, i % 2 ? 1 : 3, row->iburst);
        Told told = {0};

        sim_start(sim);
        sim_run(sim, 2 * HOUR);
        sim_listen(sim, on_event, &told);
        uint64_t steps = sim_counters(sim)->steps;
        sim_sleep(sim, row->seconds, row->error);
        assert_in_doubt(sim, CLOCK_SLEPT, row->name);
        if (told.count != 1 || told.reason != CLOCK_SLEPT ||
            fabs(told.value - row->seconds - row->error) > 1e-3)
            fail_msg("%s: told %zu times, %s by %g s", row->name, told.count, clock_reason_name(told.reason),
                     told.value);
        double right = becomes_right(sim, HOUR, row->name);
        if (right > row->right || sim_counters(sim)->steps - steps != row->steps || told.count != 1)
            fail_msg("%s: right after %g s and %u steps", row->name, right,
                     (unsigned) (sim_counters(sim)->steps - steps));
        assert_true(report_of(sim).synchronized && sim_counters(sim)->synchronized);
    }
}

/* A sleep in the cold: what the drift was is not what it is. */
static void test_sleep_changes_the_oscillator(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        SimOscillator oscillator = usual;
        oscillator.jump = seed % 2 ? 5e-6 : -5e-6;
        oscillator.jump_at = 2 * HOUR + 60;
        cleanup_(sim_freep) Sim *sim = sim_new(seed, &oscillator);

        for (size_t i = 0; i < 3; i++)
            sim_add_source(sim, sim_add_server(sim, &far))->iburst = true;
        sim_start(sim);
        sim_run(sim, 2 * HOUR);
        sim_sleep(sim, 8 * HOUR, 0.3);
        assert_in_range(becomes_right(sim, 2 * HOUR, "a cold night"), 0, AT_ONCE + 10);
    }
}

static void test_clock_is_set(void **state)
{
    static const struct {
        const char *name;
        double jump;
        double right;
        uint64_t steps;
    } rows[] = {
        {"a millisecond", 1e-3, 1, 0},
        {"back a millisecond", -1e-3, 1, 0},
        {"0.9 s", 0.9, AT_ONCE + 15, 0},
        {"back 0.9 s", -0.9, AT_ONCE + 15, 0},
        {"a second and a bit", 1.1, AT_ONCE, 1},
        {"back a second and a bit", -1.1, AT_ONCE, 1},
        {"3 s", 3, AT_ONCE, 1},
        {"back 3 s", -3, AT_ONCE, 1},
        {"back 20 s", -20, AT_ONCE, 1},
        {"an hour", HOUR, AT_ONCE, 1},
        {"a year", YEAR, AT_ONCE, 1},
        {"back a year", -YEAR, AT_ONCE, 1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(sim_freep) Sim *sim = build(i + 1, 3, i % 2);
        Told told = {0};

        sim_start(sim);
        sim_run(sim, 2 * HOUR);
        sim_listen(sim, on_event, &told);
        uint64_t steps = sim_counters(sim)->steps;
        sim_jump(sim, rows[i].jump);
        sim_run(sim, 0); /* a small jump needs a second look */
        assert_in_doubt(sim, CLOCK_DISRUPTED, rows[i].name);
        if (told.count != 1 || told.reason != CLOCK_DISRUPTED ||
            fabs(told.value - rows[i].jump) > 1e-3 + 1e-9 * fabs(rows[i].jump))
            fail_msg("%s: told %zu times, by %g s", rows[i].name, told.count, told.value);
        double right = becomes_right(sim, HOUR, rows[i].name);
        if (right > rows[i].right || sim_counters(sim)->steps - steps != rows[i].steps || told.count != 1)
            fail_msg("%s: right after %g s and %u steps", rows[i].name, right,
                     (unsigned) (sim_counters(sim)->steps - steps));
    }
}

/* Why the clock is not right is what came over it, until the sources have been heard; then it is what they
 * say. */
static void test_reason_yields(void **state)
{
    static const struct {
        const char *name;
        double apart; /* s, between what each of them says */
        bool silent;
        ClockReason reason;
    } rows[] = {
        {"they agree", 0, false, CLOCK_SYNCHRONIZED},
        {"they contradict each other", 5, false, CLOCK_NO_MAJORITY},
        {"they are silent", 0, true, CLOCK_DISRUPTED},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(sim_freep) Sim *sim = build(i + 1, 3, true);

        sim_start(sim);
        sim_run(sim, HOUR);
        for (size_t k = 0; k < 3; k++) {
            sim_server(sim, k)->offset = rows[i].apart * (double) k;
            if (rows[i].silent)
                sim_server(sim, k)->outages[0] = (SimOutage) {HOUR, INFINITY};
        }
        sim_jump(sim, 3);
        assert_in_doubt(sim, CLOCK_DISRUPTED, rows[i].name);
        sim_run(sim, 120);
        if (report_of(sim).reason != rows[i].reason)
            fail_msg("%s: %s", rows[i].name, clock_reason_name(report_of(sim).reason));
    }
}

/* Both at once: each is told as what it is. */
static void test_asleep_and_set(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(1, 3, true);

    (void) state;
    sim_start(sim);
    sim_run(sim, HOUR);
    sim_set_clock(sim, sim_error(sim) + 30);
    sim_sleep(sim, HOUR, 0);
    assert_in_doubt(sim, CLOCK_SLEPT, "asleep and set");
    assert_int_equal(sim_counters(sim)->events[EVENT_DISRUPTED], 2);
    assert_in_range(becomes_right(sim, HOUR, "asleep and set"), 0, AT_ONCE);
}

/* What may not be stepped is slewed as fast as the limit allows, and the bound holds all the way. */
static void test_slewed_at_the_limit(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(1, 3, true);

    (void) state;
    sim_config(sim)->clock.max_slew_rate = 1000e-6;
    sim_start(sim);
    sim_run(sim, HOUR);
    sim_jump(sim, 0.5);
    double right = becomes_right(sim, HOUR, "slewed");
    assert_in_range(right, 400, 600);
    assert_int_equal(sim_counters(sim)->steps, 0);
}

/* makestep counts anew; maxchange goes on. The first row is a clock that is 20 s off since its start. */
static void test_policies(void **state)
{
    static const struct {
        const char *name;
        int32_t limit;
        double max_change;
        bool restarted, jumps;
        uint64_t steps;
        ClockReason reason;
    } rows[] = {
        {"started again, no step", 3, 0, true, false, 0, CLOCK_SYNCHRONIZED},
        {"started again, but then the clock is set", 3, 0, true, true, 1, CLOCK_SYNCHRONIZED},
        {"no makestep", 0, 0, false, true, 0, CLOCK_SYNCHRONIZED},
        {"makestep 1 3", 3, 0, false, true, 1, CLOCK_SYNCHRONIZED},
        {"makestep 1 -1", -1, 0, false, true, 1, CLOCK_SYNCHRONIZED},
        {"maxchange 10", 3, 10, false, true, 0, CLOCK_EXCESSIVE},
        {"maxchange 30", 3, 30, false, true, 1, CLOCK_SYNCHRONIZED},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(sim_freep) Sim *sim = build(i + 1, 3, true);
        ClockConfig *clock = &sim_config(sim)->clock;

        clock->step_limit = rows[i].limit;
        clock->max_change_offset = rows[i].max_change;
        clock->max_change_start = 1;
        clock->max_change_ignore = -1;
        sim_setup(sim)->restarted = rows[i].restarted;
        if (!rows[i].jumps)
            sim_set_clock(sim, 20);
        sim_start(sim);
        sim_run(sim, HOUR);
        if (rows[i].jumps)
            sim_jump(sim, -20);
        (void) becomes_right(sim, 600, rows[i].name);
        ClockReport report = report_of(sim);
        if (sim_counters(sim)->steps != rows[i].steps || report.reason != rows[i].reason ||
            (rows[i].reason == CLOCK_EXCESSIVE) == isfinite(report.max_error))
            fail_msg("%s: %u steps, %s, within %g s", rows[i].name, (unsigned) sim_counters(sim)->steps,
                     clock_reason_name(report.reason), report.max_error);
    }
}

/* A crash after a disruption gives no more steps than there were without it. */
static void test_crash_after_disruption(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(1, 3, true);

    (void) state;
    sim_start(sim);
    sim_run(sim, HOUR);
    sim_jump(sim, 20);
    sim_run(sim, AT_ONCE);
    assert_int_equal(sim_counters(sim)->steps, 1);
    for (int crash = 1; crash <= 5; crash++) {
        for (size_t i = 0; i < 3; i++)
            sim_server(sim, i)->offset = 5 * crash;
        sim_kill(sim);
        sim_start(sim);
        sim_run(sim, 60);
    }
    assert_int_equal(sim_counters(sim)->steps, 1);
}

/* Another program sets the clock all the time: nobody believes it to be right, and servers do not suffer. */
static void test_somebody_sets_it_for_ever(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(1, 3, true);
    uint64_t sent;

    (void) state;
    sim_start(sim);
    sim_run(sim, HOUR);
    sent = sim_counters(sim)->sent;
    for (int i = 0; i < 1800; i++) {
        sim_jump(sim, i % 2 ? 5e-3 : -5e-3);
        sim_run(sim, 0);
        assert_false(report_of(sim).synchronized);
        sim_run(sim, 1);
        assert_true(is_honest(sim));
    }
    /* 8 bursts, and one in each 64 s. A burst that is interrupted by the next one has one request. */
    assert_in_range(sim_counters(sim)->sent - sent, 3 * 30, 3 * 120);
    assert_in_range(becomes_right(sim, 600, "left alone"), 0, 80);
    assert_true(report_of(sim).synchronized);
}

/* Logind says so, and no clock does: what is known is saved and asked for again, but not thrown away. */
static void test_told_of_a_sleep(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(1, 3, false);
    uint64_t saved, sent;

    (void) state;
    sim_start(sim);
    sim_run(sim, 2 * HOUR);
    saved = sim_counters(sim)->drift_saved;
    sim_tell_sleep(sim, true);
    assert_int_equal(sim_counters(sim)->drift_saved, saved + 1);
    sent = sim_counters(sim)->sent;
    sim_tell_sleep(sim, false);
    sim_run(sim, 10);
    assert_in_range(sim_counters(sim)->sent - sent, 3 * 4, 3 * 5);
    assert_true(report_of(sim).synchronized);
    assert_int_equal(sim_counters(sim)->events[EVENT_DISRUPTED], 0);
    /* The clocks tell it first: nothing is asked twice. */
    sent = sim_counters(sim)->sent;
    sim_tell_sleep(sim, true);
    sim_sleep(sim, HOUR, 0);
    sim_tell_sleep(sim, false);
    sim_run(sim, 10);
    assert_in_range(sim_counters(sim)->sent - sent, 3 * 4, 3 * 5);
    assert_int_equal(sim_counters(sim)->events[EVENT_DISRUPTED], 1);
}

/* No clock of the machine notices anything, and nobody could. The first answer says that something is wrong,
 * and a second later it is known what. */
static void test_stands_still(void **state)
{
    static const struct {
        const char *name;
        double seconds;
        size_t count;
        double honest, right; /* s after which it is; right: when it may be stepped */
    } rows[] = {
        {"20 s, one source", 20, 1, LONGEST, LONGEST + 10},
        {"an hour, one source", HOUR, 1, LONGEST, LONGEST + 10},
        {"20 s, four sources", 20, 4, LONGEST, LONGEST + 10},
        {"an hour, four sources", HOUR, 4, LONGEST, LONGEST + 10},
    };
    double sum = 0;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows) * 4; i++) {
        const typeof(rows[0]) *row = &rows[i / 4];
        cleanup_(sim_freep) Sim *sim = build(i + 1, row->count, true);
        double honest = 0, right = 0, first = INFINITY;

        sim_config(sim)->clock.step_limit = -1;
        sim_start(sim);
        sim_run(sim, 4 * HOUR);
        sim_pause(sim, row->seconds);
        uint64_t wrong = sim_counters(sim)->events[EVENT_CLOCK_WRONG];
        for (double begin = sim_time(sim), at = 0; at < 2 * HOUR; at = sim_time(sim) - begin) {
            ClockReport before = report_of(sim);
            sim_run(sim, 0.1);
            honest = is_honest(sim) || !report_of(sim).synchronized ? honest : at;
            right = fabs(sim_error(sim)) > RIGHT ? at : right;
            if (isinf(first) && (before.synchronized != report_of(sim).synchronized ||
                                 sim_counters(sim)->events[EVENT_CLOCK_WRONG] > wrong))
                first = at;
        }
        sum += right;
        if (honest > row->honest || right > row->right || (row->count > 1 && right > first + 5))
            fail_msg("%s: first sign after %g s, honest after %g s, right after %g s", row->name, first,
                     honest, right);
    }
    /* One of several is asked sooner than the only one. */
    assert_true(sum / (ELEMENTS(rows) * 4) < LONGEST / 2);
}

/* Whoever says something else each time has others asked because of it, but not often. */
static void test_fickle_source(void **state)
{
    uint64_t sent[2];

    (void) state;
    for (int fickle = 0; fickle <= 1; fickle++) {
        cleanup_(sim_freep) Sim *sim = build(1, 4, true);

        for (size_t i = 0; i < 4; i++)
            sim_config(sim)->sources[i].minpoll = i == 0 ? 4 : 10;
        sim_config(sim)->sources[0].maxpoll = 4;
        sim_start(sim);
        sim_run(sim, 2 * HOUR);
        sent[fickle] = sim_counters(sim)->sent;
        for (int i = 0; i < 1000; i++) {
            sim_server(sim, 0)->offset = fickle && i % 2 ? 10 : 0;
            sim_run(sim, 16);
            assert_true(fabs(sim_error(sim)) < RIGHT);
        }
        sent[fickle] = sim_counters(sim)->sent - sent[fickle];
    }
    /* 16000 s: the others are asked 16 times each by themselves, and as often because of it. */
    assert_in_range(sent[1] - sent[0], 3, 3 * 16 + 4 * 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_sleep_changes_the_oscillator),
        cmocka_unit_test(test_clock_is_set),
        cmocka_unit_test(test_reason_yields),
        cmocka_unit_test(test_asleep_and_set),
        cmocka_unit_test(test_slewed_at_the_limit),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_crash_after_disruption),
        cmocka_unit_test(test_somebody_sets_it_for_ever),
        cmocka_unit_test(test_told_of_a_sleep),
        cmocka_unit_test(test_stands_still),
        cmocka_unit_test(test_fickle_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
