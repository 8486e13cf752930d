// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Attacks against which a clock cannot be kept right by what packets say. What must hold is what is told: the
 * bound of the error while somebody on the path delays the packets of all servers, within maxdelay and never
 * the same way twice; an alarm when most of the servers leave the time together. Single packets, one of some
 * that come through as they were sent, are told by the others: they move nothing. */

#include <math.h>

#include "random.h"
#include "sim.h"
#include "unit.h"

#define BEGIN 3000.0
/* Delays that grow bend the frequency, too, which shows while answers are refused because they took too long:
 * so much more is allowed for it. */
#define BENT  1.10

typedef struct Delays {
    double there, back; /* s, added */
} Delays;

/* What is added at a time since the begin, of at most `most`; chance: 0 <= x < 1. */
typedef Delays (*Attack)(double since, double chance, double most);

static Delays constant(double since, double chance, double most)
{
    (void) since, (void) chance;
    return (Delays) {.back = most};
}

static Delays noisy(double since, double chance, double most)
{
    (void) since;
    return (Delays) {.back = most * (0.5 + 0.5 * chance)};
}

/* Not quite all on one way, so that no regression finds the asymmetry. */
static Delays mostly_back(double since, double chance, double most)
{
    double delay = most * (0.5 + 0.5 * chance);

    (void) since;
    return (Delays) {.there = 0.07 * delay, .back = 0.93 * delay};
}

static Delays ramp(double since, double chance, double most)
{
    (void) chance;
    return (Delays) {.back = most * fmin(1, since / 2000)};
}

static Delays slow_ramp(double since, double chance, double most)
{
    (void) chance;
    return (Delays) {.back = most * fmin(1, since / 10000)};
}

/* Now and then one goes through, so that the shortest delay stays short. */
static Delays decoys(double since, double chance, double most)
{
    (void) since;
    return (Delays) {.back = chance < 0.15 ? 0 : most * (0.5 + 0.5 * chance)};
}

/* Until 14000 s; names what broke the bound. */
static void attack_all(uint64_t seed, const char *name, Attack attack, double most)
{
    static const SimOscillator usual = {.offset = 0.01, .frequency = 20e-6, .wander = 1e-9};
    static const SimServer near = {.there = {.delay = 100e-6, .jitter = 10e-6},
                                   .back = {.delay = 100e-6, .jitter = 10e-6}};
    cleanup_(sim_freep) Sim *sim = sim_new(seed, &usual);
    Random random = random_seeded(seed);

    for (size_t i = 0; i < 3; i++) {
        SourceConfig *source = sim_add_source(sim, sim_add_server(sim, &near));
        source->iburst = true;
        source->maxpoll = 6;
    }
    sim_start(sim);
    sim_run(sim, BEGIN);
    while (sim_time(sim) < 14000) {
        ClockReport clock;

        sim_run(sim, 1);
        engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
        if (fabs(sim_error(sim)) > BENT * clock.max_error)
            fail_msg("%s up to %g s, seed %llu: at %.0f s: error %g s, bound %g s", name, most,
                     (unsigned long long) seed, sim_time(sim), sim_error(sim), clock.max_error);
        for (size_t i = 0; i < 3; i++) {
            Delays added = attack(sim_time(sim) - BEGIN, random_uniform(&random), most);
            SimServer *server = sim_server(sim, i);

            server->there.added = added.there;
            server->back.added = added.back;
            server->there.added_until = server->back.added_until = INFINITY;
        }
    }
}

static void test_bound_holds_under_delays(void **state)
{
    static const struct {
        const char *name;
        Attack attack;
    } rows[] = {
        {"constant", constant}, {"noisy", noisy},         {"mostly back", mostly_back},
        {"ramp", ramp},         {"slow ramp", slow_ramp}, {"decoys", decoys},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        for (double most = 1e-3; most < 0.2; most *= 10)
            for (uint64_t seed = 1; seed <= 2; seed++)
                attack_all(seed, rows[i].name, rows[i].attack, most);
}

typedef struct Alarm {
    double wrong_at, falseticker_at; /* s; 0: never */
} Alarm;

static void on_event(void *userdata, double time, const Event *event)
{
    Alarm *alarm = userdata;

    if (event->kind == EVENT_CLOCK_WRONG && alarm->wrong_at == 0)
        alarm->wrong_at = time;
    if (event->kind == EVENT_STATE_CHANGED && event->state == STATE_FALSETICKER && alarm->falseticker_at == 0)
        alarm->falseticker_at = time;
}

/* Three of four leave the time for another one. They are the majority, so they are right by all that we know;
 * but that our clock would have to follow by more than it can have drifted is told, and the one that stays is
 * named as the one that disagrees. With maxchange they are not followed. */
static void test_majority_that_leaves_is_told(void **state)
{
    static const struct {
        const char *name;
        double wrong_offset, frequency;
        double max_change; /* s; 0: off */
        bool wrong_told;
        bool followed;
    } rows[] = {
        {"a jump", 5, 0, 0, true, true},
        {"a jump, and maxchange", 5, 0, 2, true, false},
        /* Slower than that, nothing that we have can tell them from an oscillator that has changed. */
        {"a ramp", 0, 100e-6, 0, false, true},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        static const SimOscillator usual = {.offset = 0.01, .frequency = 20e-6, .wander = 1e-9};
        static const SimServer near = {.there = {.delay = 100e-6, .jitter = 10e-6},
                                       .back = {.delay = 100e-6, .jitter = 10e-6}};
        cleanup_(sim_freep) Sim *sim = sim_new(1, &usual);
        Alarm alarm = {0};

        for (size_t k = 0; k < 4; k++) {
            SourceConfig *source = sim_add_source(sim, sim_add_server(sim, &near));
            source->iburst = true;
            source->maxpoll = 6;
            sim_server(sim, k)->wrong_from = k < 3 ? BEGIN : INFINITY;
            sim_server(sim, k)->wrong_offset = rows[i].wrong_offset;
            sim_server(sim, k)->frequency = rows[i].frequency;
        }
        sim_config(sim)->clock.max_change_offset = rows[i].max_change;
        sim_config(sim)->clock.max_change_start = 1;
        sim_config(sim)->clock.max_change_ignore = -1;
        sim_listen(sim, on_event, &alarm);
        sim_start(sim);
        sim_run(sim, BEGIN);
        assert_true(alarm.wrong_at == 0 && alarm.falseticker_at == 0);
        sim_run(sim, 3000);
        bool wrong_told = alarm.wrong_at > BEGIN || sim_counters(sim)->events[EVENT_CHANGE_REFUSED] > 0;
        if (wrong_told != rows[i].wrong_told || alarm.falseticker_at < BEGIN ||
            (fabs(sim_error(sim)) > 0.1) != rows[i].followed)
            fail_msg("%s: told at %g s, falseticker at %g s, %g s off", rows[i].name, alarm.wrong_at,
                     alarm.falseticker_at, sim_error(sim));
    }
}

/* What becomes of one answer in so many. */
typedef struct Singles {
    const char *name;
    unsigned one_in;
    Delays added; /* s */
    double lie;   /* s, on the server's clock */
} Singles;

typedef struct Victims {
    Sim *sim;
    const Singles *singles;
    unsigned answers[SIM_SERVERS_MAX];
} Victims;

/* An answer has come: the next one of this server may be one of them. */
static void choose_victim(void *userdata, double time, size_t index, double error, double delay)
{
    Victims *victims = userdata;
    const Singles *singles = victims->singles;
    SimServer *server = sim_server(victims->sim, index);
    bool chosen = time > BEGIN && ++victims->answers[index] % singles->one_in == 0;

    (void) error, (void) delay;
    server->there.added = chosen ? singles->added.there : 0;
    server->back.added = chosen ? singles->added.back : 0;
    server->there.added_until = server->back.added_until = INFINITY;
    server->wrong_from = chosen ? 0 : INFINITY;
    server->wrong_offset = singles->lie;
}

/* Of all servers: no majority is left to outvote them. */
static void test_single_packets_move_nothing(void **state)
{
    static const Singles rows[] = {
        {"late", 3, {.back = 0.1}, 0},      {"late by a second", 2, {.there = 1}, 0},
        {"very late", 4, {.back = 2.5}, 0}, {"a lie of 0.2 s", 3, {0}, 0.2},
        {"a lie of 2 s", 2, {0}, 2},        {"a lie of 1000 s", 5, {0}, -1000},
        {"a late lie", 3, {.back = 1}, 2},
    };

    (void) state;
    for (size_t k = 0; k < ELEMENTS(rows) * 2; k++) {
        static const SimOscillator usual = {.offset = 0.01, .frequency = 20e-6, .wander = 1e-9};
        static const SimServer near = {.there = {.delay = 100e-6, .jitter = 10e-6},
                                       .back = {.delay = 100e-6, .jitter = 10e-6},
                                       .wrong_from = INFINITY};
        const Singles *singles = &rows[k / 2];
        size_t count = k % 2 ? 3 : 1;
        cleanup_(sim_freep) Sim *sim = sim_new(1, &usual);
        Victims victims = {.sim = sim, .singles = singles};

        for (size_t i = 0; i < count; i++) {
            SourceConfig *source = sim_add_source(sim, sim_add_server(sim, &near));
            source->iburst = true;
            source->maxpoll = 6;
        }
        sim_witness(sim, choose_victim, &victims);
        sim_start(sim);
        sim_run(sim, BEGIN);
        while (sim_time(sim) < 20000) {
            ClockReport clock;

            sim_run(sim, 1);
            engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
            if (fabs(sim_error(sim)) > 1e-3 || fabs(sim_error(sim)) > clock.max_error)
                fail_msg("%s, %zu servers: at %.0f s: %g s off, bound %g s", singles->name, count,
                         sim_time(sim), sim_error(sim), clock.max_error);
        }
        for (size_t i = 0; i < count; i++)
            assert_true(victims.answers[i] > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_holds_under_delays),
        cmocka_unit_test(test_majority_that_leaves_is_told),
        cmocka_unit_test(test_single_packets_move_nothing),
    };

    return cmocka_run_group_tests_name("attacks", tests, NULL, NULL);
}
