// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Requests and answers of one source: when to ask, what an answer or its absence means for the source.
 *
 * At most one exchange is open for a source. It ends with the answer, or is given up when the answer could
 * not be used any more, or when the next request is due. Each request ends in exactly one entry in the reach
 * register. */

#include <math.h>
#include <string.h>

#include "core/engine/engine-internal.h"

/* From coming online to the first request. */
#define START_DELAY    0.2
#define IBURST_GOOD    4
#define IBURST_TOTAL   8
#define BURST_MAX      4
/* Requests come up to that part of an interval late, so that clients do not march in step. */
#define SCATTER        0.045
/* Tries to find a time that is apart from the other sources' requests. */
#define SEPARATE_TRIES 16
#define LEAP_GUARD_NS  (5 * NSEC_PER_SEC)
/* From a request that only wakes the path up to the next one. */
#define PRESEND_TIME   2.0

/* The next request goes out that many seconds from now, or a little later: apart from those of other sources.
 */
void source_schedule(Engine *engine, Source *source, double seconds)
{
    double scatter = 1.0 + SCATTER * engine_noise(engine);
    double apart = poll_separation(&source->poll);
    MonoTime t = mono_add(engine->now.mono, fmax(seconds, 0) * scatter);
    bool moved = true;

    for (int tries = 0; moved && tries < SEPARATE_TRIES; tries++) {
        moved = false;
        for (size_t i = 0; i < engine->source_count; i++) {
            const Source *other = engine->sources[i];
            if (other == source || !mono_is_set(other->poll_deadline) ||
                fabs(mono_diff(t, other->poll_deadline)) >= apart * (1 - 1e-6))
                continue;
            t = mono_add(other->poll_deadline, apart);
            moved = true;
        }
    }
    source->poll_deadline = t;
}

void source_start_polling(Engine *engine, Source *source)
{
    if (!engine_asks(engine, source))
        return;
    source->attempts = 0;
    source->presends = 0;
    source->presending = false;
    if (source->nts && !source_nts_start(engine, source))
        return;
    if (source->config.iburst && !source_is_peer(source))
        poll_burst(&source->poll, IBURST_GOOD, IBURST_TOTAL);
    source_schedule(engine, source, START_DELAY);
}

void source_ask_anew(Engine *engine, Source *source, bool burst)
{
    double since = mono_is_set(source->last_request) ? mono_diff(engine->now.mono, source->last_request) : 0;

    if (!engine_asks(engine, source))
        return;
    poll_begin_anew(&source->poll, &source->config);
    source_start_polling(engine, source);
    if (burst && !source_is_peer(source))
        poll_burst(&source->poll, IBURST_GOOD, IBURST_TOTAL);
    if (!burst && mono_is_set(source->poll_deadline)) {
        poll_burst(&source->poll, 0, 0);
        source_schedule(engine, source, fmax(START_DELAY, exp2(source->poll.poll) - since));
    }
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

void source_ask_soon(Engine *engine, Source *source, int32_t good)
{
    if (source_is_peer(source) || poll_in_burst(&source->poll))
        return;
    poll_burst(&source->poll, good, 2 * good);
    source_schedule(engine, source, START_DELAY);
}

static void close_exchange(Engine *engine, Source *source)
{
    source->exchange_deadline = MONO_UNSET;
    if (source->client.exchange.value == 0)
        return;
    action_queue_push(&engine->actions, ACTION_CLOSE)->close = source->client.exchange;
    client_close(&source->client);
}

/* No answer is expected any more. The exchange of a peer stays open for what the peer sends by itself. */
static void finish_exchange(Engine *engine, Source *source)
{
    if (!source_is_peer(source)) {
        close_exchange(engine, source);
        return;
    }
    source->exchange_deadline = MONO_UNSET;
    client_give_up(&source->client);
}

void source_stop_polling(Engine *engine, Source *source)
{
    close_exchange(engine, source);
    client_forget_exchange(&source->client);
    poll_burst(&source->poll, 0, 0);
    source->poll_deadline = MONO_UNSET;
    if (source->nts)
        source_nts_stop(source);
}

void source_drop_samples(Engine *engine, Source *source)
{
    close_exchange(engine, source);
    client_forget_exchange(&source->client);
    source_stats_reset(source->stats);
    if (source->filter)
        sample_filter_reset(source->filter);
    source->has_last = false;
    source->contradicts = false;
    source->updated = false;
    source->attempts = 0;
}

/* The exchange has brought nothing. */
static void miss(Engine *engine, Source *source)
{
    poll_on_missed(&source->poll, &source->config, source_id_equal(engine->selected, source->id));
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

void source_exchange_due(Engine *engine, Source *source)
{
    bool waiting = client_is_waiting(&source->client);

    finish_exchange(engine, source);
    if (waiting && source->nts)
        source_nts_on_silence(engine, source);
    if (!waiting || source->presending)
        return;
    miss(engine, source);
    engine_select(engine);
}

static double last_delay(const Source *source)
{
    return source->has_last ? source->last.peer_delay : -1;
}

/* `burst`: more requests at this poll until one brings a good sample. */
static void begin_poll_burst(Source *source)
{
    int rise = source->poll.poll - source->config.minpoll;

    if (source->config.burst && !source_is_peer(source) && !poll_in_burst(&source->poll) && rise > 0)
        poll_burst(&source->poll, 1, rise >= 2 ? BURST_MAX : 1 << rise);
}

/* `presend`: so many requests go ahead of the one that counts, so that what the path has forgotten (who has
 * this address, which power state is best) is known again. In interleaved mode each answer measures the
 * exchange before its own. */
static uint32_t wanted_presends(const Engine *engine, const Source *source)
{
    if (source_poll(engine, source) < source->config.presend || poll_in_burst(&source->poll) ||
        source_is_peer(source))
        return 0;
    return source->config.xleave ? 2 : 1;
}

/* The next request, or the first one that goes ahead of it, is due that many seconds after the last. */
static double next_interval(const Engine *engine, Source *source)
{
    double interval = poll_interval(&source->poll, source_poll(engine, source), last_delay(source));

    if (source_is_peer(source))
        return source_peer_interval(engine, source, interval);
    return interval - source->presends * PRESEND_TIME;
}

/* The request after the one that has just gone out. */
static void schedule_next(Engine *engine, Source *source)
{
    if (source->presending) {
        source->presends--;
        source_schedule(engine, source, PRESEND_TIME);
        return;
    }
    source->presends = wanted_presends(engine, source);
    source_schedule(engine, source, next_interval(engine, source));
}

static ExchangeId next_exchange(Engine *engine, const Source *source)
{
    return (ExchangeId) {(uint64_t) source->id.value << 32 | ++engine->last_exchange};
}

IpAddress source_local(const Engine *engine, const Source *source)
{
    const NetConfig *net = &engine->config->net;
    IpFamily family = source->remote.address.family;

    if (source_is_peer(source))
        return engine_server_address(engine, family);
    return family == IP_V4 ? net->acquisition_v4 : net->acquisition_v6;
}

static void push_request(Engine *engine, const Source *source, ExchangeId exchange, const uint8_t *bytes,
                         size_t length)
{
    QueuedAction *action = action_queue_push(&engine->actions, ACTION_SEND);
    uint16_t server_port = engine->config->server.port;

    action->send.exchange = exchange;
    action->send.remote = source->remote;
    action->send.local = source_local(engine, source);
    if (source_is_peer(source) || engine->config->net.acquisition_port == server_port)
        action->send.local_port = server_port;
    action->send.length = (uint16_t) length;
    memcpy(action->send.request, bytes, length);
}

/* False: it cannot be asked, for want of its key, or of a cookie. */
static bool send_request(Engine *engine, Source *source)
{
    bool peer = source_is_peer(source);
    ExchangeId exchange = peer ? source_peer_exchange(source) : next_exchange(engine, source);
    SymmetricOwn own;
    ClientRequest request = {
        .config = &source->config,
        .authenticator = &engine->setup.authenticator,
        .exchange = exchange,
        .poll = source_poll(engine, source),
        .aead = &engine->setup.aead,
    };
    uint8_t bytes[CLIENT_REQUEST_MAX];

    engine->setup.random(engine->setup.random_userdata, &request.secret, sizeof(request.secret));
    if (source->nts) {
        source_nts_before_request(engine, source);
        request.nts = source->nts->client;
        engine->setup.random(engine->setup.random_userdata, request.nts_random, sizeof(request.nts_random));
    }
    if (peer) {
        own = engine_tell_peer(engine);
        request.own = &own;
    } else if (source->config.xleave)
        engine->setup.random(engine->setup.random_userdata, &request.receive_secret,
                             sizeof(request.receive_secret));
    size_t length = source_has_key(engine, source) ? client_request(&source->client, &request, bytes) : 0;
    if (length == 0)
        return false;

    push_request(engine, source, exchange, bytes, length);
    return true;
}

void source_poll_due(Engine *engine, Source *source)
{
    source_exchange_due(engine, source);
    if (engine->ended) /* -q: that was the last chance */
        return;
    if (!source_is_resolved(source) || (!source->online && !poll_in_burst(&source->poll))) {
        source->poll_deadline = MONO_UNSET;
        return;
    }
    begin_poll_burst(source);
    source->presending = source->presends > 0 && wanted_presends(engine, source) > 0;
    source->last_request = engine->now.mono;
    if (!source->presending) {
        source->attempts++;
        poll_on_sent(&source->poll);
    }
    if (send_request(engine, source)) {
        /* A peer has time until the next request. */
        if (!source_is_peer(source))
            source->exchange_deadline =
                mono_add(engine->now.mono, source->config.max_delay + CLIENT_RESPONSE_TIME_MAX);
    } else if (!source->presending) {
        miss(engine, source);
        engine_select(engine);
    }
    if (!engine->ended)
        schedule_next(engine, source);
}

/* The answer may have changed the interval, or ended the burst: the next request counts from the last one. */
void source_reschedule(Engine *engine, Source *source)
{
    double since = mono_diff(engine->now.mono, source->last_request);

    if (source->presending)
        return;
    if (!source->online && !poll_in_burst(&source->poll)) {
        source->poll_deadline = MONO_UNSET;
        return;
    }
    source->presends = wanted_presends(engine, source);
    source_schedule(engine, source, next_interval(engine, source) - since);
}

static void take_sample(Engine *engine, Source *source, const Sample *sample)
{
    PollGood good = {
        .error = NAN,
        .expected = sample->peer_dispersion + sample->peer_delay / 2,
    };
    Estimate estimate;
    Sample combined;

    if (source_stats_estimate(source->stats, sample->time, &estimate) && estimate.has_frequency)
        good.error = fabs(cooked_diff(sample->truth, estimate.truth));
    engine_on_sample(engine, source, sample);
    source->last = *sample;
    source->has_last = true;
    source->last_good = engine->now.mono;
    source->measured_offset = cooked_diff(sample->truth, clock_to_cooked(&engine->clock, sample->time));
    source->client.report.offset = source->measured_offset;
    if (!source->filter ||
        sample_filter_add(source->filter, sample, engine->clock.model_frequency, &combined)) {
        if (source_stats_add(source->stats, source->filter ? &combined : sample)) {
            source->updated = true;
            engine_log_statistics(engine, source);
        }
    }
    good.coherence = source_stats_coherence(source->stats);
    poll_on_good(&source->poll, &source->config, &good);
}

static ClientContext context_of(const Engine *engine, const Source *source)
{
    return (ClientContext) {
        .config = &source->config,
        .stats = source->stats,
        .authenticator = &engine->setup.authenticator,
        .nts = source->nts ? source->nts->client : NULL,
        .aead = &engine->setup.aead,
        .remote = source->remote,
        .precision = engine->setup.precision,
        .frequency = engine->clock.model_frequency,
        .max_frequency_error = engine->discipline.skew + engine->config->clock.max_clock_error,
        .own_stratum = reference_stratum(&engine->reference),
        .own_reference_id = engine->reference.last.reference_id,
        .own_root_delay = engine->reference.last.root_delay,
        .own_reference = ntp_time_from_ns(engine->reference.last.cooked.ns),
        .loop_is_fine = source->owner == SOURCE_OF_PRELUDE,
        .pivot_ns = engine_era_pivot(engine),
    };
}

/* The source has set its clock; with that taken out of them, the old samples go on in one line with the new
 * ones. */
static void shift_samples(Source *source, int64_t ns)
{
    if (ns == 0)
        return;
    source_stats_shift(source->stats, ns);
    source->last.truth.ns += ns;
    if (source->filter)
        sample_filter_shift(source->filter, ns);
}

/* What a finished exchange means for reachability and polling. */
static void conclude(Engine *engine, Source *source, const ClientResult *result)
{
    if (result->reached && !source->presending)
        source_stats_on_delay(source->stats, source->client.report.peer_delay);
    if (source->presending) /* neither reached nor missed */
        ;
    else if (result->verdict == PACKET_GOOD)
        take_sample(engine, source, &result->sample);
    else if (result->reached)
        poll_on_refused(&source->poll, &source->config, result->verdict == PACKET_LOOP);
    else
        miss(engine, source);
    if (result->verdict == PACKET_KISS_RATE) {
        poll_on_kiss(&source->poll);
        engine_emit(engine, EVENT_KISS_RATE, source);
    }
    if (result->reached) {
        source->way.failures = 0;
        source->lookup.doubted = false;
        source->last_receive =
            clock_to_cooked(&engine->clock, clock_to_local(&engine->clock, engine->now.raw));
        engine_pool_answered(engine, source);
    }
    source_reschedule(engine, source);
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

void source_on_packet(Engine *engine, Source *source, const Incoming *packet)
{
    ClientContext context = context_of(engine, source);
    ClientInput input = {
        .exchange = packet->exchange,
        .remote = packet->remote,
        .local = packet->local,
        .received = clock_to_local(&engine->clock, packet->received.time),
        .received_origin = packet->received.origin,
        .bytes = packet->bytes,
        .length = packet->length,
    };
    ClientResult result;

    client_on_packet(&source->client, &context, &input, &result);
    if (result.tested)
        engine_log_measurement(engine, source, &result);
    if (source->nts && (result.tests & TEST_5))
        source_nts_on_proof(source);
    if (!result.finished)
        return;
    if (result.verdict == PACKET_GOOD && engine_is_near_leap(engine, result.sample.truth)) {
        result.verdict = PACKET_LEAP_GUARD;
        client_revoke(&source->client, PACKET_LEAP_GUARD);
    } else if (result.verdict == PACKET_GOOD && source->presending) {
        result.verdict = PACKET_DELAY;
        client_revoke(&source->client, PACKET_DELAY);
    }
    finish_exchange(engine, source);
    shift_samples(source, result.shift);
    conclude(engine, source, &result);
    engine_select(engine);
}
