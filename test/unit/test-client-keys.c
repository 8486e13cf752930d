// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A source with a key: what is sent, and which answers count. The keys are real ones. */

#include <string.h>

#include "core/config/config.h"
#include "core/ntp/client.h"
#include "nts/key-ring.h"
#include "unit.h"

#define SECRET  UINT64_C(0x0123456789abcdef)
#define OPEN    ((ExchangeId) {7})
#define SENT_NS (INT64_C(1772323200) * NSEC_PER_SEC)

static const char keys_text[] = "5 SHA1 HEX:000102030405060708090a0b0c0d0e0f10111213\n"
                                "6 SHA1 HEX:ff0102030405060708090a0b0c0d0e0f10111213\n"
                                "7 MD5 HEX:000102030405060708090a0b0c0d0e0f\n"
                                "8 SHA512 HEX:000102030405060708090a0b0c0d0e0f10111213\n"
                                "9 AES128 HEX:000102030405060708090a0b0c0d0e0f\n";

typedef struct Setup {
    KeyRing *ring;
    Authenticator authenticator;
    SourceConfig config;
    SourceStats *stats;
    ClientContext context;
    Client client;
    uint8_t request[CLIENT_REQUEST_MAX];
    size_t request_length;
    NtpPacket answer;
    uint8_t bytes[CLIENT_REQUEST_MAX + 64]; /* of the answer */
    size_t length;
} Setup;

static void setup(Setup *s, uint32_t key, int32_t version)
{
    SourceStatsConfig stats = {6, 64, 1e-7};
    Keys keys;

    *s = (Setup) {.config = source_config_default(SOURCE_SERVER, "192.0.2.1")};
    assert_int_equal(key_ring_new(&s->ring), 0);
    assert_int_equal(keys_parse(keys_text, strlen(keys_text), NULL, NULL, &keys), 0);
    key_ring_replace(s->ring, &keys);
    s->authenticator = key_ring_authenticator(s->ring);
    assert_int_equal(source_stats_new(&stats, &s->stats), 0);
    s->config.key = key;
    s->config.version = version;
    s->context = (ClientContext) {
        .config = &s->config,
        .stats = s->stats,
        .authenticator = &s->authenticator,
        .remote = {{IP_V4, {192, 0, 2, 1}, 0}, 123},
        .precision = 1e-7,
        .max_frequency_error = 1e-6,
        .pivot_ns = SENT_NS,
    };
    client_reset(&s->client);
}

static void teardown(Setup *s)
{
    s->stats = source_stats_free(s->stats);
    s->ring = key_ring_free(s->ring);
}

static void ask(Setup *s)
{
    ClientRequest request = {&s->config, &s->authenticator, OPEN, SECRET, 6};
    NtpPacket packet;

    s->request_length = client_request(&s->client, &request, s->request);
    assert_true(s->request_length >= NTP_HEADER_SIZE);
    assert_true(ntp_packet_parse(s->request, s->request_length, &packet));
    assert_true(client_on_sent(&s->client, OPEN, (LocalTime) {SENT_NS}, TIMESTAMP_KERNEL, (IpAddress) {0}));
    s->answer = (NtpPacket) {
        .version = packet.version,
        .mode = NTP_MODE_SERVER,
        .stratum = 2,
        .precision = -24,
        .origin = packet.transmit,
        .receive = ntp_time_from_ns(SENT_NS + 1000000),
        .transmit = ntp_time_from_ns(SENT_NS + 1050000),
    };
}

/* The answer, signed with a key; 0: not at all. */
static void sign(Setup *s, uint32_t key)
{
    ntp_packet_build(&s->answer, s->bytes);
    s->length = NTP_HEADER_SIZE;
    if (key != 0)
        s->length = authenticator_append(&s->authenticator, key, s->answer.version, s->bytes, s->length,
                                         sizeof(s->bytes));
    assert_true(s->length > 0);
}

static ClientResult deliver(Setup *s)
{
    ClientInput input = {
        .exchange = OPEN,
        .remote = s->context.remote,
        .received = {SENT_NS + 2050000},
        .bytes = s->bytes,
        .length = s->length,
    };
    ClientResult result;

    client_on_packet(&s->client, &s->context, &input, &result);
    return result;
}

static void test_requests(void **state)
{
    static const struct {
        uint32_t key;
        int32_t version;
        uint8_t sent_version;
        size_t mac;
    } rows[] = {
        {0, 0, 4, 0},  {0, 3, 3, 0},  {7, 0, 4, 20}, {5, 0, 4, 24}, {9, 0, 4, 20},
        {8, 0, 3, 68}, {8, 4, 4, 24}, {5, 3, 3, 24}, {5, 1, 1, 24},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Setup s;
        uint32_t key;
        NtpPacket packet;

        setup(&s, rows[i].key, rows[i].version);
        ask(&s);
        assert_int_equal(s.request_length, NTP_HEADER_SIZE + rows[i].mac);
        assert_true(ntp_packet_parse(s.request, s.request_length, &packet));
        assert_int_equal(packet.version, rows[i].sent_version);
        assert_int_equal(authenticator_check(&s.authenticator, s.request, s.request_length, &packet, &key),
                         rows[i].key != 0 ? MAC_GOOD : MAC_ABSENT);
        assert_int_equal(key, rows[i].key);
        sign(&s, rows[i].key);
        assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
        assert_int_equal(s.client.report.authenticated, rows[i].key != 0);
        assert_int_equal(s.client.report.tests, 0x3ff);
        teardown(&s);
    }
}

static void test_missing_key(void **state)
{
    Setup s;

    (void) state;
    setup(&s, 4, 0);
    ClientRequest request = {&s.config, &s.authenticator, OPEN, SECRET, 6};
    assert_int_equal(client_request(&s.client, &request, s.request), 0);
    assert_false(client_is_waiting(&s.client));
    teardown(&s);
}

/* Each spoils an answer that is signed well. */
typedef void (*Spoil)(Setup *s);

static void unsigned_answer(Setup *s)
{
    sign(s, 0);
}
static void other_key(Setup *s)
{
    sign(s, 6); /* a good MAC, of a key that is not this source's */
}
static void renamed_key(Setup *s)
{
    sign(s, 6);
    s->bytes[NTP_HEADER_SIZE + 3] = 5;
}
static void unknown_key(Setup *s)
{
    s->bytes[NTP_HEADER_SIZE + 3] = 4;
}
static void changed_header(Setup *s)
{
    s->bytes[1] = 1;
}
static void changed_digest(Setup *s)
{
    s->bytes[s->length - 1] ^= 1;
}
static void crypto_nak(Setup *s)
{
    sign(s, 0);
    memset(s->bytes + s->length, 0, 4);
    s->length += 4;
}
static void shorter_digest(Setup *s)
{
    s->length -= 4;
}
static void unsigned_rate(Setup *s)
{
    s->answer.leap = LEAP_UNSYNCHRONIZED;
    s->answer.stratum = 0;
    s->answer.reference_id = NTP_KISS_RATE;
    sign(s, 0);
}
static void unsigned_deny(Setup *s)
{
    unsigned_rate(s);
    memcpy(s->bytes + 12, "DENY", 4);
}

static void test_bad_answers(void **state)
{
    static const struct {
        const char *name;
        Spoil spoil;
    } rows[] = {
        {"no MAC", unsigned_answer},          {"the key of another source", other_key},
        {"another key renamed", renamed_key}, {"unknown key", unknown_key},
        {"changed header", changed_header},   {"changed digest", changed_digest},
        {"crypto-NAK", crypto_nak},           {"shorter digest", shorter_digest},
        {"RATE without MAC", unsigned_rate},  {"DENY without MAC", unsigned_deny},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Setup s;

        setup(&s, 5, 0);
        ask(&s);
        sign(&s, 5);
        NtpPacket good = s.answer;
        rows[i].spoil(&s);
        ClientResult result = deliver(&s);
        print_message("%s: %s\n", rows[i].name, packet_verdict_name(result.verdict));
        assert_int_equal(result.verdict, PACKET_UNAUTHENTICATED);
        assert_false(result.finished || result.reached);
        assert_int_equal(s.client.report.tests, TEST_1 | TEST_2 | TEST_3);
        assert_false(s.client.report.valid);

        /* Whoever cannot sign cannot keep the true answer out either. */
        s.answer = good;
        sign(&s, 5);
        assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
        assert_true(s.client.report.authenticated);
        teardown(&s);
    }
}

/* Signed, a kiss counts. */
static void test_signed_kiss(void **state)
{
    Setup s;

    (void) state;
    setup(&s, 5, 0);
    ask(&s);
    unsigned_rate(&s);
    sign(&s, 5);
    ClientResult result = deliver(&s);
    assert_int_equal(result.verdict, PACKET_KISS_RATE);
    assert_true(result.finished);
    teardown(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_missing_key),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_signed_kiss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
