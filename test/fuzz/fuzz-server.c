// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The server's handler, whole, under arbitrary requests: access, log of clients, limit, answer, with a clock
 * and random bits that are fixed. The input is a head, then requests:
 *
 *   head     limit (interval, burst, leak, kod), stratum, precision, min poll; number of rules, and the
 * rules: family, prefix, flags, 16 bytes of address request  length (2 bytes), family, last byte of the
 * address, port (2), ms since the one before, flags
 *
 * A flag puts NTS behind the bytes of a request: one byte tells which client's, another one how many
 * placeholders, a third one what is wrong with it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/ntp/ms-sntp.h"
#include "core/ntp/packet.h"
#include "core/ntp/server-shard.h"
#include "fuzz.h"
#include "toy-nts.h"

#define NOW       (INT64_C(1795000000) * NSEC_PER_SEC)
#define RULES_MAX 16

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static IpAddress read_address(ByteReader *reader, uint8_t family, size_t length)
{
    IpAddress address = {.family = family % 2 ? IP_V4 : IP_V6};
    const uint8_t *bytes = byte_reader_skip(reader, length);
    size_t size = address.family == IP_V4 ? 4 : 16;

    if (bytes)
        memcpy(address.bytes + size - MIN(size, length), bytes, MIN(size, length));
    return address;
}

static AccessTable *read_access(ByteReader *reader)
{
    AccessRule rules[RULES_MAX];
    AccessTable *table = NULL;
    size_t count = byte_reader_u8(reader) % (RULES_MAX + 1);

    for (size_t i = 0; i < count; i++) {
        uint8_t family = byte_reader_u8(reader), prefix = byte_reader_u8(reader),
                flags = byte_reader_u8(reader);
        rules[i] = (AccessRule) {
            .network = read_address(reader, family, 16),
            .prefix = (uint8_t) MIN(prefix, family % 2 ? 32 : 128),
            .allow = flags & 1,
            .all = flags & 2,
        };
        if (flags & 4)
            rules[i].network = (IpAddress) {0};
    }
    require(access_table_new(rules, count, &table) == 0, "memory");
    return table;
}

/* Keys whose digests are nothing but zeros, of 20 bytes and of 64: a fuzzer finds them. */
static bool find_key(void *userdata, uint32_t key, KeyInfo *ret)
{
    (void) userdata;
    (void) ret;
    return key == 1 || key == 2;
}

static size_t sign(void *userdata, uint32_t key, const uint8_t *bytes, size_t length,
                   uint8_t ret[static NTP_DIGEST_MAX])
{
    size_t digest = key == 1 ? 20 : key == 2 ? 64 : 0;

    (void) userdata;
    require(bytes && length >= NTP_HEADER_SIZE, "bytes to sign");
    memset(ret, 0, digest);
    return digest;
}

static const size_t cookie_lengths[] = {100, 64, 4, 13, NTS_COOKIE_MAX};

/* One of three has no NTS. */
static NtsServer nts_of(size_t choice)
{
    NtsServer server = {0};

    if (choice % 3 != 0)
        server = (NtsServer) {.jar = toy_jar(&cookie_lengths[choice % ELEMENTS(cookie_lengths)]),
                              .aead = toy_aead()};
    return server;
}

static ServerShard *read_shard(ByteReader *reader)
{
    ServerShard *shard = NULL;
    const ServerShardSetup setup = {
        .limit = {.interval = (int8_t) (byte_reader_u8(reader) % 32 - 19),
                  .burst = (uint8_t) MAX(byte_reader_u8(reader), 1),
                  .leak = byte_reader_u8(reader) % 4 + 1,
                  .kod = byte_reader_u8(reader) % 5,
                  .enabled = reader->left % 2},
        .authenticator = {.find = find_key, .sign = sign},
        .log_limit = reader->left % 3 ? 2048 : 0,
        .nts = nts_of(reader->left),
        .secret = "fixed",
    };

    require(server_shard_new(&setup, &shard) == 0, "memory");
    return shard;
}

static ServerBatch read_batch(ByteReader *reader, const ServerShard *shard)
{
    ServerBatch batch;
    const ServerSnapshot snapshot = {
        .base = NOW,
        .valid_from = NOW - NSEC_PER_SEC,
        .correction = 12345,
        .correction_rate = 1e-4,
        .stratum = byte_reader_u8(reader) % 17,
        .precision = (int8_t) byte_reader_u8(reader),
        .root_delay = 0.1,
        .root_dispersion = 0.2,
        .dispersion_rate = 1e-6,
        .reference = UINT64_C(0xeead2180d83dfbac),
        .reference_id = 0x7f7f0101,
    };

    server_batch_start(&snapshot, (RawTime) {NOW}, server_shard_min_poll(shard), &batch);
    return batch;
}

/* A sealed answer to a sealed request, and cookies only in there. */
static void check_nts(const uint8_t *asked_bytes, const NtpPacket *asked, const uint8_t *bytes,
                      const NtpPacket *answer, ServerVerdict verdict)
{
    NtsFields question, told;

    require(nts_fields_find(bytes, answer, &told), "well-formed fields");
    require(!told.cookie.bytes && told.placeholders == 0, "nothing in the clear");
    if (!told.unique_id.bytes && !told.sealed.bytes)
        return;
    require(nts_fields_find(asked_bytes, asked, &question), "an answer to well-formed fields");
    require(question.unique_id.length == told.unique_id.length &&
                memcmp(question.unique_id.bytes, told.unique_id.bytes, told.unique_id.length) == 0,
            "the identifier");
    require(!told.sealed.bytes || (question.sealed.bytes && question.cookie.bytes), "a proven request");
    require(!told.sealed.bytes || verdict != SERVER_NTS_NAK, "a NAK has no proof");
}

/* What must hold for everything that is sent. */
static void check_answer(const ServerRequest *request, ServerVerdict verdict, const uint8_t *bytes,
                         size_t length)
{
    NtpPacket asked, answer;
    ServerQuestion question;
    ServerRequest back = {.bytes = bytes, .length = length, .remote = {.port = 123}};

    require(length >= SERVER_ANSWER_SIZE && request->length >= length, "not longer than the request");
    require(ntp_packet_parse(request->bytes, request->length, &asked),
            "only what is well-formed is answered");
    require(ntp_packet_parse(bytes, length, &answer), "well-formed");
    require((asked.mac_length > 0) == (answer.mac_length > 0), "signed as the request");
    require(asked.version >= 1 && asked.version <= 4 && answer.version == asked.version, "version");
    require(asked.mode == 1   ? answer.mode == 2
            : asked.mode == 3 ? answer.mode == 4
                              : asked.mode == 0 && asked.version == 1 && answer.mode == 4,
            "mode");
    bool interleaved = answer.origin.value != asked.transmit.value;
    require(!interleaved || (answer.origin.value == asked.receive.value && asked.version == 4 &&
                             asked.mode == 3 && asked.origin.value % 2 == 1 && verdict == SERVER_ANSWERED),
            "origin");
    require((answer.receive.value & 1) == 1 && (answer.transmit.value & 1) == 0, "told apart");
    require(answer.receive.value != answer.origin.value, "not the client's own");
    require(interleaved || (int64_t) (answer.transmit.value - answer.receive.value) > 0, "order");
    require(verdict == SERVER_KISSED    ? answer.stratum == 0 && answer.reference_id == NTP_KISS_RATE
            : verdict == SERVER_NTS_NAK ? answer.stratum == 0 && answer.reference_id == NTP_KISS_NTS_NAK
                                        : answer.stratum < 16,
            "stratum");
    check_nts(request->bytes, &asked, bytes, &answer, verdict);
    require(server_check(&back, &question) == SERVER_BAD_MODE, "no answer to an answer");
}

/* Puts NTS behind a request, right or not quite; returns the new length. */
static size_t put_nts(ByteReader *reader, uint8_t *bytes, size_t length, size_t size)
{
    static const uint8_t zeros[NTP_PACKET_MAX];
    uint8_t byte = byte_reader_u8(reader), placeholders = byte_reader_u8(reader),
            wrong = byte_reader_u8(reader);
    const Aead aead = toy_aead();
    const NtsKeys keys = toy_keys(byte);
    const NtsSeal seal = {&aead, keys.aead, keys.c2s, zeros, {zeros, wrong % 8 == 1 ? 24 : 0}};
    uint8_t cookie[NTS_COOKIE_MAX];
    size_t cookie_length = cookie_lengths[wrong / 8 % ELEMENTS(cookie_lengths)];
    const CookieJar jar = toy_jar(&cookie_length);
    size_t whole = length;

    cookie_length = jar.seal(jar.userdata, &keys, cookie);
    whole = nts_field_append(NTS_FIELD_UNIQUE_ID, (AeadText) {zeros, 32}, bytes, whole, size);
    whole = nts_field_append(NTS_FIELD_COOKIE, (AeadText) {cookie, cookie_length}, bytes, whole, size);
    for (int i = 0; whole > 0 && i < placeholders % 64; i++)
        whole = nts_field_append(NTS_FIELD_PLACEHOLDER, (AeadText) {zeros, wrong & 0x80 ? 0 : cookie_length},
                                 bytes, whole, size);
    whole = whole > 0 ? nts_authenticator_append(&seal, bytes, whole, size) : 0;
    if (whole == 0)
        return length;
    if (wrong % 8 == 2)
        bytes[length + byte_reader_u16(reader) % (whole - length)] ^= 1;
    return whole;
}

static bool read_request(ByteReader *reader, int64_t *now, uint8_t *buffer, ServerRequest *ret)
{
    size_t length = byte_reader_u16(reader);
    uint8_t family = byte_reader_u8(reader);
    IpAddress address = read_address(reader, family, 1);
    uint16_t port = byte_reader_u16(reader);

    *now += byte_reader_u8(reader) * NSEC_PER_SEC / 1000;
    uint8_t flags = byte_reader_u8(reader);
    length = MIN(length, reader->left);
    const uint8_t *bytes = byte_reader_skip(reader, length);
    if (reader->failed)
        return false;
    if (flags & 0x10 && length >= NTP_HEADER_SIZE && length <= NTP_PACKET_MAX) {
        memcpy(buffer, bytes, length);
        bytes = buffer;
        length = put_nts(reader, buffer, length, NTP_PACKET_MAX);
    }
    *ret = (ServerRequest) {
        .bytes = bytes,
        .length = length,
        .remote = {.address = address, .port = port},
        .received = {NOW - (flags & 0x0f) - (flags & 0x80 ? 5 * NSEC_PER_SEC : 0)},
        .origin = (TimestampOrigin) (flags % 3),
    };
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ByteReader reader = byte_reader(data, size);
    cleanup_(server_shard_freep) ServerShard *shard = read_shard(&reader);
    ServerBatch batch = read_batch(&reader, shard);
    cleanup_(access_table_freep) AccessTable *access = read_access(&reader);
    uint8_t answer[SERVER_ANSWER_MAX], buffer[NTP_PACKET_MAX];
    size_t length = 0;
    ServerReport report = {0};
    ServerRequest request;
    uint64_t asked = 0, told = 0;
    int64_t now = 0;

    server_shard_set_access(shard, access);
    for (; read_request(&reader, &now, buffer, &request); asked++) {
        ServerVerdict verdict =
            server_shard_on_request(shard, &batch, &request, (MonoTime) {now}, answer, &length);
        require(verdict < SERVER_VERDICT_COUNT, "verdict");
        require(verdict != SERVER_MS_SNTP || (length == SERVER_ANSWER_SIZE && request.length == MS_SNTP_SIZE),
                "a signed answer is as long as its request");
        if (verdict != SERVER_ANSWERED && verdict != SERVER_KISSED && verdict != SERVER_NTS_NAK)
            continue;
        require(access_table_allows(access, &request.remote.address), "allowed");
        check_answer(&request, verdict, answer, length);
    }
    server_shard_report(shard, &report);
    (void) server_shard_report_exchanges(shard, 0, SIZE_MAX, (MonoTime) {now}, &report);
    for (size_t i = 0; i < SERVER_VERDICT_COUNT; i++)
        told += report.verdicts[i];
    require(told == asked, "every packet has a verdict");
    require(report.dropped <= report.received && report.clients <= 16, "counters");
    return 0;
}
