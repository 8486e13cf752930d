// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Whole engines in the smallest world: one kernel clock on an oscillator with a constant error, servers that
 * know the time, a path with a constant delay. Nothing is random; what jitter does is the simulator's
 * business. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/text.h"
#include "core/engine/engine.h"
#include "core/ntp/packet.h"

#define SERVERS   8
#define EXCHANGES 64
/* True time at the start: 2026-03-01. */
#define EPOCH_NS  (INT64_C(1772323200) * NSEC_PER_SEC)
#define ONE_WAY   1e-4

typedef struct Server {
    IpAddress address;
    bool silent;
    double offset; /* s, its clock minus true time */
    uint8_t stratum;
    LeapStatus leap;
    uint32_t kiss; /* answers with this kiss code instead; 0: no */
    uint32_t requests;
} Server;

typedef struct Flight {
    bool used;
    int64_t arrives_ns; /* true time */
    Incoming incoming;
    uint8_t bytes[NTP_HEADER_SIZE];
} Flight;

typedef struct World {
    Engine *engine;
    int64_t true_ns, raw_ns, mono_ns;
    double oscillator; /* its rate minus 1 */
    double frequency;  /* that the kernel adds */
    Server servers[SERVERS];
    size_t server_count;
    Flight flights[EXCHANGES];
    LookupAnswer answer;
    uint32_t events[EVENT_KIND_COUNT], actions[ACTION_KIND_COUNT];
    Event last_event[EVENT_KIND_COUNT];
    Action last_action[ACTION_KIND_COUNT];
    uint64_t random;
    int64_t stamp_error_ns; /* by which the kernel's receive timestamps are wrong */
    int send_error;         /* with which every request fails; 0: none does */
} World;

static void fill_random(void *userdata, void *buffer, size_t size)
{
    World *world = userdata;
    uint8_t *bytes = buffer;

    for (size_t i = 0; i < size; i++) {
        world->random = world->random * 6364136223846793005U + 1442695040888963407U;
        bytes[i] = (uint8_t) (world->random >> 56);
    }
}

static Now now_of(const World *world)
{
    return (Now) {.mono = {world->mono_ns}, .raw = {world->raw_ns}};
}

/* What has to be added to the kernel clock, really. */
static double true_offset(const World *world)
{
    return (double) (world->true_ns - world->raw_ns) * 1e-9;
}

static void pass(World *world, int64_t true_ns)
{
    int64_t span = true_ns - world->true_ns;
    double rate = (1.0 + world->oscillator) * (1.0 + world->frequency) - 1.0;
    int64_t kernel_span = span + (int64_t) llrint((double) span * rate);

    world->true_ns = true_ns;
    world->raw_ns += kernel_span;
    world->mono_ns += kernel_span;
}

static Server *server_at(World *world, const IpAddress *address)
{
    for (size_t i = 0; i < world->server_count; i++)
        if (ip_address_equal(&world->servers[i].address, address))
            return &world->servers[i];
    return NULL;
}

static void answer(World *world, const Action *action, Server *server)
{
    int64_t there = world->true_ns + ns_from_seconds(ONE_WAY);
    NtpPacket request, packet;
    Flight *flight = world->flights;

    while (flight->used)
        flight++;
    assert_true(ntp_packet_parse(action->send.bytes, action->send.length, &request));
    packet = (NtpPacket) {
        .leap = server->leap,
        .version = 4,
        .mode = NTP_MODE_SERVER,
        .stratum = server->stratum,
        .precision = -24,
        .reference_id = server->kiss != 0 ? server->kiss : 0x47505300,
        .reference = ntp_time_from_ns(there - NSEC_PER_SEC),
        .origin = request.transmit,
        .receive = ntp_time_from_ns(there + ns_from_seconds(server->offset)),
        .transmit = ntp_time_from_ns(there + ns_from_seconds(server->offset) + 1000),
    };
    if (server->kiss != 0) {
        packet.leap = LEAP_UNSYNCHRONIZED;
        packet.stratum = 0;
    }
    *flight = (Flight) {
        .used = true,
        .arrives_ns = there + 1000 + ns_from_seconds(ONE_WAY),
        .incoming = {.exchange = action->send.exchange,
                     .remote = action->send.remote,
                     .length = NTP_HEADER_SIZE},
    };
    ntp_packet_build(&packet, flight->bytes);
}

static void carry_out(World *world, const Action *action)
{
    Timestamp sent = {{world->raw_ns}, TIMESTAMP_KERNEL};
    Server *server;

    world->actions[action->kind]++;
    world->last_action[action->kind] = *action;
    switch (action->kind) {
    case ACTION_SEND:
        if (world->send_error != 0) {
            engine_on_send_failed(world->engine, action->send.exchange, world->send_error, now_of(world));
            break;
        }
        engine_on_sent(world->engine, action->send.exchange, sent, (IpAddress) {0}, now_of(world));
        server = server_at(world, &action->send.remote.address);
        if (!server)
            break;
        server->requests++;
        if (!server->silent)
            answer(world, action, server);
        break;
    case ACTION_SET_FREQUENCY:
        world->frequency = action->frequency.frequency;
        engine_on_frequency_set(world->engine, true, (RawTime) {world->raw_ns}, world->frequency);
        break;
    case ACTION_STEP:
        world->raw_ns += action->step.offset_ns;
        engine_on_stepped(world->engine, true, action->step.offset_ns, now_of(world));
        break;
    case ACTION_RESOLVE:
        engine_on_resolved(world->engine, action->resolve.source, &world->answer, now_of(world));
        break;
    case ACTION_CLOSE:
    case ACTION_SET_STATUS:
    case ACTION_SAVE_DRIFT:
    case ACTION_SAVE_UPDATES:
    case ACTION_SAVE_STAMP:
    case ACTION_TEST_WAY:
    case ACTION_ESTABLISH_KEYS:
    case ACTION_KEEP_KEYS:
    case ACTION_EXIT:
    case ACTION_KIND_COUNT: break;
    }
}

static void drain(World *world)
{
    Action action;
    Event event;

    while (engine_next_action(world->engine, &action))
        carry_out(world, &action);
    while (engine_next_event(world->engine, &event)) {
        world->events[event.kind]++;
        world->last_event[event.kind] = event;
    }
}

/* True time at which the monotonic clock will show `mono`, or a little later. */
static int64_t true_of_mono(const World *world, MonoTime mono)
{
    double rate = (1.0 + world->oscillator) * (1.0 + world->frequency);

    if (!mono_is_set(mono))
        return INT64_MAX;
    return world->true_ns + (int64_t) ceil((double) (mono.ns - world->mono_ns) / rate) + 1;
}

static Flight *next_flight(World *world)
{
    Flight *next = NULL;

    for (size_t i = 0; i < EXCHANGES; i++)
        if (world->flights[i].used && (!next || world->flights[i].arrives_ns < next->arrives_ns))
            next = &world->flights[i];
    return next;
}

static void run(World *world, double seconds)
{
    int64_t end = world->true_ns + ns_from_seconds(seconds);

    drain(world);
    for (;;) {
        int64_t timer = true_of_mono(world, engine_deadline(world->engine));
        Flight *flight = next_flight(world);
        if (flight && flight->arrives_ns <= timer && flight->arrives_ns <= end) {
            pass(world, flight->arrives_ns);
            flight->used = false;
            flight->incoming.bytes = flight->bytes;
            flight->incoming.received =
                (Timestamp) {{world->raw_ns + world->stamp_error_ns}, TIMESTAMP_KERNEL};
            engine_on_packet(world->engine, &flight->incoming, now_of(world));
        } else if (timer <= end) {
            pass(world, timer > world->true_ns ? timer : world->true_ns);
            engine_on_timer(world->engine, now_of(world));
        } else {
            break;
        }
        drain(world);
    }
    pass(world, end);
}

static IpAddress address_of(const char *text)
{
    IpAddress address = {0};

    assert_true(ip_address_parse(text, &address));
    return address;
}

static void add_servers(World *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[] = "192.0.2.1";
        text[8] = (char) ('1' + i);
        world->servers[world->server_count++] = (Server) {.address = address_of(text), .stratum = 1};
    }
}

static Config *config_with(const char *const *names, size_t count)
{
    Config *config;

    assert_int_equal(config_new(&config), 0);
    for (size_t i = 0; i < count; i++) {
        SourceConfig source = source_config_default(SOURCE_SERVER, names[i]);
        source.iburst = true;
        assert_int_equal(config_add_source(config, &source), 0);
    }
    return config;
}

static const char *const four_names[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"};

static World *world_new(double offset, double oscillator)
{
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->true_ns = EPOCH_NS;
    world->raw_ns = EPOCH_NS - ns_from_seconds(offset);
    world->mono_ns = 5 * NSEC_PER_SEC;
    world->oscillator = oscillator;
    return world;
}

static void start_in_mode(World *world, Config *config, EngineMode mode)
{
    EngineSetup setup = {
        .mode = mode,
        .precision = 1e-7,
        .drift_frequency = NAN,
        .drift_skew = NAN,
        .entropy = 1,
        .random = fill_random,
        .random_userdata = world,
    };

    assert_int_equal(engine_new(&setup, config, now_of(world), &world->engine), 0);
    config_free(config);
}

static void start(World *world, Config *config)
{
    start_in_mode(world, config, ENGINE_STEER);
}

static void world_free(World *world)
{
    engine_free(world->engine);
    free(world);
}

static void test_synchronizes(void **state)
{
    World *world = world_new(0.01, -20e-6);
    ClockReport report;

    (void) state;
    add_servers(world, 4);
    start(world, config_with(four_names, 4));
    run(world, 10);
    engine_clock_report(world->engine, now_of(world), &report);
    assert_true(report.synchronized);
    assert_int_equal(report.stratum, 2);
    assert_int_equal(world->events[EVENT_SYNCHRONIZED], 1);
    run(world, 1000);
    engine_clock_report(world->engine, now_of(world), &report);
    assert_true(fabs(true_offset(world)) < 5e-6);
    assert_true(fabs(report.frequency - 20e-6) < 1e-7);
    assert_true(fabs(true_offset(world)) <= report.max_error);
    assert_int_equal(world->actions[ACTION_STEP], 0);
    world_free(world);
}

static SourceId first_source(const World *world)
{
    SourceId ids[16];

    assert_true(engine_sources(world->engine, ids, ELEMENTS(ids)) > 0);
    return ids[0];
}

static ClockReport clock_of(const World *world)
{
    ClockReport report;

    engine_clock_report(world->engine, now_of(world), &report);
    return report;
}

static SourceReport report_of(const World *world, size_t index)
{
    SourceId ids[32];
    SourceReport report;

    assert_true(engine_sources(world->engine, ids, ELEMENTS(ids)) > index);
    assert_true(engine_source_report(world->engine, ids[index], now_of(world), &report));
    return report;
}

static void test_steps_once(void **state)
{
    World *world = world_new(200000000.0, 20e-6); /* the clock is in 2019 */
    Config *config = config_with(four_names, 4);

    (void) state;
    config->clock.step_threshold = 1;
    config->clock.step_limit = 3;
    add_servers(world, 4);
    world->servers[3].offset = 1.0;
    start(world, config);
    run(world, 9);
    assert_int_equal(world->actions[ACTION_STEP], 1);
    assert_int_equal(world->events[EVENT_STEPPED], 1);
    assert_int_equal(world->events[EVENT_DISRUPTED], 0);
    assert_true(clock_of(world).synchronized);
    assert_int_equal(clock_of(world).step_count, 1);
    assert_int_equal(report_of(world, 3).state, STATE_FALSETICKER);
    for (int i = 0; i < 300; i++) {
        run(world, 1);
        assert_true(fabs(true_offset(world)) < 1e-3);
    }
    world_free(world);
}

static void test_slews_at_most_at_max_slew_rate(void **state)
{
    World *world = world_new(3.0, 0);
    Config *config = config_with(four_names, 1);

    (void) state;
    config->clock.max_slew_rate = 1e-3;
    add_servers(world, 1);
    start(world, config);
    for (int i = 0; i < 100; i++) {
        double before = true_offset(world);
        run(world, 10);
        assert_true(fabs(true_offset(world) - before) <= 10 * 1.001e-3);
    }
    assert_true(fabs(true_offset(world) - 2.0) < 0.02);
    run(world, 3000);
    assert_true(fabs(true_offset(world)) < 1e-4);
    assert_int_equal(world->actions[ACTION_STEP], 0);
    world_free(world);
}

static void test_outage(void **state)
{
    World *world = world_new(0, 10e-6);
    Config *config = config_with(four_names, 3);
    double bound;

    (void) state;
    config->selection.max_distance = 0.005;
    add_servers(world, 3);
    start(world, config);
    run(world, 1000);
    assert_true(clock_of(world).synchronized);
    assert_int_equal(report_of(world, 0).reachability & 7, 7);
    for (size_t i = 0; i < 3; i++)
        world->servers[i].silent = true;
    run(world, 1500);
    bound = clock_of(world).max_error;
    uint32_t told = world->actions[ACTION_SET_STATUS];
    run(world, 1100); /* a poll at least */
    assert_true(world->actions[ACTION_SET_STATUS] > told);
    assert_true(world->last_action[ACTION_SET_STATUS].status.max_error > bound);
    assert_true(clock_of(world).max_error > bound);
    for (int i = 0; i < 100 && clock_of(world).synchronized; i++)
        run(world, 1000);
    assert_false(clock_of(world).synchronized);
    assert_int_equal(report_of(world, 0).reachability, 0);
    assert_int_equal(world->events[EVENT_UNSYNCHRONIZED], 1);
    assert_false(world->last_action[ACTION_SET_STATUS].status.synchronized);
    for (size_t i = 0; i < 3; i++)
        world->servers[i].silent = false;
    run(world, 3000);
    assert_true(clock_of(world).synchronized);
    assert_true(world->last_action[ACTION_SET_STATUS].status.synchronized);
    world_free(world);
}

static void test_drift_file(void **state)
{
    World *world = world_new(0, -50e-6);
    EngineSetup setup = {
        .precision = 1e-7,
        .drift_frequency = 50e-6,
        .drift_skew = 1e-8,
        .random = fill_random,
        .random_userdata = world,
    };
    Config *config = config_with(four_names, 1);

    (void) state;
    add_servers(world, 1);
    assert_int_equal(engine_new(&setup, config, now_of(world), &world->engine), 0);
    config_free(config);
    drain(world);
    assert_true(fabs(world->frequency - 50e-6) < 1e-12);
    assert_int_equal(world->events[EVENT_DRIFT_LOADED], 1);
    run(world, 5000);
    assert_true(fabs(true_offset(world)) < 1e-6);
    assert_int_equal(world->actions[ACTION_SAVE_DRIFT], 1);
    assert_true(fabs(world->last_action[ACTION_SAVE_DRIFT].drift.frequency_ppm + 50) < 0.1);
    engine_stop(world->engine, now_of(world));
    drain(world);
    assert_int_equal(world->actions[ACTION_SAVE_DRIFT], 2);
    assert_false(mono_is_set(engine_deadline(world->engine)));
    world_free(world);
}

static void test_foreign_step(void **state)
{
    static const double jumps[] = {-3600, -0.002, 0.001, 1, 31536000};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(jumps); i++) {
        World *world = world_new(0, 10e-6);
        add_servers(world, 2);
        Config *config = config_with(four_names, 2);
        config->clock.step_threshold = 0.1;
        config->clock.step_limit = -1;
        start(world, config);
        run(world, 300);
        world->raw_ns += ns_from_seconds(jumps[i]);
        run(world, 70);
        assert_int_equal(world->events[EVENT_DISRUPTED], 1);
        assert_true(fabs(world->last_event[EVENT_DISRUPTED].value - jumps[i]) <
                    1e-6 + fabs(jumps[i]) * 1e-12);
        run(world, 30);
        assert_true(clock_of(world).synchronized);
        assert_true(fabs(true_offset(world)) < 1e-5);
        world_free(world);
    }
}

/* Looks the name of the last source up again. Whether the answer has to bear signatures. */
static bool asks_for_signatures(World *world)
{
    const Command refresh = {.kind = COMMAND_REFRESH};
    uint32_t before = world->actions[ACTION_RESOLVE];
    CommandReply reply;

    assert_int_equal(engine_apply(world->engine, &refresh, now_of(world), &reply), COMMAND_OK);
    run(world, 0.01);
    assert_int_equal(world->actions[ACTION_RESOLVE], before + 1);
    return world->last_action[ACTION_RESOLVE].resolve.question.trusted_time;
}

/* Threat 13: signatures have dates, which count from when the kernel's clock is right: not while it is being
 * set right, nor after somebody has set it, and not less because nobody answers any more. */
static void test_names_and_signatures(void **state)
{
    World *world = world_new(0, 10e-6);
    SourceConfig name = source_config_default(SOURCE_SERVER, "ntp.example.net");
    Config *config = config_with(four_names, 3);

    (void) state;
    for (size_t i = 0; i < 3; i++)
        config->sources[i].max_unreach = 4;
    name.offline = true;
    assert_int_equal(config_add_source(config, &name), 0);
    add_servers(world, 3);
    start(world, config);
    assert_false(asks_for_signatures(world));
    run(world, 60);
    assert_true(clock_of(world).synchronized);
    assert_true(asks_for_signatures(world));

    for (size_t i = 0; i < 3; i++)
        world->servers[i].silent = true;
    run(world, 20000);
    assert_false(clock_of(world).synchronized);
    assert_true(asks_for_signatures(world));
    for (size_t i = 0; i < 3; i++)
        world->servers[i].silent = false;
    run(world, 2000);
    assert_true(clock_of(world).synchronized);

    world->raw_ns += ns_from_seconds(-7200);
    for (int i = 0; i < 100 && world->events[EVENT_DISRUPTED] == 0; i++)
        run(world, 1);
    assert_int_equal(world->events[EVENT_DISRUPTED], 1);
    assert_false(asks_for_signatures(world));
    /* The truth is known again, but no step is configured: it takes its time. */
    run(world, 300);
    assert_true(fabs(true_offset(world)) > 3600);
    assert_false(asks_for_signatures(world));
    world_free(world);
}

/* What stands between us and a guess: the transmit timestamp of a request is the whole random number, a new
 * one for each request. */
static void test_requests_cannot_be_foretold(void **state)
{
    World *world = world_new(0, 0);
    uint8_t secrets[20][8];

    (void) state;
    add_servers(world, 1);
    start(world, config_with(four_names, 1));
    for (size_t i = 0; i < ELEMENTS(secrets); i++) {
        uint64_t expected;

        for (uint32_t sent = world->actions[ACTION_SEND]; world->actions[ACTION_SEND] == sent;)
            run(world, 1);
        const uint8_t *request = world->last_action[ACTION_SEND].send.bytes;
        memcpy(secrets[i], request + 40, 8);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(secrets[i], secrets[k], 8);
        memcpy(&expected, secrets[i], 8);
        assert_int_not_equal(expected, 0);
    }
    world_free(world);
}

/* Timestamps that cannot be of a packet that comes in now: the time of the call stands in for them. */
static void test_strange_timestamps(void **state)
{
    static const int64_t errors[] = {-100 * NSEC_PER_SEC, 2 * NSEC_PER_SEC, INT64_C(3600) * NSEC_PER_SEC,
                                     -INT64_C(1700000000) * NSEC_PER_SEC};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        World *world = world_new(0, 10e-6);

        add_servers(world, 2);
        world->stamp_error_ns = errors[i];
        start(world, config_with(four_names, 2));
        run(world, 60);
        assert_true(clock_of(world).synchronized);
        assert_true(fabs(true_offset(world)) < 1e-4);
        world_free(world);
    }
}

/* A clock without a battery says 1970: further from the truth than half an era, from 2038 on. */
static void test_start_in_1970(void **state)
{
    World *world = world_new(0, 10e-6);
    Config *config = config_with(four_names, 2);

    (void) state;
    world->true_ns = INT64_C(2400000000) * NSEC_PER_SEC; /* 2046 */
    world->raw_ns = 60 * NSEC_PER_SEC;
    config->clock.step_threshold = 1;
    config->clock.step_limit = 1;
    add_servers(world, 2);
    start(world, config);
    run(world, 60);
    assert_int_equal(world->actions[ACTION_STEP], 1);
    assert_true(fabs(true_offset(world)) < 1e-4);
    world_free(world);
}

/* Both clocks are read one after the other; a process that is held up between looks like a jump, once. */
static void test_hiccup_is_no_jump(void **state)
{
    World *world = world_new(0, 10e-6);

    (void) state;
    add_servers(world, 1);
    start(world, config_with(four_names, 1));
    run(world, 100);
    Now torn = now_of(world);
    torn.mono.ns -= 20000000;
    engine_on_timer(world->engine, torn);
    assert_true(engine_deadline(world->engine).ns <= torn.mono.ns);
    run(world, 100);
    assert_int_equal(world->events[EVENT_DISRUPTED], 0);
    world_free(world);
}

static void test_observe(void **state)
{
    World *world = world_new(0.5, 10e-6);

    (void) state;
    add_servers(world, 3);
    start_in_mode(world, config_with(four_names, 3), ENGINE_OBSERVE);
    run(world, 600);
    assert_true(clock_of(world).synchronized);
    assert_false(clock_of(world).may_set_clock);
    assert_true(fabs(clock_of(world).system_offset - true_offset(world)) < 1e-5);
    assert_int_equal(world->actions[ACTION_SET_FREQUENCY], 0);
    assert_int_equal(world->actions[ACTION_STEP], 0);
    assert_int_equal(world->actions[ACTION_SET_STATUS], 0);
    assert_int_equal(world->actions[ACTION_SAVE_DRIFT], 0);
    world_free(world);
}

static void test_once(void **state)
{
    static const struct {
        const char *name;
        EngineMode mode;
        bool silent, offline;
        int32_t max_samples;
        int status;
        uint32_t steps;
        double within; /* s */
    } rows[] = {
        {"set", ENGINE_SET_ONCE, false, false, 64, 0, 1, 6},
        {"show", ENGINE_SHOW_ONCE, false, false, 64, 0, 0, 6},
        {"show after one sample", ENGINE_SHOW_ONCE, false, false, 1, 0, 0, 1},
        {"no answer", ENGINE_SHOW_ONCE, true, false, 64, 1, 0, 20},
        {"nobody to ask", ENGINE_SET_ONCE, true, true, 64, 1, 0, 1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World *world = world_new(-0.25, 10e-6);
        Config *config = config_with(four_names, 1);
        config->sources[0].max_samples = rows[i].max_samples;
        config->sources[0].offline = rows[i].offline;
        add_servers(world, 1);
        world->servers[0].silent = rows[i].silent;
        start_in_mode(world, config, rows[i].mode);
        run(world, rows[i].within);
        if (world->actions[ACTION_EXIT] != 1)
            fail_msg("%s: no end", rows[i].name);
        assert_int_equal(world->last_action[ACTION_EXIT].exit_status, rows[i].status);
        assert_int_equal(world->actions[ACTION_STEP], rows[i].steps);
        if (!rows[i].silent)
            assert_true(fabs(world->last_event[EVENT_INITIAL_OFFSET].value + 0.25) < 1e-3);
        world_free(world);
    }
}

static void test_max_change(void **state)
{
    World *world = world_new(0, 0);
    Config *config = config_with(four_names, 1);

    (void) state;
    config->clock.max_change_offset = 0.1;
    config->clock.max_change_start = 1;
    config->clock.max_change_ignore = 2;
    add_servers(world, 1);
    start(world, config);
    run(world, 300);
    world->servers[0].offset = 5;
    run(world, 3000);
    assert_int_equal(world->events[EVENT_CHANGE_REFUSED], 3);
    assert_true(world->last_event[EVENT_CHANGE_REFUSED].fatal);
    assert_int_equal(world->actions[ACTION_EXIT], 1);
    assert_int_equal(world->last_action[ACTION_EXIT].exit_status, 1);
    assert_true(fabs(true_offset(world)) < 1e-3);
    world_free(world);
}

static void test_reasons(void **state)
{
    World *world = world_new(0, 0);
    Config *config = config_with(NULL, 0);

    (void) state;
    start(world, config);
    assert_int_equal(clock_of(world).reason, CLOCK_NO_SOURCES);
    world_free(world);

    world = world_new(0, 0);
    add_servers(world, 2);
    start(world, config_with(four_names, 2));
    assert_int_equal(clock_of(world).reason, CLOCK_STARTING);
    for (size_t i = 0; i < 2; i++)
        world->servers[i].silent = true;
    run(world, 600);
    assert_int_equal(clock_of(world).reason, CLOCK_NO_RESPONSE);
    Command command = {.kind = COMMAND_SET_ONLINE, .online = false};
    CommandReply reply;
    assert_int_equal(engine_apply(world->engine, &command, now_of(world), &reply), COMMAND_OK);
    assert_int_equal(reply.count, 2);
    assert_int_equal(clock_of(world).reason, CLOCK_ALL_OFFLINE);
    assert_int_equal(world->events[EVENT_SELECTION_FAILED], 0);
    world_free(world);

    world = world_new(0, 0);
    add_servers(world, 2);
    world->servers[1].offset = 2;
    start(world, config_with(four_names, 2));
    run(world, 60);
    assert_int_equal(clock_of(world).reason, CLOCK_NO_MAJORITY);
    assert_int_equal(world->last_event[EVENT_SELECTION_FAILED].reason, CLOCK_NO_MAJORITY);
    assert_int_equal(world->events[EVENT_SELECTION_FAILED], 1);
    world_free(world);
}

/* Requests leave from the port of the server only when the configuration has both the same. */
static void test_acquisition_port(void **state)
{
    static const struct {
        int32_t acquisition;
        uint16_t server, expected;
    } rows[] = {{-1, 123, 0}, {123, 123, 123}, {1123, 123, 0}, {0, 0, 0}, {123, 0, 0}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World *world = world_new(0, 0);
        Config *config = config_with(four_names, 1);

        config->net.acquisition_port = rows[i].acquisition;
        config->server.port = rows[i].server;
        add_servers(world, 1);
        start(world, config);
        run(world, 1);
        assert_int_equal(world->actions[ACTION_SEND], 1);
        assert_int_equal(world->last_action[ACTION_SEND].send.local_port, rows[i].expected);
        world_free(world);
    }
}

static void test_kiss_rate(void **state)
{
    World *world = world_new(0, 0);

    (void) state;
    add_servers(world, 1);
    start(world, config_with(four_names, 1));
    world->servers[0].kiss = NTP_KISS_RATE;
    run(world, 5);
    assert_int_equal(world->events[EVENT_KISS_RATE], 1);
    assert_int_equal(world->servers[0].requests, 1);
    world->servers[0].kiss = 0;
    run(world, 250);
    assert_int_equal(world->servers[0].requests, 1);
    run(world, 400);
    assert_in_range(world->servers[0].requests, 5, 7);
    assert_true(clock_of(world).synchronized);
    world_free(world);
}

static void test_pool(void **state)
{
    World *world = world_new(0, 0);
    Config *config = config_with(NULL, 0);
    SourceConfig pool = source_config_default(SOURCE_POOL, "pool.example");
    ActivityReport activity;
    SourceId ids[16];

    (void) state;
    pool.iburst = true;
    pool.max_sources = 3;
    assert_int_equal(config_add_source(config, &pool), 0);
    add_servers(world, 7);
    for (size_t i = 0; i < 7; i++)
        world->servers[i].address.bytes[2] = (uint8_t) i; /* networks of their own */
    start(world, config);
    run(world, 1);
    engine_activity_report(world->engine, &activity);
    assert_int_equal(activity.unresolved, 6);
    assert_int_equal(world->events[EVENT_RESOLVE_FAILED], 1);
    run(world, 26);
    assert_int_equal(world->actions[ACTION_RESOLVE], 1);
    for (size_t i = 0; i < 7; i++)
        lookup_answer_add(&world->answer, &(LookupPlace) {.endpoint.address = world->servers[i].address});
    run(world, 2); /* the second try, 28 s after the first */
    assert_int_equal(world->actions[ACTION_RESOLVE], 2);
    assert_int_equal(world->events[EVENT_SOURCE_RESOLVED], 6);
    run(world, 20);
    assert_int_equal(engine_sources(world->engine, ids, ELEMENTS(ids)), 3);
    assert_true(clock_of(world).synchronized);
    assert_true(strncmp(report_of(world, 0).name, "pool.example#", 13) == 0);

    /* One of them falls silent: its name is looked up again, and it gets another address. */
    SourceReport victim = report_of(world, 1);
    server_at(world, &victim.remote.address)->silent = true;
    for (int i = 0; i < 100 && world->events[EVENT_SOURCE_REPLACED] == 0; i++)
        run(world, 100);
    assert_int_equal(world->events[EVENT_SOURCE_REPLACED], 1);
    assert_true(source_id_equal(world->last_event[EVENT_SOURCE_REPLACED].source, victim.id));
    assert_true(ip_address_equal(&world->last_event[EVENT_SOURCE_REPLACED].previous, &victim.remote.address));
    assert_string_equal(report_of(world, 1).name, victim.name);
    world_free(world);
}

/* Threat 14: the first address of a name leads nowhere, since half of today's networks have no IPv6. */
static void test_dead_family(void **state)
{
    World *world = world_new(0, 0);
    Config *config = config_with(NULL, 0);
    SourceConfig server = source_config_default(SOURCE_SERVER, "both.example");

    (void) state;
    server.iburst = true;
    assert_int_equal(config_add_source(config, &server), 0);
    add_servers(world, 2);
    world->servers[0].address = address_of("2001:db8::1");
    world->servers[0].silent = true;
    for (size_t i = 0; i < 2; i++)
        lookup_answer_add(&world->answer, &(LookupPlace) {.endpoint.address = world->servers[i].address});
    start(world, config);
    run(world, 3600);
    assert_int_equal(world->events[EVENT_SOURCE_REPLACED], 1);
    SourceReport report = report_of(world, 0);
    assert_true(ip_address_equal(&report.remote.address, &world->servers[1].address));
    assert_string_equal(report.name, "both.example");
    assert_true(clock_of(world).synchronized);
    world_free(world);
}

static void test_duplicates(void **state)
{
    World *world = world_new(0, 0);
    SourceConfig again = source_config_default(SOURCE_SERVER, "192.0.2.1");
    SourceConfig other_family = source_config_default(SOURCE_SERVER, "2001:db8::1");
    CommandReply reply;

    (void) state;
    other_family.family = IP_V4;
    add_servers(world, 1);
    start(world, config_with(four_names, 1));
    assert_int_equal(engine_add_source(world->engine, &again, now_of(world), &reply), COMMAND_EXISTS);
    assert_int_equal(engine_add_source(world->engine, &other_family, now_of(world), &reply),
                     COMMAND_BAD_FAMILY);
    drain(world);
    assert_int_equal(world->events[EVENT_SOURCE_NOT_ADDED], 2);
    world_free(world);
}

static void test_reconfigure(void **state)
{
    static const char *const names[] = {"192.0.2.2", "192.0.2.3"};
    World *world = world_new(0, 0);
    SourceConfig extra = source_config_default(SOURCE_SERVER, "192.0.2.4");
    CommandReply reply;
    SourceId ids[8];

    (void) state;
    add_servers(world, 4);
    start(world, config_with(four_names, 2));
    assert_int_equal(engine_add_source(world->engine, &extra, now_of(world), &reply), COMMAND_OK);
    run(world, 60);
    SourceReport kept = report_of(world, 1);
    assert_true(kept.samples >= 4);
    Config *config = config_with(names, 2);
    assert_int_equal(engine_reconfigure(world->engine, config, now_of(world)), 0);
    config_free(config);
    drain(world);
    assert_int_equal(engine_sources(world->engine, ids, ELEMENTS(ids)), 3);
    assert_true(source_id_equal(report_of(world, 0).id, kept.id));
    assert_int_equal(report_of(world, 0).samples, kept.samples);
    assert_string_equal(report_of(world, 1).name, "192.0.2.4");
    assert_string_equal(report_of(world, 2).name, "192.0.2.3");
    assert_int_equal(world->events[EVENT_SOURCE_REMOVED], 1);
    world_free(world);
}

/* Two hours around the end of 2026, at whose end a second is inserted or deleted. The servers step at
 * midnight; so does the kernel, when it was told. */
static void test_leap(void **state)
{
    static const struct {
        const char *name;
        LeapStatus leap;
        EngineMode mode;
        size_t announcing; /* of four servers */
        bool believed;
    } rows[] = {
        {"insert", LEAP_INSERT, ENGINE_STEER, 4, true},
        {"delete", LEAP_DELETE, ENGINE_STEER, 3, true},
        {"a minority announces", LEAP_INSERT, ENGINE_STEER, 1, false},
        {"nobody tells the kernel", LEAP_INSERT, ENGINE_OBSERVE, 4, true},
    };
    const int64_t midnight = INT64_C(1798761600) * NSEC_PER_SEC; /* 2027-01-01 */

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World *world = world_new(0, 0);
        int64_t leap = rows[i].leap == LEAP_INSERT ? -NSEC_PER_SEC : NSEC_PER_SEC;
        world->raw_ns = world->true_ns = midnight - 3600 * NSEC_PER_SEC;
        add_servers(world, 4);
        for (size_t k = 0; k < rows[i].announcing; k++)
            world->servers[k].leap = rows[i].leap;
        start_in_mode(world, config_with(four_names, 4), rows[i].mode);
        run(world, 3600 - 200);
        assert_true(clock_of(world).synchronized);
        assert_int_equal(world->events[EVENT_LEAP_PENDING], rows[i].believed);
        bool armed = world->actions[ACTION_SET_STATUS] > 0 &&
                     world->last_action[ACTION_SET_STATUS].status.leap == rows[i].leap;
        assert_int_equal(armed, rows[i].believed && rows[i].mode == ENGINE_STEER);
        run(world, (double) (midnight - world->true_ns) * 1e-9 + (leap > 0 ? -1 : 0) + 0.5);
        if (rows[i].believed) {
            world->true_ns += leap;
            if (armed)
                world->raw_ns += leap;
        }
        for (size_t k = 0; k < EXCHANGES; k++)
            world->flights[k].used = false;
        for (size_t k = 0; k < 4; k++)
            world->servers[k].leap = LEAP_NORMAL;
        run(world, 3600);
        if (!clock_of(world).synchronized || world->events[EVENT_DISRUPTED] != 0 ||
            world->events[EVENT_CLOCK_WRONG] != 0)
            fail_msg("%s", rows[i].name);
        assert_true(fabs(clock_of(world).system_offset - true_offset(world)) < 1e-5);
        assert_true(fabs(true_offset(world)) < (rows[i].mode == ENGINE_STEER ? 1e-5 : 1.1));
        assert_true(report_of(world, 0).samples > 8);
        world_free(world);
    }
}

/* Threat 12: three servers insert a second at midnight, the fourth spreads it over the day around it. It is
 * out of step with the others most of that time, and nobody follows it there. */
static void test_leap_smeared_by_one(void **state)
{
    const int64_t midnight = INT64_C(1798761600) * NSEC_PER_SEC; /* 2027-01-01 */
    const double day = 86400, step = 300;
    World *world = world_new(0, 0);
    int falseticker = 0;

    (void) state;
    world->raw_ns = world->true_ns = midnight - ns_from_seconds(day);
    add_servers(world, 4);
    for (size_t i = 0; i < 3; i++)
        world->servers[i].leap = LEAP_INSERT;
    start(world, config_with(four_names, 4));
    for (double at = -day + step; at < day; at += step) {
        run(world, step);
        assert_true(clock_of(world).synchronized);
        assert_true(fabs(true_offset(world)) < 1e-3);
        falseticker += report_of(world, 3).state == STATE_FALSETICKER;
        if (at > -step / 2 && at < step / 2) {
            world->true_ns -= NSEC_PER_SEC;
            world->raw_ns -= NSEC_PER_SEC; /* the kernel was told */
            for (size_t i = 0; i < 4; i++)
                world->servers[i].leap = LEAP_NORMAL;
        }
        double smeared = CLAMP(at / day + 0.5, 0.0, 1.0);
        world->servers[3].offset = at > -step / 2 ? 1 - smeared : -smeared;
    }
    assert_true(falseticker > 0.9 * day / step);
    assert_int_equal(world->events[EVENT_DISRUPTED] + world->events[EVENT_CLOCK_WRONG], 0);
    assert_int_not_equal(report_of(world, 3).state, STATE_FALSETICKER); /* one of them again */
    world_free(world);
}

/* Nothing is lost when all of many sources have something to say at once. */
static void test_many_sources(void **state)
{
    World *world = world_new(0, 0);
    Config *config = config_with(NULL, 0);
    Command reset = {.kind = COMMAND_RESET_SOURCES};
    Config *none = config_with(NULL, 0);
    CommandReply reply;

    (void) state;
    for (int i = 0; i < 500; i++) {
        char name[] = "10.0.0.100";
        name[5] = (char) ('0' + i / 100);
        name[8] = (char) ('0' + i / 10 % 10);
        name[9] = (char) ('0' + i % 10);
        SourceConfig source = source_config_default(SOURCE_SERVER, name);
        source.iburst = true;
        assert_int_equal(config_add_source(config, &source), 0);
    }
    start(world, config);
    run(world, 3);
    assert_int_equal(world->events[EVENT_SOURCE_ADDED], 500);
    assert_true(world->actions[ACTION_SEND] > 0);
    run(world, 110);
    assert_in_range(world->actions[ACTION_SEND] - world->actions[ACTION_CLOSE], 1, 500);
    assert_int_equal(engine_apply(world->engine, &reset, now_of(world), &reply), COMMAND_OK);
    drain(world);
    assert_int_equal(world->actions[ACTION_SEND], world->actions[ACTION_CLOSE]);
    run(world, 2);
    assert_int_equal(engine_reconfigure(world->engine, none, now_of(world)), 0);
    config_free(none);
    drain(world);
    assert_int_equal(world->events[EVENT_SOURCE_REMOVED], 500);
    assert_int_equal(world->actions[ACTION_SEND], world->actions[ACTION_CLOSE]);
    world_free(world);
}

/* A new source holds nobody up who is selected already. */
static void test_late_source(void **state)
{
    World *world = world_new(0, 0);
    SourceConfig extra = source_config_default(SOURCE_SERVER, "192.0.2.2");
    CommandReply reply;

    (void) state;
    add_servers(world, 2);
    world->servers[1].silent = true;
    start(world, config_with(four_names, 1));
    run(world, 60);
    assert_int_equal(engine_add_source(world->engine, &extra, now_of(world), &reply), COMMAND_OK);
    assert_true(clock_of(world).synchronized);
    run(world, 1);
    assert_true(clock_of(world).synchronized);
    assert_int_equal(report_of(world, 0).state, STATE_SELECTED);
    world_free(world);
}

/* The first selection waits for those whose burst is under way, not for one that is silent or asked rarely.
 */
static void test_start_beside_a_slow_source(void **state)
{
    static const bool silent[] = {true, false};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(silent); i++) {
        World *world = world_new(0, 0);
        Config *config = config_with(four_names, 2);

        config->sources[1].iburst = false;
        add_servers(world, 2);
        world->servers[1].silent = silent[i];
        start(world, config);
        run(world, 10);
        assert_true(clock_of(world).synchronized);
        assert_int_equal(report_of(world, 0).state, STATE_SELECTED);
        world_free(world);
    }
}

static void test_burst_offline(void **state)
{
    World *world = world_new(0, 0);
    Config *config = config_with(four_names, 1);
    Command command = {.kind = COMMAND_BURST, .burst = {2, 5}};
    ActivityReport activity;
    CommandReply reply;

    (void) state;
    config->sources[0].offline = true;
    add_servers(world, 1);
    start(world, config);
    run(world, 100);
    assert_int_equal(world->servers[0].requests, 0);
    assert_int_equal(engine_apply(world->engine, &command, now_of(world), &reply), COMMAND_OK);
    engine_activity_report(world->engine, &activity);
    assert_int_equal(activity.burst_offline, 1);
    run(world, 100);
    assert_int_equal(world->servers[0].requests, 2);
    engine_activity_report(world->engine, &activity);
    assert_int_equal(activity.offline, 1);

    command = (Command) {.kind = COMMAND_SET_ONLINE, .sources.id = first_source(world), .online = true};
    assert_int_equal(engine_apply(world->engine, &command, now_of(world), &reply), COMMAND_OK);
    run(world, 20);
    assert_int_equal(world->servers[0].requests, 6);
    assert_int_equal(world->events[EVENT_SOURCE_ONLINE], 1);
    world_free(world);
}

static void test_auto_offline(void **state)
{
    World *world = world_new(0, 0);
    Config *config = config_with(four_names, 1);

    (void) state;
    config->sources[0].auto_offline = true;
    add_servers(world, 1);
    start(world, config);
    /* A server that refuses, or somebody who says so in its name. */
    world->send_error = ECONNREFUSED;
    run(world, 100);
    assert_true(report_of(world, 0).online);
    world->send_error = ENETUNREACH;
    run(world, 100);
    assert_false(report_of(world, 0).online);
    assert_int_equal(world->events[EVENT_SOURCE_OFFLINE], 1);
    world_free(world);
}

static void test_make_step(void **state)
{
    World *world = world_new(2, 0);
    Command command = {.kind = COMMAND_MAKE_STEP};
    Config *config = config_with(four_names, 1);
    CommandReply reply;

    (void) state;
    config->clock.max_slew_rate = 1e-4;
    add_servers(world, 1);
    start(world, config);
    assert_int_equal(engine_apply(world->engine, &command, now_of(world), &reply), COMMAND_NOT_SYNCHRONIZED);
    run(world, 20);
    assert_true(true_offset(world) > 1.9);
    /* Two may ask for it before the kernel has done it: it is done once. */
    assert_int_equal(engine_apply(world->engine, &command, now_of(world), &reply), COMMAND_OK);
    assert_int_equal(engine_apply(world->engine, &command, now_of(world), &reply), COMMAND_OK);
    drain(world);
    assert_true(fabs(true_offset(world)) < 1e-4);
    assert_int_equal(clock_of(world).step_count, 1);
    world_free(world);
}

/* A slew that is not urgent ends with a request, so that a poll costs no extra wake-up. */
static void test_wakeups(void **state)
{
    World *world = world_new(0, 5e-6);
    uint32_t sent, calls = 0;

    (void) state;
    add_servers(world, 1);
    start(world, config_with(four_names, 1));
    run(world, 3000);
    sent = world->actions[ACTION_SEND];
    int64_t end = world->true_ns + 20000 * NSEC_PER_SEC;
    while (world->true_ns < end) {
        int64_t timer = true_of_mono(world, engine_deadline(world->engine));
        run(world, (double) (timer - world->true_ns) * 1e-9);
        run(world, 1e-2); /* for the answer */
        calls++;
    }
    sent = world->actions[ACTION_SEND] - sent;
    assert_true(sent > 10);
    assert_true(calls <= sent + 2);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synchronizes),
        cmocka_unit_test(test_steps_once),
        cmocka_unit_test(test_slews_at_most_at_max_slew_rate),
        cmocka_unit_test(test_outage),
        cmocka_unit_test(test_drift_file),
        cmocka_unit_test(test_foreign_step),
        cmocka_unit_test(test_names_and_signatures),
        cmocka_unit_test(test_requests_cannot_be_foretold),
        cmocka_unit_test(test_strange_timestamps),
        cmocka_unit_test(test_start_in_1970),
        cmocka_unit_test(test_hiccup_is_no_jump),
        cmocka_unit_test(test_observe),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_max_change),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_acquisition_port),
        cmocka_unit_test(test_kiss_rate),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_dead_family),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_reconfigure),
        cmocka_unit_test(test_leap),
        cmocka_unit_test(test_leap_smeared_by_one),
        cmocka_unit_test(test_many_sources),
        cmocka_unit_test(test_late_source),
        cmocka_unit_test(test_start_beside_a_slow_source),
        cmocka_unit_test(test_burst_offline),
        cmocka_unit_test(test_auto_offline),
        cmocka_unit_test(test_make_step),
        cmocka_unit_test(test_wakeups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
