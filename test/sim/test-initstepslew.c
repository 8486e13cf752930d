// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* initstepslew: the clock is corrected before the sources are asked, by hosts that are no sources. At the end
 * the isolated network that the directive was made for: a server takes its time back from its clients. */

#include <math.h>
#include <string.h>

#include "base/strings.h"
#include "sim.h"
#include "unit.h"

#define HOSTS  3
/* Index of the server that is a source; those before it are the hosts. */
#define SOURCE HOSTS
/* s that the prelude takes at most. */
#define LIMIT  20

static const SimPath lan = {.delay = 150e-6, .jitter = 50e-6};
static const SimServer right = {.there = {.delay = 150e-6, .jitter = 50e-6},
                                .back = {.delay = 150e-6, .jitter = 50e-6}};

/* What was seen from outside. */
typedef struct Seen {
    double answered[SIM_SERVERS_MAX]; /* s, first answer of each server; 0: none */
    double end;                       /* s, of the prelude; 0: none */
    Event event;                      /* with which it ended */
} Seen;

static void see_answer(void *userdata, double time, size_t server, double error, double delay)
{
    Seen *seen = userdata;

    (void) error;
    (void) delay;
    if (seen->answered[server] == 0)
        seen->answered[server] = time;
}

static void see_event(void *userdata, double time, const Event *event)
{
    Seen *seen = userdata;

    if (event->kind != EVENT_INITSTEPSLEW && event->kind != EVENT_NO_INITSTEPSLEW)
        return;
    assert_true(seen->end == 0);
    seen->end = time;
    seen->event = *event;
}

static void add_host(Sim *sim, size_t server)
{
    char text[IP_ADDRESS_TEXT_MAX];
    IpAddress address = sim_server_address(server);

    assert_int_equal(strings_add(&sim_config(sim)->initstepslew.hosts, ip_address_format(&address, text)), 0);
}

/* Three hosts and a source; the clock is ahead by offset. */
static Sim *build(uint64_t seed, double offset, double threshold, Seen *seen)
{
    const SimOscillator oscillator = {.offset = offset, .frequency = 20e-6, .wander = 1e-9};
    Sim *sim = sim_new(seed, &oscillator);

    for (size_t i = 0; i < HOSTS; i++)
        add_host(sim, sim_add_server(sim, &right));
    sim_add_source(sim, sim_add_server(sim, &right))->iburst = true;
    sim_config(sim)->initstepslew.threshold = threshold;
    *seen = (Seen) {0};
    sim_listen(sim, see_event, seen);
    sim_witness(sim, see_answer, seen);
    return sim;
}

static ClockReport report_of(Sim *sim)
{
    ClockReport report;

    engine_clock_report(sim_engine(sim), sim_now(sim), &report);
    return report;
}

static size_t count_sources(Sim *sim)
{
    SourceId ids[SIM_SERVERS_MAX];

    return engine_sources(sim_engine(sim), ids, SIM_SERVERS_MAX);
}

static void test_step_or_slew(void **state)
{
    static const struct {
        const char *name;
        double offset, threshold;
        bool step;
    } rows[] = {
        {"step back", 3600, 10, true},      {"step forward", -3600, 10, true}, {"slew back", 2, 10, false},
        {"slew forward", -2, 10, false},    {"always", 1e-3, 0, true},         {"long ago", -2e8, 30, true},
        {"just above it", 10.01, 10, true}, {"just below", 9.99, 10, false},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            Seen seen;
            cleanup_(sim_freep) Sim *sim = build(seed, rows[i].offset, rows[i].threshold, &seen);

            sim_start(sim);
            assert_int_equal(report_of(sim).reason, CLOCK_INITSTEPSLEW);
            assert_int_equal(count_sources(sim), 1);
            sim_run(sim, LIMIT);
            if (seen.event.kind != EVENT_INITSTEPSLEW || seen.event.stepped != rows[i].step ||
                sim_counters(sim)->steps != rows[i].step)
                fail_msg("%s, seed %llu", rows[i].name, (unsigned long long) seed);
            assert_true(fabs(seen.event.value + rows[i].offset) < 2e-3);
            /* Each host had its burst, and the source its first request only then. */
            for (size_t k = 0; k < HOSTS; k++)
                assert_true(seen.answered[k] > 0 && seen.answered[k] < seen.end);
            assert_true(seen.answered[SOURCE] > seen.end && seen.end < 10);
            assert_int_equal(count_sources(sim), 1);
            sim_run(sim, 300);
            assert_true(report_of(sim).synchronized && fabs(sim_error(sim)) < 1e-3);
            assert_int_equal(sim_counters(sim)->steps, rows[i].step);
            assert_int_equal(sim_counters(sim)->events[EVENT_SOURCE_ADDED], 1);
            assert_int_equal(sim_counters(sim)->events[EVENT_SOURCE_REMOVED], 0);
        }
}

/* It is not what synchronises a clock: without sources it stays unsynchronised, and right. */
static void test_without_sources(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(1, 100, 10, &seen);

    (void) state;
    sim_config(sim)->source_count = 0;
    sim_start(sim);
    sim_run(sim, 60);
    assert_true(fabs(sim_error(sim)) < 0.01 && sim_counters(sim)->steps == 1);
    assert_int_equal(report_of(sim).reason, CLOCK_NO_SOURCES);
    assert_false(sim_counters(sim)->synchronized);
    assert_int_equal(count_sources(sim), 0);
}

static void absent(Sim *sim)
{
    for (size_t i = 0; i < HOSTS; i++)
        sim_server(sim, i)->outages[0] = (SimOutage) {0, 1e9};
}

static void refuse(Sim *sim)
{
    for (size_t i = 0; i < HOSTS; i++)
        sim_server(sim, i)->refuses = true;
}

static void without_time(Sim *sim)
{
    for (size_t i = 0; i < HOSTS; i++)
        sim_server(sim, i)->unsynchronized_until = 1e9;
}

static void disagree(Sim *sim)
{
    for (size_t i = 0; i < HOSTS; i++)
        sim_server(sim, i)->offset = 5.0 * (double) i;
}

static void too_distant(Sim *sim)
{
    for (size_t i = 0; i < HOSTS; i++)
        sim_server(sim, i)->root_dispersion = 5;
}

static void unknown_names(Sim *sim)
{
    strings_clear(&sim_config(sim)->initstepslew.hosts);
    assert_int_equal(strings_add(&sim_config(sim)->initstepslew.hosts, "nowhere.example"), 0);
}

/* The sources start all the same, and soon. */
static void test_no_suitable_host(void **state)
{
    static const struct {
        const char *name;
        void (*spoil)(Sim *sim);
    } rows[] = {
        {"absent", absent},     {"refuse", refuse},           {"without time", without_time},
        {"disagree", disagree}, {"too distant", too_distant}, {"unknown names", unknown_names},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Seen seen;
        cleanup_(sim_freep) Sim *sim = build(i, 0.5, 0.1, &seen);

        rows[i].spoil(sim);
        sim_start(sim);
        sim_run(sim, LIMIT + 1);
        if (seen.event.kind != EVENT_NO_INITSTEPSLEW || seen.end > LIMIT + 0.1)
            fail_msg("%s: %s at %.1f s", rows[i].name, event_name(seen.event.kind), seen.end);
        assert_int_equal(sim_counters(sim)->steps, 0);
        sim_run(sim, 10);
        assert_true(seen.answered[SOURCE] > seen.end);
        assert_true(report_of(sim).synchronized);
    }
}

/* A name is looked up again, an address asked again, while there is time: the network may be on its way up.
 */
static void test_late_network(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(1, 3600, 10, &seen);

    (void) state;
    unknown_names(sim);
    sim_start(sim);
    sim_run(sim, 5);
    strcpy(sim_server(sim, 0)->name, "nowhere.example");
    sim_run(sim, LIMIT - 5);
    assert_int_equal(seen.event.kind, EVENT_INITSTEPSLEW);
    assert_true(fabs(sim_error(sim)) < 0.01);

    Seen again;
    cleanup_(sim_freep) Sim *other = build(2, 3600, 10, &again);
    for (size_t i = 0; i < HOSTS; i++)
        sim_server(other, i)->outages[0] = (SimOutage) {0, 7};
    sim_start(other);
    sim_run(other, LIMIT);
    assert_int_equal(again.event.kind, EVENT_INITSTEPSLEW);
}

static void test_wrong_host_is_outvoted(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(3, 3600, 10, &seen);

    (void) state;
    sim_server(sim, 1)->offset = -1000;
    sim_start(sim);
    sim_run(sim, LIMIT);
    assert_true(seen.event.stepped && fabs(seen.event.value + 3600) < 1e-3);
}

/* One that is named twice has one voice: the two others outvote it. */
static void test_named_twice(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(4, 3600, 10, &seen);

    (void) state;
    for (int i = 0; i < 3; i++)
        add_host(sim, 0);
    sim_server(sim, 0)->offset = -1000;
    sim_start(sim);
    sim_run(sim, LIMIT);
    assert_true(seen.event.stepped && fabs(seen.event.value + 3600) < 1e-3);
    assert_int_equal(sim_counters(sim)->events[EVENT_SOURCE_NOT_ADDED], 0);
}

/* Where it has no place: a restart (-R), one look at the clock (-q, -Q). */
static void test_is_left_out(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *restarted = build(5, 3600, 10, &seen);

    (void) state;
    sim_setup(restarted)->restarted = true;
    sim_start(restarted);
    assert_false(engine_in_prelude(sim_engine(restarted)));
    sim_run(restarted, LIMIT);
    assert_true(seen.end == 0 && seen.answered[0] == 0 && seen.answered[SOURCE] > 0);
    assert_int_equal(sim_counters(restarted)->steps, 0);

    /* Whoever makes the daemon crash gets no further step. */
    cleanup_(sim_freep) Sim *crashing = build(5, 3600, 10, &seen);
    sim_start(crashing);
    sim_run(crashing, LIMIT);
    assert_true(seen.event.stepped);
    sim_kill(crashing);
    sim_set_clock(crashing, 3600);
    sim_start(crashing);
    assert_false(engine_in_prelude(sim_engine(crashing)));
    sim_run(crashing, 600);
    assert_int_equal(sim_counters(crashing)->steps, 1);

    for (EngineMode mode = ENGINE_SET_ONCE; mode <= ENGINE_SHOW_ONCE; mode++) {
        cleanup_(sim_freep) Sim *once = build(6, 3600, 10, &seen);
        sim_setup(once)->mode = mode;
        sim_start(once);
        sim_run(once, LIMIT);
        assert_true(seen.end == 0 && seen.answered[0] == 0 && sim_counters(once)->exited);
    }
}

/* Who may not set the clock corrects what it tells others. */
static void test_observer(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(7, 3600, 10, &seen);

    (void) state;
    sim_setup(sim)->mode = ENGINE_OBSERVE;
    sim_start(sim);
    sim_run(sim, LIMIT);
    assert_int_equal(seen.event.kind, EVENT_INITSTEPSLEW);
    assert_true(sim_counters(sim)->steps == 0 && fabs(sim_error(sim) - 3600) < 0.01);
    assert_true(fabs(report_of(sim).system_offset + 3600) < 0.01);
}

static void test_maxchange(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(8, 3600, 10, &seen);

    (void) state;
    sim_config(sim)->clock.max_change_offset = 1000;
    sim_config(sim)->clock.max_change_ignore = 5;
    sim_start(sim);
    sim_run(sim, LIMIT);
    assert_true(seen.end == 0);
    assert_in_range(sim_counters(sim)->events[EVENT_CHANGE_REFUSED], 1, 6);
    assert_true(sim_counters(sim)->steps == 0 && !engine_in_prelude(sim_engine(sim)));
}

/* People and new configurations do what they like to the sources meanwhile; the hosts are out of their reach,
 * and the sources wait. */
static void test_changes_meanwhile(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(9, 3600, 10, &seen);
    cleanup_(config_freep) Config *config = NULL;
    Command burst = {.kind = COMMAND_BURST, .burst = {.good = 4, .total = 8}},
            offline = {.kind = COMMAND_SET_ONLINE};
    CommandReply reply;
    ActivityReport activity;

    (void) state;
    sim_start(sim);
    sim_run(sim, 1);
    assert_int_equal(sim_apply(sim, &burst, &reply), COMMAND_OK);
    assert_int_equal(reply.count, 1);
    assert_int_equal(sim_apply(sim, &offline, &reply), COMMAND_OK);
    assert_int_equal(reply.count, 1);
    engine_activity_report(sim_engine(sim), &activity);
    assert_true(activity.offline == 1 && activity.online + activity.unresolved + activity.burst_online == 0);
    offline.online = true;
    assert_int_equal(sim_apply(sim, &offline, &reply), COMMAND_OK);

    /* One of the hosts is to be a source, too. */
    SourceConfig source = source_config_default(SOURCE_SERVER, "192.0.2.1");
    assert_int_equal(config_copy(sim_config(sim), &config), 0);
    assert_int_equal(config_add_source(config, &source), 0);
    strings_clear(&config->initstepslew.hosts);
    sim_reconfigure(sim, config);
    assert_int_equal(count_sources(sim), 2);
    sim_run(sim, LIMIT);
    assert_true(seen.event.stepped && seen.answered[SOURCE] > seen.end);
    assert_int_equal(count_sources(sim), 2);
    assert_int_equal(sim_counters(sim)->events[EVENT_SOURCE_NOT_ADDED], 0);
}

/* minsources and authselectmode are about the sources; keys of these do not shut the hosts out. */
static void test_options_of_sources(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(10, 3600, 10, &seen);

    (void) state;
    sim_config(sim)->selection.min_sources = 9;
    sim_config(sim)->sources[0].key = 1;
    sim_config(sim)->sources[0].select.require = true;
    sim_start(sim);
    sim_run(sim, LIMIT);
    assert_true(seen.event.stepped);
}

/* Whoever is asked must not follow us meanwhile. */
static void test_nobody_is_served(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(11, 3600, 10, &seen);
    ServerSnapshot snapshot;

    (void) state;
    sim_config(sim)->local = (LocalConfig) {.enabled = true, .stratum = 8, .distance = 1};
    sim_start(sim);
    while (seen.end == 0) {
        engine_server_snapshot(sim_engine(sim), sim_now(sim), &snapshot);
        assert_true(snapshot.stratum == 16 && snapshot.leap == LEAP_UNSYNCHRONIZED);
        assert_int_equal(report_of(sim).stratum, 0);
        sim_run(sim, 0.25);
    }
    engine_server_snapshot(sim_engine(sim), sim_now(sim), &snapshot);
    assert_int_equal(snapshot.stratum, 8);
}

/* --- an isolated network --- */

#define NODES  4 /* the server, and its clients */
#define STRIDE 0.25

static void run_all(Sim *const *nodes, double seconds)
{
    for (double t = 0; t < seconds; t += STRIDE)
        for (size_t i = 0; i < NODES; i++)
            sim_run(nodes[i], STRIDE);
}

static Sim *add_node(uint64_t seed, size_t index)
{
    const double sign = index % 2 == 0 ? 1 : -1;
    const SimOscillator oscillator = {.offset = sign * 0.5 * (double) index,
                                      .frequency = sign * 10e-6 * (double) index,
                                      .wander = 1e-10};
    Sim *sim = sim_new(seed * NODES + index, &oscillator);

    sim_set_address(sim, sim_server_address(index));
    sim_config(sim)->local = (LocalConfig) {.enabled = true, .stratum = index == 0 ? 8 : 10, .distance = 1};
    sim_config(sim)->initstepslew.threshold = index == 0 ? 10 : 20;
    sim_config(sim)->clock.manual = index == 0;
    return sim;
}

/* After the two files of Red Hat's guide. */
static void make_network(uint64_t seed, Sim **nodes)
{
    for (size_t i = 0; i < NODES; i++)
        nodes[i] = add_node(seed, i);
    for (size_t i = 0; i < NODES; i++)
        for (size_t k = 0; k < NODES; k++) {
            const SimServer server = {.there = lan, .back = lan, .world = nodes[k]};
            size_t index = sim_add_server(nodes[i], &server);
            if ((i == 0) == (k == 0))
                continue;
            add_host(nodes[i], index);
            if (k == 0)
                sim_add_source(nodes[i], index);
        }
}

static bool follow(Sim *const *nodes)
{
    for (size_t i = 1; i < NODES; i++) {
        ClockReport report = report_of(nodes[i]);
        if (!report.synchronized || report.stratum != 9 ||
            fabs(sim_error(nodes[i]) - sim_error(nodes[0])) > 2e-3)
            return false;
    }
    return report_of(nodes[0]).stratum == 8;
}

static double mean_of_clients(Sim *const *nodes)
{
    double sum = 0;

    for (size_t i = 1; i < NODES; i++)
        sum += sim_error(nodes[i]);
    return sum / (NODES - 1);
}

/* away: s for which there is no server. restart: one of the clients is started anew then, and finds nobody;
 * else all that the server can ask have their time from itself as it was. */
static void run_network(uint64_t seed, double away, bool restart)
{
    Sim *nodes[NODES];
    uint64_t steps = 0;

    make_network(seed, nodes);
    for (size_t i = 0; i < NODES; i++)
        sim_start(nodes[i]);
    run_all(nodes, 1800);
    if (!follow(nodes))
        fail_msg("seed %llu: the clients do not follow", (unsigned long long) seed);

    sim_kill(nodes[0]);
    run_all(nodes, away);
    if (restart) {
        sim_kill(nodes[3]);
        sim_setup(nodes[3])->updates = 0;
        sim_start(nodes[3]);
        run_all(nodes, 60);
    }
    for (size_t i = 1; i < NODES; i++)
        assert_int_equal(report_of(nodes[i]).stratum, restart && i == 3 ? 10 : 9);
    for (size_t i = 1; i < NODES; i++)
        steps += sim_counters(nodes[i])->steps;

    /* It comes back with a clock that knows nothing. */
    double expected = mean_of_clients(nodes);
    sim_set_clock(nodes[0], -1e6);
    sim_setup(nodes[0])->updates = 0; /* the machine was off */
    sim_start(nodes[0]);
    run_all(nodes, 30);
    assert_int_equal(sim_counters(nodes[0])->events[EVENT_INITSTEPSLEW], 1);
    assert_int_equal(sim_counters(nodes[0])->steps, 1);
    if (fabs(sim_error(nodes[0]) - expected) > 0.1 + 1e-6 * away)
        fail_msg("seed %llu: the server is %g s from its clients", (unsigned long long) seed,
                 sim_error(nodes[0]) - expected);
    run_all(nodes, 3600);
    if (!follow(nodes))
        fail_msg("seed %llu: the clients do not follow again", (unsigned long long) seed);
    for (size_t i = 1; i < NODES; i++) {
        steps -= sim_counters(nodes[i])->steps;
        assert_true(fabs(sim_error(nodes[i])) < 2.5 + 1e-6 * away);
    }
    assert_int_equal(steps, 0);
    for (size_t i = 0; i < NODES; i++)
        sim_free(nodes[i]);
}

static void test_isolated_network(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        run_network(seed, seed % 2 == 0 ? 20 : 7200, seed % 3 == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_or_slew),
        cmocka_unit_test(test_without_sources),
        cmocka_unit_test(test_no_suitable_host),
        cmocka_unit_test(test_late_network),
        cmocka_unit_test(test_wrong_host_is_outvoted),
        cmocka_unit_test(test_named_twice),
        cmocka_unit_test(test_is_left_out),
        cmocka_unit_test(test_observer),
        cmocka_unit_test(test_maxchange),
        cmocka_unit_test(test_changes_meanwhile),
        cmocka_unit_test(test_options_of_sources),
        cmocka_unit_test(test_nobody_is_served),
        cmocka_unit_test(test_isolated_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
