// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The list of sources: who is in it, under which name, with which address.
 *
 * A server is one source, a pool up to 16: twice as many as wanted are made at once, tentative and without
 * addresses; one look-up serves all of them; when as many as wanted have answered, those that have not are
 * let go. Who has one host of a network has often got its neighbours as well, so the members come from as
 * many networks as the name has, and spare ones never from a network that has a member. Ids are never used
 * again and only grow, so the list is always in their order. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "core/engine/engine-internal.h"

#define SOURCES_MAX      65536
#define POOL_MEMBERS_MAX 16
/* Names are looked up again after 7 * 2^n seconds. */
#define LOOKUP_BASE      7
#define LOOKUP_EXP_MIN   2U
#define LOOKUP_EXP_MAX   9U
/* Those of the prelude, which is short, s. */
#define LOOKUP_PRELUDE   2.0
/* A source that was no good that often in a row is replaced, if its name has another address. */
#define BAD_UPDATES      4
#define BAD_MISSED       8
/* A member of a pool that was silent that often in a row does not count any more. */
#define SILENT_MISSED    2
/* After a replacement the next one waits up to that long, s. */
#define REPLACE_HOLD     3584.0

Source *engine_find(const Engine *engine, SourceId id)
{
    size_t low = 0, high = engine->source_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        Source *source = engine->sources[middle];
        if (source->id.value == id.value)
            return source;
        if (source->id.value < id.value)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool grow_to(void **array, size_t count, size_t size)
{
    void *grown = reallocarray(*array, count, size);

    if (!grown)
        return false;
    *array = grown;
    return true;
}

/* Makes room for one more in all that has a place for each source. */
static bool reserve(Engine *engine)
{
    size_t capacity = engine->source_capacity > 0 ? engine->source_capacity * 2 : 8;

    if (engine->source_count < engine->source_capacity)
        return true;
    if (!grow_to((void **) &engine->sources, capacity, sizeof(*engine->sources)) ||
        !grow_to((void **) &engine->candidates, capacity, sizeof(*engine->candidates)) ||
        !grow_to((void **) &engine->outcomes, capacity, sizeof(*engine->outcomes)) ||
        action_queue_reserve(&engine->actions, capacity) < 0 ||
        event_queue_reserve(&engine->events, capacity) < 0)
        return false;
    engine->source_capacity = capacity;
    return engine_log_reserve(engine) >= 0;
}

static Source *source_free(Source *source)
{
    if (!source)
        return NULL;
    source_nts_free(source->nts);
    source_stats_free(source->stats);
    sample_filter_free(source->filter);
    free(source);
    return NULL;
}
DEFINE_CLEANUP(Source, source_free)

/* A host of initstepslew may be a source, too. */
static bool is_beside(const Source *source, SourceOwner owner)
{
    return (source->owner == SOURCE_OF_PRELUDE) == (owner == SOURCE_OF_PRELUDE);
}

/* What a network offers keeps nobody from an address that an administrator's source has or gets: it goes, as
 * soon as that is seen. */
static bool yields(const Source *source, SourceOwner to)
{
    return source->owner == SOURCE_OF_OFFER && to != SOURCE_OF_OFFER;
}

static bool name_in_use(const Engine *engine, const char *name, SourceOwner owner)
{
    for (size_t i = 0; i < engine->source_count; i++)
        if (is_beside(engine->sources[i], owner) && text_equal(engine->sources[i]->name, name))
            return true;
    return false;
}

/* Somebody asks there, or establishes keys there for a server elsewhere. */
static bool address_in_use(const Engine *engine, const IpAddress *address, uint16_t port, SourceOwner owner)
{
    const IpEndpoint wanted = {.address = *address, .port = port};

    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        if (!is_beside(source, owner) || yields(source, owner))
            continue;
        if (ip_endpoint_equal(&source->remote, &wanted) ||
            (source->nts && ip_address_equal(&source->nts->host, address)))
            return true;
    }
    return false;
}

bool engine_has_remote(const Engine *engine, const IpEndpoint *remote)
{
    for (size_t i = 0; i < engine->source_count; i++)
        if (is_beside(engine->sources[i], SOURCE_OF_CONFIGURATION) &&
            !yields(engine->sources[i], SOURCE_OF_CONFIGURATION) &&
            ip_endpoint_equal(&engine->sources[i]->remote, remote))
            return true;
    return false;
}

static int source_new(Engine *engine, const SourceConfig *line, const char *name, Source **ret)
{
    cleanup_(source_freep) Source *source = calloc(1, sizeof(*source));
    SourceStatsConfig stats = {
        .min_samples = line->min_samples,
        .max_samples = line->max_samples,
        .precision = engine->setup.precision,
        .min_delay = line->min_delay,
        .has_asymmetry = line->asymmetry != SOURCE_ASYMMETRY_UNKNOWN,
        .asymmetry = -line->asymmetry,
    };

    if (!source)
        return -ENOMEM;
    int r = source_stats_new(&stats, &source->stats);
    if (r < 0 || (r = source_nts_new(line, &source->nts)) < 0)
        return r;
    if (line->filter > 1) {
        r = sample_filter_new((size_t) line->filter, &source->filter);
        if (r < 0)
            return r;
    }
    source->id.value = ++engine->last_source;
    (void) text_copy(source->name, sizeof(source->name), name);
    source->config = source->line = *line;
    source->online = !line->offline;
    source->select = line->select;
    source->remote.port = line->port;
    source->poll = poll_start(line);
    source->lookup.deadline = source->poll_deadline = source->exchange_deadline = MONO_UNSET;
    source->last_request = source->last_good = MONO_UNSET;
    source->last_receive = COOKED_UNSET;
    source->outcome = (SelectOutcome) {
        .state = line->select.noselect ? STATE_NOSELECT : STATE_MISSING_SAMPLES,
        .root_distance = NAN,
        .low = NAN,
        .high = NAN,
        .value = NAN,
        .limit = NAN,
    };
    client_reset(&source->client);
    *ret = TAKE_PTR(source);
    return 0;
}

void source_set_remote(Engine *engine, Source *source, const IpEndpoint *remote)
{
    source->remote = *remote;
    client_reset(&source->client);
    source_drop_samples(engine, source);
    source->poll = poll_start(&source->config);
    source->memory = (SelectMemory) {0};
    source->bad_updates = 0;
    source->last_good = MONO_UNSET;
    engine_review_offers(engine);
}

/* Its name stands for this address now. */
static void set_address(Engine *engine, Source *source, const IpAddress *address)
{
    IpEndpoint remote = {.address = *address, .port = source->config.port};

    source_stop_polling(engine, source);
    source_set_remote(engine, source, &remote);
    if (source->nts)
        source_nts_set_host(source, address);
    if (source->online)
        source_start_polling(engine, source);
}

static CommandResult insert_one(Engine *engine, const SourceConfig *line, const char *name, SourceOwner owner,
                                const IpAddress *literal, Source **ret)
{
    Source *source;

    if (engine->source_count >= SOURCES_MAX)
        return COMMAND_TOO_MANY;
    if (name_in_use(engine, name, owner))
        return COMMAND_EXISTS;
    if (!reserve(engine) || source_new(engine, line, name, &source) < 0)
        return COMMAND_FAILED;
    source->owner = owner;
    if (owner == SOURCE_OF_OFFER)
        (void) source_attribute_offer(engine, source);
    engine->sources[engine->source_count++] = source;
    if (literal) {
        source->literal = true;
        set_address(engine, source, literal);
    }
    if (owner != SOURCE_OF_PRELUDE)
        engine_emit(engine, EVENT_SOURCE_ADDED, source);
    *ret = source;
    return COMMAND_OK;
}

static CommandResult insert_pool(Engine *engine, const SourceConfig *line, SourceOwner owner,
                                 CommandReply *reply)
{
    int32_t members = MIN(2 * MAX(line->max_sources, 1), POOL_MEMBERS_MAX);
    uint32_t pool = ++engine->last_pool;

    for (int32_t i = 1; i <= members; i++) {
        char name[SOURCE_NAME_MAX];
        Text text = TEXT(name);
        Source *source;

        text_append(&text, line->name);
        text_append_format(&text, "#%d", (int) i);
        CommandResult result = insert_one(engine, line, name, owner, NULL, &source);
        if (result != COMMAND_OK)
            return result;
        source->pool = pool;
        source->tentative = true;
        if (i == 1) {
            source->lookup.deadline = engine->now.mono;
            reply->source = source->id;
        }
    }
    return COMMAND_OK;
}

static CommandResult insert_server(Engine *engine, const SourceConfig *line, SourceOwner owner,
                                   const IpAddress *literal, CommandReply *reply)
{
    Source *source;

    if (literal && address_in_use(engine, literal, line->port, owner))
        return COMMAND_EXISTS;
    CommandResult result = insert_one(engine, line, line->name, owner, literal, &source);
    if (result != COMMAND_OK)
        return result;
    if (!literal)
        source->lookup.deadline = engine->now.mono;
    reply->source = source->id;
    return COMMAND_OK;
}

CommandResult engine_insert(Engine *engine, const SourceConfig *line, SourceOwner owner, CommandReply *ret)
{
    CommandReply unused;
    CommandReply *reply = ret ? ret : &unused;
    IpAddress address;
    bool literal = ip_address_parse(line->name, &address);
    CommandResult result;

    engine_withdraw_offered(engine, line, owner);
    if (literal && line->family != IP_UNSPEC && address.family != line->family)
        result = COMMAND_BAD_FAMILY;
    else if (line->kind == SOURCE_POOL && !literal)
        result = insert_pool(engine, line, owner, reply);
    else
        result = insert_server(engine, line, owner, literal ? &address : NULL, reply);
    if (result != COMMAND_OK && owner != SOURCE_OF_PRELUDE) {
        Event *event = engine_emit(engine, EVENT_SOURCE_NOT_ADDED, NULL);
        (void) text_copy(event->name, sizeof(event->name), line->name);
        event->result = result;
    }
    return result;
}

/* The member that looks the pool's name up goes away: another one that has no address takes over. */
static void hand_lookup_over(Engine *engine, const Source *leaving)
{
    if (leaving->pool == 0 || (!mono_is_set(leaving->lookup.deadline) && !leaving->lookup.asked))
        return;
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source != leaving && source->pool == leaving->pool && !source_is_resolved(source)) {
            source->lookup.deadline = engine->now.mono;
            return;
        }
    }
}

void engine_remove(Engine *engine, Source *source)
{
    size_t i = 0;

    source_stop_polling(engine, source);
    hand_lookup_over(engine, source);
    while (engine->sources[i] != source)
        i++;
    engine->source_count--;
    memmove(engine->sources + i, engine->sources + i + 1,
            (engine->source_count - i) * sizeof(*engine->sources));
    if (source_id_equal(engine->selected, source->id))
        engine->selected = (SourceId) {0};
    if (source->owner != SOURCE_OF_PRELUDE)
        engine_emit(engine, EVENT_SOURCE_REMOVED, source);
    engine_review_offers(engine);
    source_free(source);
}

void engine_set_online(Engine *engine, Source *source, bool online)
{
    if (source->online == online)
        return;
    source->online = online;
    if (online) {
        if (source_is_resolved(source))
            source_start_polling(engine, source);
        else if (source->lookup.failures > 0 && mono_is_set(source->lookup.deadline))
            source->lookup.deadline = engine->now.mono;
    } else {
        /* Nobody asks it any more: it counts as unreachable from now on. */
        source->poll.reach = source->poll.reach_count = 0;
        if (!poll_in_burst(&source->poll))
            source_stop_polling(engine, source);
    }
    engine_emit(engine, online ? EVENT_SOURCE_ONLINE : EVENT_SOURCE_OFFLINE, source);
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

/* --- names --- */

void engine_lookup_due(Engine *engine, Source *source)
{
    source->lookup.deadline = MONO_UNSET;
    source->lookup.asked = true;
    action_queue_push(&engine->actions, ACTION_RESOLVE)->resolve = source->id;
}

static void retry_lookup(Engine *engine, Source *source)
{
    uint32_t exponent = MIN(LOOKUP_EXP_MIN + source->lookup.failures, LOOKUP_EXP_MAX);

    source->lookup.failures++;
    source->lookup.deadline =
        mono_add(engine->now.mono,
                 source->owner == SOURCE_OF_PRELUDE ? LOOKUP_PRELUDE : LOOKUP_BASE * exp2(exponent));
}

static void fail_lookup(Engine *engine, Source *source)
{
    if (source_is_resolved(source))
        return;
    retry_lookup(engine, source);
    if (source->lookup.told)
        return;
    source->lookup.told = true;
    engine_emit(engine, EVENT_RESOLVE_FAILED, source);
}

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

/* Gives a source the first of the addresses, from `first` on and around, that nobody else has. apart: only in
 * a network of its own. */
static bool assign_address(Engine *engine, Source *source, const IpAddress *addresses, size_t count,
                           size_t first, bool apart)
{
    for (size_t i = 0; i < count; i++) {
        const IpAddress *address = &addresses[(first + i) % count];
        IpAddress previous = source->remote.address;
        bool replacing = source->lookup.replacing;

        if (address->family == IP_UNSPEC ||
            (source->config.family != IP_UNSPEC && address->family != source->config.family) ||
            address_in_use(engine, address, source->remote.port, source->owner) ||
            (apart && has_neighbour(engine, source, address)))
            continue;
        set_address(engine, source, address);
        source->lookup.failures = 0;
        source->lookup.told = false;
        engine_emit(engine, replacing ? EVENT_SOURCE_REPLACED : EVENT_SOURCE_RESOLVED, source)->previous =
            previous;
        engine_emit(engine, EVENT_SOURCE_CHANGED, source);
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

/* Gives addresses to the members without one; apart: see assign_address(). Returns one that is left without,
 * or NULL. */
static Source *assign_members(Engine *engine, uint32_t pool, const IpAddress *addresses, size_t count,
                              size_t first, bool apart)
{
    Source *left = NULL;

    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source->pool != pool || source_is_resolved(source))
            continue;
        bool enough = !apart && count_live(engine, pool) >= source->config.max_sources;
        if ((enough || !assign_address(engine, source, addresses, count, first, apart)) && !left)
            left = source;
    }
    return left;
}

static void assign_pool(Engine *engine, uint32_t pool, const IpAddress *addresses, size_t count)
{
    size_t first = (size_t) (engine_noise(engine) * (double) count);
    Source *left = assign_members(engine, pool, addresses, count, first, true);

    if (left)
        left = assign_members(engine, pool, addresses, count, first, false);
    /* Fewer addresses than members: another look-up may bring others. */
    if (left)
        retry_lookup(engine, left);
}

static bool has_address(const IpAddress *addresses, size_t count, const IpAddress *address)
{
    for (size_t i = 0; i < count; i++)
        if (ip_address_equal(&addresses[i], address))
            return true;
    return false;
}

/* A source that has an address was looked up again: to leave a bad one, or (refresh) to see whether its name
 * still means the address that it has. */
static void reassign(Engine *engine, Source *source, const IpAddress *addresses, size_t count)
{
    size_t first = (size_t) (engine_noise(engine) * (double) count);

    if ((source->lookup.replacing || !has_address(addresses, count, source_host(source))) &&
        !assign_address(engine, source, addresses, count, first, true))
        (void) assign_address(engine, source, addresses, count, first, false);
    source->lookup.replacing = false;
}

void engine_on_resolved(Engine *engine, SourceId id, const IpAddress *addresses, size_t count, Now now)
{
    engine_enter(engine, now);
    Source *source = engine_find(engine, id);
    if (!source || !source->lookup.asked || engine->ended)
        return;
    source->lookup.asked = false;
    if (source->nts && source->nts->server[0] != '\0')
        source_nts_on_resolved(engine, source, addresses, count);
    else if (count == 0)
        fail_lookup(engine, source);
    else if (source_is_resolved(source))
        reassign(engine, source, addresses, count);
    else if (source->pool != 0)
        assign_pool(engine, source->pool, addresses, count);
    else if (!assign_address(engine, source, addresses, count, 0, false))
        fail_lookup(engine, source);
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

void engine_replace_bad(Engine *engine)
{
    if (engine->now.mono.ns < engine->next_replace.ns)
        return;
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (!wants_replacement(source))
            continue;
        source->bad_updates = 0;
        source->lookup.replacing = true;
        source->lookup.deadline = engine->now.mono;
        engine->next_replace = mono_add(engine->now.mono, REPLACE_HOLD * engine_noise(engine));
        return;
    }
}
