// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Somebody on the path delays the packets of all servers, within maxdelay and never the same way twice.
 * Nothing can keep such a clock right; what must hold is the bound of its error. */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_holds_under_delays),
    };

    return cmocka_run_group_tests_name("attacks", tests, NULL, NULL);
}
