// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The client's side of one association; see client.h.
 *
 * A packet goes through a chain of judges, cheapest first; each either passes it on or names the verdict.
 * What a packet may change grows on the way: before it is known to answer our request (test 2) and, of a
 * source with a key or with NTS, to come from who has that very key (test 5), nothing but counters; as long
 * as it is not valid (test 7), nothing but the silence after a kiss-o'-death. */

#include "core/ntp/client.h"

#include <math.h>
#include <stdlib.h>

#include "base/reference-id.h"

/* An answer with a larger root distance (delay / 2 + dispersion) is of no use (RFC 5905, MAXDISP). */
#define ROOT_DISTANCE_MAX   16.0
/* Largest difference of a late transmit timestamp from the early one; more, and it is of something else. */
#define SENT_REFINEMENT_MAX NSEC_PER_SEC

void client_reset(Client *client)
{
    *client = (Client) {.version = 4, .sent = LOCAL_UNSET};
    client->report.reference_time = COOKED_UNSET;
    symmetric_reset(&client->symmetric);
}

/* Long digests travel whole in version 3 only; what is new needs version 4. */
static uint8_t version_of(const ClientRequest *request, const KeyInfo *key)
{
    const SourceConfig *config = request->config;

    if (config->xleave || config->mono_root || request->nts)
        return 4;
    if (config->version != 0)
        return (uint8_t) config->version;
    return key->mac_length > MAC_DIGEST_MAX_V4 ? 3 : 4;
}

static NtpPacket client_packet(Client *client, const ClientRequest *request, uint8_t version)
{
    NtpPacket packet = {
        .version = version,
        .mode = NTP_MODE_CLIENT,
        .poll = request->poll,
        .precision = 32, /* says nothing about us */
        .transmit = {request->secret != 0 ? request->secret : 1},
    };

    if (request->config->xleave)
        interleave_ask(&client->interleave, request->receive_secret, &packet);
    return packet;
}

/* A peer measures by what we tell it: nothing in it is secret. */
static NtpPacket peer_packet(Client *client, const ClientRequest *request, uint8_t version)
{
    NtpPacket packet = request->own->header;

    packet.version = version;
    packet.poll = request->poll;
    symmetric_note_sent(&client->symmetric, client->sent_as, client->interleave.received_as);
    symmetric_ask(&client->symmetric, request->own, client->sent, request->config->xleave, request->secret,
                  &packet);
    /* A peer that wants the mode is understood, wanted or not on our side. */
    client->interleave.received_as = packet.receive;
    return packet;
}

/* A peer tells, who only asks does not. */
static MonoRoot own_mono_root(const ClientRequest *request, const NtpPacket *packet)
{
    MonoRoot field = {0};

    if (request->own) {
        field = request->own->mono_root;
        field.receive = mono_root_time(packet->receive, request->own->clock->corrected);
    }
    return field;
}

/* Writes what stands behind the header of a request. Returns the length of it all, 0: there is no such key,
 * or no cookie. */
static size_t append_tail(const ClientRequest *request, const NtpPacket *packet,
                          uint8_t ret[static CLIENT_REQUEST_MAX])
{
    uint32_t key = request->config->key;
    size_t length = NTP_HEADER_SIZE;

    if (request->config->mono_root) {
        MonoRoot field = own_mono_root(request, packet);
        mono_root_write(&field, ret + length);
        length += MONO_ROOT_SIZE;
    }
    if (request->nts)
        return nts_client_append(request->nts, request->aead, request->nts_random, ret, length,
                                 CLIENT_REQUEST_MAX);
    if (key == 0)
        return length;
    return authenticator_append(request->authenticator, key, packet->version, ret, length,
                                CLIENT_REQUEST_MAX);
}

size_t client_request(Client *client, const ClientRequest *request, uint8_t ret[static CLIENT_REQUEST_MAX])
{
    uint32_t key = request->nts ? 0 : request->config->key;
    KeyInfo info = {0};

    if (key != 0 && !authenticator_find(request->authenticator, key, &info))
        return 0;

    uint8_t version = version_of(request, &info);
    NtpPacket packet =
        request->own ? peer_packet(client, request, version) : client_packet(client, request, version);
    ntp_packet_build(&packet, ret);
    size_t length = append_tail(request, &packet, ret);
    if (length == 0)
        return 0;
    client->exchange = request->exchange;
    client->answered = false;
    client->version = packet.version;
    client->sent_as = packet.transmit;
    client->sent = LOCAL_UNSET;
    client->sent_origin = TIMESTAMP_DAEMON;
    return length;
}

bool client_on_sent(Client *client, ExchangeId exchange, LocalTime sent, TimestampOrigin origin,
                    IpAddress local)
{
    bool first = client->sent.ns == TIME_UNSET;

    if (exchange.value == 0 || exchange.value != client->exchange.value)
        return false;
    if (local.family != IP_UNSPEC)
        client->report.local = local;
    if (!first && (origin < client->sent_origin || llabs(sent.ns - client->sent.ns) > SENT_REFINEMENT_MAX))
        return false;
    if (first)
        client->report.sent++;
    if (origin == TIMESTAMP_KERNEL && client->sent_origin != TIMESTAMP_KERNEL)
        client->report.kernel_sent++;
    if (origin == TIMESTAMP_HARDWARE && client->sent_origin != TIMESTAMP_HARDWARE)
        client->report.hardware_sent++;
    client->sent = sent;
    client->sent_origin = origin;
    return true;
}

void client_revoke(Client *client, PacketVerdict verdict)
{
    client->report.good_received--;
    client->report.verdicts[PACKET_GOOD]--;
    client->report.verdicts[verdict]++;
    client->report.last_verdict = verdict;
    if (verdict == PACKET_DELAY)
        client->report.tests &= (uint16_t) ~TEST_A;
}

void client_forget_exchange(Client *client)
{
    interleave_reset(&client->interleave);
}

void client_give_up(Client *client)
{
    if (client_is_waiting(client))
        interleave_on_missed(&client->interleave);
    client->answered = true;
}

void client_close(Client *client)
{
    client_give_up(client);
    client->interleave.received_as.value = 0;
    client->exchange.value = 0;
    client->answered = false;
    client->sent_as.value = 0;
}

/* Measured quantities of one exchange. */
typedef struct Measurement {
    Sample sample;
    double response_time; /* s, that the server took */
} Measurement;

static void measure(const ClientContext *context, const ExchangeTimes *times, const NtpPacket *packet,
                    Measurement *ret)
{
    int64_t local_span = times->received.ns - times->sent.ns;
    int64_t server_span = times->remote_sent - times->remote_received;
    double interval = (double) local_span * 1e-9;
    double server_precision = exp2(packet->precision);
    double precision = context->precision + server_precision;
    double delay = interval * (1.0 + context->frequency) - (double) server_span * 1e-9;

    *ret = (Measurement) {
        .sample =
            {
                .time = {times->sent.ns + local_span / 2},
                .truth = cooked_add((CookedTime) {times->remote_received + server_span / 2},
                                    context->config->offset),
                .peer_delay = fmax(delay, precision),
                .peer_dispersion = precision + context->max_frequency_error * fabs(interval),
                .root_delay = packet->root_delay,
                .root_dispersion = packet->root_dispersion,
                .stratum = packet->stratum,
                .leap = packet->leap,
            },
        .response_time = fmax(0, (double) server_span * 1e-9),
    };
    /* A delay that is negative by more than the clocks' resolution is no delay: let test A see it. */
    if (delay < -precision)
        ret->sample.peer_delay = delay;
}

/* Tests A to D: a verdict for a valid answer, and the bits of the tests that it passes. */
static PacketVerdict test_delay(const ClientContext *context, const Measurement *m, const NtpPacket *packet)
{
    const Sample *sample = &m->sample;

    /* A peer answers when it is its own turn. */
    if (sample->peer_delay < 0 ||
        (m->response_time > CLIENT_RESPONSE_TIME_MAX && context->config->kind != SOURCE_PEER) ||
        sample->peer_delay - sample->peer_dispersion > context->config->max_delay ||
        exp2(packet->precision) > context->config->max_delay)
        return PACKET_DELAY;
    return PACKET_GOOD;
}

static PacketVerdict test_delay_ratio(const ClientContext *context, const Sample *sample)
{
    double limit = INFINITY;

    if (context->config->max_delay_ratio >= 1.0)
        limit = source_stats_delay_limit_ratio(context->stats, context->config->max_delay_ratio);
    return sample->peer_delay - sample->peer_dispersion > limit ? PACKET_DELAY_RATIO : PACKET_GOOD;
}

static PacketVerdict test_delay_deviation(const ClientContext *context, const Sample *sample)
{
    const SourceConfig *config = context->config;
    double limit = INFINITY;
    Estimate estimate;

    if (config->max_delay_quantile > 0)
        limit = source_stats_delay_limit_quantile(context->stats, config->max_delay_quantile);
    else if (config->max_delay_dev_ratio > 0 &&
             source_stats_estimate(context->stats, sample->time, &estimate))
        limit = source_stats_delay_limit_deviation(context->stats, config->max_delay_dev_ratio,
                                                   cooked_diff(sample->truth, estimate.truth));
    return sample->peer_delay - sample->peer_dispersion > limit ? PACKET_DELAY_DEVIATION : PACKET_GOOD;
}

static PacketVerdict test_loop(const Client *client, const ClientContext *context, const NtpPacket *packet)
{
    uint32_t own = reference_id_of(&client->report.local);

    if (context->loop_is_fine)
        return PACKET_GOOD;
    if (packet->stratum > 1 && own != 0 && packet->reference_id == own)
        return PACKET_LOOP;
    /* Whoever takes over what a server says of itself looks the same. */
    if (context->config->copy)
        return PACKET_GOOD;
    if (context->own_stratum > 1 && packet->stratum == context->own_stratum &&
        packet->reference_id == context->own_reference_id && packet->root_delay == context->own_root_delay &&
        packet->reference.value == context->own_reference.value)
        return PACKET_LOOP;
    return PACKET_GOOD;
}

/* Runs all of A to D, for the bits; the first that fails is the verdict. */
static PacketVerdict judge_measurement(const Client *client, const ClientContext *context,
                                       const Measurement *m, const NtpPacket *packet, uint16_t *tests)
{
    const struct {
        PacketVerdict verdict;
        uint16_t bit;
    } results[] = {
        {test_delay(context, m, packet), TEST_A},
        {test_delay_ratio(context, &m->sample), TEST_B},
        {test_delay_deviation(context, &m->sample), TEST_C},
        {test_loop(client, context, packet), TEST_D},
    };
    PacketVerdict verdict = PACKET_GOOD;

    for (size_t i = 0; i < ELEMENTS(results); i++) {
        if (results[i].verdict == PACKET_GOOD)
            *tests |= results[i].bit;
        else if (verdict == PACKET_GOOD)
            verdict = results[i].verdict;
    }
    return verdict;
}

static bool is_answering_mode(const ClientContext *context, uint8_t mode)
{
    if (context->config->kind == SOURCE_PEER)
        return mode == NTP_MODE_ACTIVE || mode == NTP_MODE_PASSIVE;
    return mode == NTP_MODE_SERVER;
}

/* Is it an answer at all, from whom we asked, to what we asked? */
static PacketVerdict judge_frame(const Client *client, const ClientContext *context, const ClientInput *input,
                                 NtpPacket *ret_packet)
{
    if (!ntp_packet_parse(input->bytes, input->length, ret_packet))
        return PACKET_MALFORMED;
    if (ret_packet->version != client->version)
        return PACKET_BAD_VERSION;
    if (!is_answering_mode(context, ret_packet->mode))
        return PACKET_BAD_MODE;
    if (!ip_address_equal(&input->remote.address, &context->remote.address) ||
        input->remote.port != context->remote.port)
        return PACKET_WRONG_ADDRESS;
    if (client->exchange.value == 0 || input->exchange.value != client->exchange.value ||
        client->sent.ns == TIME_UNSET)
        return PACKET_UNEXPECTED;
    return PACKET_GOOD;
}

/* Tests 1 and 2: does it repeat the secret, and only once? Looks at 3 on the way. */
static PacketVerdict judge_origin(const Client *client, const NtpPacket *packet, uint16_t *tests)
{
    /* An interleaved answer may well repeat the transmit timestamp of the one before it. */
    bool fresh = packet->transmit.value != client->last_transmit.value || packet->transmit.value == 0 ||
                 packet->receive.value != client->last_receive.value;
    bool ours = client->sent_as.value != 0 && (packet->origin.value == client->sent_as.value ||
                                               interleave_is_answer(&client->interleave, packet));
    bool timed = packet->receive.value != 0 && packet->transmit.value != 0;

    *tests |= (uint16_t) ((fresh ? TEST_1 : 0) | (ours ? TEST_2 : 0) | (timed ? TEST_3 : 0));
    if (!fresh)
        return PACKET_DUPLICATE;
    if (!ours)
        return PACKET_BOGUS_ORIGIN;
    return client->answered ? PACKET_UNEXPECTED : PACKET_GOOD;
}

/* A key speaks only for the source that it is configured for. A crypto-NAK proves nothing. */
static PacketVerdict judge_mac(const ClientContext *context, const ClientInput *input,
                               const NtpPacket *packet)
{
    uint32_t wanted = context->config->key, key;

    if (wanted != 0 &&
        (authenticator_check(context->authenticator, input->bytes, input->length, packet, &key) != MAC_GOOD ||
         key != wanted))
        return PACKET_UNAUTHENTICATED;
    return PACKET_GOOD;
}

static PacketVerdict judge_nts(const ClientContext *context, const ClientInput *input, NtpPacket *packet)
{
    switch (nts_client_check(context->nts, context->aead, input->bytes, packet)) {
    case NTS_ANSWER_GOOD: return PACKET_GOOD;
    case NTS_ANSWER_NAK: return PACKET_NTS_NAK;
    case NTS_ANSWER_BAD: break;
    }
    return PACKET_UNAUTHENTICATED;
}

/* Test 5: is it from who has the key? Afterwards the packet has nothing that is not proven. */
static PacketVerdict judge_authenticity(const ClientContext *context, const ClientInput *input,
                                        NtpPacket *packet, uint16_t *tests)
{
    PacketVerdict verdict =
        context->nts ? judge_nts(context, input, packet) : judge_mac(context, input, packet);

    if (verdict == PACKET_GOOD)
        *tests |= TEST_5;
    return verdict;
}

/* A kiss-o'-death needs no times. A peer that looks like that is just not synchronised. */
static PacketVerdict judge_kind(const NtpPacket *packet, uint16_t tests)
{
    if (packet->mode == NTP_MODE_SERVER && packet->leap == LEAP_UNSYNCHRONIZED && packet->stratum == 0)
        return packet->reference_id == NTP_KISS_RATE ? PACKET_KISS_RATE : PACKET_KISS_OTHER;
    return tests & TEST_3 ? PACKET_GOOD : PACKET_NO_TIMESTAMP;
}

/* Tests 6 and 7: what the server says of itself. */
static PacketVerdict judge_server(const ClientContext *context, const NtpPacket *packet, bool interleaved,
                                  uint16_t *tests)
{
    bool synchronized = packet->leap != LEAP_UNSYNCHRONIZED && packet->stratum >= 1 && packet->stratum <= 15;
    bool contradicts = !interleaved && ntp_time_to_ns(packet->transmit, context->pivot_ns) <
                                           ntp_time_to_ns(packet->receive, context->pivot_ns);
    bool near = packet->root_delay / 2 + packet->root_dispersion < ROOT_DISTANCE_MAX && !contradicts;

    *tests |= (uint16_t) ((synchronized ? TEST_6 : 0) | (near ? TEST_7 : 0));
    if (!synchronized)
        return PACKET_UNSYNCHRONIZED;
    if (!near)
        return PACKET_ROOT_DISTANCE;
    return PACKET_GOOD;
}

static void fill_report(NtpReport *report, const ClientContext *context, const ClientInput *input,
                        const NtpPacket *packet)
{
    report->valid = true;
    report->leap = packet->leap;
    report->version = packet->version;
    report->mode = packet->mode;
    report->stratum = packet->stratum;
    report->poll = packet->poll;
    report->precision = packet->precision;
    report->root_delay = packet->root_delay;
    report->root_dispersion = packet->root_dispersion;
    report->reference_id = packet->reference_id;
    report->reference_time = packet->reference.value != 0
                                 ? (CookedTime) {ntp_time_to_ns(packet->reference, context->pivot_ns)}
                                 : COOKED_UNSET;
    report->authenticated = context->nts || context->config->key != 0;
    if (input->local.family != IP_UNSPEC)
        report->local = input->local;
}

/* What the extension field adds: finer numbers, and what the server has corrected since its last answer. */
static int64_t take_mono_root(Client *client, const ClientContext *context, NtpPacket *packet)
{
    MonoRoot field;

    if (!context->config->mono_root || !mono_root_find(packet, &field))
        return 0;
    packet->root_delay = field.root_delay;
    packet->root_dispersion = field.root_dispersion;
    return mono_clock_on_answer(&client->mono_clock, packet->receive, &field);
}

/* Which times this answer measures; false: none that make sense. */
static bool find_times(Client *client, const ClientContext *context, const ClientInput *input,
                       const NtpPacket *packet, int64_t shift, ExchangeTimes *ret)
{
    bool interleaved = client->report.interleaved, good = true;
    ExchangeTimes times = {
        .sent = client->sent,
        .received = input->received,
        .remote_received = ntp_time_to_ns(packet->receive, context->pivot_ns),
        .remote_sent = ntp_time_to_ns(packet->transmit, context->pivot_ns),
        .sent_origin = client->sent_origin,
        .received_origin = input->received_origin,
    };

    *ret = times;
    if (interleaved) {
        interleave_shift(&client->interleave, shift);
        times.remote_sent += shift;
        good = interleave_times(&client->interleave, &times, ret);
    }
    if (context->config->xleave || context->config->kind == SOURCE_PEER)
        interleave_on_answer(&client->interleave, &times, packet->receive, !interleaved);
    return good;
}

static PacketVerdict judge_sample(Client *client, const ClientContext *context, const ExchangeTimes *times,
                                  const NtpPacket *packet, Sample *ret)
{
    NtpReport *report = &client->report;
    Measurement m;

    measure(context, times, packet, &m);
    report->transmit_origin = times->sent_origin;
    report->receive_origin = times->received_origin;
    report->peer_delay = m.sample.peer_delay;
    report->peer_dispersion = m.sample.peer_dispersion;
    report->response_time = m.response_time;
    PacketVerdict verdict = judge_measurement(client, context, &m, packet, &report->tests);
    if (verdict == PACKET_GOOD)
        report->good_received++;
    *ret = m.sample;
    return verdict;
}

/* Is it the answer to our request, by who may give it? Changes nothing but the report. */
static PacketVerdict judge_answer(Client *client, const ClientContext *context, const ClientInput *input,
                                  ClientResult *ret)
{
    PacketVerdict verdict = judge_frame(client, context, input, &ret->packet);

    if (verdict != PACKET_GOOD)
        return verdict;
    ret->tested = true;
    verdict = judge_origin(client, &ret->packet, &ret->tests);
    if (verdict != PACKET_GOOD)
        return verdict;
    verdict = judge_authenticity(context, input, &ret->packet, &ret->tests);
    if (verdict != PACKET_GOOD) {
        client->report.tests = ret->tests;
        return verdict;
    }
    return judge_kind(&ret->packet, ret->tests);
}

/* What the next packet to a peer will answer. */
static void note_peer(Client *client, const ClientContext *context, const ClientInput *input,
                      const ClientResult *result, PacketVerdict verdict)
{
    bool answers = verdict != PACKET_BOGUS_ORIGIN;

    if (verdict == PACKET_GOOD) {
        (void) symmetric_on_packet(&client->symmetric, &result->packet, input->received, true);
        return;
    }
    if (!result->tested || verdict == PACKET_DUPLICATE ||
        judge_mac(context, input, &result->packet) != PACKET_GOOD)
        return;
    /* The next interleaved packet will be about this one, of which there is no exchange. */
    if (symmetric_on_packet(&client->symmetric, &result->packet, input->received, answers))
        interleave_lose(&client->interleave);
}

static PacketVerdict judge(Client *client, const ClientContext *context, const ClientInput *input,
                           ClientResult *ret)
{
    NtpReport *report = &client->report;
    ExchangeTimes times;
    NtpPacket *packet = &ret->packet;

    PacketVerdict verdict = judge_answer(client, context, input, ret);
    if (context->config->kind == SOURCE_PEER)
        note_peer(client, context, input, ret, verdict);
    ret->finished = verdict == PACKET_GOOD || verdict == PACKET_KISS_RATE || verdict == PACKET_KISS_OTHER;
    if (verdict != PACKET_GOOD)
        return verdict;

    /* From here on it is the server that speaks, once for each request. */
    client->answered = true;
    client->last_receive = packet->receive;
    client->last_transmit = packet->transmit;
    report->interleaved = interleave_is_answer(&client->interleave, packet);
    ret->shift = take_mono_root(client, context, packet);
    fill_report(report, context, input, packet);
    bool timed = find_times(client, context, input, packet, ret->shift, &times);
    verdict = judge_server(context, packet, report->interleaved, &ret->tests);
    report->tests = ret->tests;
    if (verdict != PACKET_GOOD)
        return verdict;

    ret->reached = true;
    report->valid_received++;
    if (!timed)
        return PACKET_DELAY;
    ret->measured = true;
    verdict = judge_sample(client, context, &times, packet, &ret->sample);
    ret->tests = report->tests;
    return verdict;
}

void client_on_packet(Client *client, const ClientContext *context, const ClientInput *input,
                      ClientResult *ret)
{
    NtpReport *report = &client->report;

    *ret = (ClientResult) {0};
    report->received++;
    if (input->received_origin == TIMESTAMP_KERNEL)
        report->kernel_received++;
    if (input->received_origin == TIMESTAMP_HARDWARE)
        report->hardware_received++;
    ret->verdict = judge(client, context, input, ret);
    if (ret->verdict == PACKET_KISS_RATE || ret->verdict == PACKET_KISS_OTHER)
        client->answered = true;
    report->last_verdict = ret->verdict;
    report->verdicts[ret->verdict]++;
}
