// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* One association against good, bad and hostile answers. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/ntp/client.h"
#include "unit.h"

#define SECRET   UINT64_C(0x0123456789abcdef)
#define OPEN     ((ExchangeId) {7})
#define SENT_NS  (INT64_C(1772323200) * NSEC_PER_SEC)
#define DELAY_NS 2000000
/* The server's clock is ahead by that much. */
#define AHEAD_NS 5000000

typedef struct Setup {
    SourceConfig config;
    SourceStats *stats;
    ClientContext context;
    Client client;
    NtpPacket answer;
    ClientInput input;
    uint8_t bytes[NTP_HEADER_SIZE + 64];
} Setup;

static const Authenticator NO_KEYS;

/* A request without a MAC. */
static void request_of(Client *client, ExchangeId exchange, uint64_t secret, uint8_t *ret)
{
    SourceConfig config = source_config_default(SOURCE_SERVER, "192.0.2.1");
    ClientRequest request = {&config, &NO_KEYS, exchange, secret, 6};
    uint8_t bytes[CLIENT_REQUEST_MAX];

    assert_int_equal(client_request(client, &request, bytes), NTP_HEADER_SIZE);
    memcpy(ret, bytes, NTP_HEADER_SIZE);
}

static void ask(Setup *s, ExchangeId exchange, uint64_t secret)
{
    uint8_t request[NTP_HEADER_SIZE];
    NtpPacket read;

    request_of(&s->client, exchange, secret, request);
    assert_true(ntp_packet_parse(request, sizeof(request), &read));
    assert_true(client_on_sent(&s->client, exchange, (LocalTime) {SENT_NS}, TIMESTAMP_KERNEL,
                               (IpAddress) {IP_V4, {192, 0, 2, 99}, 0}));
    s->answer.origin = read.transmit;
    s->input.exchange = exchange;
}

static void setup(Setup *s)
{
    SourceStatsConfig stats = {6, 64, 1e-7};
    IpEndpoint server = {{IP_V4, {192, 0, 2, 1}, 0}, 123};

    *s = (Setup) {.config = source_config_default(SOURCE_SERVER, "192.0.2.1")};
    assert_int_equal(source_stats_new(&stats, &s->stats), 0);
    s->context = (ClientContext) {
        .config = &s->config,
        .stats = s->stats,
        .remote = server,
        .precision = 1e-7,
        .max_frequency_error = 1e-6,
        .pivot_ns = SENT_NS,
    };
    s->answer = (NtpPacket) {
        .version = 4,
        .mode = NTP_MODE_SERVER,
        .stratum = 2,
        .precision = -24,
        .root_delay = 0.01,
        .root_dispersion = 0.001,
        .reference_id = 0xcb007105,
        .reference = ntp_time_from_ns(SENT_NS - 60 * NSEC_PER_SEC),
        .receive = ntp_time_from_ns(SENT_NS + DELAY_NS / 2 + AHEAD_NS),
        .transmit = ntp_time_from_ns(SENT_NS + DELAY_NS / 2 + AHEAD_NS + 50000),
    };
    s->input = (ClientInput) {
        .remote = server,
        .received = {SENT_NS + DELAY_NS + 50000},
        .received_origin = TIMESTAMP_KERNEL,
        .length = NTP_HEADER_SIZE,
    };
    client_reset(&s->client);
    ask(s, OPEN, SECRET);
}

static ClientResult deliver(Setup *s)
{
    ClientResult result;

    ntp_packet_build(&s->answer, s->bytes);
    s->input.bytes = s->bytes;
    client_on_packet(&s->client, &s->context, &s->input, &result);
    return result;
}

static void teardown(Setup *s)
{
    s->stats = source_stats_free(s->stats);
}

static void test_request(void **state)
{
    uint8_t request[NTP_HEADER_SIZE];
    Client client;
    NtpPacket packet;

    (void) state;
    client_reset(&client);
    request_of(&client, OPEN, SECRET, request);
    assert_true(ntp_packet_parse(request, sizeof(request), &packet));
    assert_int_equal(packet.leap, 0);
    assert_int_equal(packet.version, 4);
    assert_int_equal(packet.mode, NTP_MODE_CLIENT);
    assert_int_equal(packet.stratum, 0);
    assert_int_equal(packet.precision, 32);
    assert_true(packet.root_delay == 0 && packet.root_dispersion == 0);
    assert_int_equal(packet.reference_id, 0);
    assert_true(packet.reference.value == 0 && packet.origin.value == 0 && packet.receive.value == 0);
    assert_true(packet.transmit.value == SECRET);
    request_of(&client, OPEN, 0, request);
    assert_true(ntp_packet_parse(request, sizeof(request), &packet));
    assert_true(packet.transmit.value != 0);
}

static void test_good(void **state)
{
    Setup s;

    (void) state;
    setup(&s);
    ClientResult result = deliver(&s);
    assert_int_equal(result.verdict, PACKET_GOOD);
    assert_true(result.reached && result.finished);
    assert_true(llabs(result.sample.truth.ns - result.sample.time.ns - AHEAD_NS) <= 2);
    assert_true(fabs(result.sample.peer_delay - DELAY_NS * 1e-9) < 1e-8);
    assert_true(result.sample.peer_dispersion > 1e-7 && result.sample.peer_dispersion < 2e-7);
    assert_int_equal(s.client.report.tests, 0x3ff);
    assert_int_equal(s.client.report.good_received, 1);
    assert_int_equal(s.client.report.kernel_sent, 1);

    /* The same once more, and another one: one answer to a request, no more. */
    assert_int_equal(deliver(&s).verdict, PACKET_DUPLICATE);
    s.answer.transmit.value++;
    assert_int_equal(deliver(&s).verdict, PACKET_UNEXPECTED);
    client_close(&s.client);
    s.answer.transmit.value++;
    assert_int_equal(deliver(&s).verdict, PACKET_UNEXPECTED);
    /* A replay of the old answer to the next request. */
    ask(&s, (ExchangeId) {8}, SECRET + 1);
    s.answer.origin.value = SECRET;
    assert_int_equal(deliver(&s).verdict, PACKET_BOGUS_ORIGIN);
    assert_int_equal(s.client.report.good_received, 1);
    teardown(&s);
}

static void test_frequency_and_offset(void **state)
{
    Setup s;

    (void) state;
    setup(&s);
    s.config.offset = 0.25;
    s.context.frequency = 0.05; /* our oscillator is 5 % slow: what took us 2.05 ms was more */
    ClientResult result = deliver(&s);
    assert_int_equal(result.verdict, PACKET_GOOD);
    assert_true(fabs(result.sample.peer_delay - (0.00205 * 1.05 - 0.00005)) < 1e-8);
    assert_true(llabs(result.sample.truth.ns - result.sample.time.ns - AHEAD_NS - 250000000) <= 2);
    teardown(&s);
}

/* Each row spoils a good answer. */
typedef void (*Spoil)(Setup *s);

static void short_packet(Setup *s)
{
    s->input.length = 47;
}
static void rubbish(Setup *s)
{
    s->input.length = 49;
}
static void version_3(Setup *s)
{
    s->answer.version = 3;
}
static void version_7(Setup *s)
{
    s->answer.version = 7;
}
static void client_mode(Setup *s)
{
    s->answer.mode = 3;
}
static void control_mode(Setup *s)
{
    s->answer.mode = 6;
}
static void broadcast_mode(Setup *s)
{
    s->answer.mode = 5;
}
static void other_address(Setup *s)
{
    s->input.remote.address.bytes[3] = 66;
}
static void other_port(Setup *s)
{
    s->input.remote.port = 124;
}
static void other_exchange(Setup *s)
{
    s->input.exchange.value = 6;
}
static void no_exchange(Setup *s)
{
    s->input.exchange.value = 0;
    client_close(&s->client);
}
static void zero_origin(Setup *s)
{
    s->answer.origin.value = 0;
}
static void guessed_origin(Setup *s)
{
    s->answer.origin.value = SECRET ^ 1;
}
static void no_receive(Setup *s)
{
    s->answer.receive.value = 0;
}
static void no_transmit(Setup *s)
{
    s->answer.transmit.value = 0;
}
static void unsynchronized(Setup *s)
{
    s->answer.leap = LEAP_UNSYNCHRONIZED;
}
static void stratum_0(Setup *s)
{
    s->answer.stratum = 0;
}
static void stratum_16(Setup *s)
{
    s->answer.stratum = 16;
}
static void far_away(Setup *s)
{
    s->answer.root_dispersion = 17;
}
static void huge_root_delay(Setup *s)
{
    s->answer.root_delay = 65535;
}
static void backwards(Setup *s)
{
    s->answer.transmit.value = s->answer.receive.value - 1000000;
}
static void rate_kiss(Setup *s)
{
    s->answer.leap = LEAP_UNSYNCHRONIZED;
    s->answer.stratum = 0;
    s->answer.reference_id = NTP_KISS_RATE;
}
static void forged_rate_kiss(Setup *s)
{
    rate_kiss(s);
    s->answer.origin.value = 0;
}
static void deny_kiss(Setup *s)
{
    rate_kiss(s);
    s->answer.reference_id = 0x44454e59;
}
static void forged_deny_kiss(Setup *s)
{
    deny_kiss(s);
    s->answer.origin.value ^= 1;
}
static void long_delay(Setup *s)
{
    s->input.received.ns += 4 * NSEC_PER_SEC;
}
static void negative_delay(Setup *s)
{
    s->input.received.ns = SENT_NS + 10000;
}
static void slow_server(Setup *s)
{
    s->answer.transmit = ntp_time_from_ns(SENT_NS + 5 * NSEC_PER_SEC);
    s->input.received.ns = SENT_NS + 5 * NSEC_PER_SEC;
}
static void coarse_clock(Setup *s)
{
    s->answer.precision = 2;
}
static void absurd_precision(Setup *s)
{
    s->answer.precision = 127;
}
static void follows_us(Setup *s)
{
    s->answer.reference_id = 0xc0000263; /* 192.0.2.99 */
}
static void is_like_us(Setup *s)
{
    s->context.own_stratum = 2;
    s->context.own_reference_id = s->answer.reference_id;
    s->context.own_root_delay = 0.01;
    s->context.own_reference = s->answer.reference;
    s->answer.root_delay = 0.0078125; /* exact on the wire */
    s->context.own_root_delay = 0.0078125;
}

static void test_bad(void **state)
{
    static const struct {
        const char *name;
        Spoil spoil;
        PacketVerdict verdict;
        bool reached, finished;
    } rows[] = {
        {"short", short_packet, PACKET_MALFORMED, false, false},
        {"rubbish behind", rubbish, PACKET_MALFORMED, false, false},
        {"version 3", version_3, PACKET_BAD_VERSION, false, false},
        {"version 7", version_7, PACKET_BAD_VERSION, false, false},
        {"request", client_mode, PACKET_BAD_MODE, false, false},
        {"control message", control_mode, PACKET_BAD_MODE, false, false},
        {"broadcast", broadcast_mode, PACKET_BAD_MODE, false, false},
        {"other address", other_address, PACKET_WRONG_ADDRESS, false, false},
        {"other port", other_port, PACKET_WRONG_ADDRESS, false, false},
        {"other exchange", other_exchange, PACKET_UNEXPECTED, false, false},
        {"nothing asked", no_exchange, PACKET_UNEXPECTED, false, false},
        {"zero origin", zero_origin, PACKET_BOGUS_ORIGIN, false, false},
        {"guessed origin", guessed_origin, PACKET_BOGUS_ORIGIN, false, false},
        {"no receive time", no_receive, PACKET_NO_TIMESTAMP, false, false},
        {"no transmit time", no_transmit, PACKET_NO_TIMESTAMP, false, false},
        {"unsynchronised", unsynchronized, PACKET_UNSYNCHRONIZED, false, true},
        {"stratum 0", stratum_0, PACKET_UNSYNCHRONIZED, false, true},
        {"stratum 16", stratum_16, PACKET_UNSYNCHRONIZED, false, true},
        {"root dispersion", far_away, PACKET_ROOT_DISTANCE, false, true},
        {"root delay", huge_root_delay, PACKET_ROOT_DISTANCE, false, true},
        {"sent before received", backwards, PACKET_ROOT_DISTANCE, false, true},
        {"RATE", rate_kiss, PACKET_KISS_RATE, false, true},
        {"forged RATE", forged_rate_kiss, PACKET_BOGUS_ORIGIN, false, false},
        {"DENY", deny_kiss, PACKET_KISS_OTHER, false, true},
        {"forged DENY", forged_deny_kiss, PACKET_BOGUS_ORIGIN, false, false},
        {"long delay", long_delay, PACKET_DELAY, true, true},
        {"negative delay", negative_delay, PACKET_DELAY, true, true},
        {"slow server", slow_server, PACKET_DELAY, true, true},
        {"coarse clock", coarse_clock, PACKET_DELAY, true, true},
        {"absurd precision", absurd_precision, PACKET_DELAY, true, true},
        {"it follows us", follows_us, PACKET_LOOP, true, true},
        {"it is what we are", is_like_us, PACKET_LOOP, true, true},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Setup s;
        setup(&s);
        rows[i].spoil(&s);
        ClientResult result = deliver(&s);
        if (result.verdict != rows[i].verdict || result.reached != rows[i].reached ||
            result.finished != rows[i].finished)
            fail_msg("%s: %s", rows[i].name, packet_verdict_name(result.verdict));
        assert_int_equal(s.client.report.verdicts[rows[i].verdict], 1);
        assert_int_equal(s.client.report.last_verdict, rows[i].verdict);
        teardown(&s);
    }
}

/* What a host of initstepslew has from us is from before our restart. */
static void test_loop_is_fine(void **state)
{
    static const Spoil loops[] = {follows_us, is_like_us};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(loops); i++) {
        Setup s;
        setup(&s);
        loops[i](&s);
        s.context.loop_is_fine = true;
        assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
        teardown(&s);
    }
}

/* A million guesses in front of the true answer change nothing. */
static void test_spoof_flood(void **state)
{
    Setup s;

    (void) state;
    setup(&s);
    NtpPacket good = s.answer;
    s.answer.transmit.value += UINT64_C(1) << 40;
    for (uint32_t i = 0; i < 1000000; i++) {
        s.answer.origin.value = SECRET + 1 + i * UINT64_C(0x9e3779b97f4a7c15);
        if (s.answer.origin.value == SECRET)
            continue;
        assert_int_equal(deliver(&s).verdict, PACKET_BOGUS_ORIGIN);
    }
    assert_true(client_is_waiting(&s.client));
    s.answer = good;
    assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
    assert_int_equal(s.client.report.received, 1000001);
    teardown(&s);
}

static void test_delay_tests(void **state)
{
    static const struct {
        const char *name;
        double ratio, dev_ratio, quantile;
        PacketVerdict verdict;
    } rows[] = {
        {"off", 0, 0, 0, PACKET_GOOD},
        {"ratio", 2, 0, 0, PACKET_DELAY_RATIO},
        {"ratio is kept", 1000, 0, 0, PACKET_GOOD},
        {"deviation", 0, 5, 0, PACKET_DELAY_DEVIATION},
        {"quantile", 0, 5, 0.5, PACKET_DELAY_DEVIATION},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Setup s;
        setup(&s);
        for (int k = 0; k < 12; k++) {
            Sample sample = {
                .time = {SENT_NS - (12 - k) * 64 * NSEC_PER_SEC},
                .peer_delay = 0.002 + 1e-6 * (k % 3),
                .peer_dispersion = 1e-6,
                .stratum = 2,
            };
            sample.truth.ns = sample.time.ns + AHEAD_NS + 1000 * (k % 2);
            source_stats_on_delay(s.stats, sample.peer_delay);
            assert_true(source_stats_add(s.stats, &sample));
        }
        s.config.max_delay_ratio = rows[i].ratio;
        s.config.max_delay_dev_ratio = rows[i].dev_ratio;
        s.config.max_delay_quantile = rows[i].quantile;
        s.input.received.ns += 20000000; /* 20 ms late, half of it on each way */
        s.answer.receive = ntp_time_from_ns(SENT_NS + DELAY_NS / 2 + AHEAD_NS + 10000000);
        s.answer.transmit = ntp_time_from_ns(SENT_NS + DELAY_NS / 2 + AHEAD_NS + 10050000);
        ClientResult result = deliver(&s);
        if (result.verdict != rows[i].verdict)
            fail_msg("%s: %s", rows[i].name, packet_verdict_name(result.verdict));
        assert_true(result.reached);
        teardown(&s);
    }
}

/* The same exchange in other years: the era is found from the time that it is about. */
static void test_eras(void **state)
{
    static const struct {
        const char *name;
        int64_t server_s, pivot_s, client_s;
    } rows[] = {
        {"2036, before the era ends", 2085978495, 2085978495, 2085978495},
        {"2036, across", 2085978495, 2085978000, 2085978000},
        {"2036, after", 2085978500, 2085978400, 2085978400},
        {"2038", 2147483650, 2147483640, 2147483640},
        {"2106", INT64_C(4294967300), INT64_C(4294967290), INT64_C(4294967290)},
        {"our clock is in 1970", 1772323200, 1767225600, 0},
        {"our clock is a year late", 1772323200, 1772323200 - 31536000, 1772323200 - 31536000},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Setup s;
        int64_t server = rows[i].server_s * NSEC_PER_SEC, client = rows[i].client_s * NSEC_PER_SEC;
        setup(&s);
        s.context.pivot_ns = rows[i].pivot_s * NSEC_PER_SEC;
        s.client.sent.ns = client;
        s.input.received.ns = client + 2000000;
        s.answer.receive = ntp_time_from_ns(server + 1000000);
        s.answer.transmit = ntp_time_from_ns(server + 1000000);
        ClientResult result = deliver(&s);
        if (result.verdict != PACKET_GOOD)
            fail_msg("%s: %s", rows[i].name, packet_verdict_name(result.verdict));
        assert_true(llabs(result.sample.truth.ns - result.sample.time.ns - (server - client)) <= 2);
        teardown(&s);
    }
}

static void test_late_transmit_timestamp(void **state)
{
    Setup s;
    IpAddress none = {0};

    (void) state;
    setup(&s);
    request_of(&s.client, OPEN, SECRET, s.bytes);
    LocalTime daemon = {SENT_NS}, kernel = {SENT_NS + 20000}, absurd = {SENT_NS + 2 * NSEC_PER_SEC};
    assert_int_equal(deliver(&s).verdict, PACKET_UNEXPECTED); /* not sent yet */
    assert_true(client_on_sent(&s.client, OPEN, daemon, TIMESTAMP_DAEMON, none));
    assert_false(client_on_sent(&s.client, OPEN, absurd, TIMESTAMP_KERNEL, none));
    assert_false(client_on_sent(&s.client, (ExchangeId) {8}, kernel, TIMESTAMP_KERNEL, none));
    assert_true(client_on_sent(&s.client, OPEN, kernel, TIMESTAMP_KERNEL, none));
    assert_false(client_on_sent(&s.client, OPEN, daemon, TIMESTAMP_DAEMON, none));
    assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
    assert_int_equal(s.client.report.transmit_origin, TIMESTAMP_KERNEL);
    assert_true(fabs(s.client.report.peer_delay - 0.00198) < 1e-8);
    assert_int_equal(s.client.report.sent, 2);
    teardown(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_frequency_and_offset),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_loop_is_fine),
        cmocka_unit_test(test_spoof_flood),
        cmocka_unit_test(test_delay_tests),
        cmocka_unit_test(test_eras),
        cmocka_unit_test(test_late_transmit_timestamp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
