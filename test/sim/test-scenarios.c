// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Whole engines in simulated worlds, with wide bounds on the true error of the kernel clock. */

#include <math.h>

#include "random.h"
#include "sim.h"
#include "unit.h"

static const SimOscillator usual = {.offset = 0.1, .frequency = 20e-6, .wander = 1e-9};
static const SimServer near = {.there = {.delay = 100e-6, .jitter = 100e-6},
                               .back = {.delay = 100e-6, .jitter = 100e-6}};
static const SimServer far = {.there = {.delay = 15e-3, .jitter = 2e-3},
                              .back = {.delay = 15e-3, .jitter = 2e-3}};

static Sim *build(uint64_t seed, const SimOscillator *oscillator, const SimServer *server, size_t count)
{
    Sim *sim = sim_new(seed, oscillator);

    for (size_t i = 0; i < count; i++)
        sim_add_source(sim, sim_add_server(sim, server))->iburst = true;
    return sim;
}

/* RMS of the true error from `from` to `until`, both s; the bound holds all the time. */
static double rms_between(Sim *sim, double from, double until)
{
    double squares = 0;

    sim_run(sim, from - sim_time(sim));
    while (sim_time(sim) < until) {
        ClockReport clock;

        sim_run(sim, 1);
        squares += sim_error(sim) * sim_error(sim);
        engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
        if (fabs(sim_error(sim)) > clock.max_error)
            fail_msg("at %.0f s: error %g s, bound %g s", sim_time(sim), sim_error(sim), clock.max_error);
    }
    return sqrt(squares / (until - from));
}

static SourceState state_of(Sim *sim, size_t index)
{
    SourceId ids[SIM_SERVERS_MAX];
    SourceReport report;

    assert_in_range(engine_sources(sim_engine(sim), ids, SIM_SERVERS_MAX), index + 1, SIM_SERVERS_MAX);
    assert_true(engine_source_report(sim_engine(sim), ids[index], sim_now(sim), &report));
    return report.state;
}

static uint8_t reach_of(Sim *sim, size_t index)
{
    SourceId ids[SIM_SERVERS_MAX];
    SourceReport report;

    assert_in_range(engine_sources(sim_engine(sim), ids, SIM_SERVERS_MAX), index + 1, SIM_SERVERS_MAX);
    assert_true(engine_source_report(sim_engine(sim), ids[index], sim_now(sim), &report));
    return report.reachability;
}

static void test_near_server(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        cleanup_(sim_freep) Sim *sim = build(seed, &usual, &near, 1);

        sim_start(sim);
        assert_true(rms_between(sim, 1000, 20000) < 200e-6);
        assert_in_range(sim_counters(sim)->sent, 20, 120);
        assert_int_equal(sim_counters(sim)->steps, 0);
    }
}

/* What an answer waits in the server's queue is known in interleaved mode, and is not in basic mode. */
static void test_interleaved(void **state)
{
    static const SimServer queuing = {.there = {.delay = 50e-6, .jitter = 1e-6},
                                      .back = {.delay = 50e-6, .jitter = 1e-6},
                                      .queue = 100e-6,
                                      .interleaves = true};

    (void) state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        double rms[2];

        for (int xleave = 0; xleave <= 1; xleave++) {
            cleanup_(sim_freep) Sim *sim = build(seed, &usual, &queuing, 1);
            SourceId id;
            NtpReport report;

            sim_config(sim)->sources[0].xleave = xleave;
            sim_config(sim)->sources[0].minpoll = sim_config(sim)->sources[0].maxpoll = 4;
            sim_start(sim);
            rms[xleave] = rms_between(sim, 2000, 10000);
            assert_int_equal(engine_sources(sim_engine(sim), &id, 1), 1);
            assert_true(engine_ntp_report(sim_engine(sim), id, &report));
            assert_int_equal(report.interleaved, xleave);
            assert_int_equal(reach_of(sim, 0), 0xff);
        }
        if (rms[1] > rms[0] / 4)
            fail_msg("seed %u: %g s interleaved, %g s in basic mode", (unsigned) seed, rms[1], rms[0]);
    }
}

/* Packets that get lost: it goes back and forth between the modes, and stays right. */
static void test_interleaved_with_loss(void **state)
{
    static const SimServer losing = {.there = {.delay = 5e-3, .jitter = 100e-6, .loss = 0.3},
                                     .back = {.delay = 5e-3, .jitter = 100e-6, .loss = 0.3},
                                     .queue = 1e-3,
                                     .interleaves = true};

    (void) state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        cleanup_(sim_freep) Sim *sim = build(seed, &usual, &losing, 1);

        sim_config(sim)->sources[0].xleave = true;
        sim_config(sim)->sources[0].maxpoll = 6;
        sim_start(sim);
        assert_true(rms_between(sim, 2000, 20000) < 500e-6);
    }
}

/* The requests that wake the path up are no samples and count neither as reached nor as missed. */
static void test_presend(void **state)
{
    for (int xleave = 0; xleave <= 1; xleave++) {
        cleanup_(sim_freep) Sim *sim = build(1, &usual, &near, 1);
        SourceConfig *source = &sim_config(sim)->sources[0];
        SourceId id;
        NtpReport report;

        (void) state;
        source->iburst = false;
        source->minpoll = source->maxpoll = 5;
        source->presend = 5;
        source->max_delay_dev_ratio = 0; /* every good sample counts */
        source->xleave = xleave;
        sim_server(sim, 0)->interleaves = true;
        sim_start(sim);
        sim_run(sim, 3200);
        /* 100 polls, each with one or two requests ahead of it but the first. */
        assert_in_range(sim_counters(sim)->sent, xleave ? 270 : 180, xleave ? 303 : 202);
        assert_int_equal(engine_sources(sim_engine(sim), &id, 1), 1);
        assert_true(engine_ntp_report(sim_engine(sim), id, &report));
        assert_in_range(report.good_received, 88, 102);
        assert_in_range(report.verdicts[PACKET_DELAY], report.sent - report.good_received - 2, report.sent);
        assert_int_equal(reach_of(sim, 0), 0xff);
        sim_server(sim, 0)->outages[0] = (SimOutage) {3200, 3200 + 3.5 * 32};
        sim_run(sim, 3.5 * 32);
        assert_int_equal(reach_of(sim, 0) & 7, 0);
        assert_int_equal(reach_of(sim, 0) >> 4, 0xf);
    }
}

/* One of two packets, on each way, and some that come after the next request has left: three of four answers
 * are missing. */
static void test_half_is_lost(void **state)
{
    static const SimPath path = {
        .delay = 10e-3, .jitter = 1e-3, .loss = 0.5, .heavy_chance = 0.1, .heavy = 2};

    (void) state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        const SimServer losing = {.there = path, .back = path};
        cleanup_(sim_freep) Sim *sim = build(seed, &usual, &losing, 4);

        sim_start(sim);
        sim_run(sim, 2000);
        assert_true(sim_counters(sim)->synchronized);
        while (sim_time(sim) < 20000) {
            sim_run(sim, 10);
            if (fabs(sim_error(sim)) > 20e-3 || fabs(sim_error(sim)) > sim_counters(sim)->max_error)
                fail_msg("seed %u: %g s off at %.0f s, bound %g s", (unsigned) seed, sim_error(sim),
                         sim_time(sim), sim_counters(sim)->max_error);
        }
        assert_true(sim_counters(sim)->synchronized);
    }
}

static void test_four_far_servers(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        cleanup_(sim_freep) Sim *sim = build(seed, &usual, &far, 4);

        sim_start(sim);
        assert_true(rms_between(sim, 2000, 20000) < 1.5e-3);
        assert_in_range(sim_counters(sim)->sent, 80, 480);
    }
}

/* Nothing answers any more: reachability falls, the bound grows in proportion to time and holds, the state
 * stays "synchronised" while a source may be selected, and everything comes back by itself. */
static void test_outage(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        cleanup_(sim_freep) Sim *sim = build(seed, &usual, &far, 4);
        ClockReport clock;
        double bounds[3], from;

        for (size_t i = 0; i < 4; i++) {
            sim_config(sim)->sources[i].max_unreach = 16;
            sim_config(sim)->sources[i].maxpoll = 6;
            sim_server(sim, i)->outages[0] = (SimOutage) {5000, 15000};
        }
        sim_start(sim);
        rms_between(sim, 500, 5700);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(reach_of(sim, i), 0);
        engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
        assert_true(clock.synchronized);
        rms_between(sim, 5700, 8000);
        engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
        assert_false(clock.synchronized);
        assert_int_equal(clock.reason, CLOCK_NO_SELECTABLE);
        from = sim_time(sim);
        for (int i = 0; i < 3; i++) {
            rms_between(sim, from + 1000 * i, from + 1000 * (i + 1));
            engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
            bounds[i] = clock.max_error;
        }
        assert_true(bounds[1] - bounds[0] > 1e-3);
        assert_true(fabs((bounds[2] - bounds[1]) - (bounds[1] - bounds[0])) < 1e-5);
        rms_between(sim, sim_time(sim), 16000);
        engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
        assert_true(clock.synchronized);
        assert_true(rms_between(sim, 16000, 17000) < 5e-3);
    }
}

static void test_falseticker_is_marked(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(1, &usual, &far, 4);
    SourceId ids[4];
    Explanation why;

    (void) state;
    sim_server(sim, 2)->offset = 1;
    sim_start(sim);
    sim_run(sim, 60);
    assert_int_equal(state_of(sim, 2), STATE_FALSETICKER);
    assert_int_equal(engine_sources(sim_engine(sim), ids, 4), 4);
    assert_true(engine_explain(sim_engine(sim), ids[2], sim_now(sim), &why));
    assert_int_equal(why.agreeing, 3);
    assert_int_equal(why.candidates, 4);
    assert_true(rms_between(sim, 100, 1000) < 3e-3);
}

/* Whatever two of five say, from whenever on, the clock stays where the intervals of the other three are:
 * their root distance is about 17 ms, and a lie below twice that cannot be told from an asymmetric path. */
static void test_minority_never_captures_the_clock(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        cleanup_(sim_freep) Sim *sim = build(seed, &usual, &far, 5);
        Random random = random_seeded(seed);

        for (size_t i = 0; i < 2; i++) {
            SimServer *liar = sim_server(sim, i);
            double size = pow(10, -2 + 3 * random_uniform(&random));

            liar->wrong_offset = random_uniform(&random) < 0.5 ? -size : size;
            liar->wrong_from = seed % 2 == 0 ? 0 : 2000 * random_uniform(&random);
            liar->frequency = seed % 3 == 0 ? 1e-5 * random_normal(&random) : 0;
            sim_config(sim)->sources[i].select.prefer = seed % 5 == 0;
            if (i == 1 && seed % 4 == 0) /* both say the same */
                *liar = *sim_server(sim, 0);
        }
        sim_start(sim);
        sim_run(sim, 60);
        while (sim_time(sim) < 3000) {
            sim_run(sim, 10);
            if (fabs(sim_error(sim)) > 60e-3)
                fail_msg("seed %llu: %g s off at %.0f s", (unsigned long long) seed, sim_error(sim),
                         sim_time(sim));
        }
    }
}

/* Killed, not stopped: the drift file is from the last hour. */
static void test_restart(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        cleanup_(sim_freep) Sim *sim = build(seed, &usual, &near, 1);

        sim_config(sim)->clock.step_threshold = 10e-3;
        sim_config(sim)->clock.step_limit = 3;
        sim_start(sim);
        sim_run(sim, 12000);
        assert_in_range(sim_counters(sim)->drift_saved, 1, 10);
        assert_true(fabs(sim_counters(sim)->drift_ppm - sim_oscillator_rate(sim) * 1e6) < 1);
        assert_int_equal(sim_counters(sim)->steps, 1); /* of the first 0.1 s */
        sim_kill(sim);
        sim_run(sim, 10);
        sim_start(sim);
        sim_run(sim, 1);
        assert_true(fabs(sim_frequency_error(sim)) < 0.3e-6);
        assert_true(rms_between(sim, sim_time(sim) + 20, 14000) < 300e-6);
        assert_int_equal(sim_counters(sim)->steps, 1);
    }
}

static void test_step_policy(void **state)
{
    static const struct {
        const char *name;
        double offset, threshold;
        int32_t limit;
        uint64_t steps;
        double settled; /* s after which the error is below 5 ms */
    } rows[] = {
        {"makestep 1 3, 10 s off", 10, 1, 3, 1, 20},
        {"makestep 1 3, 10 s behind", -10, 1, 3, 1, 20},
        {"makestep 1 3, half a second off", 0.5, 1, 3, 0, 60},
        {"makestep 0.1 1, half a second off", 0.5, 0.1, 1, 1, 20},
        {"no makestep, 10 s off", 10, 0, 0, 0, 400},
        {"makestep 1 -1, years off", 2e8, 1, -1, 1, 20},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        SimOscillator oscillator = {.offset = rows[i].offset, .frequency = 20e-6, .wander = 1e-9};
        cleanup_(sim_freep) Sim *sim = build(i + 1, &oscillator, &near, 3);

        sim_config(sim)->clock.step_threshold = rows[i].threshold;
        sim_config(sim)->clock.step_limit = rows[i].limit;
        sim_start(sim);
        sim_run(sim, rows[i].settled);
        if (fabs(sim_error(sim)) > 5e-3 || sim_counters(sim)->steps != rows[i].steps)
            fail_msg("%s: %g s off after %llu steps", rows[i].name, sim_error(sim),
                     (unsigned long long) sim_counters(sim)->steps);
    }
}

/* Later than makestep allows nothing is stepped any more, whatever the servers say. */
static void test_no_late_step(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(1, &usual, &near, 3);

    (void) state;
    sim_config(sim)->clock.step_threshold = 1;
    sim_config(sim)->clock.step_limit = 3;
    for (size_t i = 0; i < 3; i++) {
        sim_server(sim, i)->wrong_offset = 5;
        sim_server(sim, i)->wrong_from = 2000;
    }
    sim_start(sim);
    sim_run(sim, 6000);
    assert_int_equal(sim_counters(sim)->steps, 0);
    assert_true(fabs(sim_error(sim) - 5) < 0.1);
}

/* Servers that lie a little more after each crash that they cause: makestep gives them what it says, once.
 * The second row is an administrator's restarts: each may step, as the manual says. */
static void test_crashes_give_no_steps(void **state)
{
    static const struct {
        const char *name;
        bool crashes;
        uint64_t steps;
    } rows[] = {{"crashed", true, 1}, {"stopped and started", false, 5}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(sim_freep) Sim *sim = build(1, &usual, &near, 3);

        sim_config(sim)->clock.step_threshold = 1;
        sim_config(sim)->clock.step_limit = 3;
        for (int run = 0; run < 5; run++) {
            for (size_t server = 0; server < 3; server++)
                sim_server(sim, server)->offset += 1.5;
            sim_start(sim);
            sim_run(sim, 300);
            sim_kill(sim);
            if (!rows[i].crashes)
                sim_setup(sim)->updates = 0; /* the file is removed */
        }
        if (sim_counters(sim)->steps != rows[i].steps)
            fail_msg("%s: %llu steps", rows[i].name, (unsigned long long) sim_counters(sim)->steps);
        /* What is not stepped is slewed, as always: whether to believe them is not makestep's business. */
        assert_true(fabs(sim_error(sim) - 7.5) < 1.6);
    }
}

/* Somebody says what time it is, by so many seconds wrong. */
static CommandReply enter_time(Sim *sim, double error)
{
    Command command = {.kind = COMMAND_SET_TIME, .set_time = {.at = MONO_UNSET}};
    CommandReply reply;

    command.set_time.time.ns = SIM_EPOCH + ns_from_seconds(sim_time(sim) + error);
    assert_int_equal(sim_apply(sim, &command, &reply), COMMAND_OK);
    return reply;
}

/* A clock without sources that somebody sets once a day by the radio: its frequency is found. */
static void test_time_by_hand(void **state)
{
    static const double errors[] = {0.3, -0.2, 0.1, -0.3, 0.2, 0, 0.3, -0.1};

    (void) state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        SimOscillator oscillator = {.offset = 40, .frequency = 80e-6, .wander = 1e-10};
        cleanup_(sim_freep) Sim *sim = sim_new(seed, &oscillator);
        Command off = {.kind = COMMAND_SET_MANUAL};
        CommandReply reply;

        sim_config(sim)->clock.manual = true;
        sim_start(sim);
        for (size_t i = 0; i < ELEMENTS(errors); i++) {
            sim_run(sim, 86400);
            reply = enter_time(sim, errors[i]);
            if (i == 0)
                assert_true(fabs(reply.offset + 40 + 86400 * 80e-6) < 0.5);
            sim_run(sim, 1000);
            assert_true(fabs(sim_error(sim)) < 0.7);
            assert_int_equal(sim_counters(sim)->drift_saved, i + 1);
        }
        assert_true(fabs(sim_frequency_error(sim)) < 1e-6);
        assert_true(fabs(sim_counters(sim)->drift_ppm - 80) < 1);
        assert_int_equal(sim_counters(sim)->steps, 0);
        assert_false(sim_counters(sim)->synchronized);
        assert_int_equal(sim_apply(sim, &off, &reply), COMMAND_OK);
        assert_int_equal(sim_apply(sim, &(Command) {.kind = COMMAND_SET_TIME}, &reply), COMMAND_NOT_ENABLED);
    }
}

/* The same seed gives the same world, to the last bit. */
static void test_repeats(void **state)
{
    double errors[2];

    (void) state;
    for (int i = 0; i < 2; i++) {
        cleanup_(sim_freep) Sim *sim = build(7, &usual, &far, 4);

        sim_start(sim);
        sim_run(sim, 5000);
        errors[i] = sim_error(sim);
    }
    assert_memory_equal(&errors[0], &errors[1], sizeof(double));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_server),
        cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_interleaved_with_loss),
        cmocka_unit_test(test_presend),
        cmocka_unit_test(test_half_is_lost),
        cmocka_unit_test(test_four_far_servers),
        cmocka_unit_test(test_outage),
        cmocka_unit_test(test_falseticker_is_marked),
        cmocka_unit_test(test_minority_never_captures_the_clock),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_step_policy),
        cmocka_unit_test(test_no_late_step),
        cmocka_unit_test(test_crashes_give_no_steps),
        cmocka_unit_test(test_time_by_hand),
        cmocka_unit_test(test_repeats),
    };

    return cmocka_run_group_tests_name("scenarios", tests, NULL, NULL);
}
