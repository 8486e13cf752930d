// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Servers that have nobody but one another: `local orphan`. Whole engines, each with a clock of its own, ask
 * and answer one another with the real server's code. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"
#include "unit.h"

#define NODES_MAX 4
#define STRATUM   8
/* s for which one world runs before the others follow. */
#define STRIDE    0.25
/* Each has the same in its configuration. */
#define POLL      4
#define UNREACH   8
/* s: some polls. */
#define RING_MAX  64

static const SimPath lan = {.delay = 150e-6, .jitter = 50e-6};

typedef struct Cluster {
    Sim *nodes[NODES_MAX];
    size_t count;
    double time;
    double ringed; /* s for which there has been a ring */
} Cluster;

static void cluster_clear(Cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        sim_free(cluster->nodes[i]);
}

static double between(uint64_t seed, size_t node, double low, double high)
{
    uint64_t z = (seed * 31 + node + 1) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return low + (high - low) * (double) (z >> 11) * 0x1p-53;
}

static void add_node(Cluster *cluster, uint64_t seed)
{
    size_t i = cluster->count;
    SimOscillator oscillator = {.offset = between(seed, i, -0.2, 0.2),
                                .frequency = between(seed, i + 7, -50e-6, 50e-6),
                                .wander = 1e-9};

    cluster->nodes[i] = sim_new(seed * NODES_MAX + i, &oscillator);
    sim_set_address(cluster->nodes[i], sim_server_address(i));
    cluster->count++;
}

/* Node `client` polls node `server`; every node numbers all of them alike. */
static void connect_all(Cluster *cluster, bool (*asks)(size_t client, size_t server))
{
    for (size_t i = 0; i < cluster->count; i++)
        for (size_t k = 0; k < cluster->count; k++) {
            const SimServer server = {.there = lan, .back = lan, .world = cluster->nodes[k]};
            size_t index = sim_add_server(cluster->nodes[i], &server);
            if (!asks(i, k))
                continue;
            SourceConfig *source = sim_add_source(cluster->nodes[i], index);
            source->iburst = true;
            source->minpoll = source->maxpoll = POLL;
            source->max_unreach = UNREACH;
        }
}

static bool everybody_else(size_t client, size_t server)
{
    return client != server;
}

static void set_local(Sim *sim)
{
    sim_config(sim)->local = (LocalConfig) {
        .enabled = true, .stratum = STRATUM, .distance = 1, .orphan = true, .wait_unsynced = 60};
}

static void cluster_start(Cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        sim_start(cluster->nodes[i]);
}

static ClockReport report_of(const Cluster *cluster, size_t i)
{
    ClockReport report;

    engine_clock_report(sim_engine(cluster->nodes[i]), sim_now(cluster->nodes[i]), &report);
    return report;
}

static bool follows(const Cluster *cluster, size_t i, size_t k)
{
    IpAddress address = sim_server_address(k);
    ClockReport report = report_of(cluster, i);

    return report.synchronized && ip_address_equal(&report.reference_address, &address);
}

/* Two servers or more that follow one another. When several lose their source at the same moment, they may do
 * so until they have heard from each other again. */
static bool has_ring(const Cluster *cluster)
{
    for (size_t start = 0; start < cluster->count; start++) {
        size_t at = start, steps = 0;

        for (size_t k = 0; k < cluster->count && sim_engine(cluster->nodes[at]); k++) {
            if (!follows(cluster, at, k))
                continue;
            at = k;
            k = (size_t) -1;
            if (++steps > cluster->count)
                return true;
        }
    }
    return false;
}

static void cluster_run(Cluster *cluster, double seconds, double ring_max, uint64_t seed)
{
    double end = cluster->time + seconds;

    while (cluster->time < end) {
        for (size_t i = 0; i < cluster->count; i++)
            sim_run(cluster->nodes[i], STRIDE);
        cluster->time += STRIDE;
        cluster->ringed = has_ring(cluster) ? cluster->ringed + STRIDE : 0;
        if (cluster->ringed > ring_max)
            fail_msg("seed %llu: a ring at %.0f s", (unsigned long long) seed, cluster->time);
    }
}

/* Node `leader` serves its own clock, all others that live follow it, as closely as such a network allows. */
static void expect_leader(const Cluster *cluster, size_t leader, uint64_t seed)
{
    ClockReport own = report_of(cluster, leader);

    if (own.synchronized || own.stratum != STRATUM || own.reference_id != 0x7f7f0101)
        fail_msg("seed %llu: node %zu does not lead at %.0f s: stratum %u", (unsigned long long) seed, leader,
                 cluster->time, own.stratum);
    for (size_t i = 0; i < cluster->count; i++) {
        if (i == leader || !sim_engine(cluster->nodes[i]))
            continue;
        double difference = sim_error(cluster->nodes[i]) - sim_error(cluster->nodes[leader]);
        if (!follows(cluster, i, leader) || report_of(cluster, i).stratum != STRATUM + 1 ||
            fabs(difference) > 1e-3)
            fail_msg("seed %llu: node %zu does not follow %zu at %.0f s: stratum %u, %g s",
                     (unsigned long long) seed, i, leader, cluster->time, report_of(cluster, i).stratum,
                     difference);
    }
}

static unsigned seeds(void)
{
    const char *wanted = getenv("ORPHAN_SEEDS");

    return wanted ? (unsigned) atoi(wanted) : 100;
}

static void test_election_and_succession(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= seeds(); seed++) {
        Cluster cluster = {0};

        for (size_t i = 0; i < 3; i++)
            add_node(&cluster, seed);
        connect_all(&cluster, everybody_else);
        for (size_t i = 0; i < 3; i++)
            set_local(cluster.nodes[i]);
        cluster_start(&cluster);
        cluster_run(&cluster, 600, 0, seed);
        expect_leader(&cluster, 0, seed);

        sim_kill(cluster.nodes[0]);
        cluster_run(&cluster, 900, 0, seed);
        expect_leader(&cluster, 1, seed);

        /* The first comes back and leads again. */
        sim_start(cluster.nodes[0]);
        cluster_run(&cluster, 900, 0, seed);
        expect_leader(&cluster, 0, seed);
        cluster_clear(&cluster);
    }
}

/* A node has a real server: all follow it, the orphan stratum is of no interest. When that server dies, they
 * agree on one of them, and when it is back, they follow it again. */
static void test_better_source(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= seeds() / 5 + 1; seed++) {
        const SimServer real = {.there = lan, .back = lan, .outages = {{900, 4000}}};
        Cluster cluster = {0};

        for (size_t i = 0; i < 3; i++)
            add_node(&cluster, seed);
        connect_all(&cluster, everybody_else);
        SourceConfig *source = sim_add_source(cluster.nodes[2], sim_add_server(cluster.nodes[2], &real));
        source->iburst = true;
        source->minpoll = source->maxpoll = POLL;
        source->max_unreach = UNREACH;
        for (size_t i = 0; i < 3; i++)
            set_local(cluster.nodes[i]);
        cluster_start(&cluster);
        for (int phase = 0; phase < 3; phase++) {
            cluster_run(&cluster, phase == 0 ? 850 : phase == 1 ? 2500 : 1500, RING_MAX, seed);
            if (phase == 1) {
                expect_leader(&cluster, 0, seed);
                continue;
            }
            for (size_t i = 0; i < 3; i++)
                if (report_of(&cluster, i).stratum != (i == 2 ? 2 : 3) ||
                    fabs(sim_error(cluster.nodes[i])) > 1e-3)
                    fail_msg("seed %llu: node %zu at %.0f s: stratum %u, %g s", (unsigned long long) seed, i,
                             cluster.time, report_of(&cluster, i).stratum, sim_error(cluster.nodes[i]));
        }
        cluster_clear(&cluster);
    }
}

static bool the_one_before(size_t client, size_t server)
{
    return client == server + 1;
}

/* A real server, and each asks the one before it: strata go up, the error stays within what each says of
 * itself. */
static void test_chain(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= seeds() / 10 + 1; seed++) {
        const SimServer real = {.there = lan, .back = lan};
        Cluster cluster = {0};

        for (size_t i = 0; i < NODES_MAX; i++)
            add_node(&cluster, seed);
        connect_all(&cluster, the_one_before);
        sim_add_source(cluster.nodes[0], sim_add_server(cluster.nodes[0], &real))->iburst = true;
        cluster_start(&cluster);
        cluster_run(&cluster, 3000, 0, seed);
        for (size_t i = 0; i < NODES_MAX; i++) {
            ClockReport report = report_of(&cluster, i);
            if (report.stratum != i + 2 || fabs(sim_error(cluster.nodes[i])) > fmin(report.max_error, 2e-3))
                fail_msg("seed %llu: node %zu: stratum %u, %g s off, at most %g s by itself",
                         (unsigned long long) seed, i, report.stratum, sim_error(cluster.nodes[i]),
                         report.max_error);
        }
        cluster_clear(&cluster);
    }
}

/* Two servers ask one another, and one of them a real one, which dies: neither follows the other by what it
 * has from itself. */
static void test_two_never_follow_one_another(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= seeds() / 5 + 1; seed++) {
        const SimServer real = {.there = lan, .back = lan, .outages = {{600, 1e9}}};
        Cluster cluster = {0};

        add_node(&cluster, seed);
        add_node(&cluster, seed);
        connect_all(&cluster, everybody_else);
        SourceConfig *source = sim_add_source(cluster.nodes[0], sim_add_server(cluster.nodes[0], &real));
        source->iburst = true;
        source->max_unreach = UNREACH;
        cluster_start(&cluster);
        cluster_run(&cluster, 6000, 0, seed); /* looks for rings on the way */
        assert_false(report_of(&cluster, 0).synchronized || report_of(&cluster, 1).synchronized);
        cluster_clear(&cluster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_election_and_succession),
        cmocka_unit_test(test_better_source),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_two_never_follow_one_another),
    };

    return cmocka_run_group_tests_name("orphan", tests, NULL, NULL);
}
