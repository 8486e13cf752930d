// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Whole engines in the smallest world: one kernel clock on an oscillator with a constant error, servers that
 * know the time, a path with a constant delay. Nothing is random; what jitter does is the simulator's
 * business. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/text.h"
#include "core/engine.h"
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
    IpAddress answers[16];
    size_t answer_count;
    uint32_t events[EVENT_KIND_COUNT], actions[ACTION_KIND_COUNT];
    Event last_event[EVENT_KIND_COUNT];
    Action last_action[ACTION_KIND_COUNT];
    uint64_t random;
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
        engine_on_resolved(world->engine, action->resolve.source, world->answers, world->answer_count,
                           now_of(world));
        break;
    case ACTION_CLOSE:
    case ACTION_SET_STATUS:
    case ACTION_SAVE_DRIFT:
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
            flight->incoming.received = (Timestamp) {{world->raw_ns}, TIMESTAMP_KERNEL};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synchronizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
