// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A client in interleaved mode against a server that keeps to RFC 9769, one that does not know it, and one
 * that lies; and what the extension field F323 says of a server that sets its clock. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ntp/client.h"
#include "unit.h"

#define START_NS (INT64_C(1772323200) * NSEC_PER_SEC)
#define POLL_NS  (16 * NSEC_PER_SEC)
#define DELAY_NS INT64_C(1000000) /* one way */
/* The server's clock is ahead by that much. */
#define AHEAD_NS INT64_C(5000000)
/* From the transmit timestamp that a server can put into the packet itself to when it leaves. */
#define QUEUE_NS INT64_C(300000)

typedef struct World {
    SourceConfig config;
    SourceStats *stats;
    ClientContext context;
    Client client;
    int64_t now_ns;
    int64_t ahead_ns;    /* of the server's clock */
    uint64_t exchange;   /* the last one */
    NtpPacket request;   /* the last one */
    bool server_knows;   /* its last exchange */
    NtpTime server_rx;   /* of it */
    int64_t server_sent; /* of it, by its own clock */
    uint32_t epoch;      /* of its monotonic clock, 0: it has none */
    int64_t mono_ns;     /* that clock is ahead of true time by */
    uint8_t bytes[NTP_HEADER_SIZE + MONO_ROOT_SIZE];
    NtpPacket answer;
    ClientInput input;
} World;

static void setup(World *w)
{
    SourceStatsConfig stats = {
        .min_samples = 6,
        .max_samples = 64,
        .precision = 1e-7,
    };

    *w = (World) {
        .config = source_config_default(SOURCE_SERVER, "192.0.2.1"),
        .now_ns = START_NS,
        .ahead_ns = AHEAD_NS,
    };
    assert_int_equal(source_stats_new(&stats, &w->stats), 0);
    w->config.xleave = true;
    w->context = (ClientContext) {
        .config = &w->config,
        .stats = w->stats,
        .remote = {{IP_V4, {192, 0, 2, 1}, 0}, 123},
        .precision = 1e-7,
        .max_frequency_error = 1e-6,
        .pivot_ns = START_NS,
    };
    client_reset(&w->client);
}

static void teardown(World *w)
{
    w->stats = source_stats_free(w->stats);
}

/* A request leaves. */
static void ask(World *w)
{
    uint8_t bytes[CLIENT_REQUEST_MAX];
    ClientRequest request = {
        .config = &w->config,
        .exchange = {++w->exchange},
        .secret = 0x1111111100000000 + w->exchange,
        .receive_secret = 0x2222222200000000 + w->exchange,
        .poll = 4,
    };

    client_close(&w->client);
    size_t length = client_request(&w->client, &request, bytes);
    assert_int_equal(length, NTP_HEADER_SIZE + (w->config.mono_root ? MONO_ROOT_SIZE : 0));
    assert_true(ntp_packet_parse(bytes, length, &w->request));
    assert_int_equal(w->request.version, 4);
    assert_true(client_on_sent(&w->client, request.exchange, (LocalTime) {w->now_ns}, TIMESTAMP_KERNEL,
                               (IpAddress) {0}));
}

/* What the server answers to the last request: basic, or interleaved when it is asked for that and knows the
 * exchange. */
static void make_answer(World *w)
{
    int64_t arrival = w->now_ns + DELAY_NS, processed = arrival + 20000;
    bool interleaved = w->server_knows && w->server_rx.value != 0 &&
                       w->request.origin.value == w->server_rx.value &&
                       w->request.receive.value != w->request.transmit.value;
    NtpTime receive = {ntp_time_from_ns(arrival + w->ahead_ns).value | 1};

    w->answer = (NtpPacket) {
        .version = 4,
        .mode = NTP_MODE_SERVER,
        .stratum = 1,
        .precision = -24,
        .reference_id = 0x47505300,
        .reference = ntp_time_from_ns(arrival - NSEC_PER_SEC),
        .origin = interleaved ? w->request.receive : w->request.transmit,
        .receive = receive,
        .transmit = ntp_time_from_ns(interleaved ? w->server_sent : processed + w->ahead_ns),
    };
    w->server_rx = receive;
    w->server_sent = processed + QUEUE_NS + w->ahead_ns;
    w->input = (ClientInput) {
        .exchange = {w->exchange},
        .remote = w->context.remote,
        .received = {processed + QUEUE_NS + DELAY_NS},
        .received_origin = TIMESTAMP_KERNEL,
        .bytes = w->bytes,
        .length = NTP_HEADER_SIZE,
    };
    if (w->epoch == 0)
        return;
    MonoRoot field = {0.25, 0.125, ntp_time_from_ns(arrival + w->mono_ns), w->epoch};
    mono_root_write(&field, w->bytes + NTP_HEADER_SIZE);
    w->input.length += MONO_ROOT_SIZE;
}

static ClientResult deliver(World *w)
{
    ClientResult result;

    ntp_packet_build(&w->answer, w->bytes);
    client_on_packet(&w->client, &w->context, &w->input, &result);
    return result;
}

static ClientResult exchange(World *w)
{
    w->now_ns += POLL_NS;
    ask(w);
    make_answer(w);
    return deliver(w);
}

static double error_of(const World *w, const Sample *sample)
{
    return (double) (sample->truth.ns - sample->time.ns - w->ahead_ns) * 1e-9;
}

static void test_interleaves(void **state)
{
    World w;

    (void) state;
    setup(&w);
    w.server_knows = true;
    ClientResult result = exchange(&w);
    assert_true(w.request.origin.value == 0 && w.request.receive.value == 0);
    assert_int_equal(result.verdict, PACKET_GOOD);
    assert_false(w.client.report.interleaved);
    assert_true(fabs(error_of(&w, &result.sample) + QUEUE_NS * 0.5e-9) < 1e-8);

    /* The first one would measure the same exchange again. */
    result = exchange(&w);
    assert_true(w.request.origin.value != 0 && w.request.receive.value != 0);
    assert_true(w.request.receive.value != w.request.transmit.value);
    assert_true(w.client.report.interleaved);
    assert_int_equal(result.verdict, PACKET_DELAY);
    assert_true(result.reached && result.finished);
    assert_false(w.client.report.tests & TEST_A);

    for (int i = 0; i < 3; i++) {
        result = exchange(&w);
        assert_int_equal(result.verdict, PACKET_GOOD);
        assert_true(w.client.report.interleaved);
        assert_true(fabs(error_of(&w, &result.sample)) < 1e-8);
        assert_true(fabs(result.sample.peer_delay - 2e-9 * DELAY_NS) < 1e-8);
        /* It is of the exchange before. */
        assert_true(llabs(result.sample.time.ns - (w.now_ns - POLL_NS)) < 2 * DELAY_NS);
        assert_int_equal(w.client.report.tests, 0x3ff);
    }
    teardown(&w);
}

/* A server without it never notices. */
static void test_basic_server(void **state)
{
    World w;

    (void) state;
    setup(&w);
    for (int i = 0; i < 5; i++) {
        ClientResult result = exchange(&w);
        assert_int_equal(result.verdict, PACKET_GOOD);
        assert_false(w.client.report.interleaved);
    }
    teardown(&w);
}

static void test_falls_back(void **state)
{
    World w;

    (void) state;
    setup(&w);
    w.server_knows = true;
    for (int i = 0; i < 3; i++)
        (void) exchange(&w);
    assert_true(w.client.report.interleaved);
    for (int i = 0; i < INTERLEAVE_MISSED_MAX; i++) {
        w.now_ns += POLL_NS;
        ask(&w);
        assert_true(w.request.receive.value != 0);
    }
    ClientResult result = exchange(&w);
    assert_true(w.request.receive.value == 0 && w.request.origin.value == 0);
    assert_int_equal(result.verdict, PACKET_GOOD);
    assert_false(w.client.report.interleaved);
    /* One that was lost: the server has nothing for us any more, and its basic answer is as good. */
    (void) exchange(&w);
    (void) exchange(&w);
    w.now_ns += POLL_NS;
    ask(&w);
    make_answer(&w);
    result = exchange(&w);
    assert_int_equal(result.verdict, PACKET_GOOD);
    assert_false(w.client.report.interleaved);
    assert_true(fabs(error_of(&w, &result.sample) + QUEUE_NS * 0.5e-9) < 1e-8);
    teardown(&w);
}

/* After a pause nothing is asked for that nobody knows any more. */
static void test_forgets(void **state)
{
    World w;

    (void) state;
    setup(&w);
    w.server_knows = true;
    for (int i = 0; i < 3; i++)
        (void) exchange(&w);
    client_forget_exchange(&w.client);
    ClientResult result = exchange(&w);
    assert_true(w.request.receive.value == 0);
    assert_int_equal(result.verdict, PACKET_GOOD);
    teardown(&w);
}

/* Polls as short as the path is long: what lies between two exchanges is measured instead. */
static void test_short_polls(void **state)
{
    World w;

    (void) state;
    setup(&w);
    w.server_knows = true;
    for (int i = 0; i < 6; i++) {
        w.now_ns += 8 * DELAY_NS;
        ask(&w);
        make_answer(&w);
        ClientResult result = deliver(&w);
        assert_int_equal(result.verdict, PACKET_GOOD);
        if (i == 0)
            continue;
        assert_true(w.client.report.interleaved);
        assert_true(fabs(error_of(&w, &result.sample)) < 1e-8);
        assert_true(fabs(result.sample.peer_delay - 2e-9 * DELAY_NS) < 1e-7);
        assert_true(result.sample.time.ns < w.now_ns && result.sample.time.ns > w.now_ns - 6 * DELAY_NS);
    }
    teardown(&w);
}

typedef void (*Spoil)(World *w);
static void guess_receive(World *w)
{
    w->answer.origin.value ^= 1;
}
static void guess_zero(World *w)
{
    w->answer.origin.value = 0;
}
static void old_secret(World *w)
{
    w->answer.origin.value--; /* that of the request before */
}
static void before_received(World *w)
{
    w->answer.transmit = ntp_time_from_ns(w->now_ns - POLL_NS + AHEAD_NS);
}
static void after_answer(World *w)
{
    w->answer.transmit = ntp_time_from_ns(w->now_ns + AHEAD_NS + 2 * DELAY_NS);
}
static void slow_server(World *w)
{
    w->answer.transmit = ntp_time_from_ns(w->now_ns - POLL_NS + AHEAD_NS + 5 * NSEC_PER_SEC);
}

static void test_spoiled(void **state)
{
    static const struct {
        const char *name;
        Spoil spoil;
        PacketVerdict verdict;
    } rows[] = {
        {"guessed receive timestamp", guess_receive, PACKET_BOGUS_ORIGIN},
        {"zero origin", guess_zero, PACKET_BOGUS_ORIGIN},
        {"secret of the last request", old_secret, PACKET_BOGUS_ORIGIN},
        {"left before it came", before_received, PACKET_DELAY},
        {"left after the next came", after_answer, PACKET_DELAY},
        {"took five seconds", slow_server, PACKET_DELAY},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World w;

        print_message("# %s\n", rows[i].name);
        setup(&w);
        w.server_knows = true;
        for (int j = 0; j < 3; j++)
            (void) exchange(&w);
        w.now_ns += POLL_NS;
        ask(&w);
        make_answer(&w);
        NtpPacket good = w.answer;
        rows[i].spoil(&w);
        assert_int_equal(deliver(&w).verdict, rows[i].verdict);
        w.answer = good;
        if (rows[i].verdict != PACKET_BOGUS_ORIGIN)
            assert_int_equal(deliver(&w).verdict, PACKET_UNEXPECTED);
        else
            assert_int_equal(deliver(&w).verdict, PACKET_GOOD); /* the forged one has changed nothing */
        assert_false(deliver(&w).finished);
        teardown(&w);
    }
}

/* A million guesses of somebody who does not see our requests. */
static void test_flood_of_guesses(void **state)
{
    uint64_t guess = 88172645463325252;
    ClientResult result;
    World w;

    (void) state;
    setup(&w);
    w.server_knows = true;
    for (int j = 0; j < 3; j++)
        (void) exchange(&w);
    w.now_ns += POLL_NS;
    ask(&w);
    make_answer(&w);
    NtpPacket good = w.answer;
    for (int i = 0; i < 1000000; i++) {
        guess ^= guess << 13;
        guess ^= guess >> 7;
        guess ^= guess << 17;
        w.answer.origin.value = guess;
        w.answer.transmit.value = good.transmit.value + (uint64_t) i + 2;
        result = deliver(&w);
        if (result.verdict != PACKET_BOGUS_ORIGIN || result.finished)
            fail_msg("guess %d: verdict %d", i, (int) result.verdict);
    }
    w.answer = good;
    result = deliver(&w);
    assert_int_equal(result.verdict, PACKET_GOOD);
    assert_true(fabs(error_of(&w, &result.sample)) < 1e-8);
    teardown(&w);
}

static void test_mono_root(void **state)
{
    uint8_t bytes[NTP_HEADER_SIZE + MONO_ROOT_SIZE] = {4 << 3 | 4};
    MonoRoot field = {1.5, 0.000001, {0x123456789abcdef0}, 0xdeadbeef}, read;
    NtpPacket packet;

    (void) state;
    mono_root_write(&field, bytes + NTP_HEADER_SIZE);
    static const uint8_t expected[] = {0xf3, 0x23, 0x00, 0x1c, 0xf5, 0xbe, 0xdd, 0x9a, 0x18, 0x00,
                                       0x00, 0x00, 0x00, 0x00, 0x01, 0x0d, 0x12, 0x34, 0x56, 0x78,
                                       0x9a, 0xbc, 0xde, 0xf0, 0xde, 0xad, 0xbe, 0xef};
    assert_memory_equal(bytes + NTP_HEADER_SIZE, expected, sizeof(expected));
    assert_true(ntp_packet_parse(bytes, sizeof(bytes), &packet));
    assert_true(mono_root_find(&packet, &read));
    assert_true(read.root_delay == 1.5 && fabs(read.root_dispersion - 0.000001) < 4e-9);
    assert_true(read.receive.value == field.receive.value && read.epoch == field.epoch);
    bytes[NTP_HEADER_SIZE + 4] ^= 1; /* another magic number */
    assert_true(ntp_packet_parse(bytes, sizeof(bytes), &packet));
    assert_false(mono_root_find(&packet, &read));
    field = (MonoRoot) {NAN, 1e9, {0}, 0};
    mono_root_write(&field, bytes + NTP_HEADER_SIZE);
    assert_true(ntp_packet_parse(bytes, sizeof(bytes), &packet));
    assert_true(mono_root_find(&packet, &read));
    assert_true(read.root_delay == 0 && read.root_dispersion > 15.9);
}

/* A server that corrects its clock, by 2 ms or by an hour, or gets another monotonic clock. */
static void test_mono_shift(void **state)
{
    static const struct {
        int64_t correction;
        bool other_epoch, xleave;
        int64_t shift;
    } rows[] = {
        {2000000, false, false, 2000000},  {2000000, false, true, 2000000},
        {-2000000, false, true, -2000000}, {3600 * NSEC_PER_SEC, false, false, 0},
        {2000000, true, false, 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World w;

        setup(&w);
        w.config.mono_root = true;
        w.config.xleave = w.server_knows = rows[i].xleave;
        w.epoch = 7;
        w.mono_ns = 12345;
        for (int j = 0; j < 4; j++)
            assert_int_equal(exchange(&w).shift, 0);
        assert_true(w.client.report.root_delay == 0.25 && w.client.report.root_dispersion == 0.125);
        w.ahead_ns += rows[i].correction;
        w.epoch += rows[i].other_epoch;
        ClientResult result = exchange(&w);
        assert_true(llabs(result.shift - rows[i].shift) <= 2);
        assert_int_equal(result.verdict, PACKET_GOOD);
        /* Also the answer that was sent before the correction counts as if it had been made. */
        assert_true(fabs(error_of(&w, &result.sample)) < QUEUE_NS * 1e-9);
        if (rows[i].xleave)
            assert_true(fabs(error_of(&w, &result.sample)) < 1e-8);
        assert_int_equal(exchange(&w).shift, 0);
        teardown(&w);
    }
}

/* A server that does not know the field says nothing of it. */
static void test_no_mono_root(void **state)
{
    World w;

    (void) state;
    setup(&w);
    w.config.mono_root = true;
    for (int j = 0; j < 4; j++) {
        ClientResult result = exchange(&w);
        assert_int_equal(result.verdict, PACKET_GOOD);
        assert_int_equal(result.shift, 0);
        w.ahead_ns += 1000;
    }
    teardown(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interleaves),      cmocka_unit_test(test_basic_server),
        cmocka_unit_test(test_falls_back),       cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_short_polls),      cmocka_unit_test(test_spoiled),
        cmocka_unit_test(test_flood_of_guesses), cmocka_unit_test(test_mono_root),
        cmocka_unit_test(test_mono_shift),       cmocka_unit_test(test_no_mono_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
