// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Threats 17, 18 and 23: the server's shard with real cookies, under requests of our own client, spoilt in
 * every way. */

#include <string.h>

#include "core/api/action.h"
#include "core/config/config.h"
#include "core/ntp/client.h"
#include "core/ntp/server-shard.h"
#include "nts/aead.h"
#include "nts/cookie-ring.h"
#include "unit.h"

#define NOW    (INT64_C(1772323200) * NSEC_PER_SEC)
#define SECRET UINT64_C(0x0123456789abcdef)

typedef struct World {
    CookieRing *ring;
    NtsServer nts;
    AccessTable *access;
    ServerShard *shard;
    ServerBatch batch;
    NtsKeys keys;
    NtsClient *client;
    uint64_t asked;
    uint8_t request[NTP_PACKET_MAX];
    size_t request_length;
    uint8_t answer[SERVER_ANSWER_MAX];
    size_t length;
} World;

static const ServerSnapshot snapshot = {
    .base = NOW,
    .valid_from = NOW - NSEC_PER_SEC,
    .reference = UINT64_C(0xeead2180d83dfbac),
    .reference_id = 0x47505300,
    .stratum = 1,
    .precision = -24,
};

/* With cookies of the server, as a key establishment gives them. */
static void give_cookies(World *w, size_t count)
{
    NtsCookie cookies[NTS_COOKIES];

    for (size_t i = 0; i < count; i++)
        cookies[i].length = (uint16_t) w->nts.jar.seal(w->nts.jar.userdata, &w->keys, cookies[i].bytes);
    nts_client_load(w->client, &w->keys, cookies, count);
}

static void world_init(World *w, const RateLimitConfig *limit)
{
    static const AccessRule all = {.allow = true};
    ServerShardSetup setup = {.limit = *limit, .log_limit = 65536, .secret = "not a secret"};

    *w = (World) {.keys = {.aead = NTS_AEAD_AES_SIV_CMAC_256, .length = 32}};
    memset(w->keys.c2s, 0xc2, 32);
    memset(w->keys.s2c, 0x2c, 32);
    assert_int_equal(cookie_ring_new(&w->ring), 0);
    assert_int_equal(cookie_ring_renew(w->ring), 0);
    w->nts = setup.nts = (NtsServer) {.jar = cookie_ring_jar(w->ring), .aead = aead_ciphers()};
    assert_int_equal(server_shard_new(&setup, &w->shard), 0);
    assert_int_equal(access_table_new(&all, 1, &w->access), 0);
    server_shard_set_access(w->shard, w->access);
    server_batch_start(&snapshot, (RawTime) {NOW}, server_shard_min_poll(w->shard), &w->batch);
    assert_int_equal(nts_client_new(&w->client), 0);
    give_cookies(w, NTS_COOKIES);
}

static void world_free(World *w)
{
    w->client = nts_client_free(w->client);
    w->shard = server_shard_free(w->shard);
    w->access = access_table_free(w->access);
    w->ring = cookie_ring_free(w->ring);
}

static World world_new(void)
{
    World w;

    world_init(&w, &(RateLimitConfig) {0});
    return w;
}

static void put_header(World *w)
{
    const NtpPacket packet = {.version = 4, .mode = NTP_MODE_CLIENT, .transmit = {SECRET + ++w->asked}};

    ntp_packet_build(&packet, w->request);
    w->request_length = NTP_HEADER_SIZE;
}

static void put(World *w, uint16_t type, AeadText body)
{
    w->request_length = nts_field_append(type, body, w->request, w->request_length, sizeof(w->request));
    assert_true(w->request_length > 0);
}

/* Appends what NTS needs. */
static void seal_request(World *w)
{
    uint8_t random[NTS_RANDOM_SIZE];

    memset(random, (int) w->asked, sizeof(random));
    w->request_length =
        nts_client_append(w->client, &w->nts.aead, random, w->request, w->request_length, sizeof(w->request));
    assert_true(w->request_length > 0);
}

/* A good request; extra: bytes of another field before those of NTS, at least 16; 0: none. */
static void make_request(World *w, size_t extra)
{
    put_header(w);
    if (extra > 0)
        put(w, 0x7777, (AeadText) {NULL, extra - 4});
    seal_request(w);
}

static ServerVerdict ask_at(World *w, double seconds)
{
    const ServerRequest request = {
        .bytes = w->request,
        .length = w->request_length,
        .remote = {{IP_V4, {192, 0, 2, 1}, 0}, 5000},
        .received = {NOW},
    };

    w->length = 0;
    ServerVerdict verdict =
        server_shard_on_request(w->shard, &w->batch, &request,
                                (MonoTime) {NSEC_PER_SEC + ns_from_seconds(seconds)}, w->answer, &w->length);
    assert_true(w->length <= w->request_length);
    return verdict;
}

static ServerVerdict ask(World *w)
{
    return ask_at(w, 0);
}

static NtsAnswer look(World *w, NtpPacket *ret)
{
    assert_true(ntp_packet_parse(w->answer, w->length, ret));
    return nts_client_check(w->client, &w->nts.aead, w->answer, ret);
}

static size_t cookies_left(const World *w)
{
    NtsClientReport report;

    nts_client_report(w->client, &report);
    return report.cookies;
}

static ServerReport report_of(const World *w)
{
    ServerReport report = {0};

    server_shard_report(w->shard, &report);
    return report;
}

/* Whoever asks gets back what is missing, in an answer that is exactly as long as the request. */
static void test_exchange(void **state)
{
    cleanup_(world_free) World w = world_new();
    NtpPacket packet;

    (void) state;
    for (size_t held = NTS_COOKIES; held > 0; held--) {
        give_cookies(&w, held);
        make_request(&w, 0);
        assert_int_equal(ask(&w), SERVER_ANSWERED);
        assert_int_equal(w.length, w.request_length);
        assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);
        assert_int_equal(packet.mode, NTP_MODE_SERVER);
        assert_int_equal(packet.stratum, 1);
        assert_int_equal(packet.origin.value, SECRET + w.asked);
        /* The longest request has no room for the eighth. */
        assert_int_equal(cookies_left(&w), held == 1 ? NTS_COOKIES - 1 : NTS_COOKIES);
    }
    /* The new cookies are good ones, too, and the field in between does not matter. */
    for (size_t i = 0; i < 20; i++) {
        make_request(&w, 28);
        assert_int_equal(ask(&w), SERVER_ANSWERED);
        assert_int_equal(w.length, w.request_length - 28);
        assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);
    }
    assert_int_equal(report_of(&w).authenticated, 28);
    /* A field that is answered is, under the same seal. */
    MonoRoot field = {0};
    put_header(&w);
    mono_root_write(&field, w.request + w.request_length);
    w.request_length += MONO_ROOT_SIZE;
    seal_request(&w);
    assert_int_equal(ask(&w), SERVER_ANSWERED);
    assert_int_equal(w.length, w.request_length);
    assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);
    assert_true(mono_root_find(&packet, &field));
    assert_true(field.receive.value == packet.receive.value);
}

/* The server's key changes twice: no client notices. A third time: NAK. */
static void test_rotation(void **state)
{
    cleanup_(world_free) World w = world_new();
    NtpPacket packet;

    (void) state;
    for (size_t i = 0; i < 10; i++) {
        make_request(&w, 0);
        assert_int_equal(ask(&w), SERVER_ANSWERED);
        assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);
        /* All cookies of the client are used up meanwhile, as by one that has just been started. */
        if (i % 5 == 4)
            assert_int_equal(cookie_ring_rotate(w.ring), 0);
    }
    give_cookies(&w, 2);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(cookie_ring_rotate(w.ring), 0);
    make_request(&w, 0);
    assert_int_equal(ask(&w), SERVER_NTS_NAK);
    assert_int_equal(w.length, NTP_HEADER_SIZE + 36);
    assert_int_equal(look(&w, &packet), NTS_ANSWER_NAK);
    assert_int_equal(packet.leap, LEAP_UNSYNCHRONIZED);
    assert_int_equal(report_of(&w).verdicts[SERVER_NTS_NAK], 1);
    assert_int_equal(report_of(&w).authenticated, 10);
    /* Nobody's time is known better after a NAK. */
    assert_int_equal(report_of(&w).transmit_stamps[TIMESTAMP_DAEMON], 10);
    /* Nor has a server without keys any other answer. */
    cookie_ring_clear(w.ring);
    make_request(&w, 0);
    assert_int_equal(ask(&w), SERVER_NTS_NAK);
}

/* --- requests that are no good --- */

/* Each spoils a good request. */
typedef void (*Spoil)(World *w);

enum { AT_ID = NTP_HEADER_SIZE, AT_COOKIE = AT_ID + 36, AT_AUTHENTICATOR = AT_COOKIE + 104 };

static const AeadText random_id = {(const uint8_t *) "0123456789abcdef0123456789abcdef", 32};

static AeadText cookie_of(const World *w)
{
    return (AeadText) {w->request + AT_COOKIE + 4, 100};
}

static void seal_with(World *w, const uint8_t *key, AeadText hidden)
{
    static const uint8_t nonce[AEAD_NONCE_MAX] = "a nonce";
    const NtsSeal seal = {&w->nts.aead, w->keys.aead, key, nonce, hidden};

    w->request_length = nts_authenticator_append(&seal, w->request, w->request_length, sizeof(w->request));
    assert_true(w->request_length > 0);
}

static void changed_cookie(World *w)
{
    w->request[AT_COOKIE + 40] ^= 1;
}
static void changed_header(World *w)
{
    w->request[2] ^= 1;
}
static void changed_id(World *w)
{
    w->request[AT_ID + 10] ^= 1;
}
static void changed_nonce(World *w)
{
    w->request[AT_AUTHENTICATOR + 8] ^= 1;
}
static void changed_proof(World *w)
{
    w->request[w->request_length - 1] ^= 1;
}
static void other_direction(World *w)
{
    w->request_length = AT_AUTHENTICATOR;
    seal_with(w, w->keys.s2c, (AeadText) {0});
}
static void no_authenticator(World *w)
{
    w->request_length = AT_AUTHENTICATOR;
}
static void no_cookie(World *w)
{
    w->request_length = AT_COOKIE;
    seal_with(w, w->keys.c2s, (AeadText) {0});
}
static void late_cookie(World *w)
{
    uint8_t cookie[100];
    memcpy(cookie, cookie_of(w).bytes, sizeof(cookie));
    w->request_length = AT_COOKIE;
    seal_with(w, w->keys.c2s, (AeadText) {0});
    put(w, NTS_FIELD_COOKIE, (AeadText) {cookie, sizeof(cookie)});
}
static void only_placeholders(World *w)
{
    w->request_length = AT_COOKIE;
    put(w, NTS_FIELD_PLACEHOLDER, (AeadText) {NULL, 100});
}
static void other_type(World *w)
{
    w->request[AT_COOKIE] = 0x7f;
}
static void two_cookies(World *w)
{
    w->request_length = AT_AUTHENTICATOR;
    put(w, NTS_FIELD_COOKIE, cookie_of(w));
    seal_with(w, w->keys.c2s, (AeadText) {0});
}
static void two_ids(World *w)
{
    w->request_length = AT_AUTHENTICATOR;
    put(w, NTS_FIELD_UNIQUE_ID, random_id);
    seal_with(w, w->keys.c2s, (AeadText) {0});
}
static void no_id(World *w)
{
    uint8_t cookie[100];
    memcpy(cookie, cookie_of(w).bytes, sizeof(cookie));
    w->request_length = AT_ID;
    put(w, NTS_FIELD_COOKIE, (AeadText) {cookie, sizeof(cookie)});
    seal_with(w, w->keys.c2s, (AeadText) {0});
}
static void short_id(World *w)
{
    uint8_t cookie[100];
    memcpy(cookie, cookie_of(w).bytes, sizeof(cookie));
    w->request_length = AT_ID;
    put(w, NTS_FIELD_UNIQUE_ID, (AeadText) {random_id.bytes, 28});
    put(w, NTS_FIELD_COOKIE, (AeadText) {cookie, sizeof(cookie)});
    seal_with(w, w->keys.c2s, (AeadText) {0});
}
static void no_nonce(World *w)
{
    w->request[AT_AUTHENTICATOR + 5] = 0;
}
static void huge_nonce(World *w)
{
    w->request[AT_AUTHENTICATOR + 4] = 0xff;
}
static void no_sealed_text(World *w)
{
    w->request[AT_AUTHENTICATOR + 7] = 0;
}
static void huge_sealed_text(World *w)
{
    w->request[AT_AUTHENTICATOR + 6] = 0xff;
}
static void with_mac(World *w)
{
    memset(w->request + w->request_length, 1, 20);
    w->request_length += 20;
}
static void bad_padding(World *w)
{
    w->request[AT_COOKIE + 3] -= 2;
}
static void field_too_long(World *w)
{
    w->request[AT_COOKIE + 2] = 0x7f;
}
static void field_too_short(World *w)
{
    w->request[AT_COOKIE + 3] = 12;
}

static void test_bad_requests(void **state)
{
    static const struct {
        const char *name;
        Spoil spoil;
        ServerVerdict verdict;
    } rows[] = {
        {"changed cookie", changed_cookie, SERVER_NTS_NAK},
        {"changed header", changed_header, SERVER_NTS_NAK},
        {"changed identifier", changed_id, SERVER_NTS_NAK},
        {"changed nonce", changed_nonce, SERVER_NTS_NAK},
        {"changed proof", changed_proof, SERVER_NTS_NAK},
        {"sealed with the server's key", other_direction, SERVER_NTS_NAK},
        {"no authenticator", no_authenticator, SERVER_NTS_NAK},
        {"no cookie", no_cookie, SERVER_NTS_NAK},
        {"the cookie behind the authenticator", late_cookie, SERVER_NTS_NAK},
        {"nothing but a placeholder", only_placeholders, SERVER_NTS_NAK},
        {"an unknown field for the cookie", other_type, SERVER_NTS_NAK},
        {"two cookies", two_cookies, SERVER_UNAUTHENTICATED},
        {"two identifiers", two_ids, SERVER_UNAUTHENTICATED},
        {"no identifier", no_id, SERVER_UNAUTHENTICATED},
        {"an identifier that is too short", short_id, SERVER_UNAUTHENTICATED},
        {"no nonce", no_nonce, SERVER_UNAUTHENTICATED},
        {"a nonce longer than the packet", huge_nonce, SERVER_UNAUTHENTICATED},
        {"no sealed text", no_sealed_text, SERVER_UNAUTHENTICATED},
        {"a sealed text longer than the packet", huge_sealed_text, SERVER_UNAUTHENTICATED},
        {"a MAC behind it", with_mac, SERVER_UNAUTHENTICATED},
        {"wrong padding", bad_padding, SERVER_MALFORMED},
        {"a field longer than the packet", field_too_long, SERVER_MALFORMED},
        {"a field that is too short", field_too_short, SERVER_MALFORMED},
    };
    cleanup_(world_free) World w = world_new();

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        NtpPacket packet;

        give_cookies(&w, NTS_COOKIES);
        make_request(&w, 0);
        rows[i].spoil(&w);
        ServerVerdict verdict = ask(&w);
        print_message("%s: %s\n", rows[i].name, server_verdict_name(verdict));
        assert_int_equal(verdict, rows[i].verdict);
        assert_int_equal(w.length, verdict == SERVER_NTS_NAK ? NTP_HEADER_SIZE + 36 : 0);
        if (verdict == SERVER_NTS_NAK && rows[i].spoil != changed_id)
            assert_int_equal(look(&w, &packet), NTS_ANSWER_NAK);
    }
    assert_int_equal(report_of(&w).authenticated, 0);
}

/* Cut anywhere, a request gets nothing, a NAK, or what plain NTP gets; never more than it had. */
static void test_truncated(void **state)
{
    cleanup_(world_free) World w = world_new();

    (void) state;
    give_cookies(&w, 3);
    make_request(&w, 0);
    for (size_t whole = w.request_length; w.request_length-- > 0;) {
        ServerVerdict verdict = ask(&w);
        assert_true(w.request_length < whole);
        if (w.request_length == NTP_HEADER_SIZE || w.request_length == AT_COOKIE)
            assert_int_equal(verdict, SERVER_ANSWERED); /* plain, the latter with its identifier */
        else
            assert_true(verdict == SERVER_MALFORMED || verdict == SERVER_NTS_NAK ||
                        verdict == SERVER_UNAUTHENTICATED);
    }
    assert_int_equal(report_of(&w).authenticated, 0);
}

/* --- what a request may ask for --- */

/* Placeholders without end bring seven cookies more, and no answer that is longer than the request; nor do
 * short ones, or a nonce that saves bytes. */
static void test_placeholders(void **state)
{
    static const struct {
        const char *name;
        size_t count, length; /* of placeholders */
        size_t cookies;       /* in the answer */
    } rows[] = {
        {"none", 0, 0, 1},         {"one", 1, 100, 2},         {"seven", 7, 100, 8},
        {"nine", 9, 96, 8},        {"empty ones", 50, 0, 8},   {"short ones", 3, 30, 2},
        {"a long one", 1, 250, 2}, {"the longest", 1, 800, 2}, {"one that is a bit too short", 1, 96, 1},
    };
    cleanup_(world_free) World w = world_new();

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        NtpPacket packet;

        print_message("%s\n", rows[i].name);
        give_cookies(&w, 1);
        make_request(&w, 0);
        w.request_length = AT_AUTHENTICATOR;
        for (size_t j = 0; j < rows[i].count; j++)
            put(&w, NTS_FIELD_PLACEHOLDER, (AeadText) {NULL, rows[i].length});
        seal_with(&w, w.keys.c2s, (AeadText) {0});
        assert_int_equal(ask(&w), SERVER_ANSWERED);
        assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);
        assert_int_equal(cookies_left(&w), rows[i].cookies);
    }
}

/* Threat 18: 255 placeholders do not fit into a packet that we take; as many as do are answered as seven. */
static void test_flood_of_placeholders(void **state)
{
    cleanup_(world_free) World w = world_new();
    NtpPacket packet;
    size_t count = 0;

    (void) state;
    make_request(&w, 0);
    w.request_length = AT_AUTHENTICATOR;
    for (; w.request_length + 16 + 40 <= sizeof(w.request); count++)
        put(&w, NTS_FIELD_PLACEHOLDER, (AeadText) {0});
    assert_true(count > 50 && count < 255);
    seal_with(&w, w.keys.c2s, (AeadText) {0});
    nts_client_load(w.client, &w.keys, NULL, 0);
    assert_int_equal(ask(&w), SERVER_ANSWERED);
    assert_true(ntp_packet_parse(w.answer, w.length, &packet));
    assert_in_range(w.length, NTP_HEADER_SIZE + 36 + 8 * 104, NTP_HEADER_SIZE + 36 + 8 * 104 + 40);
}

/* A request that hides something, has fields behind its authenticator, or a nonce of another length, is as
 * good as any. One that leaves no room for a cookie gets the time without. */
static void test_unusual_requests(void **state)
{
    static const uint8_t nonces[][AEAD_NONCE_MAX + 1] = {"n", "nonce", "a longer nonce.."};
    cleanup_(world_free) World w = world_new();
    NtpPacket packet;

    (void) state;
    make_request(&w, 0);
    w.request_length = AT_AUTHENTICATOR;
    seal_with(&w, w.keys.c2s, (AeadText) {(const uint8_t *) "anything at all", 15});
    put(&w, 0x0204, (AeadText) {NULL, 60});
    assert_int_equal(ask(&w), SERVER_ANSWERED);
    assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);

    for (size_t i = 0; i < ELEMENTS(nonces); i++) {
        size_t nonce = strlen((const char *) nonces[i]), padded = (nonce + 3) & ~(size_t) 3, sealed;
        give_cookies(&w, 1);
        make_request(&w, 0);
        uint8_t *field = w.request + AT_AUTHENTICATOR;
        sealed =
            w.nts.aead.seal(NULL, w.keys.aead, w.keys.c2s, (AeadText) {nonces[i], nonce},
                            (AeadText) {w.request, AT_AUTHENTICATOR}, (AeadText) {0}, field + 8 + padded, 16);
        assert_int_equal(sealed, 16);
        memset(field + 8, 0, padded);
        memcpy(field + 8, nonces[i], nonce);
        memcpy(field, (uint8_t[]) {4, 4, 0, (uint8_t) (8 + padded + 16), 0, (uint8_t) nonce, 0, 16}, 8);
        w.request_length = AT_AUTHENTICATOR + 8 + padded + 16;
        assert_int_equal(ask(&w), SERVER_ANSWERED);
        assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);
        assert_int_equal(cookies_left(&w), padded == 16);
    }
}

/* An identifier needs no NTS: whoever has one gets it back (RFC 8915, section 5.3). */
static void test_identifier_alone(void **state)
{
    cleanup_(world_free) World w = world_new();
    NtpPacket packet;
    NtsFields fields;

    (void) state;
    put_header(&w);
    put(&w, NTS_FIELD_UNIQUE_ID, random_id);
    assert_int_equal(ask(&w), SERVER_ANSWERED);
    assert_int_equal(w.length, w.request_length);
    assert_true(ntp_packet_parse(w.answer, w.length, &packet) && nts_fields_find(w.answer, &packet, &fields));
    assert_int_equal(fields.unique_id.length, 32);
    assert_memory_equal(fields.unique_id.bytes, random_id.bytes, 32);
    assert_false(fields.sealed.bytes || fields.cookie.bytes);
    assert_int_equal(packet.stratum, 1);
    assert_int_equal(report_of(&w).authenticated, 0);
}

/* A server without NTS takes no notice of its fields. */
static void test_without_nts(void **state)
{
    cleanup_(world_free) World w = world_new();
    const ServerShardSetup setup = {.secret = "not a secret"};

    (void) state;
    w.shard = server_shard_free(w.shard);
    assert_int_equal(server_shard_new(&setup, &w.shard), 0);
    server_shard_set_access(w.shard, w.access);
    make_request(&w, 0);
    assert_int_equal(ask(&w), SERVER_ANSWERED);
    assert_int_equal(w.length, NTP_HEADER_SIZE);
    changed_cookie(&w);
    assert_int_equal(ask(&w), SERVER_ANSWERED);
}

/* A peer has no NTS: its packet is plain, whatever is in it. */
static void test_other_modes(void **state)
{
    cleanup_(world_free) World w = world_new();

    (void) state;
    make_request(&w, 0);
    w.request[0] = 4 << 3 | NTP_MODE_ACTIVE;
    assert_int_equal(ask(&w), SERVER_ANSWERED);
    assert_int_equal(w.length, NTP_HEADER_SIZE);
    w.request[0] = 4 << 3 | NTP_MODE_SERVER;
    assert_int_equal(ask(&w), SERVER_BAD_MODE);
    /* In version 3 what is behind the header must be a MAC. */
    w.request[0] = 3 << 3 | NTP_MODE_CLIENT;
    assert_int_equal(ask(&w), SERVER_MALFORMED);
}

/* A kiss is proven, and brings the cookie that its request has cost. */
static void test_kiss(void **state)
{
    RateLimitConfig limit = {.interval = 6, .burst = 8, .leak = 1, .kod = 1, .enabled = true};
    size_t kisses = 0;
    World w;

    (void) state;
    world_init(&w, &limit);
    for (size_t i = 0; i < 200; i++) {
        NtpPacket packet;
        if (cookies_left(&w) == 0)
            give_cookies(&w, NTS_COOKIES);
        make_request(&w, 0);
        ServerVerdict verdict = ask_at(&w, 0.001 * (double) i);
        if (verdict == SERVER_LIMITED)
            continue;
        assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);
        assert_int_equal(packet.stratum, verdict == SERVER_KISSED ? 0 : 1);
        if (verdict == SERVER_KISSED)
            assert_int_equal(packet.reference_id, NTP_KISS_RATE);
        kisses += verdict == SERVER_KISSED;
    }
    assert_in_range(kisses, 1, 199);
    world_free(&w);
}

/* Interleaved mode goes through, proven. */
static void test_interleaved(void **state)
{
    cleanup_(world_free) World w = world_new();
    NtpPacket answer, request;
    uint8_t random[NTS_RANDOM_SIZE] = {9};

    (void) state;
    make_request(&w, 0);
    assert_int_equal(ask(&w), SERVER_ANSWERED);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(look(&w, &answer), NTS_ANSWER_GOOD);
        request = (NtpPacket) {
            .version = 4,
            .mode = NTP_MODE_CLIENT,
            .origin = answer.receive,
            .receive = {SECRET ^ 0xff00 ^ i},
            .transmit = {SECRET + 77 * i},
        };
        ntp_packet_build(&request, w.request);
        w.request_length =
            nts_client_append(w.client, &w.nts.aead, random, w.request, NTP_HEADER_SIZE, sizeof(w.request));
        assert_true(w.request_length > 0);
        assert_int_equal(ask(&w), SERVER_ANSWERED);
    }
    assert_int_equal(look(&w, &answer), NTS_ANSWER_GOOD);
    assert_int_equal(answer.origin.value, request.receive.value);
    assert_true(report_of(&w).interleaved >= 1);
}

/* The extension field F323 goes through, proven as well. */
static void test_mono_root(void **state)
{
    cleanup_(world_free) World w = world_new();
    uint8_t random[NTS_RANDOM_SIZE] = {3}, field[MONO_ROOT_SIZE];
    NtpPacket packet;
    MonoRoot told;

    (void) state;
    mono_root_write(&(MonoRoot) {0}, field);
    put_header(&w);
    put(&w, 0xf323, (AeadText) {field + 4, MONO_ROOT_SIZE - 4});
    w.request_length =
        nts_client_append(w.client, &w.nts.aead, random, w.request, w.request_length, sizeof(w.request));
    assert_true(w.request_length > 0);
    assert_int_equal(ask(&w), SERVER_ANSWERED);
    assert_int_equal(w.length, w.request_length);
    assert_int_equal(look(&w, &packet), NTS_ANSWER_GOOD);
    assert_true(mono_root_find(&packet, &told));
    assert_int_equal(cookies_left(&w), NTS_COOKIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_placeholders),
        cmocka_unit_test(test_flood_of_placeholders),
        cmocka_unit_test(test_unusual_requests),
        cmocka_unit_test(test_identifier_alone),
        cmocka_unit_test(test_without_nts),
        cmocka_unit_test(test_other_modes),
        cmocka_unit_test(test_kiss),
        cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_mono_root),
    };

    return cmocka_run_group_tests_name("nts-server", tests, NULL, NULL);
}
