// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What the names of sources stand for.
 *
 * One look-up serves all members of a pool; when as many as wanted have answered, those that have not are let
 * go. Who has one host of a network has often got its neighbours as well, so the members come from as many
 * networks as the name has, and spare ones never from a network that has a member. A name of a service says
 * by itself who comes first (RFC 2782), and that is done: only as many of its hosts are asked as are wanted,
 * the next ones when those are silent. Whatever a name means, a source that works keeps its address. */

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "core/engine/engine-internal.h"
#include "core/engine/service-order.h"

/* Names are looked up again after 7 * 2^n seconds. */
#define LOOKUP_BASE     7
#define LOOKUP_EXP_MIN  2U
#define LOOKUP_EXP_MAX  9U
/* One that a host of keys has told, so often before the host is asked anew. */
#define SERVER_RETRIES  4U
/* Those of the prelude, which is short, s. */
#define LOOKUP_PRELUDE  2.0
/* Between two look-ups of a name that has no address, however often the network changes, s. */
#define LOOKUP_SPACING  2.0
/* After a change of the network names that have addresses are looked up again: that late at most, s, each at
 * a time of its own; not sooner after the last time than the least gap, which doubles as long as the network
 * has no rest, up to the most. */
#define NETWORK_SCATTER 5.0
#define NETWORK_GAP_MIN 60.0
#define NETWORK_GAP_MAX 3600.0
/* An address that the name does not stand for any more is asked that often whether it is still there. */
#define DOUBT_REQUESTS  3
/* A source that was no good that often in a row is replaced, if its name has another address. */
#define BAD_UPDATES     4
#define BAD_MISSED      8
/* A member of a pool that was silent that often in a row does not count any more. */
#define SILENT_MISSED   2
/* After a replacement the next one waits up to that long, s. */
#define REPLACE_HOLD    3584.0
/* By so much the kernel's clock may be wrong where signatures are held against it, s: they are made for days.
 */
#define TRUST_MARGIN    60.0

/* --- questions --- */

void engine_lookup_due(Engine *engine, Source *source)
{
    source->lookup.deadline = MONO_UNSET;
    source->lookup.asked = true;
    source->lookup.hurried = false;
    source->lookup.begun = engine->now.mono;
    action_queue_push(&engine->actions, ACTION_RESOLVE)->resolve = source->id;
}

bool engine_clock_is_right(const Engine *engine, Now now)
{
    double remaining = (double) clock_remaining_ns(&engine->clock, now.raw) * 1e-9;

    return engine->knows_time && !engine->refused && fabs(remaining) <= TRUST_MARGIN;
}

/* A name that a key establishment has brought is a full one, whatever the resolver likes to append. */
void engine_fill_question(const Engine *engine, const Source *source, Action *ret)
{
    LookupQuestion *question = &ret->resolve.question;
    Text name = TEXT(question->name);

    ret->resolve.source = source->id;
    question->family = source->config.family;
    question->service = false;
    question->trusted_time = engine_clock_is_right(engine, engine->now);
    question->uncached = source->lookup.uncached;
    if (source->nts && source->nts->server[0] != '\0') {
        text_append(&name, source->nts->server);
        text_append(&name, name.length > 0 && name.data[name.length - 1] == '.' ? "" : ".");
    } else {
        text_append(&name, source->config.name);
        question->service = lookup_is_service(source->config.name);
    }
}

/* As soon as may be. */
static void hurry_lookup(const Engine *engine, Source *source)
{
    MonoTime soonest = engine->now.mono;

    if (mono_is_set(source->lookup.begun) &&
        mono_diff(engine->now.mono, source->lookup.begun) < LOOKUP_SPACING)
        soonest = mono_add(source->lookup.begun, LOOKUP_SPACING);
    source->lookup.hurried = false;
    source->lookup.failures = MIN(source->lookup.failures, 1U);
    source->lookup.deadline = mono_earliest(source->lookup.deadline, soonest);
}

static void retry_lookup(Engine *engine, Source *source)
{
    uint32_t exponent = MIN(LOOKUP_EXP_MIN + source->lookup.failures, LOOKUP_EXP_MAX);

    source->lookup.failures++;
    source->lookup.deadline =
        mono_add(engine->now.mono,
                 source->owner == SOURCE_OF_PRELUDE ? LOOKUP_PRELUDE : LOOKUP_BASE * exp2(exponent));
    /* What could not be found may have been looked for in the network that was. */
    if (source->lookup.hurried)
        hurry_lookup(engine, source);
}

static void tell_failure(Engine *engine, Source *source, LookupVerdict verdict)
{
    if ((source->lookup.told & (1U << verdict)) != 0)
        return;
    source->lookup.told |= 1U << verdict;
    Event *event =
        engine_emit(engine, verdict == LOOKUP_BOGUS ? EVENT_RESOLVE_BOGUS : EVENT_RESOLVE_FAILED, source);
    if (source->nts && source->nts->server[0] != '\0')
        (void) text_copy(event->name, sizeof(event->name), source->nts->server);
}

/* A source that has an address keeps it; that DNSSEC is against its name is news nevertheless. */
static void fail_lookup(Engine *engine, Source *source, LookupVerdict verdict)
{
    if (!source_is_resolved(source))
        retry_lookup(engine, source);
    if (!source_is_resolved(source) || verdict == LOOKUP_BOGUS)
        tell_failure(engine, source, verdict);
}

/* --- answers --- */

/* Another member of its pool is in the same network: what is given to one site as a rule. */
static bool has_neighbour(const Engine *engine, const Source *source, const IpAddress *address)
{
    size_t bytes = address->family == IP_V4 ? 24 / 8 : 48 / 8;

    for (size_t i = 0; source->pool != 0 && i < engine->source_count; i++) {
        const Source *other = engine->sources[i];
        if (other != source && other->pool == source->pool &&
            other->remote.address.family == address->family &&
            memcmp(other->remote.address.bytes, address->bytes, bytes) == 0)
            return true;
    }
    return false;
}

/* Where the source would ask. */
static IpEndpoint remote_of(const Source *source, const LookupPlace *place)
{
    IpEndpoint remote = place->endpoint;

    if (remote.port == 0)
        remote.port = source->config.port;
    return remote;
}

static void take_place(Engine *engine, Source *source, const IpEndpoint *remote)
{
    IpAddress previous = source->remote.address;
    EventKind kind = source->lookup.replacing ? EVENT_SOURCE_REPLACED : EVENT_SOURCE_RESOLVED;

    source_set_address(engine, source, remote);
    source->lookup.failures = 0;
    source->lookup.told = 0;
    engine_emit(engine, kind, source)->previous = previous;
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

/* Whoever offers a server on the network has no business with this machine itself, nor with many. */
static bool is_acceptable(const Source *source, const IpAddress *address)
{
    return source->owner != SOURCE_OF_OFFER || ip_address_can_serve(address);
}

/* Gives a source the first of the places, from `first` on and around, that nobody else has. apart: only in
 * a network of its own. */
static bool assign_address(Engine *engine, Source *source, const LookupAnswer *answer, size_t first,
                           bool apart)
{
    for (size_t i = 0; i < answer->count; i++) {
        IpEndpoint remote = remote_of(source, &answer->places[(first + i) % answer->count]);

        if (remote.address.family == IP_UNSPEC || !is_acceptable(source, &remote.address) ||
            (source->config.family != IP_UNSPEC && remote.address.family != source->config.family) ||
            engine_is_asked(engine, &remote, &source->config, source->owner) ||
            (apart && has_neighbour(engine, source, &remote.address)))
            continue;
        take_place(engine, source, &remote);
        return true;
    }
    return false;
}

/* Members that answer, or have not been asked often enough to tell. */
static int32_t count_live(const Engine *engine, uint32_t pool)
{
    int32_t live = 0;

    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        live += source->pool == pool && source_is_resolved(source) && source->poll.missed_run < SILENT_MISSED;
    }
    return live;
}

/* Gives addresses to the members without one; apart: see assign_address(), and to all of them. Returns one
 * that is left without, or NULL. */
static Source *assign_members(Engine *engine, uint32_t pool, const LookupAnswer *answer, size_t first,
                              bool apart)
{
    Source *left = NULL;

    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source->pool != pool || source_is_resolved(source))
            continue;
        bool enough = !apart && count_live(engine, pool) >= source->config.max_sources;
        if ((enough || !assign_address(engine, source, answer, first, apart)) && !left)
            left = source;
    }
    return left;
}

static double noise_of(void *userdata)
{
    return engine_noise(userdata);
}

static bool is_of_service(const LookupAnswer *answer)
{
    return answer->count > 0 && answer->places[0].record != 0;
}

/* Where to begin among the places of a host, which are as good as one another. */
static size_t any_place(Engine *engine, const LookupAnswer *answer)
{
    return (size_t) (engine_noise(engine) * (double) answer->count);
}

static void assign_pool(Engine *engine, uint32_t pool, const LookupAnswer *answer)
{
    size_t first = 0;
    Source *left = NULL;

    if (!is_of_service(answer)) {
        first = any_place(engine, answer);
        left = assign_members(engine, pool, answer, first, true);
    }
    if (is_of_service(answer) || left)
        left = assign_members(engine, pool, answer, first, false);
    /* Fewer addresses than members: another look-up may bring others. */
    if (left)
        retry_lookup(engine, left);
}

/* Which of the places is the one that the source has; -1: none. */
static ptrdiff_t present_place(const Source *source, const LookupAnswer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        const IpEndpoint *endpoint = &answer->places[i].endpoint;
        if (endpoint->port != 0 ? ip_endpoint_equal(endpoint, &source->remote)
                                : ip_address_equal(&endpoint->address, source_host(source)))
            return (ptrdiff_t) i;
    }
    return -1;
}

/* A pool has other addresses each time that one asks: that alone is no reason to give up one that answers,
 * with all its samples. So it is asked, and replaced if it is silent (engine_replace_bad()). */
static void doubt(Engine *engine, Source *source)
{
    source->lookup.doubted = true;
    if (poll_in_burst(&source->poll))
        return;
    poll_burst(&source->poll, 1, DOUBT_REQUESTS);
    source_schedule(engine, source, 0);
}

/* A source that has an address was looked up again: to leave a bad one, or (refresh) to see whether its name
 * still means the address that it has. Of a service, the host after the bad one is next. */
static void reassign(Engine *engine, Source *source, const LookupAnswer *answer)
{
    ptrdiff_t present = present_place(source, answer);
    size_t first = is_of_service(answer) ? (size_t) (present + 1) : any_place(engine, answer);

    bool gentle = source->lookup.gentle && !source->lookup.replacing && source->online;

    if (present < 0 && gentle)
        doubt(engine, source);
    else if ((source->lookup.replacing || present < 0) &&
             (is_of_service(answer) || !assign_address(engine, source, answer, first, true)))
        (void) assign_address(engine, source, answer, first, false);
    source->lookup.replacing = source->lookup.gentle = false;
}

static void take_answer(Engine *engine, Source *source, LookupAnswer *answer)
{
    if (is_of_service(answer))
        service_order(answer, noise_of, engine);
    source->lookup.told &= ~(1U << LOOKUP_BOGUS);
    if (source_is_resolved(source))
        reassign(engine, source, answer);
    else if (source->pool != 0)
        assign_pool(engine, source->pool, answer);
    else if (!assign_address(engine, source, answer, 0, false))
        fail_lookup(engine, source, LOOKUP_NOT_FOUND);
}

/* The name of a server that the host of keys has told. The keys wait for it, for some time: then the host may
 * know a better one. */
static void take_server(Engine *engine, Source *source, const LookupAnswer *answer)
{
    if (answer->verdict != LOOKUP_FOUND && source->lookup.failures < SERVER_RETRIES) {
        retry_lookup(engine, source);
        tell_failure(engine, source, answer->verdict);
        return;
    }
    source->lookup.failures = 0;
    source->lookup.told = 0;
    source_nts_on_resolved(engine, source, answer);
}

void engine_on_resolved(Engine *engine, SourceId id, const LookupAnswer *answer, Now now)
{
    LookupAnswer copy = *answer;

    engine_enter(engine, now);
    Source *source = engine_find(engine, id);
    if (!source || !source->lookup.asked || engine->ended)
        return;
    source->lookup.asked = false;
    if (engine_drops_answer(engine, source))
        return;
    source->lookup.uncached &= answer->verdict != LOOKUP_FOUND;
    if (source->nts && source->nts->server[0] != '\0')
        take_server(engine, source, answer);
    else if (answer->verdict != LOOKUP_FOUND)
        fail_lookup(engine, source, answer->verdict);
    else
        take_answer(engine, source, &copy);
    engine_select(engine);
}

void engine_refresh(Engine *engine)
{
    uint32_t pool = 0;

    engine->next_refresh = engine->config->net.refresh > 0
                               ? mono_add(engine->now.mono, engine->config->net.refresh)
                               : MONO_UNSET;
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        /* One look-up is enough for the members of a pool that have no address yet. */
        bool shared = source->pool != 0 && source->pool == pool && !source_is_resolved(source);
        if (source->literal || source->lookup.asked || shared)
            continue;
        if (!source_is_resolved(source))
            pool = source->pool;
        source->lookup.deadline = engine->now.mono;
        source->lookup.gentle = false;
    }
}

/* The sources' own times, so that a flock of machines behind one router does not ask as one. */
void engine_refresh_for_network(Engine *engine)
{
    engine->renewal.deadline = MONO_UNSET;
    engine->renewal.last = engine->now.mono;
    engine->renewal.gap = MIN(engine->renewal.gap * 2, NETWORK_GAP_MAX);
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source->literal || !source_is_resolved(source) || source->lookup.asked)
            continue;
        MonoTime own = mono_add(engine->now.mono, NETWORK_SCATTER * engine_noise(engine));
        source->lookup.gentle = !mono_is_set(source->lookup.deadline);
        source->lookup.deadline = mono_earliest(source->lookup.deadline, own);
    }
}

void engine_hurry_lookups(Engine *engine)
{
    MonoTime due = engine->now.mono;
    bool rested = !mono_is_set(engine->renewal.changed) ||
                  mono_diff(engine->now.mono, engine->renewal.changed) > engine->renewal.gap;

    if (rested)
        engine->renewal.gap = NETWORK_GAP_MIN;
    engine->renewal.changed = engine->now.mono;
    if (mono_is_set(engine->renewal.last) &&
        mono_diff(engine->now.mono, engine->renewal.last) < engine->renewal.gap)
        due = mono_add(engine->renewal.last, engine->renewal.gap);
    engine->renewal.deadline = mono_earliest(engine->renewal.deadline, due);
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source->literal || source_is_resolved(source))
            continue;
        source->lookup.hurried = source->lookup.asked;
        if (mono_is_set(source->lookup.deadline))
            hurry_lookup(engine, source);
    }
}

/* --- pools --- */

void engine_pool_answered(Engine *engine, Source *source)
{
    int32_t answered = 0;

    if (!source->tentative)
        return;
    source->tentative = false;
    for (size_t i = 0; i < engine->source_count; i++)
        answered += engine->sources[i]->pool == source->pool && !engine->sources[i]->tentative;
    if (answered < source->config.max_sources)
        return;
    for (size_t i = engine->source_count; i > 0; i--)
        if (engine->sources[i - 1]->pool == source->pool && engine->sources[i - 1]->tentative)
            engine_remove(engine, engine->sources[i - 1]);
}

static bool wants_replacement(const Source *source)
{
    return !source->literal && source_is_resolved(source) && !source->lookup.asked &&
           !mono_is_set(source->lookup.deadline) && source->online &&
           source->key_news != KEY_NEWS_MISSING && /* that would be as silent at another address */
           (source->bad_updates >= BAD_UPDATES || source->poll.missed_run >= BAD_MISSED ||
            source_nts_is_lost(source));
}

static void replace(Engine *engine, Source *source)
{
    source->bad_updates = 0;
    source->lookup.doubted = false;
    source->lookup.replacing = true;
    source->lookup.deadline = engine->now.mono;
}

void engine_replace_bad(Engine *engine)
{
    if (engine_is_behind_portal(engine))
        return;
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source->lookup.doubted && source->online && !source->lookup.asked &&
            source->poll.missed_run >= DOUBT_REQUESTS)
            replace(engine, source);
    }
    if (engine->now.mono.ns < engine->next_replace.ns)
        return;
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (!wants_replacement(source))
            continue;
        replace(engine, source);
        engine->next_replace = mono_add(engine->now.mono, REPLACE_HOLD * engine_noise(engine));
        return;
    }
}
