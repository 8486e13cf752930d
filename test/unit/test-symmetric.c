// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Two peers, in basic and interleaved mode: whatever is lost, crosses on the way or comes from somebody else,
 * no sample is ever wrong. Both oscillators are perfect, and the second clock is ahead. */

#include <math.h>
#include <string.h>

#include "core/ntp/client.h"
#include "unit.h"

#define START_NS (INT64_C(1772323200) * NSEC_PER_SEC)
#define DELAY_NS INT64_C(1000000) /* one way */
#define AHEAD_NS INT64_C(5000000)
/* From the timestamp in a packet to when it leaves. */
#define QUEUE_NS INT64_C(200000)

typedef struct Side {
    SourceConfig config;
    SourceStats *stats;
    ClientContext context;
    Client client;
    Clock clock;
    int64_t ahead_ns;
    uint8_t stratum;
    uint8_t bytes[CLIENT_REQUEST_MAX]; /* the last packet that it sent */
    size_t length;
    uint32_t samples, interleaved;
} Side;

typedef struct World {
    Side sides[2];
    int64_t now_ns;
    uint64_t random;
} World;

static void setup(World *world, bool xleave)
{
    const SourceStatsConfig stats = {.min_samples = 6, .max_samples = 64, .precision = 1e-7};

    *world = (World) {.now_ns = START_NS, .random = 88172645463325252};
    for (size_t i = 0; i < 2; i++) {
        Side *side = &world->sides[i];
        side->config = source_config_default(SOURCE_PEER, "192.0.2.1");
        side->config.xleave = xleave;
        assert_int_equal(source_stats_new(&stats, &side->stats), 0);
        side->context = (ClientContext) {
            .config = &side->config,
            .stats = side->stats,
            .remote = {{IP_V4, {192, 0, 2, (uint8_t) (2 - i)}, 0}, 123},
            .precision = 1e-7,
            .max_frequency_error = 1e-6,
            .pivot_ns = START_NS,
        };
        side->ahead_ns = i == 0 ? 0 : AHEAD_NS;
        side->stratum = (uint8_t) (1 + i);
        side->clock = clock_start((Now) {.raw = {START_NS + side->ahead_ns}}, 0);
        client_reset(&side->client);
    }
}

static void teardown(World *world)
{
    for (size_t i = 0; i < 2; i++)
        source_stats_free(world->sides[i].stats);
}

static uint64_t draw(World *world)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random;
}

static LocalTime local_of(const Side *side, int64_t true_ns)
{
    return (LocalTime) {true_ns + side->ahead_ns};
}

/* That side sends. */
static NtpPacket send_packet(World *world, size_t i)
{
    Side *side = &world->sides[i];
    SymmetricOwn own = {
        .header = {.stratum = side->stratum,
                   .precision = -24,
                   .reference_id = 0x47505300,
                   .reference = ntp_time_from_ns(START_NS)},
        .clock = &side->clock,
        .now = local_of(side, world->now_ns),
        .fuzz_mask = 0xff,
        .mono_root = {.root_delay = 0.25, .root_dispersion = 0.125, .epoch = 77},
    };
    ClientRequest request = {
        .config = &side->config,
        .exchange = {1},
        .secret = draw(world),
        .poll = 4,
        .own = &own,
    };
    NtpPacket packet;

    client_give_up(&side->client);
    side->length = client_request(&side->client, &request, side->bytes);
    assert_int_equal(side->length, NTP_HEADER_SIZE + (side->config.mono_root ? MONO_ROOT_SIZE : 0));
    assert_true(client_on_sent(&side->client, request.exchange, local_of(side, world->now_ns + QUEUE_NS),
                               TIMESTAMP_KERNEL, (IpAddress) {0}));
    assert_true(ntp_packet_parse(side->bytes, side->length, &packet));
    assert_int_equal(packet.mode, NTP_MODE_ACTIVE);
    return packet;
}

static ClientResult receive_bytes(World *world, size_t i, const uint8_t *bytes, int64_t arrival)
{
    Side *side = &world->sides[i];
    ClientInput input = {
        .exchange = {1},
        .remote = side->context.remote,
        .received = local_of(side, arrival),
        .received_origin = TIMESTAMP_KERNEL,
        .bytes = bytes,
        .length = NTP_HEADER_SIZE,
    };
    ClientResult result;

    client_on_packet(&side->client, &side->context, &input, &result);
    if (result.verdict != PACKET_GOOD)
        return result;
    int64_t expected = world->sides[1 - i].ahead_ns - side->ahead_ns;
    double error = (double) (result.sample.truth.ns - result.sample.time.ns - expected) * 1e-9;
    /* In basic mode what the packet waited in the queue is not known. */
    double allowed = side->client.report.interleaved ? 2e-7 : QUEUE_NS * 0.5e-9 + 2e-7;
    if (fabs(error) > allowed || result.sample.peer_delay > 2e-9 * (DELAY_NS + QUEUE_NS))
        fail_msg("wrong by %g s, delay %g s", error, result.sample.peer_delay);
    side->samples++;
    side->interleaved += side->client.report.interleaved;
    return result;
}

/* What side i has sent arrives at the other one. */
static ClientResult deliver(World *world, size_t i)
{
    return receive_bytes(world, 1 - i, world->sides[i].bytes, world->now_ns + QUEUE_NS + DELAY_NS);
}

/* Both take turns, some packets are lost. */
static void converse(World *world, int packets, unsigned loss)
{
    for (int n = 0; n < packets; n++) {
        world->now_ns += 16 * NSEC_PER_SEC + (int64_t) (draw(world) % NSEC_PER_SEC);
        (void) send_packet(world, (size_t) n % 2);
        if (draw(world) % 100 >= loss)
            (void) deliver(world, (size_t) n % 2);
    }
}

static void test_basic(void **state)
{
    World world;

    (void) state;
    setup(&world, false);
    NtpPacket packet = send_packet(&world, 0);
    assert_true(packet.origin.value == 0 && packet.receive.value == 0);
    assert_int_equal(deliver(&world, 0).verdict, PACKET_UNEXPECTED); /* it has asked nothing yet */
    (void) send_packet(&world, 1);
    assert_int_equal(deliver(&world, 1).finished, false); /* it begins, too */
    converse(&world, 40, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_in_range(world.sides[i].samples, 16, 20);
        assert_int_equal(world.sides[i].interleaved, 0);
        assert_true(world.sides[i].client.report.mode == NTP_MODE_ACTIVE);
    }
    teardown(&world);
}

static void test_interleaved(void **state)
{
    World world;

    (void) state;
    setup(&world, true);
    converse(&world, 60, 0);
    for (size_t i = 0; i < 2; i++)
        assert_in_range(world.sides[i].interleaved, 22, 30);
    teardown(&world);
}

/* Only one side wants it: the other one understands it, and answers in basic mode. */
static void test_one_interleaves(void **state)
{
    World world;

    (void) state;
    setup(&world, true);
    world.sides[1].config.xleave = false;
    converse(&world, 40, 0);
    assert_in_range(world.sides[0].samples, 15, 20);
    assert_int_equal(world.sides[0].interleaved, 0);
    teardown(&world);
}

static void test_loss(void **state)
{
    (void) state;
    for (int xleave = 0; xleave <= 1; xleave++)
        for (unsigned loss = 10; loss <= 50; loss += 20) {
            World world;

            setup(&world, xleave);
            converse(&world, 2000, loss);
            for (size_t i = 0; i < 2; i++)
                assert_in_range(world.sides[i].samples, loss == 50 ? 50 : 150, 1000);
            teardown(&world);
        }
}

/* Different polls, and packets that cross on the way. */
static void test_out_of_step(void **state)
{
    (void) state;
    for (int xleave = 0; xleave <= 1; xleave++) {
        World world;

        setup(&world, xleave);
        for (int n = 0; n < 2000; n++) {
            world.now_ns += 4 * NSEC_PER_SEC + (int64_t) (draw(&world) % NSEC_PER_SEC);
            uint64_t who = draw(&world) % 8;
            if (who >= 6) { /* at the same time */
                (void) send_packet(&world, 0);
                (void) send_packet(&world, 1);
                (void) deliver(&world, 0);
                (void) deliver(&world, 1);
            } else {
                (void) send_packet(&world, who % 3 == 0);
                (void) deliver(&world, who % 3 == 0);
            }
        }
        for (size_t i = 0; i < 2; i++)
            assert_in_range(world.sides[i].samples, 200, 2000);
        teardown(&world);
    }
}

/* One side forgets everything. */
static void test_restart(void **state)
{
    World world;

    (void) state;
    setup(&world, true);
    converse(&world, 20, 0);
    client_reset(&world.sides[1].client);
    uint32_t before = world.sides[0].samples;
    converse(&world, 30, 0);
    assert_in_range(world.sides[0].samples, before + 8, before + 15);
    teardown(&world);
}

/* Copies of what was sent before, forgeries, other modes: nothing is measured by them. */
static void test_forgeries(void **state)
{
    uint8_t old[CLIENT_REQUEST_MAX], forged[NTP_HEADER_SIZE];
    World world;

    (void) state;
    setup(&world, true);
    converse(&world, 20, 0);
    memcpy(old, world.sides[1].bytes, sizeof(old));
    converse(&world, 10, 0);
    uint32_t before = world.sides[0].samples;
    assert_int_equal(receive_bytes(&world, 0, old, world.now_ns).verdict, PACKET_BOGUS_ORIGIN);
    for (int i = 0; i < 100000; i++) {
        NtpPacket packet = {
            .version = 4,
            .mode = (uint8_t) (i % 8),
            .stratum = 1,
            .reference = {1},
            .origin = {draw(&world)},
            .receive = ntp_time_from_ns(world.now_ns + i),
            .transmit = ntp_time_from_ns(world.now_ns + NSEC_PER_SEC + i),
        };
        ntp_packet_build(&packet, forged);
        ClientResult result = receive_bytes(&world, 0, forged, world.now_ns);
        assert_true(result.verdict == PACKET_BOGUS_ORIGIN || result.verdict == PACKET_BAD_MODE);
        assert_false(result.finished || result.reached);
    }
    assert_int_equal(world.sides[0].samples, before);
    /* Both go on as if nothing had been. */
    converse(&world, 20, 0);
    assert_in_range(world.sides[0].samples, before + 9, before + 11);
    teardown(&world);
}

/* A peer measures by what we say in the extension field, as if we had answered. */
static void test_mono_root(void **state)
{
    World world;
    MonoRoot field;

    (void) state;
    setup(&world, false);
    world.sides[0].config.mono_root = true;
    NtpPacket packet = send_packet(&world, 0);
    assert_true(mono_root_find(&packet, &field));
    assert_true(field.root_delay == 0.25 && field.root_dispersion == 0.125 && field.epoch == 77);
    assert_true(field.receive.value == 0 && packet.receive.value == 0);
    (void) send_packet(&world, 1);
    (void) receive_bytes(&world, 0, world.sides[1].bytes, world.now_ns + DELAY_NS);
    world.sides[0].clock.corrected = -2 * NSEC_PER_SEC;
    packet = send_packet(&world, 0);
    assert_true(mono_root_find(&packet, &field));
    assert_true(packet.receive.value != 0);
    assert_true(field.receive.value == packet.receive.value + (UINT64_C(2) << 32));
    teardown(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic),           cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_one_interleaves), cmocka_unit_test(test_loss),
        cmocka_unit_test(test_out_of_step),     cmocka_unit_test(test_restart),
        cmocka_unit_test(test_forgeries),       cmocka_unit_test(test_mono_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
