// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What managers of the network know: that a captive portal stands between us and the others, and that what is
 * sent costs money.
 *
 * Who owns a portal answers in the name of others until somebody has logged in. An address that we have had
 * before is as good as it was; one that a name was given there may be the portal's own. The news that there
 * is a portal is later than the network itself, so every address of a time when nobody said that all is well
 * is in doubt, and what becomes of it is known when the portal is passed: then it goes, with its samples, and
 * the name is looked up anew. Keys of NTS would be refused there, and a refusal makes the next attempt wait:
 * they are not asked for, but for no longer than an hour, since what looks like a portal may be a proxy for
 * the web that stays. When nothing is known any more nothing is concluded, and nothing is held. */

#include <math.h>

#include "core/engine/engine-internal.h"

/* Keys are not asked for that long, s. */
#define PORTAL_PATIENCE 3600.0

void engine_note_address(const Engine *engine, Source *source)
{
    source->doubtful = !source->literal && engine->network.connectivity != CONNECTIVITY_FULL;
}

bool engine_drops_answer(Engine *engine, Source *source)
{
    /* What it has is better than what it would be given. */
    if (engine_is_behind_portal(engine) && source_is_resolved(source) && !source->doubtful) {
        source->lookup.replacing = false;
        source->lookup.stale = true;
        return true;
    }
    if (!source->lookup.stale)
        return false;
    source->lookup.stale = false;
    source->lookup.deadline = engine->now.mono;
    return true;
}

/* --- keys --- */

static void hold_keys(Engine *engine)
{
    engine->keys_begin = mono_add(engine->now.mono, PORTAL_PATIENCE);
    for (size_t i = 0; i < engine->source_count; i++) {
        SourceNts *nts = engine->sources[i]->nts;
        if (!nts || !mono_is_set(nts->deadline) || nts->deadline.ns >= engine->keys_begin.ns)
            continue;
        nts->deadline = engine->keys_begin;
        nts->held = true;
    }
}

/* Also of those whose last attempt has failed: it may have been the portal's fault. */
static void release_keys(Engine *engine)
{
    engine->keys_begin = MONO_UNSET;
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (!source->nts || !source->nts->held)
            continue;
        source_nts_stop(source);
        if (source->online && !source_nts_has_cookies(source))
            (void) source_nts_start(engine, source);
    }
    engine_retry_keys(engine);
}

/* --- names --- */

static void forget_address(Engine *engine, Source *source)
{
    const IpEndpoint none = {.port = source->config.port};

    source_stop_polling(engine, source);
    source_set_remote(engine, source, &none);
    if (source->nts)
        source_nts_set_host(source, &none.address);
    source->doubtful = false;
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

static bool is_looked_up(const Source *source)
{
    return source->lookup.asked || mono_is_set(source->lookup.deadline);
}

/* One look-up serves all members of a pool that have no address. */
static bool pool_is_looked_up(const Engine *engine, const Source *member)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        if (source->pool == member->pool && !source_is_resolved(source) && is_looked_up(source))
            return true;
    }
    return false;
}

/* Names without an address, also those that have been waiting for another try. The resolver may remember what
 * the portal has said, for as long as the portal has told it to. */
static void look_up_anew(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        source->lookup.uncached = !source_is_resolved(source) && !source->literal;
        if (source->lookup.asked)
            source->lookup.stale = true;
        else if (source->lookup.stale || mono_is_set(source->lookup.deadline) ||
                 (!source_is_resolved(source) && !source->literal &&
                  (source->pool == 0 || !pool_is_looked_up(engine, source)))) {
            source->lookup.stale = false;
            source->lookup.deadline = engine->now.mono;
        }
    }
}

/* Nobody knows any more whether the portal is there: answers are taken as they come. */
static void look_up_dropped(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (!source->lookup.stale)
            continue;
        source->lookup.stale = false;
        if (!source->lookup.asked)
            source->lookup.deadline = engine->now.mono;
    }
}

static void pass_portal(Engine *engine)
{
    uint32_t forgotten = 0;

    engine->portal = false;
    for (size_t i = 0; i < engine->source_count; i++)
        if (engine->sources[i]->doubtful) {
            forget_address(engine, engine->sources[i]);
            forgotten++;
        }
    look_up_anew(engine);
    engine_emit(engine, EVENT_PORTAL_PASSED, NULL)->count = forgotten;
    engine_select(engine);
}

static void believe_names(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++)
        engine->sources[i]->doubtful = false;
}

/* --- what has changed --- */

static void on_connectivity(Engine *engine, Connectivity connectivity)
{
    bool known = connectivity != CONNECTIVITY_UNKNOWN;

    if (connectivity == CONNECTIVITY_PORTAL) {
        if (!engine->portal)
            engine_emit(engine, EVENT_PORTAL, NULL);
        engine->portal = true;
        hold_keys(engine);
        return;
    }
    if (engine->portal && known)
        pass_portal(engine);
    else
        look_up_dropped(engine);
    if (connectivity == CONNECTIVITY_FULL)
        believe_names(engine);
    if (mono_is_set(engine->keys_begin))
        release_keys(engine);
}

/* The interval that runs is measured anew: it may be far too long now, or too short. */
static void on_metered(Engine *engine, bool metered)
{
    engine_emit(engine, metered ? EVENT_METERED : EVENT_UNMETERED, NULL);
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (mono_is_set(source->poll_deadline) && mono_is_set(source->last_request))
            source_reschedule(engine, source);
        engine_emit(engine, EVENT_SOURCE_CHANGED, source);
    }
}

void engine_on_network_state(Engine *engine, const NetworkState *state, Now now)
{
    NetworkState before = engine->network;

    engine_enter(engine, now);
    if (engine->ended)
        return;
    engine->network = *state;
    if (state->connectivity != before.connectivity)
        on_connectivity(engine, state->connectivity);
    if (state->metered != before.metered)
        on_metered(engine, state->metered);
}
