// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The figures of chronyd are medians over 101 seeds, measured in a simulator of libc's clock and sockets with
 * the same oscillator, paths and configuration (chrony master, June 2026). */

#include "scenario.h"

#define LAN_PATH                                                                                             \
    {                                                                                                        \
        .delay = 100e-6, .jitter = 100e-6                                                                    \
    }
#define WAN_PATH                                                                                             \
    {                                                                                                        \
        .delay = 15e-3, .jitter = 2e-3                                                                       \
    }
#define USUAL_WANDER 1e-9

const Scenario chronyd_scenarios[] = {
    {.name = "lan",
     .about = "one near server",
     .oscillator = {.offset = 0.1, .frequency = 100e-6, .wander = USUAL_WANDER},
     .path = LAN_PATH,
     .servers = 1,
     .run = 60000,
     .from = 20000,
     .chronyd_rms = 96e-6,
     .chronyd_interval = 579},
    {.name = "lanfast",
     .about = "one near server, asked every second to four",
     .oscillator = {.offset = 0.01, .frequency = 10e-6, .wander = USUAL_WANDER},
     .path = {.delay = 50e-6, .jitter = 10e-6},
     .servers = 1,
     .run = 6000,
     .from = 2000,
     .minpoll = 0,
     .maxpoll = 2,
     .chronyd_rms = 1.15e-6,
     .chronyd_interval = 4},
    {.name = "wan4",
     .about = "four servers across a country",
     .oscillator = {.offset = 0.1, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = WAN_PATH,
     .servers = 4,
     .run = 60000,
     .from = 20000,
     .chronyd_rms = 0.88e-3,
     .chronyd_interval = 702},
    {.name = "badwan",
     .about = "four servers behind a bad line",
     .oscillator = {.offset = 0.1, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = {.delay = 30e-3, .jitter = 20e-3, .loss = 0.1},
     .servers = 4,
     .run = 60000,
     .from = 20000,
     .chronyd_rms = 1.77e-3,
     .chronyd_interval = 688},
    {.name = "crystal",
     .about = "an oscillator that wanders a hundred times more",
     .oscillator = {.offset = 0.01, .frequency = 100e-6, .wander = 1e-7},
     .path = LAN_PATH,
     .servers = 1,
     .run = 40000,
     .from = 10000,
     .chronyd_rms = 143e-6,
     .chronyd_interval = 65},
    {.name = "quiet",
     .about = "an oscillator that wanders a hundred times less",
     .oscillator = {.offset = 0.01, .frequency = 10e-6, .wander = 1e-11},
     .path = {.delay = 1e-3, .jitter = 1e-3},
     .servers = 1,
     .run = 200000,
     .from = 100000,
     .chronyd_rms = 86e-6,
     .chronyd_interval = 912},
    {.name = "boot",
     .about = "the first minutes of a machine whose clock is 10 s off",
     .oscillator = {.offset = 10, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = {.delay = 1e-3, .jitter = 0.1e-3},
     .servers = 3,
     .run = 600,
     .from = 300,
     .makestep = true,
     .chronyd_rms = 19e-6},
};
const size_t chronyd_scenario_count = ELEMENTS(chronyd_scenarios);

static void lengthen_one_way(Sim *sim)
{
    sim_server(sim, 0)->there.delay += 5e-3;
}

static void interrupt(Sim *sim)
{
    for (size_t i = 0; i < 4; i++)
        sim_server(sim, i)->outages[0] = (SimOutage) {40000, 45000};
}

static void lie_late(Sim *sim)
{
    sim_server(sim, 2)->wrong_offset = 0.05;
    sim_server(sim, 2)->wrong_from = 30000;
}

static void vanish(Sim *sim)
{
    sim_server(sim, 0)->outages[0] = (SimOutage) {20000, 1e9};
}

static void follow_a_follower(Sim *sim)
{
    sim_server(sim, 0)->stratum = 4;
    sim_server(sim, 0)->root_delay = 0.02;
    sim_server(sim, 0)->root_dispersion = 1e-3;
    sim_server(sim, 0)->wander = 1e-10;
}

static void change_route(Sim *sim)
{
    for (size_t i = 0; i < 4; i++) {
        sim_server(sim, i)->there.added = sim_server(sim, i)->back.added = 8e-3;
        sim_server(sim, i)->there.added_from = sim_server(sim, i)->back.added_from = 30000;
        sim_server(sim, i)->there.added_until = sim_server(sim, i)->back.added_until = 45000;
    }
}

static void disagree_a_little(Sim *sim)
{
    static const double asymmetries[] = {2e-3, -2e-3, 1e-3, -1e-3};

    for (size_t i = 0; i < 4; i++) {
        sim_server(sim, i)->there.delay += asymmetries[i];
        sim_server(sim, i)->back.delay -= asymmetries[i];
    }
}

/* As behind a line whose sending direction alone is busy. */
static void fill_one_way(Sim *sim)
{
    sim_server(sim, 0)->there.jitter *= 2;
    sim_server(sim, 0)->back.jitter = 0;
}

const Scenario own_scenarios[] = {
    {.name = "asymmetry",
     .about = "one of four paths is 5 ms longer on one way",
     .oscillator = {.offset = 0.1, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = WAN_PATH,
     .servers = 4,
     .run = 60000,
     .from = 20000,
     .arrange = lengthen_one_way},
    {.name = "unequal",
     .about = "four paths with asymmetries of 1 and 2 ms that cancel",
     .oscillator = {.offset = 0.1, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = WAN_PATH,
     .servers = 4,
     .run = 60000,
     .from = 20000,
     .arrange = disagree_a_little},
    {.name = "outage",
     .about = "nothing answers for 5000 s",
     .oscillator = {.offset = 0.1, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = WAN_PATH,
     .servers = 4,
     .run = 60000,
     .from = 20000,
     .arrange = interrupt},
    {.name = "falseticker",
     .about = "one of four servers goes wrong by 50 ms",
     .oscillator = {.offset = 0.1, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = WAN_PATH,
     .servers = 4,
     .run = 60000,
     .from = 20000,
     .arrange = lie_late},
    {.name = "temperature",
     .about = "a day's swing of 0.2 ppm in four hours",
     .oscillator =
         {.offset = 0.01, .frequency = 20e-6, .wander = USUAL_WANDER, .cycle = 0.1e-6, .cycle_period = 14400},
     .path = {.delay = 1e-3, .jitter = 0.2e-3},
     .servers = 1,
     .run = 60000,
     .from = 20000},
    {.name = "jump",
     .about = "the frequency jumps by 1 ppm",
     .oscillator =
         {.offset = 0.01, .frequency = 20e-6, .wander = USUAL_WANDER, .jump = 1e-6, .jump_at = 30000},
     .path = {.delay = 1e-3, .jitter = 0.2e-3},
     .servers = 1,
     .run = 60000,
     .from = 20000},
    {.name = "holdover",
     .about = "the only server vanishes for good after 20000 s",
     .oscillator = {.offset = 0.01, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = LAN_PATH,
     .servers = 1,
     .run = 40000,
     .from = 20000,
     .arrange = vanish},
    {.name = "chain",
     .about = "a server whose own clock wanders",
     .oscillator = {.offset = 0.01, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = LAN_PATH,
     .servers = 1,
     .run = 20000,
     .from = 10000,
     .arrange = follow_a_follower},
    {.name = "route",
     .about = "all paths 8 ms longer each way for some hours",
     .oscillator = {.offset = 0.1, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = WAN_PATH,
     .servers = 4,
     .run = 60000,
     .from = 20000,
     .arrange = change_route},
    {.name = "noise",
     .about = "software timestamps: normal noise instead of queues",
     .oscillator = {.offset = 0.01, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = {.delay = 200e-6, .jitter = 5e-6, .noise = 20e-6},
     .servers = 1,
     .run = 60000,
     .from = 20000},
    {.name = "radio",
     .about = "a wireless link: one packet in ten waits 20 ms",
     .oscillator = {.offset = 0.01, .frequency = 20e-6, .wander = 1e-8},
     .path = {.delay = 2e-3, .jitter = 0.5e-3, .heavy_chance = 0.1, .heavy = 20e-3, .loss = 0.02},
     .servers = 1,
     .run = 60000,
     .from = 20000},
    {.name = "oneway",
     .about = "jitter on one way only",
     .oscillator = {.offset = 0.01, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = {.delay = 5e-3, .jitter = 1e-3},
     .servers = 1,
     .run = 60000,
     .from = 20000,
     .arrange = fill_one_way},
    {.name = "queue",
     .about = "delays that stay for some packets",
     .oscillator = {.offset = 0.01, .frequency = 20e-6, .wander = USUAL_WANDER},
     .path = {.delay = 5e-3, .jitter = 2e-3, .memory = 0.7},
     .servers = 1,
     .run = 60000,
     .from = 20000},
};
const size_t own_scenario_count = ELEMENTS(own_scenarios);

Sim *scenario_build(const Scenario *scenario, uint64_t seed, bool shortest)
{
    Sim *sim = sim_new(seed, &scenario->oscillator);
    SimServer server = {.there = scenario->path, .back = scenario->path};

    for (size_t i = 0; i < scenario->servers; i++) {
        SourceConfig *source = sim_add_source(sim, sim_add_server(sim, &server));

        source->iburst = true;
        if (scenario->maxpoll != 0) {
            source->minpoll = scenario->minpoll;
            source->maxpoll = scenario->maxpoll;
        }
        if (shortest)
            source->maxpoll = source->minpoll;
    }
    if (scenario->makestep) {
        sim_config(sim)->clock.step_threshold = 1;
        sim_config(sim)->clock.step_limit = 3;
    }
    if (scenario->arrange)
        scenario->arrange(sim);
    return sim;
}
