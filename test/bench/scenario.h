// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The simulated situations in which accuracy is measured. */

#include "sim.h"

typedef struct Scenario {
    const char *name, *about;
    SimOscillator oscillator;
    SimPath path; /* of every server, both ways */
    size_t servers;
    double run, from;          /* s: how long, and from when the error counts */
    int32_t minpoll, maxpoll;  /* 0, 0: 6, 10 */
    bool makestep;             /* makestep 1 3 */
    void (*arrange)(Sim *sim); /* what is special about it; NULL: nothing */
    /* What chronyd reaches, where that was measured; 0: it was not. */
    double chronyd_rms, chronyd_interval; /* s; s between requests to each server */
} Scenario;

extern const Scenario chronyd_scenarios[]; /* those with figures of chronyd */
extern const size_t chronyd_scenario_count;
extern const Scenario own_scenarios[];
extern const size_t own_scenario_count;

/* A world ready to start. shortest: the interval never grows. */
Sim *scenario_build(const Scenario *scenario, uint64_t seed, bool shortest);
