// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Requests to answers; see server.h.
 *
 * The receive timestamp that we send is odd and the transmit timestamp even, and the transmit timestamp is
 * the later one: a client that gets both can always tell which is which, and none of them is ever the
 * client's own. */

#include "core/ntp/server.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "core/ntp/ms-sntp.h"

/* Modes of RFC 5905, figure 10. The first was no field yet in version 1, and is 0 there. */
enum { MODE_NONE = 0, MODE_ACTIVE = 1, MODE_PASSIVE = 2, MODE_CLIENT = 3, MODE_SERVER = 4 };

#define NTP_PORT        123
#define AT_STRATUM      1
#define AT_POLL         2
#define AT_REFERENCE_ID 12
#define AT_ORIGIN       24
#define AT_RECEIVE      32
#define AT_TRANSMIT     40

/* An answer that is older than that is of no use: clients refuse it (test A). */
#define WAIT_MAX (4 * NSEC_PER_SEC)

/* Units of NtpTime in a nanosecond. */
#define NTP_PER_NS (0x1p32 / (double) NSEC_PER_SEC)

static_assert(SERVER_ANSWER_SIZE == NTP_HEADER_SIZE, "an answer is a header");
static_assert(sizeof(ServerSnapshot) == 14 * sizeof(uint64_t), "words only");

/* The fraction has 32 bits; a clock that is worse than a second is not made worse still. */
static uint8_t fuzz_bits(int64_t precision)
{
    return (uint8_t) CLAMP(32 + precision, 0, 32);
}

uint64_t server_fuzz_mask(int64_t precision)
{
    return (UINT64_C(1) << fuzz_bits(precision)) - 1;
}

void server_batch_start(const ServerSnapshot *snapshot, RawTime now, int8_t min_poll, ServerBatch *ret)
{
    double age = fmax(0, (double) (now.ns - snapshot->base) * 1e-9);
    uint8_t header[NTP_HEADER_SIZE];
    const NtpPacket packet = {
        .leap = (LeapStatus) snapshot->leap,
        .stratum = snapshot->stratum < 16 ? (uint8_t) snapshot->stratum : 0,
        .precision = (int8_t) snapshot->precision,
        .root_delay = snapshot->root_delay,
        .root_dispersion = snapshot->root_dispersion + age * snapshot->dispersion_rate,
        .reference_id = (uint32_t) snapshot->reference_id,
        .reference = {snapshot->reference},
    };

    ntp_packet_build(&packet, header);
    *ret = (ServerBatch) {
        .fuzz_mask = server_fuzz_mask(snapshot->precision),
        .fuzz_bits = fuzz_bits(snapshot->precision),
        .min_poll = min_poll,
        .mono_root = {.root_delay = packet.root_delay,
                      .root_dispersion = packet.root_dispersion,
                      .epoch = (uint32_t) snapshot->epoch},
        .now = now,
        .told = server_time(snapshot, now),
        .pace = (1 + snapshot->correction_rate) * NTP_PER_NS,
        .snapshot = *snapshot,
    };
    memcpy(ret->header, header, sizeof(ret->header));
}

/* Which mode the answer to a mode has; MODE_NONE: there is none. */
static uint8_t answering_mode(uint8_t version, uint8_t mode, uint16_t port)
{
    if (mode == MODE_CLIENT)
        return MODE_SERVER;
    if (mode == MODE_ACTIVE)
        return MODE_PASSIVE;
    /* In version 1 a client is told from a server by its port alone. */
    if (mode == MODE_NONE && version == 1 && port != NTP_PORT)
        return MODE_SERVER;
    return MODE_NONE;
}

/* What comes behind the header of a longer request. False: the framing is broken. */
static bool read_tail(const ServerRequest *request, ServerQuestion *ret)
{
    MonoRoot unused;

    if (!ntp_packet_parse(request->bytes, request->length, &ret->packet))
        return false;
    ret->for_samba = ms_sntp_is_request(request->bytes, request->length);
    ret->has_mac = ret->packet.mac_length > 0 && !ret->for_samba;
    ret->wants_mono_root = ret->packet.extensions_length > 0 && mono_root_find(&ret->packet, &unused);
    return true;
}

ServerVerdict server_check(const ServerRequest *request, ServerQuestion *ret)
{
    const uint8_t *bytes = request->bytes;

    if (request->length < NTP_HEADER_SIZE)
        return SERVER_MALFORMED;
    uint8_t version = bytes[0] >> 3 & 7, mode = bytes[0] & 7;
    if (version < 1 || version > 4)
        return SERVER_BAD_VERSION;
    mode = answering_mode(version, mode, request->remote.port);
    /* Port 0 cannot be answered to. */
    if (mode == MODE_NONE || request->remote.port == 0)
        return SERVER_BAD_MODE;
    bool has_tail = request->length > NTP_HEADER_SIZE;
    if (has_tail && !read_tail(request, ret))
        return SERVER_MALFORMED;
    /* Most are a header and nothing else: nobody looks at the packet then, and it is not even cleared. */
    if (!has_tail)
        ret->has_mac = ret->wants_mono_root = ret->for_samba = false;
    ret->has_tail = has_tail;
    ret->version = version;
    ret->mode = mode;
    ret->poll = (int8_t) bytes[AT_POLL];
    ByteReader reader = byte_reader(bytes + AT_ORIGIN, 3 * sizeof(uint64_t));
    ret->origin = byte_reader_u64(&reader);
    ret->receive = byte_reader_u64(&reader);
    ret->transmit = byte_reader_u64(&reader);
    return SERVER_ANSWERED;
}

uint64_t server_time(const ServerSnapshot *snapshot, RawTime raw)
{
    int64_t slewed = (int64_t) ((double) (raw.ns - snapshot->base) * snapshot->correction_rate);

    return ntp_time_from_ns(raw.ns + snapshot->correction + slewed).value;
}

/* Receive and transmit timestamp of the answer. */
static void stamp(const ServerBatch *batch, const ServerRequest *request, const ServerQuestion *question,
                  uint64_t random, uint64_t *ret_receive, uint64_t *ret_transmit)
{
    /* Of the few seconds that it may have waited, a double has all the bits. */
    uint64_t waited = (uint64_t) ((double) (batch->now.ns - request->received.ns) * batch->pace);
    uint64_t receive = batch->told - waited;
    uint64_t transmit = ((batch->told & ~batch->fuzz_mask) | (random & batch->fuzz_mask)) & ~UINT64_C(1);

    receive = ((receive & ~batch->fuzz_mask) | (random >> 32 & batch->fuzz_mask)) | 1;
    if (receive == question->transmit)
        receive ^= 2;
    if ((int64_t) (transmit - receive) < 0)
        transmit = receive + 1;
    *ret_receive = receive;
    *ret_transmit = transmit;
}

static bool is_late(const ServerBatch *batch, const ServerRequest *request)
{
    int64_t waited = batch->now.ns - request->received.ns;

    return waited < 0 || waited > WAIT_MAX || request->received.ns < batch->snapshot.valid_from;
}

ServerVerdict server_answer(const ServerBatch *batch, const ServerRequest *request,
                            const ServerQuestion *question, uint64_t random,
                            uint8_t ret[static SERVER_ANSWER_SIZE])
{
    uint64_t receive, transmit;

    if (is_late(batch, request))
        return SERVER_LATE;
    stamp(batch, request, question, random, &receive, &transmit);
    memcpy(ret, batch->header, sizeof(batch->header));
    ret[0] = (uint8_t) ((ret[0] & 0xc0) | question->version << 3 | question->mode);
    ret[AT_POLL] = (uint8_t) MAX(question->poll, batch->min_poll);
    ByteWriter writer = byte_writer(ret + AT_ORIGIN, SERVER_ANSWER_SIZE - AT_ORIGIN);
    byte_writer_u64(&writer, question->transmit);
    byte_writer_u64(&writer, receive);
    byte_writer_u64(&writer, transmit);
    return SERVER_ANSWERED;
}

void server_append_mono_root(const ServerBatch *batch,
                             uint8_t answer[static SERVER_ANSWER_SIZE + MONO_ROOT_SIZE])
{
    ByteReader reader = byte_reader(answer + AT_RECEIVE, sizeof(uint64_t));
    MonoRoot field = batch->mono_root;

    /* The noise below the precision is in both, and cancels. */
    field.receive = mono_root_time((NtpTime) {byte_reader_u64(&reader)}, batch->snapshot.corrected);
    mono_root_write(&field, answer + SERVER_ANSWER_SIZE);
}

void server_kiss(uint8_t answer[static SERVER_ANSWER_SIZE], uint32_t code)
{
    ByteWriter writer = byte_writer(answer + AT_REFERENCE_ID, sizeof(uint32_t));

    answer[0] |= LEAP_UNSYNCHRONIZED << 6;
    answer[AT_STRATUM] = 0;
    byte_writer_u32(&writer, code);
}
