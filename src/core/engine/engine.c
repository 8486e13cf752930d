// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The engine's entrances: each takes the instant, looks whether the clock has jumped, and hands on to the
 * part that is concerned. See engine-internal.h for who does what. */

#include "core/engine/engine.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/engine/engine-internal.h"

/* Timestamps of packets further from the present than this are not believed. */
#define TIMESTAMP_PAST   64.0
#define TIMESTAMP_FUTURE 1.0
/* What the kernel tells programs is refreshed that often, s: by the next request after it. */
#define STATUS_INTERVAL  60.0

Event *engine_emit(Engine *engine, EventKind kind, const Source *source)
{
    Event *event = event_queue_push(&engine->events, kind, source ? source->id : (SourceId) {0});

    if (source) {
        memcpy(event->name, source->name, sizeof(event->name));
        event->address = source->remote.address;
        event->state = source->outcome.state;
        event->origin = source_origin(source);
        if (source->owner == SOURCE_OF_OFFER)
            memcpy(event->interface, source->offer.interface, sizeof(event->interface));
    }
    return event;
}

/* splitmix64 */
double engine_noise(Engine *engine)
{
    uint64_t z = engine->noise += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double) ((z ^ z >> 31) >> 11) * 0x1p-53;
}

static void start_clock(Engine *engine, Now now)
{
    const EngineSetup *setup = &engine->setup;
    bool has_drift = isfinite(setup->drift_frequency) && isfinite(setup->drift_skew);
    double frequency = has_drift ? setup->drift_frequency : setup->kernel_frequency;

    engine->clock = clock_start(now, setup->kernel_frequency);
    engine->discipline = discipline_start(&engine->config->clock, frequency,
                                          has_drift ? setup->drift_skew : NAN, setup->restarted);
    discipline_resume(&engine->discipline, setup->updates);
    engine->reference = reference_start();
    engine->local = local_reference_start(&engine->config->local, clock_to_local(&engine->clock, now.raw));
    engine->manual.enabled = engine->config->clock.manual;
    if (has_drift) {
        Event *event = engine_emit(engine, EVENT_DRIFT_LOADED, NULL);
        event->value = setup->drift_frequency;
        event->limit = setup->drift_skew;
        clock_set_model(&engine->clock, engine->clock.model_local, engine->clock.model_cooked,
                        engine->discipline.frequency);
        engine_set_frequency(engine, engine->discipline.frequency);
    }
    engine_set_status(engine);
}

int engine_new(const EngineSetup *setup, const Config *config, Now now, Engine **ret)
{
    cleanup_(engine_freep) Engine *engine = calloc(1, sizeof(*engine));

    if (!engine)
        return -ENOMEM;
    engine->setup = *setup;
    engine->now = now;
    engine->noise = setup->entropy;
    engine->slew_deadline = engine->last_status = engine->last_stamp = MONO_UNSET;
    engine->leap_guard = engine->prelude_end = engine->offers.deadline = engine->keys_begin = MONO_UNSET;
    engine->renewal.changed = engine->renewal.deadline = engine->renewal.last = MONO_UNSET;
    engine->stamp_s = setup->stamp_s;
    engine->last_drift = engine->next_replace = engine->last_burst = now.mono;
    engine->broadcast_start = engine->broadcast_last = now.mono;
    engine->next_refresh = config->net.refresh > 0 ? mono_add(now.mono, config->net.refresh) : MONO_UNSET;
    int r = config_copy(config, &engine->config);
    if (r >= 0)
        r = action_queue_reserve(&engine->actions, 0);
    if (r >= 0)
        r = event_queue_reserve(&engine->events, 0);
    if (r >= 0)
        r = engine_log_reserve(engine);
    if (r < 0)
        return r;
    start_clock(engine, now);
    if ((r = engine_begin_prelude(engine)) < 0)
        return r;
    for (size_t i = 0; i < config->source_count; i++) {
        CommandResult result = engine_insert(engine, &config->sources[i], SOURCE_OF_CONFIGURATION, NULL);
        if (result == COMMAND_FAILED)
            return -ENOMEM;
    }
    engine_select(engine);
    *ret = TAKE_PTR(engine);
    return 0;
}

Engine *engine_free(Engine *engine)
{
    if (!engine)
        return NULL;
    while (engine->source_count > 0)
        engine_remove(engine, engine->sources[engine->source_count - 1]);
    free(engine->sources);
    free(engine->candidates);
    free(engine->outcomes);
    engine_clear_offers(engine);
    config_free(engine->config);
    action_queue_clear(&engine->actions);
    event_queue_clear(&engine->events);
    log_queue_clear(&engine->logs);
    free(engine);
    return NULL;
}

void engine_enter(Engine *engine, Now now)
{
    ClockDisruption disruption;

    engine->now = now;
    engine_pass_leap(engine);
    if (clock_check_disruption(&engine->clock, now, &disruption) && !engine->ended)
        engine_on_disruption(engine, &disruption);
}

static bool is_due(const Engine *engine, MonoTime deadline)
{
    return mono_is_set(deadline) && deadline.ns <= engine->now.mono.ns;
}

/* The kernel lets its bound of the error grow by 500 ppm, far faster than ours does. */
static void refresh_status(Engine *engine)
{
    if (mono_is_set(engine->last_status) &&
        mono_diff(engine->now.mono, engine->last_status) >= STATUS_INTERVAL)
        engine_set_status(engine);
}

void engine_on_timer(Engine *engine, Now now)
{
    engine_enter(engine, now);
    if (engine->ended)
        return;
    if (is_due(engine, engine->slew_deadline))
        engine_slew_due(engine);
    if (is_due(engine, engine_broadcast_deadline(engine)))
        engine_broadcast(engine);
    if (is_due(engine, engine->next_refresh))
        engine_refresh(engine);
    if (is_due(engine, engine->renewal.deadline))
        engine_refresh_for_network(engine);
    /* The list may shrink on the way: a pool lets go of members. */
    for (size_t i = engine->source_count; i > 0; i--) {
        if (i > engine->source_count)
            continue;
        Source *source = engine->sources[i - 1];
        if (engine->ended || !action_queue_has_room(&engine->actions))
            break;
        if (is_due(engine, source->lookup.deadline))
            engine_lookup_due(engine, source);
        if (is_due(engine, source->way.deadline))
            source_way_due(engine, source);
        if (is_due(engine, source->exchange_deadline))
            source_exchange_due(engine, source);
        if (is_due(engine, source_nts_deadline(source)))
            source_nts_due(engine, source);
        if (is_due(engine, source->poll_deadline))
            source_poll_due(engine, source);
    }
    if (is_due(engine, engine->offers.deadline))
        engine_check_offers(engine);
    engine_advance_prelude(engine);
    engine_replace_bad(engine);
    refresh_status(engine);
    engine_check_local(engine);
}

/* A timestamp that cannot be of this packet is replaced by the present. */
static Timestamp believe(Timestamp timestamp, Now now)
{
    double age;

    if (timestamp.time.ns == TIME_UNSET || timestamp.time.ns < now.raw.ns - 1000 * NSEC_PER_SEC ||
        timestamp.time.ns > now.raw.ns + 1000 * NSEC_PER_SEC)
        return (Timestamp) {now.raw, TIMESTAMP_DAEMON};
    age = raw_diff(now.raw, timestamp.time);
    if (age > TIMESTAMP_PAST || age < -TIMESTAMP_FUTURE)
        return (Timestamp) {now.raw, TIMESTAMP_DAEMON};
    return timestamp;
}

static Source *source_of_exchange(const Engine *engine, ExchangeId exchange)
{
    return engine_find(engine, (SourceId) {(uint32_t) (exchange.value >> 32)});
}

void engine_on_packet(Engine *engine, const Incoming *packet, Now now)
{
    Incoming believed = *packet;

    engine_enter(engine, now);
    Source *source = source_of_exchange(engine, packet->exchange);
    if (!source || engine->ended)
        return;
    believed.received = believe(packet->received, now);
    source_on_packet(engine, source, &believed);
    engine_advance_prelude(engine);
    engine_check_local(engine);
}

void engine_on_sent(Engine *engine, ExchangeId exchange, Timestamp sent, IpAddress local, Now now)
{
    engine_enter(engine, now);
    Source *source = source_of_exchange(engine, exchange);
    if (!source)
        return;
    sent = believe(sent, now);
    (void) client_on_sent(&source->client, exchange, clock_to_local(&engine->clock, sent.time), sent.origin,
                          local);
}

void engine_on_send_failed(Engine *engine, ExchangeId exchange, int error, Now now)
{
    engine_enter(engine, now);
    Source *source = source_of_exchange(engine, exchange);
    if (!source || source->client.exchange.value != exchange.value || engine->ended)
        return;
    source_exchange_due(engine, source);
    source_way_on_send_failed(engine, source, error);
}

static void fill_in_request(const QueuedAction *queued, Action *ret)
{
    ret->send.exchange = queued->send.exchange;
    ret->send.remote = queued->send.remote;
    ret->send.local = queued->send.local;
    ret->send.local_port = queued->send.local_port;
    ret->send.length = queued->send.length;
    memcpy(ret->send.bytes, queued->send.request, queued->send.length);
}

static void fill_in_way(const Engine *engine, const Source *source, Action *ret)
{
    ret->way.source = source->id;
    ret->way.remote = source->remote;
    ret->way.local = source_local(engine, source);
}

/* Whom the action is about; a source that is gone meanwhile wants nothing any more. */
static SourceId source_of(const QueuedAction *queued)
{
    switch (queued->kind) {
    case ACTION_RESOLVE: return queued->resolve;
    case ACTION_TEST_WAY: return queued->way;
    case ACTION_ESTABLISH_KEYS:
    case ACTION_KEEP_KEYS: return queued->keys;
    case ACTION_SEND:
    case ACTION_CLOSE:
    case ACTION_SET_FREQUENCY:
    case ACTION_STEP:
    case ACTION_SET_STATUS:
    case ACTION_SAVE_DRIFT:
    case ACTION_SAVE_UPDATES:
    case ACTION_SAVE_STAMP:
    case ACTION_EXIT:
    case ACTION_KIND_COUNT: break;
    }
    return (SourceId) {0};
}

bool engine_next_action(Engine *engine, Action *ret)
{
    const Source *source;
    QueuedAction queued;

    do {
        if (!action_queue_pop(&engine->actions, &queued))
            return false;
        source = engine_find(engine, source_of(&queued));
    } while (source_of(&queued).value != 0 && !source);

    ret->kind = queued.kind;
    switch (queued.kind) {
    case ACTION_SEND: fill_in_request(&queued, ret); break;
    case ACTION_CLOSE: ret->close = queued.close; break;
    case ACTION_RESOLVE: engine_fill_question(engine, source, ret); break;
    case ACTION_TEST_WAY: fill_in_way(engine, source, ret); break;
    case ACTION_SET_FREQUENCY: ret->frequency = queued.frequency; break;
    case ACTION_STEP: ret->step = queued.step; break;
    case ACTION_SET_STATUS: ret->status = queued.status; break;
    case ACTION_SAVE_DRIFT: ret->drift = queued.drift; break;
    case ACTION_SAVE_STAMP: ret->stamp_s = queued.stamp_s; break;
    case ACTION_SAVE_UPDATES: ret->updates = queued.updates; break;
    case ACTION_ESTABLISH_KEYS:
    case ACTION_KEEP_KEYS: source_nts_fill_action(engine, source, ret); break;
    case ACTION_EXIT: ret->exit_status = queued.exit_status; break;
    case ACTION_KIND_COUNT: break;
    }
    return true;
}

bool engine_next_event(Engine *engine, Event *ret)
{
    return event_queue_pop(&engine->events, ret);
}

MonoTime engine_deadline(const Engine *engine)
{
    MonoTime deadline = mono_earliest(engine->slew_deadline, engine->next_refresh);

    if (engine->ended)
        return MONO_UNSET;
    deadline = mono_earliest(deadline, engine->prelude_end);
    deadline = mono_earliest(deadline, engine->offers.deadline);
    deadline = mono_earliest(deadline, engine->renewal.deadline);
    deadline = mono_earliest(deadline, engine_local_deadline(engine));
    if (clock_suspects_disruption(&engine->clock))
        return engine->now.mono;
    deadline = mono_earliest(deadline, engine_broadcast_deadline(engine));
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        deadline = mono_earliest(deadline, source->poll_deadline);
        deadline = mono_earliest(deadline, source->exchange_deadline);
        deadline = mono_earliest(deadline, source->lookup.deadline);
        deadline = mono_earliest(deadline, source->way.deadline);
        deadline = mono_earliest(deadline, source_nts_deadline(source));
    }
    return deadline;
}

void engine_stop(Engine *engine, Now now)
{
    engine_enter(engine, now);
    engine->ended = true;
    engine_keep_keys(engine);
    engine_save_stamp(engine);
    for (size_t i = 0; i < engine->source_count; i++)
        source_stop_polling(engine, engine->sources[i]);
    if (mono_is_set(engine->slew_deadline))
        engine_set_frequency(engine, engine->discipline.frequency);
    engine->slew_deadline = MONO_UNSET;
    engine_save_drift(engine);
}
