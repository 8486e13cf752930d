// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Which sources are asked.
 *
 * A source is asked when nobody holds it offline and there is a way to it. The hold is people's: the command
 * `offline` or the option of that name sets it, `online` and `onoffline` lift it, nothing else touches it.
 * The way is the kernel's: a test asks it for a socket to the address of the source, as a request would use.
 * There is a test when the network has changed, when a source gets an address, when a request could not
 * leave, and from time to time as long as a source is offline for want of a way, so that a message about the
 * network that was lost never means "for ever". Where nobody tells us of such changes, no source goes offline
 * by a test that nobody asked for.
 *
 * source->online is never set but by follow(), from what the tests and the people have left in source->way.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/engine/engine-internal.h"

/* While offline, the way is tested every 2^minpoll seconds, within these bounds. */
#define RETEST_EXP_MIN 4
#define RETEST_EXP_MAX 10
/* ... and up to that part of it later, so that sources do not march in step. */
#define RETEST_SCATTER 0.05
/* A source that comes and goes is not asked more often than a burst asks: s, and part of its interval. */
#define RETURN_SPACING 2.0
#define RETURN_PART    0.25

OfflineReason source_offline_reason(const Source *source)
{
    const SourceWay *way = &source->way;

    if (way->held)
        return OFFLINE_BY_HAND;
    if (way->error != 0)
        return OFFLINE_NO_WAY;
    return way->send_error != 0 ? OFFLINE_SEND_FAILED : OFFLINE_NOT;
}

int source_offline_error(const Source *source)
{
    switch (source_offline_reason(source)) {
    case OFFLINE_NO_WAY: return source->way.error;
    case OFFLINE_SEND_FAILED: return source->way.send_error;
    case OFFLINE_NOT:
    case OFFLINE_BY_HAND:
    case OFFLINE_REASON_COUNT: break;
    }
    return 0;
}

/* --- online and offline --- */

static void go_online(Engine *engine, Source *source)
{
    double spacing = fmin(RETURN_SPACING, RETURN_PART * exp2(source->poll.poll));

    if (!source_is_resolved(source)) {
        if (source->lookup.failures > 0 && mono_is_set(source->lookup.deadline))
            source->lookup.deadline = engine->now.mono;
        return;
    }
    source_start_polling(engine, source);
    if (!mono_is_set(source->poll_deadline) || !mono_is_set(source->last_request))
        return;
    if (mono_diff(source->poll_deadline, source->last_request) < spacing)
        source_schedule(engine, source, spacing - mono_diff(engine->now.mono, source->last_request));
}

/* Nobody asks it any more: it counts as unreachable from now on. */
static void go_offline(Engine *engine, Source *source)
{
    source->poll.reach = source->poll.reach_count = 0;
    /* People may want the rest of a burst that they have begun; without a way nothing can come of it. */
    if (source->way.held && poll_in_burst(&source->poll))
        return;
    source_stop_polling(engine, source);
}

static void follow(Engine *engine, Source *source)
{
    OfflineReason reason = source_offline_reason(source);
    int error = source_offline_error(source);
    bool online = reason == OFFLINE_NOT;

    if (online != source->online) {
        source->online = online;
        if (online)
            go_online(engine, source);
        else
            go_offline(engine, source);
        Event *event = engine_emit(engine, online ? EVENT_SOURCE_ONLINE : EVENT_SOURCE_OFFLINE, source);
        event->offline = reason;
        event->error = error;
    }
    if (reason != source->way.told || error != source->way.told_error)
        engine_emit(engine, EVENT_SOURCE_CHANGED, source);
    source->way.told = reason;
    source->way.told_error = error;
}

/* --- tests --- */

static bool can_be_tested(const Source *source)
{
    return source_is_resolved(source) && source->owner != SOURCE_OF_PRELUDE;
}

static void test(Engine *engine, Source *source)
{
    if (!can_be_tested(source) || source->way.asked)
        return;
    source->way.asked = true;
    source->way.deadline = MONO_UNSET;
    action_queue_push(&engine->actions, ACTION_TEST_WAY)->way = source->id;
}

/* What is offline by itself has to come back by itself. */
static void plan_retest(Engine *engine, Source *source)
{
    SourceWay *way = &source->way;
    int32_t exponent = source->config.minpoll;

    way->deadline = MONO_UNSET;
    if (way->held || (way->error == 0 && way->send_error == 0))
        return;
    if (way->error == 0) /* the kernel had promised a way before */
        exponent = MAX(exponent, RETEST_EXP_MIN - 1) + way->failures;
    exponent = CLAMP(exponent, RETEST_EXP_MIN, RETEST_EXP_MAX);
    way->deadline = mono_add(engine->now.mono, exp2(exponent) * (1 + RETEST_SCATTER * engine_noise(engine)));
}

void engine_test_ways(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (engine->setup.follows_routes || !source->online)
            test(engine, source);
    }
}

void engine_on_network_changed(Engine *engine, Now now)
{
    engine_enter(engine, now);
    if (engine->ended)
        return;
    engine_test_ways(engine);
    engine_hurry_lookups(engine);
}

void source_way_due(Engine *engine, Source *source)
{
    source->way.deadline = MONO_UNSET;
    test(engine, source);
}

/* For want of something else than a way: what was known goes on. */
static bool says_nothing(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EAGAIN:
    case EINTR: return true;
    default: return false;
    }
}

void engine_on_way(Engine *engine, SourceId id, int error, Now now)
{
    engine_enter(engine, now);
    Source *source = engine_find(engine, id);
    if (!source || !source->way.asked || engine->ended)
        return;
    SourceWay *way = &source->way;
    bool counts = error == 0 || engine->setup.follows_routes || way->demanded || way->error != 0;

    way->asked = false;
    if (!says_nothing(error) && counts)
        way->error = error;
    if (error == 0)
        way->send_error = 0;
    way->demanded = way->insisted = false;
    plan_retest(engine, source);
    follow(engine, source);
    engine_select(engine);
}

/* --- what else decides --- */

void source_way_start(Source *source)
{
    source->way = (SourceWay) {.held = source->line.offline, .deadline = MONO_UNSET};
    source->way.told = source_offline_reason(source);
    source->online = source->way.told == OFFLINE_NOT;
}

void source_way_on_address(Engine *engine, Source *source)
{
    /* Of an address that it has no more nothing is known. */
    if (!source_is_resolved(source)) {
        source->way.error = source->way.send_error = 0;
        plan_retest(engine, source);
        follow(engine, source);
        return;
    }
    if (engine->setup.follows_routes || source->way.error != 0 || source->way.send_error != 0)
        test(engine, source);
}

void source_way_on_send_failed(Engine *engine, Source *source, int error)
{
    SourceWay *way = &source->way;

    /* A server that was started again refuses for a moment, too; only a request that could not leave says
     * that there is no way. */
    if (error == ECONNREFUSED || says_nothing(error))
        return;
    if (source->config.auto_offline && source->online) {
        way->send_error = error;
        way->insisted = false;
        way->failures = MIN(way->failures + 1, RETEST_EXP_MAX);
        plan_retest(engine, source);
        follow(engine, source);
    } else if (engine->setup.follows_routes && !way->insisted) {
        test(engine, source);
    }
}

/* `online` counts for more than the last test did, until the next one. */
void source_command_online(Engine *engine, Source *source, bool online)
{
    SourceWay *way = &source->way;

    way->held = !online;
    way->insisted = online;
    if (online)
        way->error = way->send_error = 0;
    plan_retest(engine, source);
    follow(engine, source);
}

/* What has an address waits for the test, which comes at once; what has none cannot be tested. */
void source_command_onoffline(Engine *engine, Source *source)
{
    SourceWay *way = &source->way;

    way->held = way->insisted = false;
    way->send_error = 0;
    way->demanded = can_be_tested(source);
    test(engine, source);
    if (!way->demanded)
        follow(engine, source);
}

/* --- over a new configuration --- */

static bool has_will(const Source *source)
{
    return source->owner == SOURCE_OF_CONFIGURATION && source->way.held != source->line.offline;
}

int source_wills_take(const Engine *engine, SourceWills *ret)
{
    SourceWills wills = {.list = calloc(engine->source_count + 1, sizeof(SourceWill))};

    if (!wills.list)
        return -ENOMEM;
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        if (!has_will(source))
            continue;
        SourceWill *will = &wills.list[wills.count++];
        memcpy(will->name, source->name, sizeof(will->name));
        will->held = source->way.held;
    }
    *ret = wills;
    return 0;
}

void source_wills_restore(Engine *engine, SourceWills *wills)
{
    for (size_t i = 0; i < engine->source_count && wills->count > 0; i++) {
        Source *source = engine->sources[i];
        for (size_t j = 0; j < wills->count; j++)
            if (source->owner == SOURCE_OF_CONFIGURATION && source->way.held != wills->list[j].held &&
                strcmp(source->name, wills->list[j].name) == 0) {
                source_command_online(engine, source, !wills->list[j].held);
                if (!source->online)
                    source_stop_polling(engine, source); /* the burst of its start, too */
            }
    }
    free(wills->list);
    *wills = (SourceWills) {0};
}
