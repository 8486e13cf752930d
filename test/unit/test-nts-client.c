// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A source with NTS: what is asked, which answers count, and what becomes of the cookies. The ciphers are
 * real ones; the server is made of the same parts, one by one, so that each can be spoilt. */

#include <string.h>

#include "base/bytes.h"
#include "core/api/action.h"
#include "core/config/config.h"
#include "core/ntp/client.h"
#include "nts/aead.h"
#include "unit.h"

#define SECRET  UINT64_C(0x0123456789abcdef)
#define OPEN    ((ExchangeId) {7})
#define SENT_NS (INT64_C(1772323200) * NSEC_PER_SEC)

typedef struct Setup {
    Aead aead;
    NtsKeys keys;
    NtsClient *nts;
    SourceConfig config;
    SourceStats *stats;
    ClientContext context;
    Client client;
    uint8_t asked; /* how often */
    uint8_t request[CLIENT_REQUEST_MAX];
    size_t request_length;
    NtpPacket answer;
    uint8_t bytes[2 * NTP_PACKET_MAX]; /* of the answer */
    size_t length;
} Setup;

static NtsCookie cookie_of(uint8_t first, size_t length)
{
    NtsCookie cookie = {.length = (uint16_t) length};

    memset(cookie.bytes, first, length);
    return cookie;
}

static void load(Setup *s, size_t count, size_t length)
{
    NtsCookie cookies[NTS_COOKIES + 1];

    for (size_t i = 0; i < count; i++)
        cookies[i] = cookie_of((uint8_t) (1 + i), length);
    nts_client_load(s->nts, &s->keys, cookies, count);
}

static void setup(Setup *s, size_t cookies)
{
    SourceStatsConfig stats = {6, 64, 1e-7};

    *s = (Setup) {
        .aead = aead_ciphers(),
        .keys = {.aead = NTS_AEAD_AES_SIV_CMAC_256, .length = 32},
        .config = source_config_default(SOURCE_SERVER, "192.0.2.1"),
    };
    memset(s->keys.c2s, 0xc2, 32);
    memset(s->keys.s2c, 0x2c, 32);
    assert_int_equal(nts_client_new(&s->nts), 0);
    load(s, cookies, 100);
    assert_int_equal(source_stats_new(&stats, &s->stats), 0);
    s->context = (ClientContext) {
        .config = &s->config,
        .stats = s->stats,
        .nts = s->nts,
        .aead = &s->aead,
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
    s->nts = nts_client_free(s->nts);
}

static size_t request(Setup *s)
{
    const Authenticator no_keys = {0};
    ClientRequest request = {
        .config = &s->config,
        .authenticator = &no_keys,
        .exchange = OPEN,
        .secret = SECRET + s->asked,
        .poll = 6,
        .nts = s->nts,
        .aead = &s->aead,
    };

    memset(request.nts_random, 0x80 + s->asked++, sizeof(request.nts_random));
    return s->request_length = client_request(&s->client, &request, s->request);
}

static void ask(Setup *s)
{
    NtpPacket packet;

    assert_true(request(s) > NTP_HEADER_SIZE);
    assert_true(ntp_packet_parse(s->request, s->request_length, &packet));
    assert_true(client_on_sent(&s->client, OPEN, (LocalTime) {SENT_NS}, TIMESTAMP_KERNEL, (IpAddress) {0}));
    s->answer = (NtpPacket) {
        .version = packet.version,
        .mode = NTP_MODE_SERVER,
        .stratum = 2,
        .precision = -24,
        .origin = packet.transmit,
        .receive = ntp_time_from_ns(SENT_NS + 1000000 + s->asked),
        .transmit = ntp_time_from_ns(SENT_NS + 1050000),
    };
}

/* What the last request has. */
static NtsFields asked_for(const Setup *s)
{
    NtpPacket packet;
    NtsFields fields;

    assert_true(ntp_packet_parse(s->request, s->request_length, &packet));
    assert_true(nts_fields_find(s->request, &packet, &fields));
    return fields;
}

static NtsClientReport report(const Setup *s)
{
    NtsClientReport report;

    nts_client_report(s->nts, &report);
    return report;
}

/* --- answers, part by part --- */

static void put_header(Setup *s)
{
    ntp_packet_build(&s->answer, s->bytes);
    s->length = NTP_HEADER_SIZE;
}

static void put(Setup *s, uint16_t type, AeadText body)
{
    s->length = nts_field_append(type, body, s->bytes, s->length, sizeof(s->bytes));
    assert_true(s->length > 0);
}

static void put_id(Setup *s)
{
    put(s, NTS_FIELD_UNIQUE_ID, asked_for(s).unique_id);
}

static void put_authenticator(Setup *s, const uint8_t *key, AeadText hidden)
{
    static const uint8_t nonce[AEAD_NONCE_MAX] = "a nonce";
    const NtsSeal seal = {&s->aead, s->keys.aead, key, nonce, hidden};

    s->length = nts_authenticator_append(&seal, s->bytes, s->length, sizeof(s->bytes));
    assert_true(s->length > 0);
}

static void put_cookies(Setup *s, size_t count, size_t length)
{
    uint8_t hidden[NTP_PACKET_MAX], cookie[NTP_PACKET_MAX];
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        memset(cookie, 0x40 + (int) i, length);
        used = nts_field_append(NTS_FIELD_COOKIE, (AeadText) {cookie, length}, hidden, used, sizeof(hidden));
        assert_true(used > 0);
    }
    put_authenticator(s, s->keys.s2c, (AeadText) {hidden, used});
}

static void good_answer(Setup *s)
{
    put_header(s);
    put_id(s);
    put_cookies(s, 1 + asked_for(s).placeholders, asked_for(s).cookie.length);
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

/* --- requests --- */

static void test_requests(void **state)
{
    static const struct {
        const char *name;
        size_t held, cookie;
        bool mono_root;
        size_t placeholders, length;
    } rows[] = {
        {"all cookies", 8, 100, false, 0, 48 + 36 + 104 + 40},
        {"one is missing", 7, 100, false, 1, 48 + 36 + 2 * 104 + 40},
        {"the last one", 1, 100, false, 6, 48 + 36 + 7 * 104 + 40},
        {"with root delay", 8, 100, true, 0, 48 + 28 + 36 + 104 + 40},
        {"the last one, with root delay", 1, 100, true, 5, 48 + 28 + 36 + 6 * 104 + 40},
        {"short cookies", 1, 64, false, 7, 48 + 36 + 8 * 68 + 40},
        {"an odd length", 1, 65, false, 7, 48 + 36 + 8 * 72 + 40},
        {"the longest", 1, NTS_COOKIE_MAX, false, 1, 48 + 36 + 2 * 260 + 40},
        {"one byte", 1, 1, false, 7, 48 + 36 + 8 * 16 + 40},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Setup s;
        uint8_t hidden[16];
        size_t length;

        print_message("%s\n", rows[i].name);
        setup(&s, 0);
        load(&s, rows[i].held, rows[i].cookie);
        s.config.mono_root = rows[i].mono_root;
        s.config.version = 3; /* which has no extension fields */
        ask(&s);
        assert_int_equal(s.request[0], 4 << 3 | NTP_MODE_CLIENT);
        assert_int_equal(s.request_length, rows[i].length);
        assert_true(s.request_length <= NTS_REQUEST_MAX);
        NtsFields fields = asked_for(&s);
        assert_int_equal(fields.placeholders, rows[i].placeholders);
        assert_int_equal(fields.unique_id.length, NTS_UNIQUE_ID_SIZE);
        assert_int_equal(fields.cookie.bytes[0], 1); /* the oldest one */
        assert_true(nts_fields_open(&fields, &s.aead, s.keys.aead, s.keys.c2s, s.request, hidden,
                                    sizeof(hidden), &length));
        assert_int_equal(length, 0);
        assert_int_equal(report(&s).cookies, rows[i].held - 1);
        good_answer(&s);
        assert_true(s.length <= s.request_length);
        assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
        assert_int_equal(report(&s).cookies, rows[i].held + rows[i].placeholders);
        assert_true(s.client.report.authenticated);
        assert_int_equal(s.client.report.tests, 0x3ff);
        teardown(&s);
    }
}

/* Whatever was never answered: each cookie goes out once, then there is none. */
static void test_cookies_run_out(void **state)
{
    Setup s;

    (void) state;
    setup(&s, NTS_COOKIES);
    for (uint8_t i = 1; i <= NTS_COOKIES; i++) {
        ask(&s);
        assert_int_equal(asked_for(&s).cookie.bytes[0], i);
    }
    assert_int_equal(request(&s), 0);
    assert_int_equal(report(&s).cookies, 0);
    assert_int_equal(report(&s).aead, NTS_AEAD_AES_SIV_CMAC_256);
    teardown(&s);
}

static void test_no_association(void **state)
{
    NtsKeys keys;
    NtsCookie cookies[NTS_COOKIES];
    size_t count;
    Setup s;

    (void) state;
    setup(&s, 2);
    s.keys.aead = NTS_AEAD_NONE;
    load(&s, 2, 100);
    assert_int_equal(request(&s), 0);
    assert_false(nts_client_save(s.nts, &keys, cookies, &count));
    s.keys.aead = NTS_AEAD_AES_SIV_CMAC_256;
    load(&s, 2, 100);
    nts_client_clear(s.nts);
    assert_int_equal(request(&s), 0);
    assert_int_equal(report(&s).aead, NTS_AEAD_NONE);
    assert_false(client_is_waiting(&s.client));
    teardown(&s);
}

/* What is saved is what is loaded, whatever happened before. */
static void test_saved(void **state)
{
    NtsKeys keys;
    NtsCookie cookies[NTS_COOKIES];
    size_t count;
    Setup s;

    (void) state;
    setup(&s, 5);
    ask(&s);
    good_answer(&s);
    assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
    assert_true(nts_client_save(s.nts, &keys, cookies, &count));
    assert_memory_equal(&keys, &s.keys, sizeof(keys));
    assert_int_equal(count, NTS_COOKIES);
    assert_int_equal(cookies[0].bytes[0], 2);
    assert_int_equal(cookies[4].bytes[0], 0x40);
    nts_client_load(s.nts, &keys, cookies, count);
    ask(&s);
    assert_int_equal(asked_for(&s).cookie.bytes[0], 2);
    teardown(&s);
}

static void test_strange_cookies(void **state)
{
    NtsCookie cookies[] = {cookie_of(1, 0), cookie_of(2, 4), {.length = NTS_COOKIE_MAX + 1}};
    Setup s;

    (void) state;
    setup(&s, 9);
    assert_int_equal(report(&s).cookies, NTS_COOKIES);
    nts_client_load(s.nts, &s.keys, cookies, ELEMENTS(cookies));
    assert_int_equal(report(&s).cookies, 1);
    assert_int_equal(report(&s).cookie_length, 4);

    /* Answers may be strange, too: what is no cookie is left out, what is too much as well. */
    static const struct {
        size_t count, length, kept;
    } rows[] = {{0, 0, 0}, {1, 100, 1}, {10, 100, 8}, {3, NTS_COOKIE_MAX, 3}, {3, NTS_COOKIE_MAX + 4, 0},
                {60, 4, 8}};
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        load(&s, 1, 100);
        ask(&s);
        put_header(&s);
        put_id(&s);
        put_cookies(&s, rows[i].count, rows[i].length);
        assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
        assert_int_equal(report(&s).cookies, rows[i].kept);
    }
    teardown(&s);
}

/* --- answers --- */

/* Each makes an answer that is no good. */
typedef void (*Spoil)(Setup *s);

static void plain(Setup *s)
{
    put_header(s);
}
static void only_id(Setup *s)
{
    put_header(s);
    put_id(s);
}
static void no_id(Setup *s)
{
    put_header(s);
    put_cookies(s, 1, 100);
}
static void other_id(Setup *s)
{
    static const uint8_t other[NTS_UNIQUE_ID_SIZE];
    put_header(s);
    put(s, NTS_FIELD_UNIQUE_ID, (AeadText) {other, sizeof(other)});
    put_cookies(s, 1, 100);
}
static void short_id(Setup *s)
{
    AeadText id = asked_for(s).unique_id;
    put_header(s);
    put(s, NTS_FIELD_UNIQUE_ID, (AeadText) {id.bytes, 16});
    put_cookies(s, 1, 100);
}
static void two_ids(Setup *s)
{
    put_header(s);
    put_id(s);
    put_id(s);
    put_cookies(s, 1, 100);
}
static void late_id(Setup *s)
{
    put_header(s);
    put_cookies(s, 1, 100);
    put_id(s);
}
static void other_key(Setup *s)
{
    put_header(s);
    put_id(s);
    put_authenticator(s, s->keys.c2s, (AeadText) {NULL, 0});
}
static void changed_header(Setup *s)
{
    s->bytes[1] = 1;
}
static void changed_id(Setup *s)
{
    s->bytes[NTP_HEADER_SIZE + 5] ^= 1;
}
static void changed_nonce(Setup *s)
{
    s->bytes[NTP_HEADER_SIZE + 36 + 8] ^= 1;
}
static void no_nonce(Setup *s)
{
    s->bytes[NTP_HEADER_SIZE + 36 + 5] = 0;
}
static void long_nonce(Setup *s)
{
    s->bytes[NTP_HEADER_SIZE + 36 + 4] = 0xff;
}
static void changed_secret(Setup *s)
{
    s->bytes[s->length - 1] ^= 1;
}
static void no_sealed_text(Setup *s)
{
    s->bytes[NTP_HEADER_SIZE + 36 + 6] = s->bytes[NTP_HEADER_SIZE + 36 + 7] = 0;
}
static void huge_sealed_text(Setup *s)
{
    s->bytes[NTP_HEADER_SIZE + 36 + 6] = 0xff;
}
static void with_mac(Setup *s)
{
    memset(s->bytes + s->length, 0x11, 20);
    s->length += 20;
}
static void request_itself(Setup *s)
{
    memcpy(s->bytes, s->request, s->request_length);
    s->bytes[0] = 4 << 3 | NTP_MODE_SERVER;
    memcpy(s->bytes + 24, s->request + 40, 8);
    s->length = s->request_length;
}
static void unproven_rate(Setup *s)
{
    s->answer.leap = LEAP_UNSYNCHRONIZED;
    s->answer.stratum = 0;
    s->answer.reference_id = NTP_KISS_RATE;
    put_header(s);
    put_id(s);
}
static void nak_without_id(Setup *s)
{
    unproven_rate(s);
    s->answer.reference_id = NTP_KISS_NTS_NAK;
    put_header(s);
}
static void nak_of_another(Setup *s)
{
    nak_without_id(s);
    put_id(s);
    s->bytes[s->length - 1] ^= 1;
}

static void test_bad_answers(void **state)
{
    static const struct {
        const char *name;
        Spoil spoil;
    } rows[] = {
        {"plain NTP", plain},
        {"only the identifier", only_id},
        {"no identifier", no_id},
        {"another identifier", other_id},
        {"half of the identifier", short_id},
        {"two identifiers", two_ids},
        {"identifier behind the authenticator", late_id},
        {"sealed with the client's key", other_key},
        {"changed header", changed_header},
        {"changed identifier", changed_id},
        {"changed nonce", changed_nonce},
        {"no nonce", no_nonce},
        {"a nonce longer than the packet", long_nonce},
        {"changed sealed text", changed_secret},
        {"no sealed text", no_sealed_text},
        {"a sealed text longer than the packet", huge_sealed_text},
        {"a MAC behind it", with_mac},
        {"our own request sent back", request_itself},
        {"RATE that nobody has proven", unproven_rate},
        {"NAK without identifier", nak_without_id},
        {"NAK to another request", nak_of_another},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Setup s;

        setup(&s, 3);
        ask(&s);
        NtpPacket good = s.answer;
        good_answer(&s);
        rows[i].spoil(&s);
        ClientResult result = deliver(&s);
        print_message("%s: %s\n", rows[i].name, packet_verdict_name(result.verdict));
        assert_int_equal(result.verdict, PACKET_UNAUTHENTICATED);
        assert_false(result.finished || result.reached);
        assert_false(s.client.report.valid);
        assert_int_equal(report(&s).naks, 0);
        assert_int_equal(report(&s).cookies, 2);

        /* Whoever has not the key cannot keep the true answer out either. */
        s.answer = good;
        good_answer(&s);
        assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
        assert_int_equal(report(&s).cookies, NTS_COOKIES);
        /* Nor is it good twice. */
        assert_int_equal(deliver(&s).verdict, PACKET_DUPLICATE);
        assert_int_equal(report(&s).cookies, NTS_COOKIES);
        teardown(&s);
    }
}

/* Every shorter packet, too: never good, never more than a NAK that it is not. */
static void test_truncated(void **state)
{
    Setup s;

    (void) state;
    setup(&s, 1);
    ask(&s);
    good_answer(&s);
    size_t whole = s.length;
    for (s.length = 0; s.length < whole; s.length++) {
        PacketVerdict verdict = deliver(&s).verdict;
        assert_true(verdict == PACKET_MALFORMED || verdict == PACKET_UNAUTHENTICATED);
    }
    assert_int_equal(report(&s).cookies, 0);
    assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
    teardown(&s);
}

/* A NAK is counted, and harms nothing. */
static void test_nak(void **state)
{
    Setup s;

    (void) state;
    setup(&s, 3);
    ask(&s);
    NtpPacket good = s.answer;
    nak_without_id(&s);
    put_id(&s);
    for (uint32_t i = 1; i <= 1000; i++) {
        ClientResult result = deliver(&s);
        assert_int_equal(result.verdict, PACKET_NTS_NAK);
        assert_false(result.finished || result.reached);
        assert_int_equal(report(&s).naks, i);
    }
    assert_true(client_is_waiting(&s.client));
    assert_int_equal(report(&s).cookies, 2);
    s.answer = good;
    good_answer(&s);
    assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
    assert_int_equal(report(&s).naks, 0);
    /* New keys: what is said of the old ones means nothing any more. */
    ask(&s);
    nak_without_id(&s);
    put_id(&s);
    load(&s, 8, 100);
    assert_int_equal(deliver(&s).verdict, PACKET_UNAUTHENTICATED);
    assert_int_equal(report(&s).naks, 0);
    teardown(&s);
}

/* What stands behind the authenticator is nobody's: it is not looked at. */
static void test_unproven_fields(void **state)
{
    static const struct {
        const char *name;
        bool before;
        double root_delay;
    } rows[] = {{"before the authenticator", true, 1.5}, {"behind it", false, 0.0}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        MonoRoot field = {.root_delay = 1.5};
        uint8_t bytes[MONO_ROOT_SIZE];
        Setup s;

        print_message("%s\n", rows[i].name);
        setup(&s, 2);
        s.config.mono_root = true;
        ask(&s);
        mono_root_write(&field, bytes);
        put_header(&s);
        put_id(&s);
        if (!rows[i].before)
            put_cookies(&s, 1, 100);
        put(&s, 0xf323, (AeadText) {bytes + 4, MONO_ROOT_SIZE - 4});
        if (rows[i].before)
            put_cookies(&s, 1, 100);
        else
            put(&s, 0x4444, (AeadText) {NULL, 24});
        assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
        assert_true(s.client.report.root_delay == rows[i].root_delay);
        teardown(&s);
    }
}

/* A kiss that is proven counts as any other. */
static void test_proven_kiss(void **state)
{
    static const struct {
        uint32_t code;
        PacketVerdict verdict;
    } rows[] = {{NTP_KISS_RATE, PACKET_KISS_RATE}, {NTP_KISS_NTS_NAK, PACKET_KISS_OTHER}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Setup s;

        setup(&s, 2);
        ask(&s);
        s.answer.leap = LEAP_UNSYNCHRONIZED;
        s.answer.stratum = 0;
        s.answer.reference_id = rows[i].code;
        good_answer(&s);
        assert_int_equal(deliver(&s).verdict, rows[i].verdict);
        assert_int_equal(report(&s).cookies, NTS_COOKIES);
        teardown(&s);
    }
}

/* A source without NTS takes no notice of its fields. */
static void test_without_nts(void **state)
{
    Setup s;

    (void) state;
    setup(&s, 2);
    ask(&s);
    good_answer(&s);
    s.context.nts = NULL;
    assert_int_equal(deliver(&s).verdict, PACKET_GOOD);
    assert_false(s.client.report.authenticated);
    assert_int_equal(report(&s).cookies, 1);
    teardown(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),        cmocka_unit_test(test_cookies_run_out),
        cmocka_unit_test(test_no_association),  cmocka_unit_test(test_saved),
        cmocka_unit_test(test_strange_cookies), cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_truncated),       cmocka_unit_test(test_nak),
        cmocka_unit_test(test_unproven_fields), cmocka_unit_test(test_proven_kiss),
        cmocka_unit_test(test_without_nts),
    };

    return cmocka_run_group_tests_name("nts-client", tests, NULL, NULL);
}
