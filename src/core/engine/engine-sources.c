// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The list of sources: who is in it, under which name.
 *
 * A server is one source, a pool up to 16: twice as many as wanted are made at once, tentative and without
 * addresses (engine-names.c). Ids are never used again and only grow, so the list is always in their order.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "core/engine/engine-internal.h"

#define SOURCES_MAX      65536
#define POOL_MEMBERS_MAX 16

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

/* Whether a source keeps an address from one of that line. Anybody's name can stand for any address, and
 * anybody's host of keys can send us to any: among names with Network Time Security, who has no keys for an
 * address, or was only sent there, does not keep it from the name that it belongs to. */
static bool keeps(const Source *source, const IpEndpoint *remote, const SourceConfig *from)
{
    bool rivals = source->nts && from->nts && !text_equal_ignore_case(source->config.name, from->name);
    bool asks = ip_endpoint_equal(&source->remote, remote);
    bool is_host = source->nts && ip_address_equal(&source->nts->host, &remote->address);

    if (rivals && (source_nts_is_stuck(source) || !is_host))
        return false;
    return asks || is_host;
}

bool engine_is_asked(const Engine *engine, const IpEndpoint *remote, const SourceConfig *from,
                     SourceOwner owner)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        if (is_beside(source, owner) && !yields(source, owner) && keeps(source, remote, from))
            return true;
    }
    return false;
}

Source *engine_find_asked(const Engine *engine, const IpEndpoint *remote, const Source *except)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source != except && is_beside(source, SOURCE_OF_CONFIGURATION) &&
            !yields(source, SOURCE_OF_CONFIGURATION) && !source_nts_is_stuck(source) &&
            ip_endpoint_equal(&source->remote, remote))
            return source;
    }
    return NULL;
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
    source_way_start(source);
    source->select = line->select;
    source->remote.port = line->port;
    source->poll = poll_start(line);
    source->lookup.deadline = source->lookup.begun = MONO_UNSET;
    source->poll_deadline = source->exchange_deadline = MONO_UNSET;
    source->last_request = source->last_good = source->last_surprise = MONO_UNSET;
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
    source->lookup.doubted = false;
    source->last_good = MONO_UNSET;
    engine_review_offers(engine);
    source_way_on_address(engine, source);
}

void source_set_address(Engine *engine, Source *source, const IpEndpoint *remote)
{
    source_stop_polling(engine, source);
    if (source->nts)
        (void) source_nts_make_room(engine, source, remote);
    source_set_remote(engine, source, remote);
    engine_note_address(engine, source);
    if (source->nts)
        source_nts_set_host(source, &remote->address);
    if (source->online)
        source_start_polling(engine, source);
}

static CommandResult insert_one(Engine *engine, const SourceConfig *line, const char *name, SourceOwner owner,
                                const IpEndpoint *literal, Source **ret)
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
        source_set_address(engine, source, literal);
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
                                   const IpEndpoint *literal, CommandReply *reply)
{
    Source *source;

    if (literal && engine_is_asked(engine, literal, line, owner))
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
    IpEndpoint remote = {.port = line->port};
    bool literal = ip_address_parse(line->name, &remote.address);
    CommandResult result;

    engine_withdraw_offered(engine, line, owner);
    if (literal && line->family != IP_UNSPEC && remote.address.family != line->family)
        result = COMMAND_BAD_FAMILY;
    else if (line->kind == SOURCE_POOL && !literal)
        result = insert_pool(engine, line, owner, reply);
    else
        result = insert_server(engine, line, owner, literal ? &remote : NULL, reply);
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
