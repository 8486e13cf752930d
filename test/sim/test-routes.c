// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Ways to the servers that go and come, with and without a message that tells. */

#include <errno.h>
#include <math.h>

#include "base/text.h"
#include "sim.h"
#include "unit.h"

#define SERVERS     3
#define NAME        "ntp.example.net"
/* From a way to a clock that is right again, s: what is promised. */
#define RIGHT_AGAIN 10
/* Without a message: the next test of a source with minpoll 6, a little late. */
#define RETEST      (64 * 1.06)

static const SimOscillator usual = {.offset = 0.01, .frequency = 20e-6, .wander = 1e-9};
static const SimServer good = {.there = {.delay = 1e-3, .jitter = 50e-6},
                               .back = {.delay = 1e-3, .jitter = 50e-6},
                               .wrong_from = INFINITY};

static void set_ways(Sim *sim, int error)
{
    for (size_t i = 0; i < SERVERS; i++)
        sim_server(sim, i)->way_error = error;
}

static Sim *build(uint64_t seed, int error)
{
    Sim *sim = sim_new(seed, &usual);

    for (size_t i = 0; i < SERVERS; i++)
        sim_add_source(sim, sim_add_server(sim, &good))->iburst = true;
    sim_config(sim)->clock.step_threshold = 0.1;
    sim_config(sim)->clock.step_limit = -1;
    sim_setup(sim)->follows_routes = true;
    set_ways(sim, error);
    sim_start(sim);
    return sim;
}

static uint32_t online(Sim *sim)
{
    ActivityReport activity;

    engine_activity_report(sim_engine(sim), &activity);
    return activity.online + activity.burst_online;
}

/* Each source has a sample of less than so many seconds ago, the clock is synchronised, and right. */
static void expect_right(Sim *sim, double seconds)
{
    SourceId ids[SIM_SERVERS_MAX];
    size_t count = engine_sources(sim_engine(sim), ids, SIM_SERVERS_MAX);
    ClockReport clock;

    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        SourceReport source;
        assert_true(engine_source_report(sim_engine(sim), ids[i], sim_now(sim), &source));
        assert_true(source.online && source.since_sample >= 0 && source.since_sample < seconds);
        assert_string_equal(offline_reason_name(source.offline_reason), "");
    }
    engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
    assert_true(clock.synchronized);
    assert_true(fabs(sim_error(sim)) < 1e-3);
    assert_true(fabs(sim_error(sim)) <= clock.max_error);
}

static void expect_no_way(Sim *sim, int error)
{
    SourceId ids[SIM_SERVERS_MAX];
    size_t count = engine_sources(sim_engine(sim), ids, SIM_SERVERS_MAX);

    assert_int_equal(online(sim), 0);
    for (size_t i = 0; i < count; i++) {
        SourceReport source;
        assert_true(engine_source_report(sim_engine(sim), ids[i], sim_now(sim), &source));
        assert_int_equal(source.offline_reason, OFFLINE_NO_WAY);
        assert_int_equal(source.way_error, error);
    }
}

static void test_a_route_goes_and_comes(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(1, 0);
    ClockReport clock;

    (void) state;
    sim_run(sim, 1800);
    assert_int_equal(online(sim), SERVERS);
    set_ways(sim, ENETUNREACH);
    sim_change_network(sim);
    expect_no_way(sim, ENETUNREACH);
    uint64_t sent = sim_counters(sim)->sent;
    sim_run(sim, 3 * 3600);
    assert_int_equal(sim_counters(sim)->sent, sent);
    engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
    assert_true(fabs(sim_error(sim)) <= clock.max_error);
    set_ways(sim, 0);
    sim_change_network(sim);
    assert_int_equal(online(sim), SERVERS);
    sim_run(sim, RIGHT_AGAIN);
    expect_right(sim, RIGHT_AGAIN);
    assert_int_equal(sim_counters(sim)->events[EVENT_SOURCE_OFFLINE], SERVERS);
    assert_int_equal(sim_counters(sim)->events[EVENT_SOURCE_ONLINE], SERVERS);
}

/* The clock is set wrong while nobody can be asked. */
static void test_a_wrong_clock_meanwhile(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(2, 0);

    (void) state;
    sim_run(sim, 1800);
    set_ways(sim, EHOSTUNREACH);
    sim_change_network(sim);
    sim_run(sim, 60);
    sim_set_clock(sim, 3);
    sim_run(sim, 60);
    set_ways(sim, 0);
    sim_change_network(sim);
    sim_run(sim, RIGHT_AGAIN);
    expect_right(sim, RIGHT_AGAIN);
}

/* A request that cannot leave, and a test from time to time, find out what no message told. */
static void test_lost_messages(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(3, 0);

    (void) state;
    sim_run(sim, 300);
    set_ways(sim, ENETUNREACH);
    sim_run(sim, RETEST + 10);
    expect_no_way(sim, ENETUNREACH);
    sim_run(sim, 1000);
    expect_no_way(sim, ENETUNREACH);
    set_ways(sim, 0);
    sim_run(sim, RETEST);
    assert_int_equal(online(sim), SERVERS);
    sim_run(sim, RIGHT_AGAIN);
    expect_right(sim, RETEST + RIGHT_AGAIN);
}

static void test_a_script_that_runs_before_the_route_exists_does_not_mean_offline_for_ever(void **state)
{
    static const struct {
        const char *name;
        bool told;
    } rows[] = {{"told", true}, {"not told", false}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(sim_freep) Sim *sim = build(4, ENETUNREACH);
        Command command = {.kind = COMMAND_ONOFFLINE};
        CommandReply reply;

        sim_run(sim, 1);
        assert_int_equal(sim_apply(sim, &command, &reply), COMMAND_OK);
        expect_no_way(sim, ENETUNREACH);
        sim_run(sim, 600);
        set_ways(sim, 0);
        if (rows[i].told)
            sim_change_network(sim);
        sim_run(sim, rows[i].told ? RIGHT_AGAIN : RETEST + RIGHT_AGAIN);
        expect_right(sim, RETEST + RIGHT_AGAIN);
    }
}

/* A laptop that is switched on without a network, with names that nobody can look up yet. */
static void test_no_network_at_the_start(void **state)
{
    cleanup_(sim_freep) Sim *sim = sim_new(5, &usual);
    SimServer server = good;
    SourceConfig source = source_config_default(SOURCE_POOL, NAME);

    (void) state;
    (void) text_copy(server.name, sizeof(server.name), NAME);
    for (size_t i = 0; i < SERVERS; i++)
        sim_add_server(sim, &server);
    source.iburst = true;
    source.max_sources = SERVERS;
    assert_int_equal(config_add_source(sim_config(sim), &source), 0);
    sim_setup(sim)->follows_routes = true;
    set_ways(sim, ENETUNREACH);
    sim_start(sim);
    sim_run(sim, 4000); /* look-ups are an hour apart by now */
    uint64_t lookups = sim_counters(sim)->lookups;
    set_ways(sim, 0);
    sim_change_network(sim);
    sim_run(sim, RIGHT_AGAIN);
    assert_true(sim_counters(sim)->lookups > lookups);
    assert_int_equal(online(sim), SERVERS);
    assert_true(fabs(sim_error(sim)) < 1e-3 || sim_counters(sim)->synchronized);
}

/* What a name stands for after a change of the network: an address that answers stays, with all its samples,
 * whatever the name means by now; one that is silent is left within some seconds of that. */
static void test_a_name_that_moves(void **state)
{
    static const struct {
        const char *name;
        bool silent;
        size_t expected;
    } rows[] = {{"the old address answers", false, 0}, {"the old address is silent", true, 1}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(sim_freep) Sim *sim = sim_new(8, &usual);
        SimServer server = good;
        SourceConfig source = source_config_default(SOURCE_SERVER, NAME);
        SourceReport report;
        SourceId id;

        (void) text_copy(server.name, sizeof(server.name), NAME);
        size_t old = sim_add_server(sim, &server), new = sim_add_server(sim, &good);
        source.iburst = true;
        assert_int_equal(config_add_source(sim_config(sim), &source), 0);
        sim_setup(sim)->follows_routes = true;
        sim_start(sim);
        sim_run(sim, 7200);
        assert_int_equal(engine_sources(sim_engine(sim), &id, 1), 1);
        assert_true(engine_source_report(sim_engine(sim), id, sim_now(sim), &report));
        uint32_t samples = report.samples;
        sim_server(sim, old)->name[0] = '\0';
        (void) text_copy(sim_server(sim, new)->name, sizeof(server.name), NAME);
        if (rows[i].silent)
            sim_server(sim, old)->outages[0] = (SimOutage) {sim_time(sim), INFINITY};
        sim_change_network(sim);
        sim_run(sim, 30);
        assert_true(engine_source_report(sim_engine(sim), id, sim_now(sim), &report));
        IpAddress expected = sim_server_address(rows[i].expected);
        assert_true(ip_address_equal(&report.remote.address, &expected));
        if (!rows[i].silent)
            assert_true(report.samples >= samples / 2);
        expect_right(sim, 30);
    }
}

/* Ten thousand changes cost one test of each source for each, and hardly a look-up. */
static void test_storm(void **state)
{
    cleanup_(sim_freep) Sim *sim = sim_new(6, &usual);
    SimServer server = good;
    SourceConfig known = source_config_default(SOURCE_SERVER, NAME);
    SourceConfig unknown = source_config_default(SOURCE_SERVER, "nobody.example.net");

    (void) state;
    (void) text_copy(server.name, sizeof(server.name), NAME);
    sim_add_server(sim, &server);
    assert_int_equal(config_add_source(sim_config(sim), &known), 0);
    assert_int_equal(config_add_source(sim_config(sim), &unknown), 0);
    sim_setup(sim)->follows_routes = true;
    sim_start(sim);
    sim_run(sim, 100);
    const SimCounters before = *sim_counters(sim);
    for (int i = 0; i < 10000; i++) {
        sim_change_network(sim);
        sim_run(sim, 0.01);
    }
    assert_int_equal(sim_counters(sim)->tests - before.tests, 10000);
    /* In 100 s: one every 2 s of the name that has no address, one or two of the other. */
    assert_in_range(sim_counters(sim)->lookups - before.lookups, 40, 53);
    assert_in_range(sim_counters(sim)->sent - before.sent, 0, 5);
    /* It never rests: look-ups of a name that has an address become rare. */
    const SimCounters later = *sim_counters(sim);
    for (int i = 0; i < 2 * 86400 / 20; i++) {
        sim_change_network(sim);
        sim_run(sim, 20);
    }
    uint64_t of_unknown = 2 * 86400 / 20, of_known = sim_counters(sim)->lookups - later.lookups - of_unknown;
    assert_in_range(of_known, 40, 60); /* once an hour, after a while */
    assert_int_equal(sim_counters(sim)->events[EVENT_SOURCE_OFFLINE], 0);
}

/* A route that comes and goes all the time does not make us ask more often than a burst does. */
static void test_flapping(void **state)
{
    cleanup_(sim_freep) Sim *sim = build(7, 0);

    (void) state;
    sim_run(sim, 600);
    uint64_t sent = sim_counters(sim)->sent;
    for (int i = 0; i < 600; i++) {
        set_ways(sim, i % 2 == 0 ? ENETUNREACH : 0);
        sim_change_network(sim);
        sim_run(sim, i % 3 == 0 ? 0.3 : 1.0);
    }
    double span = 200 * 0.3 + 400 * 1.0;
    assert_in_range(sim_counters(sim)->sent - sent, 1, (uint64_t) (SERVERS * (span / 2 + 1)));
    sim_run(sim, RIGHT_AGAIN);
    expect_right(sim, RIGHT_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_route_goes_and_comes),
        cmocka_unit_test(test_a_wrong_clock_meanwhile),
        cmocka_unit_test(test_lost_messages),
        cmocka_unit_test(test_a_script_that_runs_before_the_route_exists_does_not_mean_offline_for_ever),
        cmocka_unit_test(test_no_network_at_the_start),
        cmocka_unit_test(test_a_name_that_moves),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_flapping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
