// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Requests and answers: what is answered at all, and what is in an answer. */

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "core/ntp/packet.h"
#include "core/ntp/server-shard.h"
#include "unit.h"

#define NOW     (INT64_C(1795000000) * NSEC_PER_SEC)
#define RANDOM  UINT64_C(0x0123456789abcdef)
#define CLIENTS UINT64_C(0x74696d6562616c6c) /* transmit timestamp of requests */

static const ServerSnapshot synchronized_to_gps = {
    .base = NOW - 10 * NSEC_PER_SEC,
    .valid_from = INT64_MIN,
    .correction = 250 * NSEC_PER_USEC,
    .correction_rate = -10e-6,
    .root_delay = 0.5,
    .root_dispersion = 0.25,
    .dispersion_rate = 0.025,
    .reference = UINT64_C(0xeead2180d83dfbac),
    .reference_id = 0x47505300,
    .stratum = 1,
    .leap = LEAP_INSERT,
    .precision = -20,
};

typedef struct Request {
    uint8_t bytes[2048];
    size_t length;
    uint16_t port;
} Request;

static Request request_of(uint8_t version, uint8_t mode, int8_t poll)
{
    Request request = {.length = 48, .port = 1024};
    ByteWriter writer = byte_writer(request.bytes + 40, 8);

    request.bytes[0] = (uint8_t) (version << 3 | mode);
    request.bytes[2] = (uint8_t) poll;
    byte_writer_u64(&writer, CLIENTS);
    return request;
}

static ServerRequest received(const Request *request)
{
    return (ServerRequest) {
        .bytes = request->bytes,
        .length = request->length,
        .remote = {.address = {.family = IP_V4, .bytes = {192, 0, 2, 1}}, .port = request->port},
        .received = {NOW - 20 * NSEC_PER_USEC},
        .origin = TIMESTAMP_KERNEL,
    };
}

static ServerVerdict check(const Request *request)
{
    ServerRequest handed = received(request);
    ServerQuestion question;

    ServerVerdict verdict = server_check(&handed, &question);
    if (verdict != SERVER_ANSWERED)
        return verdict;
    return question.for_samba ? SERVER_MS_SNTP : question.has_mac ? SERVER_UNAUTHENTICATED : verdict;
}

static NtpPacket answer_with(const ServerSnapshot *snapshot, const Request *request, int8_t min_poll)
{
    ServerRequest handed = received(request);
    ServerQuestion question;
    ServerBatch batch;
    NtpPacket answer;
    static uint8_t bytes[SERVER_ANSWER_SIZE];

    server_batch_start(snapshot, (RawTime) {NOW}, min_poll, &batch);
    assert_int_equal(server_check(&handed, &question), SERVER_ANSWERED);
    assert_int_equal(server_answer(&batch, &handed, &question, RANDOM, bytes), SERVER_ANSWERED);
    assert_true(ntp_packet_parse(bytes, sizeof(bytes), &answer));
    return answer;
}

/* Threats 22 and 26: every version and mode. */
static void test_modes(void **state)
{
    (void) state;
    for (uint8_t version = 0; version < 8; version++)
        for (uint8_t mode = 0; mode < 8; mode++) {
            Request request = request_of(version, mode, 6);
            bool answered =
                version >= 1 && version <= 4 && (mode == 3 || mode == 1 || (mode == 0 && version == 1));
            ServerVerdict expected = answered                     ? SERVER_ANSWERED
                                     : version < 1 || version > 4 ? SERVER_BAD_VERSION
                                                                  : SERVER_BAD_MODE;
            assert_int_equal(check(&request), expected);
            if (!answered)
                continue;
            NtpPacket answer = answer_with(&synchronized_to_gps, &request, INT8_MIN);
            assert_int_equal(answer.version, version);
            assert_int_equal(answer.mode, mode == 1 ? 2 : 4);
        }
}

static void test_ports(void **state)
{
    Request request = request_of(1, 0, 6);

    (void) state;
    request.port = 123; /* that is a server of version 1 */
    assert_int_equal(check(&request), SERVER_BAD_MODE);
    request = request_of(4, 3, 6);
    request.port = 123;
    assert_int_equal(check(&request), SERVER_ANSWERED);
    request.port = 0;
    assert_int_equal(check(&request), SERVER_BAD_MODE);
}

/* Threat 22: nothing that we send makes a server speak, so two servers cannot talk to one another. */
static void test_no_answer_to_answers(void **state)
{
    (void) state;
    for (uint8_t version = 1; version <= 4; version++)
        for (uint8_t mode = 0; mode <= 3; mode++) {
            Request request = request_of(version, mode, 6), back = {.length = 48, .port = 123};
            ServerRequest handed = received(&request);
            ServerQuestion question;
            ServerBatch batch;
            if (server_check(&handed, &question) != SERVER_ANSWERED)
                continue;
            server_batch_start(&synchronized_to_gps, (RawTime) {NOW}, INT8_MIN, &batch);
            assert_int_equal(server_answer(&batch, &handed, &question, RANDOM, back.bytes), SERVER_ANSWERED);
            assert_int_equal(check(&back), SERVER_BAD_MODE);
            server_kiss(back.bytes, NTP_KISS_RATE);
            assert_int_equal(check(&back), SERVER_BAD_MODE);
        }
}

/* Threats 23 and 26: lengths. The answer is always 48 bytes, so nothing shorter may be answered. */
static void test_lengths(void **state)
{
    (void) state;
    for (uint8_t version = 1; version <= 4; version++)
        for (size_t length = 0; length <= 1500; length++) {
            Request request = request_of(version, 3, 6);
            request.length = length;
            ServerVerdict verdict = check(&request);
            if (length == 48)
                assert_int_equal(verdict, SERVER_ANSWERED);
            else
                assert_true(verdict == SERVER_MALFORMED || verdict == SERVER_UNAUTHENTICATED);
        }
}

static void test_tails(void **state)
{
    static const struct {
        const char *name;
        uint8_t version;
        uint16_t field; /* length of an extension field; 0: none */
        size_t mac;
        ServerVerdict verdict;
    } rows[] = {
        {"a field", 4, 28, 0, SERVER_ANSWERED},
        {"a long field", 4, 1024, 0, SERVER_ANSWERED},
        {"a MAC of MD5", 4, 0, 20, SERVER_UNAUTHENTICATED},
        {"a MAC of SHA-1", 4, 0, 24, SERVER_UNAUTHENTICATED},
        {"a crypto-NAK", 4, 0, 4, SERVER_UNAUTHENTICATED},
        {"a field and a MAC", 4, 28, 20, SERVER_UNAUTHENTICATED},
        {"something in version 3, which can only be a MAC", 3, 28, 0, SERVER_UNAUTHENTICATED},
        {"zeros for a MAC in version 3", 3, 0, 20, SERVER_MS_SNTP},
        {"a longer MAC in version 3", 3, 0, 24, SERVER_UNAUTHENTICATED},
        {"a short field", 4, 12, 0, SERVER_MALFORMED},
        {"a field of no multiple of 4", 4, 30, 0, SERVER_MALFORMED},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Request request = request_of(rows[i].version, 3, 6);
        ByteWriter writer = byte_writer(request.bytes + 48, 4);
        byte_writer_u16(&writer, 0x1234);
        byte_writer_u16(&writer, rows[i].field);
        request.length = 48U + rows[i].field + rows[i].mac;
        if (check(&request) != rows[i].verdict)
            fail_msg("%s: %s", rows[i].name, server_verdict_name(check(&request)));
    }
}

static void test_content(void **state)
{
    Request request = request_of(4, 3, 6);
    NtpPacket answer = answer_with(&synchronized_to_gps, &request, INT8_MIN);

    (void) state;
    assert_int_equal(answer.leap, LEAP_INSERT);
    assert_int_equal(answer.stratum, 1);
    assert_int_equal(answer.poll, 6);
    assert_int_equal(answer.precision, -20);
    assert_true(answer.root_delay == 0.5);
    /* 0.25 s, and 10 s of growth */
    assert_true(answer.root_dispersion >= 0.5 && answer.root_dispersion < 0.50002);
    assert_int_equal(answer.reference_id, 0x47505300);
    assert_true(answer.reference.value == UINT64_C(0xeead2180d83dfbac));
    assert_true(answer.origin.value == CLIENTS);
}

/* Served time is the kernel clock, with the correction as it is by now; below the precision it is noise. */
static void test_timestamps(void **state)
{
    const int64_t corrected = NOW + 250 * NSEC_PER_USEC - 100 * NSEC_PER_USEC;
    const uint64_t mask = (1 << 12) - 1; /* 2^-20 s */
    Request request = request_of(4, 3, 6);
    NtpPacket answer = answer_with(&synchronized_to_gps, &request, INT8_MIN);
    uint64_t receive = ntp_time_from_ns(corrected - 20 * NSEC_PER_USEC).value;
    uint64_t transmit = ntp_time_from_ns(corrected).value;

    (void) state;
    /* A nanosecond of rounding is less than the noise, but may carry into the bits above it. */
    assert_true((answer.receive.value & ~mask) == (receive & ~mask));
    assert_true((answer.transmit.value & ~mask) == (transmit & ~mask));
    assert_int_equal(answer.receive.value & mask, (RANDOM >> 32 & mask) | 1);
    assert_int_equal(answer.transmit.value & mask, RANDOM & mask & ~UINT64_C(1));
}

/* However fine the clock and however short the way: transmitted after it was received, and told apart. */
static void test_order(void **state)
{
    (void) state;
    for (int64_t precision = -40; precision <= 4; precision++) {
        ServerSnapshot snapshot = synchronized_to_gps;
        Request request = request_of(4, 3, 6);
        ServerRequest handed = received(&request);
        ServerQuestion question;
        ServerBatch batch;
        NtpPacket answer;
        uint8_t bytes[SERVER_ANSWER_SIZE];

        snapshot.precision = precision;
        handed.received.ns = NOW;
        server_batch_start(&snapshot, (RawTime) {NOW}, INT8_MIN, &batch);
        assert_int_equal(server_check(&handed, &question), SERVER_ANSWERED);
        for (int i = 0; i < 3; i++) { /* the client sends what we received last time */
            uint64_t random = i % 2 ? RANDOM : UINT64_C(0xffffffff00000000);
            assert_int_equal(server_answer(&batch, &handed, &question, random, bytes), SERVER_ANSWERED);
            assert_true(ntp_packet_parse(bytes, sizeof(bytes), &answer));
            assert_true((int64_t) (answer.transmit.value - answer.receive.value) > 0);
            assert_int_equal(answer.receive.value & 1, 1);
            assert_int_equal(answer.transmit.value & 1, 0);
            assert_true(answer.receive.value != question.transmit);
            question.transmit = answer.receive.value;
        }
    }
}

static void test_polls(void **state)
{
    static const struct {
        int8_t asked, limit, told;
    } rows[] = {{6, INT8_MIN, 6}, {6, 3, 6}, {1, 3, 3}, {-6, -4, -4}, {-6, INT8_MIN, -6}, {17, 12, 17}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Request request = request_of(4, 3, rows[i].asked);
        assert_int_equal(answer_with(&synchronized_to_gps, &request, rows[i].limit).poll, rows[i].told);
    }
}

static void test_unsynchronized(void **state)
{
    ServerSnapshot snapshot = {.base = NOW,
                               .valid_from = INT64_MIN,
                               .stratum = 16,
                               .leap = LEAP_UNSYNCHRONIZED,
                               .root_delay = 1,
                               .root_dispersion = 1,
                               .precision = -20};
    Request request = request_of(4, 3, 6);
    NtpPacket answer = answer_with(&snapshot, &request, INT8_MIN);

    (void) state;
    assert_int_equal(answer.stratum, 0);
    assert_int_equal(answer.leap, LEAP_UNSYNCHRONIZED);
    assert_int_equal(answer.reference_id, 0);
    assert_true(answer.reference.value == 0);
}

/* A request that waited too long, or from before a step. */
static void test_late(void **state)
{
    static const struct {
        const char *name;
        int64_t received, valid_from;
        ServerVerdict verdict;
    } rows[] = {
        {"at once", NOW, INT64_MIN, SERVER_ANSWERED},
        {"after 3 s", NOW - 3 * NSEC_PER_SEC, INT64_MIN, SERVER_ANSWERED},
        {"after 5 s", NOW - 5 * NSEC_PER_SEC, INT64_MIN, SERVER_LATE},
        {"in the future: the clock was stepped back", NOW + 1, INT64_MIN, SERVER_LATE},
        {"stepped forward meanwhile", NOW - 2, NOW - 1, SERVER_LATE},
        {"stepped forward before", NOW - 1, NOW - 2, SERVER_ANSWERED},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        ServerSnapshot snapshot = synchronized_to_gps;
        Request request = request_of(4, 3, 6);
        ServerRequest handed = received(&request);
        ServerQuestion question;
        ServerBatch batch;
        uint8_t bytes[SERVER_ANSWER_SIZE];

        snapshot.valid_from = rows[i].valid_from;
        handed.received.ns = rows[i].received;
        server_batch_start(&snapshot, (RawTime) {NOW}, INT8_MIN, &batch);
        assert_int_equal(server_check(&handed, &question), SERVER_ANSWERED);
        if (server_answer(&batch, &handed, &question, RANDOM, bytes) != rows[i].verdict)
            fail_msg("%s", rows[i].name);
    }
}

/* A shard with everything around it. */

typedef struct World {
    ServerShard *shard;
    AccessTable *access;
    ServerBatch batch;
    uint8_t answer[SERVER_ANSWER_MAX];
    size_t length;
} World;

/* Key 5 has a toy digest of 20 bytes, key 6 one of 64: the sum of the bytes, counting upwards. */
static bool find_key(void *userdata, uint32_t key, KeyInfo *ret)
{
    (void) userdata;
    (void) ret;
    return key == 5 || key == 6;
}

static size_t sign(void *userdata, uint32_t key, const uint8_t *bytes, size_t length,
                   uint8_t ret[static NTP_DIGEST_MAX])
{
    size_t digest = key == 5 ? 20 : key == 6 ? 64 : 0;
    uint8_t sum = (uint8_t) key;

    (void) userdata;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t) (sum + bytes[i]);
    for (size_t i = 0; i < digest; i++)
        ret[i] = (uint8_t) (sum + i);
    return digest;
}

static const Authenticator keys = {.find = find_key, .sign = sign};

static World world_new(const RateLimitConfig *limit, size_t log_limit)
{
    static const AccessRule rules[] = {
        {.network = {.family = IP_V4, .bytes = {192, 0, 2}}, .prefix = 24, .allow = true},
        {.network = {.family = IP_V4, .bytes = {192, 0, 2, 13}}, .prefix = 32, .allow = false},
    };
    ServerShardSetup setup = {.limit = *limit,
                              .authenticator = {.find = find_key, .sign = sign},
                              .log_limit = log_limit,
                              .secret = "not a secret"};
    World world = {0};

    assert_int_equal(server_shard_new(&setup, &world.shard), 0);
    assert_int_equal(access_table_new(rules, ELEMENTS(rules), &world.access), 0);
    server_batch_start(&synchronized_to_gps, (RawTime) {NOW}, server_shard_min_poll(world.shard),
                       &world.batch);
    return world;
}

static void world_free(World *world)
{
    server_shard_free(world->shard);
    access_table_free(world->access);
}

static ServerVerdict ask(World *world, const Request *request, uint8_t host, double seconds)
{
    ServerRequest handed = received(request);

    handed.remote.address.bytes[3] = host;
    return server_shard_on_request(world->shard, &world->batch, &handed,
                                   (MonoTime) {NSEC_PER_SEC + ns_from_seconds(seconds)}, world->answer,
                                   &world->length);
}

static void test_access(void **state)
{
    cleanup_(world_free) World world = world_new(&(RateLimitConfig) {0}, 524288);
    Request request = request_of(4, 3, 6);
    ServerReport report = {0};

    (void) state;
    assert_int_equal(ask(&world, &request, 1, 0), SERVER_DENIED);
    server_shard_set_access(world.shard, world.access);
    assert_int_equal(ask(&world, &request, 1, 0), SERVER_ANSWERED);
    assert_int_equal(ask(&world, &request, 13, 0), SERVER_DENIED);
    request = request_of(4, 4, 6);
    assert_int_equal(ask(&world, &request, 1, 0), SERVER_BAD_MODE);

    server_shard_report(world.shard, &report);
    assert_int_equal(report.received, 1);
    assert_int_equal(report.clients, 1); /* who is denied is not noted */
    assert_int_equal(report.verdicts[SERVER_DENIED], 2);
    assert_int_equal(report.verdicts[SERVER_BAD_MODE], 1);
    assert_int_equal(report.receive_stamps[TIMESTAMP_KERNEL], 1);
    assert_int_equal(report.transmit_stamps[TIMESTAMP_DAEMON], 1);
}

/* Threats 23 and 26: signed requests get signed answers that are no longer; wrong ones get nothing. */
static void test_keys(void **state)
{
    static const struct {
        const char *name;
        uint8_t version;
        uint32_t key;
        size_t spoilt; /* byte of the request that is changed after signing; 0: none */
        size_t length; /* of the answer; 0: silence */
    } rows[] = {
        {"version 4", 4, 5, 0, 72},
        {"version 4, a digest that is cut", 4, 6, 0, 72},
        {"version 3", 3, 5, 0, 72},
        {"version 3, a long digest", 3, 6, 0, 116},
        {"another header than was signed", 4, 5, 40, 0},
        {"another digest", 4, 5, 71, 0},
        {"another key", 4, 5, 51, 0},
        {"version 1", 1, 5, 0, 72},
    };
    cleanup_(world_free) World world = world_new(&(RateLimitConfig) {0}, 524288);
    ServerReport report = {0};
    uint64_t good = 0;

    (void) state;
    server_shard_set_access(world.shard, world.access);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Request request = request_of(rows[i].version, 3, 6);
        NtpPacket answer;
        uint32_t key;
        request.length = authenticator_append(&keys, rows[i].key, rows[i].version, request.bytes, 48,
                                              sizeof(request.bytes));
        assert_true(request.length >= rows[i].length);
        request.bytes[rows[i].spoilt] ^= rows[i].spoilt > 0 ? 1 : 0;
        ServerVerdict verdict = ask(&world, &request, 1, 0);
        if (verdict != (rows[i].length > 0 ? SERVER_ANSWERED : SERVER_UNAUTHENTICATED))
            fail_msg("%s: %s", rows[i].name, server_verdict_name(verdict));
        if (rows[i].length == 0)
            continue;
        good++;
        assert_int_equal(world.length, rows[i].length);
        assert_true(ntp_packet_parse(world.answer, world.length, &answer));
        assert_int_equal(authenticator_check(&keys, world.answer, world.length, &answer, &key), MAC_GOOD);
        assert_int_equal(key, rows[i].key);
    }
    Request nak = request_of(4, 3, 6);
    nak.length = 52;
    assert_int_equal(ask(&world, &nak, 1, 0), SERVER_UNAUTHENTICATED);
    Request plain = request_of(4, 3, 6);
    assert_int_equal(ask(&world, &plain, 1, 0), SERVER_ANSWERED);
    assert_int_equal(world.length, 48);
    server_shard_report(world.shard, &report);
    assert_int_equal(report.authenticated, good);
}

static size_t append_mono_root(Request *request)
{
    mono_root_write(&(MonoRoot) {0}, request->bytes + request->length);
    return request->length += MONO_ROOT_SIZE;
}

/* Threat 23: who sends the extension field gets it back, signed or not, with finer numbers than the header's
 * and in an answer as long as the request. */
static void test_mono_root(void **state)
{
    cleanup_(world_free) World world = world_new(&(RateLimitConfig) {0}, 524288);
    ServerSnapshot snapshot = synchronized_to_gps;
    NtpPacket answer;
    MonoRoot field;
    uint32_t key;

    (void) state;
    server_shard_set_access(world.shard, world.access);
    snapshot.corrected = -3 * NSEC_PER_SEC / 2;
    snapshot.epoch = 0xfedcba98;
    snapshot.root_delay = 0.0000123;
    server_batch_start(&snapshot, (RawTime) {NOW}, INT8_MIN, &world.batch);
    Request requests[2] = {request_of(4, 3, 6), request_of(4, 3, 6)};
    (void) append_mono_root(&requests[0]);
    requests[1].length = authenticator_append(&keys, 5, 4, requests[1].bytes, append_mono_root(&requests[1]),
                                              sizeof(requests[1].bytes));

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ask(&world, &requests[i], 1, 0), SERVER_ANSWERED);
        assert_int_equal(world.length, requests[i].length);
        assert_true(ntp_packet_parse(world.answer, world.length, &answer));
        assert_int_equal(authenticator_check(&keys, world.answer, world.length, &answer, &key),
                         i == 0 ? MAC_ABSENT : MAC_GOOD);
        assert_true(mono_root_find(&answer, &field));
        assert_int_equal(field.epoch, 0xfedcba98);
        assert_true(fabs(field.root_delay - 0.0000123) < 0x1p-27 && field.root_delay < answer.root_delay);
        assert_true(fabs(field.root_dispersion - 0.5) < 0x1p-27);
        assert_true(field.receive.value == answer.receive.value + (UINT64_C(3) << 31));
    }
}

/* A field that is something else is as if it was not there, and a kiss has nothing to say in it. */
static void test_no_mono_root(void **state)
{
    const RateLimitConfig limit = {.enabled = true, .interval = 6, .burst = 4, .leak = 4, .kod = 1};
    cleanup_(world_free) World world = world_new(&limit, 524288);
    Request other = request_of(4, 3, 6), twice = request_of(4, 3, 6);
    ServerVerdict verdict = SERVER_ANSWERED;

    (void) state;
    server_shard_set_access(world.shard, world.access);
    (void) append_mono_root(&other);
    other.bytes[NTP_HEADER_SIZE + 7] ^= 1;
    assert_int_equal(ask(&world, &other, 1, 0), SERVER_ANSWERED);
    assert_int_equal(world.length, SERVER_ANSWER_SIZE);
    (void) append_mono_root(&twice);
    (void) append_mono_root(&twice);
    assert_int_equal(ask(&world, &twice, 2, 0), SERVER_ANSWERED);
    assert_int_equal(world.length, SERVER_ANSWER_SIZE + MONO_ROOT_SIZE);
    Request old = twice;
    old.bytes[0] = 3 << 3 | 3; /* in version 3 what stands there is a MAC */
    assert_int_equal(ask(&world, &old, 3, 0), SERVER_UNAUTHENTICATED);
    for (size_t i = 0; i < 100 && verdict != SERVER_KISSED; i++)
        verdict = ask(&world, &twice, 4, 0);
    assert_int_equal(verdict, SERVER_KISSED);
    assert_int_equal(world.length, SERVER_ANSWER_SIZE);
}

/* What Samba signs is decided about like everything else, and waits without a MAC. */
static void test_ms_sntp(void **state)
{
    const RateLimitConfig limit = {.enabled = true, .interval = 3, .burst = 8, .leak = 4, .kod = 1};
    cleanup_(world_free) World world = world_new(&limit, 524288);
    Request request = request_of(3, 3, 6);
    ServerReport report = {0};
    NtpPacket answer;

    (void) state;
    request.length = 68;
    request.bytes[48] = 5; /* little-endian, and so none of our keys */
    assert_int_equal(ask(&world, &request, 1, 0), SERVER_DENIED);
    server_shard_set_access(world.shard, world.access);
    assert_int_equal(ask(&world, &request, 1, 0), SERVER_MS_SNTP);
    assert_int_equal(world.length, 48);
    assert_true(ntp_packet_parse(world.answer, world.length, &answer));
    assert_int_equal(answer.version, 3);
    assert_int_equal(answer.mode, 4);
    assert_true(answer.origin.value == CLIENTS);

    for (size_t i = 0; i < 100; i++)
        (void) ask(&world, &request, 1, 0.001 * (double) i);
    server_shard_report(world.shard, &report);
    assert_true(report.verdicts[SERVER_LIMITED] > 50);
    assert_int_equal(report.verdicts[SERVER_KISSED], 0); /* unsigned, they would be no use */
    assert_int_equal(report.authenticated, 0);
    request.length = 120; /* the extended form */
    assert_int_equal(ask(&world, &request, 1, 0), SERVER_MALFORMED);
    request.length = 68;
    request.bytes[60] = 1; /* a digest that is wrong */
    assert_int_equal(ask(&world, &request, 2, 0), SERVER_UNAUTHENTICATED);
}

static void test_limits(void **state)
{
    const RateLimitConfig limit = {.enabled = true, .interval = 3, .burst = 8, .leak = 2, .kod = 1};
    cleanup_(world_free) World world = world_new(&limit, 524288);
    Request request = request_of(4, 3, 0);
    int counts[SERVER_VERDICT_COUNT] = {0};
    ServerReport report = {0};
    NtpPacket kiss;

    (void) state;
    server_shard_set_access(world.shard, world.access);
    for (int i = 0; i < 408; i++) {
        ServerVerdict verdict = ask(&world, &request, 1, 0);
        counts[verdict]++;
        if (i < 8)
            assert_int_equal(verdict, SERVER_ANSWERED);
        if (verdict != SERVER_KISSED)
            continue;
        assert_true(ntp_packet_parse(world.answer, world.length, &kiss));
        assert_int_equal(kiss.stratum, 0);
        assert_int_equal(kiss.leap, LEAP_UNSYNCHRONIZED);
        assert_int_equal(kiss.reference_id, NTP_KISS_RATE);
        assert_int_equal(kiss.poll, 3);
        assert_true(kiss.origin.value == CLIENTS);
    }
    assert_in_range(counts[SERVER_ANSWERED], 8 + 60, 8 + 140);
    assert_in_range(counts[SERVER_KISSED], 100, 200);
    assert_int_equal(counts[SERVER_ANSWERED] + counts[SERVER_KISSED] + counts[SERVER_LIMITED], 408);
    server_shard_report(world.shard, &report);
    assert_int_equal(report.received, 408);
    assert_int_equal(report.dropped, counts[SERVER_KISSED] + counts[SERVER_LIMITED]);
    assert_int_equal(ask(&world, &request, 2, 0), SERVER_ANSWERED); /* another client */
}

/* Threat 24: with a log that is much too small, under a flood of forged addresses, whoever asks at a decent
 * pace is always answered. */
static void test_innocent_client(void **state)
{
    const RateLimitConfig limit = {.enabled = true, .interval = 3, .burst = 8, .leak = 2};
    cleanup_(world_free) World world = world_new(&limit, 1);
    Request request = request_of(4, 3, 6);
    uint64_t host = 0;

    (void) state;
    server_shard_set_access(world.shard, world.access);
    for (int poll = 0; poll < 200; poll++) {
        for (int i = 0; i < 500; i++)
            (void) ask(&world, &request, (uint8_t) (20 + host++ % 230), poll * 64);
        assert_int_equal(ask(&world, &request, 1, poll * 64), SERVER_ANSWERED);
    }
}

/* --- interleaved mode --- */

static void put_times(Request *request, uint64_t origin, uint64_t receive, uint64_t transmit)
{
    const uint64_t times[] = {origin, receive, transmit};

    for (size_t i = 0; i < 24; i++)
        request->bytes[24 + i] = (uint8_t) (times[i / 8] >> (56 - 8 * (i % 8)));
}

/* Asks, and returns the answer. */
static NtpPacket ask_times(World *world, uint8_t host, uint64_t origin, uint64_t receive, uint64_t transmit)
{
    Request request = request_of(4, 3, 6);
    NtpPacket answer;

    put_times(&request, origin, receive, transmit);
    assert_int_equal(ask(world, &request, host, 0), SERVER_ANSWERED);
    assert_true(ntp_packet_parse(world->answer, world->length, &answer));
    assert_true(answer.receive.value & 1);
    return answer;
}

static bool is_interleaved(const NtpPacket *answer, uint64_t receive)
{
    return answer->origin.value == receive;
}

static void test_interleaved(void **state)
{
    cleanup_(world_free) World world = world_new(&(RateLimitConfig) {0}, 524288);
    NtpPacket first, second, third;
    ServerReport report = {0};
    ServerSent sent;

    (void) state;
    server_shard_set_access(world.shard, world.access);
    first = ask_times(&world, 1, 0, 0, 100);
    assert_true(first.origin.value == 100);
    assert_false(server_shard_wants_sent(world.shard, &sent)); /* nobody has asked for it yet */

    second = ask_times(&world, 1, first.receive.value, 201, 200);
    assert_true(is_interleaved(&second, 201));
    assert_true(second.transmit.value == first.transmit.value);
    assert_true(second.receive.value != first.receive.value);
    assert_true(server_shard_wants_sent(world.shard, &sent));
    assert_true(sent.receive == second.receive.value);
    server_shard_on_sent(world.shard, &world.batch.snapshot, &sent, (RawTime) {sent.at.ns + 12345},
                         TIMESTAMP_KERNEL);

    third = ask_times(&world, 1, second.receive.value, 301, 300);
    assert_true(is_interleaved(&third, 301));
    assert_true((third.transmit.value & 1) == 0);
    assert_true((third.transmit.value | 1) ==
                (server_time(&world.batch.snapshot, (RawTime) {sent.at.ns + 12345}) | 1));

    /* Each once; and neither zero, nor a lie, nor the client's own, nor the form of a basic request. */
    NtpPacket answer = ask_times(&world, 1, second.receive.value, 401, 400);
    assert_false(is_interleaved(&answer, 401));
    assert_true(answer.origin.value == 400);
    uint64_t known = answer.receive.value;
    answer = ask_times(&world, 1, known, 500, 500);
    assert_true(answer.transmit.value > answer.receive.value);
    answer = ask_times(&world, 1, 0, 601, 600);
    assert_true(answer.origin.value == 600);
    answer = ask_times(&world, 1, answer.receive.value ^ 2, 701, 700);
    assert_true(answer.origin.value == 700);

    /* A client of the basic mode that names what it got, as RFC 5905 wants it, does not use the other one. */
    answer = ask_times(&world, 1, answer.transmit.value, 801, 800);
    assert_true(answer.origin.value == 800);
    assert_false(server_shard_wants_sent(world.shard, &sent));

    server_shard_report(world.shard, &report);
    assert_false(
        server_shard_report_exchanges(world.shard, 0, SIZE_MAX, (MonoTime) {5 * NSEC_PER_SEC}, &report));
    assert_int_equal(report.interleaved, 2);
    assert_int_equal(report.exchanges, 2);
    assert_true(report.exchanges_span > 3.9 && report.exchanges_span < 4.1);
    assert_int_equal(report.transmit_stamps[TIMESTAMP_KERNEL], 1);
}

/* The daemon may know better than it did too; that is not counted as the kernel's. */
static void test_interleaved_by_daemon(void **state)
{
    cleanup_(world_free) World world = world_new(&(RateLimitConfig) {0}, 524288);
    ServerReport report = {0};
    ServerSent sent;

    (void) state;
    server_shard_set_access(world.shard, world.access);
    NtpPacket first = ask_times(&world, 1, 0, 0, 100);
    NtpPacket second = ask_times(&world, 1, first.receive.value, 201, 200);
    assert_true(server_shard_wants_sent(world.shard, &sent));
    RawTime when = {sent.at.ns + 4321};
    server_shard_on_sent(world.shard, &world.batch.snapshot, &sent, when, TIMESTAMP_DAEMON);
    NtpPacket third = ask_times(&world, 1, second.receive.value, 301, 300);
    assert_true(is_interleaved(&third, 301));
    assert_true(third.transmit.value == (server_time(&world.batch.snapshot, when) & ~UINT64_C(1)));
    server_shard_report(world.shard, &report);
    assert_int_equal(report.transmit_stamps[TIMESTAMP_DAEMON], 3);
    assert_int_equal(report.transmit_stamps[TIMESTAMP_KERNEL], 0);
}

/* Threat 25: nobody gets at, uses up or pushes out what is kept for another address. */
static void test_interleaved_is_private(void **state)
{
    cleanup_(world_free) World world = world_new(&(RateLimitConfig) {0}, 524288);

    (void) state;
    server_shard_set_access(world.shard, world.access);
    (void) ask_times(&world, 1, 0, 0, 99);
    NtpPacket mine = ask_times(&world, 1, 0, 0, 100);
    /* Somebody who saw my packets asks for it from another address. */
    NtpPacket theirs = ask_times(&world, 2, mine.receive.value, 201, 200);
    assert_true(theirs.origin.value == 200);
    /* Somebody asks very often, and with every guess. */
    for (uint64_t i = 0; i < 100000; i++) {
        theirs = ask_times(&world, 2, mine.receive.value ^ (i + 1) << 34, 2 * i + 1, 2 * i);
        assert_true(theirs.origin.value == 2 * i);
    }
    NtpPacket answer = ask_times(&world, 1, mine.receive.value, 301, 300);
    assert_true(is_interleaved(&answer, 301) && answer.transmit.value == mine.transmit.value);
}

/* Two clients behind one address, each at its own pace. */
static void test_interleaved_shared_address(void **state)
{
    cleanup_(world_free) World world = world_new(&(RateLimitConfig) {0}, 524288);

    (void) state;
    server_shard_set_access(world.shard, world.access);
    NtpPacket a = ask_times(&world, 1, 0, 0, 100), b = ask_times(&world, 1, 0, 0, 200);
    for (uint64_t i = 1; i < 50; i++) {
        a = ask_times(&world, 1, a.receive.value, 1000 + 2 * i, 1001 + 2 * i);
        assert_true(is_interleaved(&a, 1000 + 2 * i));
        if (i % 3 != 0)
            continue;
        b = ask_times(&world, 1, b.receive.value, 2000 + 2 * i, 2001 + 2 * i);
        assert_true(is_interleaved(&b, 2000 + 2 * i));
    }
}

/* A step of the clock, a stamp that comes too late or of a record that is gone, another version. */
static void test_interleaved_forgets(void **state)
{
    cleanup_(world_free) World world = world_new(&(RateLimitConfig) {0}, 524288);
    ServerSent sent = {0};

    (void) state;
    server_shard_set_access(world.shard, world.access);
    NtpPacket first = ask_times(&world, 1, 0, 0, 100);
    NtpPacket second = ask_times(&world, 1, first.receive.value, 201, 200);
    assert_true(server_shard_wants_sent(world.shard, &sent));
    server_shard_on_sent(world.shard, &world.batch.snapshot, &sent, (RawTime) {sent.at.ns + 2 * NSEC_PER_SEC},
                         TIMESTAMP_KERNEL);
    server_shard_on_sent(world.shard, &world.batch.snapshot, &sent, (RawTime) {sent.at.ns - 1},
                         TIMESTAMP_KERNEL);
    ServerSent other = sent;
    other.record = UINT64_MAX;
    server_shard_on_sent(world.shard, &world.batch.snapshot, &other, sent.at, TIMESTAMP_KERNEL);
    NtpPacket third = ask_times(&world, 1, second.receive.value, 301, 300);
    assert_true(is_interleaved(&third, 301));
    assert_true(third.transmit.value == (server_time(&world.batch.snapshot, sent.at) & ~UINT64_C(1)) ||
                third.transmit.value > second.receive.value);

    world.batch.snapshot.valid_from = NOW - NSEC_PER_SEC;
    server_shard_on_sent(world.shard, &world.batch.snapshot, &sent, sent.at, TIMESTAMP_KERNEL);
    NtpPacket fourth = ask_times(&world, 1, third.receive.value, 401, 400);
    assert_true(fourth.origin.value == 400);

    Request request = request_of(3, 3, 6);
    put_times(&request, fourth.receive.value, 501, 500);
    assert_int_equal(ask(&world, &request, 1, 0), SERVER_ANSWERED);
    assert_true(ntp_packet_parse(world.answer, world.length, &first));
    assert_true(first.origin.value == 500);
    request = request_of(4, 1, 6); /* a symmetric one */
    put_times(&request, first.receive.value, 601, 600);
    assert_int_equal(ask(&world, &request, 1, 0), SERVER_ANSWERED);
    assert_true(ntp_packet_parse(world.answer, world.length, &first));
    assert_true(first.origin.value == 600);
}

static void test_no_log(void **state)
{
    const RateLimitConfig limit = {.enabled = true, .interval = 12, .burst = 1, .leak = 4};
    cleanup_(world_free) World world = world_new(&limit, 0);
    Request request = request_of(4, 3, 6);

    (void) state;
    server_shard_set_access(world.shard, world.access);
    assert_null(server_shard_log(world.shard));
    assert_int_equal(server_shard_min_poll(world.shard), INT8_MIN);
    for (int i = 0; i < 100; i++)
        assert_int_equal(ask(&world, &request, 1, 0), SERVER_ANSWERED);
}

/* All bits below the precision are random, and those of one answer tell nothing of the next one's. */
static void check_noise(int64_t precision)
{
    const RateLimitConfig limit = {0};
    cleanup_(world_free) World world = world_new(&limit, 0);
    uint64_t mask = server_fuzz_mask(precision), high = mask >> 16, last = 0, ones = 0, zeros = 0;
    ServerSnapshot snapshot = synchronized_to_gps;
    size_t alike = 0;

    snapshot.precision = precision;
    server_batch_start(&snapshot, (RawTime) {NOW}, INT8_MIN, &world.batch);
    server_shard_set_access(world.shard, world.access);
    for (int i = 0; i < 256; i++) {
        NtpPacket answer = ask_times(&world, 1, 0, 0, CLIENTS);
        uint64_t receive = answer.receive.value & mask, transmit = answer.transmit.value & mask;
        ones |= receive;
        zeros |= ~receive;
        alike += (receive | 1) == (transmit | 1) || receive == last ||
                 (high != 0 && ((receive & high) | 1) == (last >> 16 | 1));
        last = receive;
    }
    assert_int_equal(ones, mask);
    assert_int_equal(zeros & mask, mask & ~UINT64_C(1)); /* the lowest bit says which timestamp it is */
    assert_true(alike < 64);
}

static void test_noise(void **state)
{
    (void) state;
    check_noise(-24);
    check_noise(-16);
    check_noise(-10);
}

static void test_names(void **state)
{
    (void) state;
    assert_string_equal(server_verdict_name(SERVER_ANSWERED), "answered");
    assert_string_equal(server_verdict_name(SERVER_LATE), "late");
    assert_string_equal(server_verdict_name(SERVER_VERDICT_COUNT), "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_no_answer_to_answers),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_polls),
        cmocka_unit_test(test_unsynchronized),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_mono_root),
        cmocka_unit_test(test_no_mono_root),
        cmocka_unit_test(test_ms_sntp),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_innocent_client),
        cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_interleaved_by_daemon),
        cmocka_unit_test(test_interleaved_is_private),
        cmocka_unit_test(test_interleaved_shared_address),
        cmocka_unit_test(test_interleaved_forgets),
        cmocka_unit_test(test_no_log),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
