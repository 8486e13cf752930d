// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A day of everything that can happen to an engine, over and over again: what it holds at the end of a round
 * is what it held at the end of the first ones. */

#include <malloc.h>
#include <string.h>

#include "base/strings.h"
#include "base/text.h"
#include "sim.h"
#include "unit.h"

#define ROUND     900.0 /* s */
#define ROUNDS    96    /* a day */
/* After so many rounds the same things happen again ... */
#define PERIOD    12
/* ... and by then all that grows to its size has grown: queues, arrays, registers of samples. */
#define SETTLED   48
/* What the C library may hold on to, bytes. */
#define TOLERANCE 512

static const SimServer usual = {.there = {.delay = 2e-3, .jitter = 1e-4, .loss = 0.02},
                                .back = {.delay = 2e-3, .jitter = 1e-4, .loss = 0.02}};

static void add_servers(Sim *sim)
{
    static const char *const names[] = {"",        "", "pool.example", "pool.example", "pool.example",
                                        "wanders", "", "offered",      "keys.example"};

    for (size_t i = 0; i < ELEMENTS(names); i++) {
        SimServer server = usual;
        (void) text_copy(server.name, sizeof(server.name), names[i]);
        if (i == ELEMENTS(names) - 1) {
            server.validity =
                (NtsValidity) {SIM_EPOCH / NSEC_PER_SEC - 86400, SIM_EPOCH / NSEC_PER_SEC + 864000};
            server.establishing = 0.1;
        }
        (void) sim_add_server(sim, &server);
    }
}

static SourceConfig line_of(SourceKind kind, const char *name)
{
    SourceConfig line = source_config_default(kind, name);

    line.iburst = true;
    line.minpoll = 4;
    line.maxpoll = 6;
    return line;
}

/* A configuration that is another one in each round. */
static Config *configuration(const Sim *sim, size_t round)
{
    SourceConfig pool = line_of(SOURCE_POOL, "pool.example"), filtered = line_of(SOURCE_SERVER, "192.0.2.2");
    SourceConfig keys = line_of(SOURCE_SERVER, "keys.example");
    Config *config;

    filtered.filter = 3;
    keys.nts = true;
    assert_int_equal(config_copy(sim_config((Sim *) sim), &config), 0);
    if (round % 2 == 0)
        assert_int_equal(config_add_source(config, &pool), 0);
    if (round % 3 == 0)
        assert_int_equal(config_add_source(config, &filtered), 0);
    if (round % 4 < 2)
        assert_int_equal(config_add_source(config, &keys), 0);
    return config;
}

static void reload(Sim *sim, size_t round)
{
    cleanup_(config_freep) Config *config = configuration(sim, round);

    sim_reconfigure(sim, config);
}

static SourceId add(Sim *sim, const char *name)
{
    SourceConfig line = line_of(SOURCE_SERVER, name);
    CommandReply reply;

    assert_int_equal(engine_add_source(sim_engine(sim), &line, sim_now(sim), &reply), COMMAND_OK);
    return reply.source;
}

static void command(Sim *sim, Command command)
{
    CommandReply reply;

    assert_int_equal(sim_apply(sim, &command, &reply), COMMAND_OK);
}

/* By the network: what it said before is withdrawn. */
static void offer(Sim *sim, const char *servers)
{
    const OfferedServers offered = {.provider = OFFER_NETWORKD, .interface = "eth0", .servers = servers};

    engine_on_offered(sim_engine(sim), &offered, sim_now(sim));
}

static void one_round(Sim *sim, size_t round)
{
    SourceId wanderer = add(sim, "wanders");

    reload(sim, round);
    sim_run(sim, ROUND / 3);
    /* its name means another server from now on */
    (void) text_copy(sim_server(sim, 5)->name, sizeof(sim_server(sim, 5)->name), round % 2 ? "wanders" : "");
    (void) text_copy(sim_server(sim, 6)->name, sizeof(sim_server(sim, 6)->name), round % 2 ? "" : "wanders");
    command(sim, (Command) {.kind = COMMAND_REFRESH});
    engine_on_network_changed(sim_engine(sim), sim_now(sim));
    sim_run(sim, ROUND / 3);
    command(sim, (Command) {.kind = COMMAND_SET_ONLINE, .online = false});
    sim_run(sim, 60);
    command(sim, (Command) {.kind = COMMAND_SET_ONLINE, .online = true});
    command(sim, (Command) {.kind = COMMAND_BURST, .burst = {2, 4}});
    if (round % 5 == 0)
        sim_set_clock(sim, 3);
    offer(sim, round % 2 == 0 ? "offered 192.0.2.9 and:some;rubbish" : "192.0.2.8");
    sim_run(sim, ROUND / 3 - 60);
    engine_on_network_state(sim_engine(sim), &(NetworkState) {.metered = round % 3 == 0}, sim_now(sim));
    command(sim, (Command) {.kind = COMMAND_REMOVE_SOURCE, .sources.id = wanderer});
}

static size_t held(void)
{
    return mallinfo2().uordblks;
}

static void test_nothing_is_left(void **state)
{
    const SimOscillator oscillator = {.frequency = 20e-6, .wander = 1e-9};
    cleanup_(sim_freep) Sim *sim = sim_new(1, &oscillator);
    size_t held_after[ROUNDS];

    (void) state;
    if (held() == 0)
        skip(); /* another allocator, such as that of a sanitizer, does not tell; it has means of its own */
    add_servers(sim);
    (void) sim_add_source(sim, 0);
    sim_config(sim)->clock.step_threshold = 1;
    sim_config(sim)->clock.step_limit = -1;
    sim_setup(sim)->follows_routes = true;
    assert_int_equal(strings_add(&sim_config(sim)->source_dirs, CONFIG_OFFERS_DIRECTORY), 0);
    sim_start(sim);
    for (size_t round = 0; round < ROUNDS; round++) {
        one_round(sim, round % PERIOD);
        held_after[round] = held();
        if (round >= SETTLED && held_after[round] > held_after[round - PERIOD] + TOLERANCE)
            fail_msg("round %zu: %zu bytes are held, %zu were a period ago", round, held_after[round],
                     held_after[round - PERIOD]);
    }
    assert_true(sim_counters(sim)->events[EVENT_SOURCE_ADDED] > ROUNDS);
    assert_true(sim_counters(sim)->events[EVENT_SOURCE_REMOVED] > ROUNDS);
    assert_true(sim_counters(sim)->events[EVENT_KEYS_ESTABLISHED] > ROUNDS / PERIOD);
    assert_true(sim_counters(sim)->events[EVENT_DISRUPTED] > ROUNDS / PERIOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_left)};

    return cmocka_run_group_tests_name("day", tests, NULL, NULL);
}
