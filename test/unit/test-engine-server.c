// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What the engine tells the server of our time: from the same numbers as its report, and for any instant near
 * by. One source, a clock that is slewed, nothing random. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine.h"
#include "core/ntp/packet.h"
#include "unit.h"

#define EPOCH_NS (INT64_C(1772323200) * NSEC_PER_SEC)

typedef struct World {
    Engine *engine;
    int64_t true_ns;
    double offset, frequency; /* what has to be added to the kernel clock; what the kernel adds to its rate */
    LocalConfig local;
} World;

static void fill_random(void *userdata, void *buffer, size_t size)
{
    (void) userdata;
    memset(buffer, 0x5a, size);
}

static Now now_of(const World *world)
{
    int64_t raw = world->true_ns - ns_from_seconds(world->offset);

    return (Now) {.mono = {raw - EPOCH_NS + 1000 * NSEC_PER_SEC}, .raw = {raw}};
}

static void pass(World *world, double seconds)
{
    world->true_ns += ns_from_seconds(seconds);
    world->offset -= seconds * world->frequency;
}

static World world_new(const char *source, double offset, const LocalConfig *local)
{
    World world = {.true_ns = EPOCH_NS, .offset = offset};
    const EngineSetup setup = {
        .mode = ENGINE_STEER, .precision = 1e-7, .drift_frequency = NAN, .random = fill_random, .entropy = 1};
    Config *config;

    assert_int_equal(config_new(&config), 0);
    if (source) {
        SourceConfig line = source_config_default(SOURCE_SERVER, source);
        line.iburst = true;
        assert_int_equal(config_add_source(config, &line), 0);
    }
    if (local)
        config->local = *local;
    assert_int_equal(engine_new(&setup, config, now_of(&world), &world.engine), 0);
    config_free(config);
    return world;
}

static void world_free(World *world)
{
    engine_free(world->engine);
}

/* The source answers at once with true time. */
static void answer(World *world, const Action *action)
{
    NtpPacket request, packet;
    uint8_t bytes[NTP_HEADER_SIZE];

    engine_on_sent(world->engine, action->send.exchange, (Timestamp) {now_of(world).raw, TIMESTAMP_KERNEL},
                   (IpAddress) {0}, now_of(world));
    assert_true(ntp_packet_parse(action->send.bytes, action->send.length, &request));
    pass(world, 1e-4);
    packet = (NtpPacket) {.version = 4,
                          .mode = NTP_MODE_SERVER,
                          .stratum = 3,
                          .precision = -24,
                          .root_delay = 0.01,
                          .root_dispersion = 0.02,
                          .reference_id = 0x01020304,
                          .origin = request.transmit,
                          .receive = ntp_time_from_ns(world->true_ns),
                          .transmit = ntp_time_from_ns(world->true_ns + 1000)};
    ntp_packet_build(&packet, bytes);
    pass(world, 1e-4);
    const Incoming incoming = {.exchange = action->send.exchange,
                               .remote = action->send.remote,
                               .received = {now_of(world).raw, TIMESTAMP_KERNEL},
                               .bytes = bytes,
                               .length = sizeof(bytes)};
    engine_on_packet(world->engine, &incoming, now_of(world));
}

static void run(World *world, double seconds)
{
    int64_t end = world->true_ns + ns_from_seconds(seconds);
    Action action;
    Event event;

    while (world->true_ns < end) {
        engine_on_timer(world->engine, now_of(world));
        while (engine_next_action(world->engine, &action)) {
            if (action.kind == ACTION_SEND)
                answer(world, &action);
            if (action.kind == ACTION_SET_FREQUENCY) {
                world->frequency = action.frequency.frequency;
                engine_on_frequency_set(world->engine, true, now_of(world).raw, world->frequency);
            }
        }
        while (engine_next_event(world->engine, &event))
            ;
        pass(world, 0.05);
    }
}

static void test_nothing(void **state)
{
    cleanup_(world_free) World world = world_new(NULL, 0, NULL);
    ServerSnapshot snapshot;

    (void) state;
    engine_server_snapshot(world.engine, now_of(&world), &snapshot);
    assert_int_equal(snapshot.stratum, 16);
    assert_int_equal(snapshot.leap, LEAP_UNSYNCHRONIZED);
    assert_int_equal(snapshot.reference_id, 0);
    assert_true(snapshot.reference == 0);
    assert_int_equal(snapshot.precision, -23);
    assert_true(snapshot.root_delay == 1 && snapshot.root_dispersion == 1);
}

static void test_source(void **state)
{
    cleanup_(world_free) World world = world_new("192.0.2.1", 0.02, NULL);
    ServerSnapshot snapshot, again;
    ClockReport report;

    (void) state;
    run(&world, 5);
    engine_clock_report(world.engine, now_of(&world), &report);
    engine_server_snapshot(world.engine, now_of(&world), &snapshot);
    assert_true(report.synchronized);
    assert_int_equal(snapshot.stratum, 4);
    assert_int_equal(snapshot.leap, LEAP_NORMAL);
    assert_int_equal(snapshot.reference_id, 0xc0000201);
    assert_true(fabs(snapshot.root_delay - report.root_delay) < 1e-12);
    assert_true(fabs(snapshot.root_dispersion - report.root_dispersion) < 1e-9);
    /* The time of the last update, up to a second earlier, and the same each time. */
    int64_t told = ntp_time_to_ns((NtpTime) {snapshot.reference}, EPOCH_NS);
    assert_true(told <= report.reference_time.ns && told > report.reference_time.ns - NSEC_PER_SEC);
    engine_server_snapshot(world.engine, now_of(&world), &again);
    assert_true(again.reference == snapshot.reference);
}

/* While the clock is being slewed, what is served is already right; also some time after the snapshot. */
static void test_slewing(void **state)
{
    cleanup_(world_free) World world = world_new("192.0.2.1", 0.5, NULL);
    ServerSnapshot snapshot;

    (void) state;
    run(&world, 5);
    assert_true(fabs(world.frequency) > 1e-4); /* it is */
    engine_server_snapshot(world.engine, now_of(&world), &snapshot);
    for (int i = 0; i < 5; i++) {
        Now now = now_of(&world);
        double served = (double) (now.raw.ns + snapshot.correction - world.true_ns) +
                        (double) (now.raw.ns - snapshot.base) * snapshot.correction_rate;
        if (fabs(served) > 100e3)
            fail_msg("after %d s: wrong by %.0f ns", i, served);
        pass(&world, 1);
    }
}

/* The clock that is only steered goes on through a correction, and is another one after a step. */
static void test_corrected(void **state)
{
    cleanup_(world_free) World world = world_new("192.0.2.1", 0.02, NULL);
    ServerSnapshot before, after;

    (void) state;
    engine_server_snapshot(world.engine, now_of(&world), &before);
    run(&world, 5);
    Now now = now_of(&world);
    engine_server_snapshot(world.engine, now, &after);
    assert_int_equal(after.epoch, before.epoch);
    assert_int_equal(before.corrected, 0);
    assert_true(llabs(after.corrected - NSEC_PER_SEC / 50) < NSEC_PER_SEC / 1000);

    /* Somebody steps the clock by a minute. */
    now.raw.ns += 60 * NSEC_PER_SEC;
    engine_server_snapshot(world.engine, now, &after);
    assert_true(after.epoch != before.epoch && after.epoch <= UINT32_MAX);
}

static void test_local(void **state)
{
    const LocalConfig local = {.enabled = true, .stratum = 8, .distance = 1, .wait_unsynced = 60};
    cleanup_(world_free) World world = world_new(NULL, 0, &local);
    ServerSnapshot snapshot;
    ClockReport report;
    LocalReport told;
    Event event;
    int updates = 0;

    (void) state;
    engine_server_snapshot(world.engine, now_of(&world), &snapshot);
    assert_int_equal(snapshot.stratum, 16);
    while (engine_next_event(world.engine, &event))
        ;
    /* It asks to be called when the wait is over, and tells that then. */
    MonoTime deadline = engine_deadline(world.engine);
    assert_true(mono_is_set(deadline) && fabs(mono_diff(deadline, now_of(&world).mono) - 60) < 0.01);
    pass(&world, 60.001);
    engine_on_timer(world.engine, now_of(&world));
    while (engine_next_event(world.engine, &event))
        updates += event.kind == EVENT_CLOCK_UPDATED;
    assert_int_equal(updates, 1);
    assert_true(mono_diff(engine_deadline(world.engine), now_of(&world).mono) > 86400); /* names */

    engine_server_snapshot(world.engine, now_of(&world), &snapshot);
    assert_int_equal(snapshot.stratum, 8);
    assert_int_equal(snapshot.leap, LEAP_NORMAL);
    assert_int_equal(snapshot.reference_id, 0x7f7f0101);
    assert_true(snapshot.root_delay == 0 && snapshot.root_dispersion == 0);
    engine_local_report(world.engine, now_of(&world), &told);
    assert_true(told.active && told.config.stratum == 8);
    engine_clock_report(world.engine, now_of(&world), &report);
    assert_false(report.synchronized);
    assert_int_equal(report.stratum, 8);
    assert_int_equal(report.reference_id, 0x7f7f0101);
}

static void test_command(void **state)
{
    cleanup_(world_free) World world = world_new(NULL, 0, NULL);
    Command command = {.kind = COMMAND_SET_LOCAL, .local = {.enabled = true, .stratum = 3, .distance = 1}};
    ServerSnapshot snapshot;
    CommandReply reply;

    (void) state;
    assert_int_equal(command_check(&command, &reply), COMMAND_OK);
    assert_int_equal(engine_apply(world.engine, &command, now_of(&world), &reply), COMMAND_OK);
    engine_server_snapshot(world.engine, now_of(&world), &snapshot);
    assert_int_equal(snapshot.stratum, 3);
    command.local.enabled = false;
    assert_int_equal(engine_apply(world.engine, &command, now_of(&world), &reply), COMMAND_OK);
    engine_server_snapshot(world.engine, now_of(&world), &snapshot);
    assert_int_equal(snapshot.stratum, 16);
    command.local.stratum = 16;
    assert_int_equal(command_check(&command, &reply), COMMAND_INVALID);
    command.local = (LocalConfig) {.stratum = 5, .distance = NAN};
    assert_int_equal(command_check(&command, &reply), COMMAND_INVALID);
}

/* What was stamped before a step is on another scale. */
static void test_step(void **state)
{
    cleanup_(world_free) World world = world_new(NULL, 0, NULL);
    ServerSnapshot snapshot;

    (void) state;
    engine_server_snapshot(world.engine, now_of(&world), &snapshot);
    assert_true(snapshot.valid_from < EPOCH_NS);
    Now now = now_of(&world);
    now.raw.ns += 3 * NSEC_PER_SEC; /* somebody else's */
    engine_server_snapshot(world.engine, now, &snapshot);
    assert_true(snapshot.valid_from == now.raw.ns);
    assert_true(snapshot.correction == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),   cmocka_unit_test(test_source), cmocka_unit_test(test_slewing),
        cmocka_unit_test(test_corrected), cmocka_unit_test(test_local),  cmocka_unit_test(test_command),
        cmocka_unit_test(test_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
