// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Servers that set their clocks: an administrator on the server of an isolated network, a virtual machine
 * that is restored. A client of minutes and one of hours go to the new time without passing it, and keep
 * their frequency; one server of four is left alone, and is a good one again when it is back.
 *
 * A move that an oscillator could have drifted, or a path delayed, is no move but an error like any other:
 * 50 ms are one between two requests that are a minute apart, and none when the client asks less often. */

#include <math.h>

#include "sim.h"
#include "unit.h"

#define MINUTES     180.0
#define HOURS       (4 * 3600.0)
/* From the move until the client has asked twice, s: the first time at its own interval, the second time at
 * the shortest, since the first answer was a surprise; and 2 s slewed. */
#define FOLLOWED_IN 240
/* Between two requests at the longest interval. */
#define LONGEST     1100

static const SimOscillator usual = {.offset = 0.01, .frequency = 20e-6, .wander = 1e-9};
static const SimServer near = {.there = {.delay = 100e-6, .jitter = 20e-6},
                               .back = {.delay = 100e-6, .jitter = 20e-6},
                               .wrong_from = INFINITY};
static const SimServer far = {.there = {.delay = 15e-3, .jitter = 2e-3},
                              .back = {.delay = 15e-3, .jitter = 2e-3},
                              .wrong_from = INFINITY};

/* A client of such an age, which asks at such an interval (log2 s; 0: as it likes); more than 10 s are
 * stepped. */
static Sim *build(uint64_t seed, const SimServer *server, size_t count, int poll, double age)
{
    Sim *sim = sim_new(seed, &usual);

    for (size_t i = 0; i < count; i++) {
        SourceConfig *source = sim_add_source(sim, sim_add_server(sim, server));
        source->iburst = true;
        if (poll != 0)
            source->minpoll = source->maxpoll = poll;
    }
    sim_config(sim)->clock.step_threshold = 10;
    sim_config(sim)->clock.step_limit = -1;
    sim_start(sim);
    sim_run(sim, age);
    return sim;
}

static void move(Sim *sim, size_t server, double seconds)
{
    sim_server(sim, server)->wrong_from = sim_time(sim);
    sim_server(sim, server)->wrong_offset = seconds;
}

static void report_of(Sim *sim, size_t index, SourceReport *ret)
{
    SourceId ids[SIM_SERVERS_MAX];

    assert_in_range(engine_sources(sim_engine(sim), ids, SIM_SERVERS_MAX), index + 1, SIM_SERVERS_MAX);
    assert_true(engine_source_report(sim_engine(sim), ids[index], sim_now(sim), ret));
}

/* What became of the error against the servers' new time, s. */
typedef struct Way {
    double passed;  /* beyond it, at most */
    double arrived; /* when the error fell below a hundredth of the move */
    double left;    /* at most, `patience` after the move and later */
    bool bound;     /* it was within MaxError from then on */
} Way;

static Way watch(Sim *sim, double moved, double patience)
{
    double begin = sim_time(sim);
    Way way = {.arrived = INFINITY, .bound = true};

    while (sim_time(sim) < begin + patience + 3600) {
        ClockReport clock;
        sim_run(sim, 1);
        double error = sim_error(sim) - moved, since = sim_time(sim) - begin;

        way.passed = fmax(way.passed, copysign(1, moved) * error);
        if (fabs(error) < fabs(moved) / 100)
            way.arrived = fmin(way.arrived, since);
        if (since < patience)
            continue;
        way.left = fmax(way.left, fabs(error));
        engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
        way.bound &= fabs(error) <= clock.max_error;
    }
    return way;
}

static void test_all_move(void **state)
{
    static const struct {
        const char *name;
        const SimServer *server;
        int poll;
        double age, size; /* s */
        double patience, passed, left;
    } rows[] = {
        {"near, minutes, 50 ms", &near, 0, MINUTES, 0.05, 2 * FOLLOWED_IN, 0.05, 1e-3},
        {"near, minutes, 2 s", &near, 0, MINUTES, 2, FOLLOWED_IN, 1e-3, 0.5e-3},
        {"near, minutes, 1000 s", &near, 0, MINUTES, 1000, FOLLOWED_IN, 1e-3, 0.5e-3},
        {"near, hours, 50 ms", &near, 0, HOURS, 0.05, LONGEST + FOLLOWED_IN, 0.01, 1e-3},
        {"near, hours, 2 s", &near, 0, HOURS, 2, LONGEST + FOLLOWED_IN, 1e-3, 0.5e-3},
        {"near, hours, 1000 s", &near, 0, HOURS, 1000, LONGEST + FOLLOWED_IN, 1e-3, 0.5e-3},
        {"near, often, minutes, 50 ms", &near, 3, MINUTES, 0.05, FOLLOWED_IN, 1e-3, 0.5e-3},
        {"near, often, minutes, 2 s", &near, 3, MINUTES, 2, FOLLOWED_IN, 1e-3, 0.5e-3},
        {"near, often, hours, 2 s", &near, 3, HOURS, 2, FOLLOWED_IN, 1e-3, 0.5e-3},
        {"far, often, minutes, 2 s", &far, 3, MINUTES, 2, FOLLOWED_IN, 6e-3, 6e-3},
        {"far, minutes, 50 ms", &far, 0, MINUTES, 0.05, 4 * FOLLOWED_IN, 0.05, 10e-3},
        {"far, minutes, 2 s", &far, 0, MINUTES, 2, FOLLOWED_IN, 6e-3, 6e-3},
        {"far, minutes, 1000 s", &far, 0, MINUTES, 1000, FOLLOWED_IN, 6e-3, 6e-3},
        {"far, hours, 50 ms", &far, 0, HOURS, 0.05, 2 * LONGEST, 0.05, 20e-3},
        {"far, hours, 2 s", &far, 0, HOURS, 2, LONGEST + FOLLOWED_IN, 6e-3, 6e-3},
        {"far, hours, 1000 s", &far, 0, HOURS, 1000, LONGEST + FOLLOWED_IN, 6e-3, 6e-3},
    };

    (void) state;
    for (size_t k = 0; k < ELEMENTS(rows) * 8; k++) {
        size_t i = k / 8, count = k & 1 ? 4 : 1;
        double moved = k & 2 ? -rows[i].size : rows[i].size;
        uint64_t seed = k & 4 ? 2 : 1;
        cleanup_(sim_freep) Sim *sim = build(seed, rows[i].server, count, rows[i].poll, rows[i].age);

        for (size_t server = 0; server < count; server++)
            move(sim, server, moved);
        Way way = watch(sim, moved, rows[i].patience);
        if (way.passed > rows[i].passed || way.arrived > rows[i].patience || way.left > rows[i].left ||
            !way.bound)
            fail_msg("%s, %zu servers, %g s, seed %u: passed by %g s, there after %g s, later %g s off%s",
                     rows[i].name, count, moved, (unsigned) seed, way.passed, way.arrived, way.left,
                     way.bound ? "" : ", beyond the bound");
    }
}

/* The largest error of our clock, s, while the world runs on. */
static double worst_error(Sim *sim, double seconds)
{
    double worst = 0;

    for (double until = sim_time(sim) + seconds; sim_time(sim) < until;) {
        sim_run(sim, 1);
        worst = fmax(worst, fabs(sim_error(sim)));
    }
    return worst;
}

static bool is_followed(const SourceReport *report)
{
    return report->state == STATE_SELECTED || report->state == STATE_COMBINED;
}

static void test_one_of_four_moves_and_comes_back(void **state)
{
    static const struct {
        double age, size, away; /* s */
    } rows[] = {
        {MINUTES, 2, 3600}, {MINUTES, -2, 400},  {MINUTES, 1000, 3600},
        {HOURS, 2, 3600},   {HOURS, -1000, 600}, {HOURS, 1e6, 7200},
    };

    (void) state;
    for (size_t k = 0; k < ELEMENTS(rows) * 2; k++) {
        size_t i = k / 2;
        uint64_t seed = k % 2 + 1;
        cleanup_(sim_freep) Sim *sim = build(seed, &near, 4, 0, rows[i].age);
        SourceReport before, away, back, other;

        report_of(sim, 0, &before);
        move(sim, 0, rows[i].size);
        double worst = worst_error(sim, rows[i].away);
        report_of(sim, 0, &away);
        report_of(sim, 1, &other);
        assert_int_equal(away.state, STATE_FALSETICKER);
        assert_true(fabs(away.estimated_offset - rows[i].size) < 1e-3);
        assert_true(is_followed(&other));
        move(sim, 0, 0);
        worst = fmax(worst, worst_error(sim, LONGEST + FOLLOWED_IN));
        report_of(sim, 0, &back);
        report_of(sim, 1, &other);
        if (worst > 1e-3 || fabs(back.estimated_offset) > 1e-3 || !is_followed(&back) ||
            back.skew > 3 * fmax(before.skew, other.skew))
            fail_msg(
                "%g s old, away by %g s, seed %u: our clock was %g s off, the mover is at %g s: %s; skew "
                "%g, was %g, of another %g",
                rows[i].age, rows[i].size, (unsigned) seed, worst, back.estimated_offset,
                source_state_text(back.state), back.skew, before.skew, other.skew);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_move),
        cmocka_unit_test(test_one_of_four_moves_and_comes_back),
    };

    return cmocka_run_group_tests_name("server-moves", tests, NULL, NULL);
}
