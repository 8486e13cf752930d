// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Servers that networks offer, by DHCP as a rule: what each provider has told last of each interface, and the
 * sources that are made of it.
 *
 * Whoever runs a network has chosen them, and may be anybody, so an offer can add and do nothing else. A
 * source of the configuration or of a command has precedence: while it has a name or an address, the offered
 * one is not there, and it never waits for one that is offered to leave. So many for each interface, so many
 * in all; those that came first stay. Two offers of the same server are one source, as long as one of them
 * lasts.
 *
 * Sources follow the offers in one place, engine_check_offers(), which looks at everything anew. */

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/config/config-diff.h"
#include "core/config/parse-source.h"
#include "core/engine/engine-internal.h"

/* Offers that are known, and sources that come of them. */
#define OFFERS_MAX          64
#define OFFERED_SOURCES_MAX 32
/* A provider that vanishes may be one that is started again, s. */
#define OFFER_GRACE         120.0

static SourceOrigin origin_of(OfferProvider provider)
{
    switch (provider) {
    case OFFER_NETWORK_MANAGER: return ORIGIN_NETWORK_MANAGER;
    case OFFER_NETWORKD: return ORIGIN_NETWORKD;
    case OFFER_PROVIDER_COUNT: break;
    }
    return ORIGIN_CONFIGURATION;
}

SourceOrigin source_origin(const Source *source)
{
    switch (source->owner) {
    case SOURCE_OF_COMMAND: return ORIGIN_COMMAND;
    case SOURCE_OF_OFFER: return origin_of(source->offer.provider);
    case SOURCE_OF_CONFIGURATION:
    case SOURCE_OF_PRELUDE: break;
    }
    return source->line.origin[0] != '\0' ? ORIGIN_FILE : ORIGIN_CONFIGURATION;
}

/* --- what is offered --- */

/* gone: the last one from before its provider vanished; otherwise what it says now. */
static Offer *find_offer(Engine *engine, OfferProvider provider, const char *interface, bool gone)
{
    for (size_t i = engine->offers.count; i > 0; i--) {
        Offer *offer = &engine->offers.list[i - 1];
        if (offer->provider == provider && text_equal(offer->interface, interface) &&
            mono_is_set(offer->gone) == gone)
            return offer;
    }
    return NULL;
}

static void forget(Engine *engine, Offer *offer)
{
    size_t i = (size_t) (offer - engine->offers.list);

    engine->offers.count--;
    memmove(offer, offer + 1, (engine->offers.count - i) * sizeof(*offer));
}

/* One that was remembered only for what was wrong with it makes room. */
static void make_room(Engine *engine)
{
    for (size_t i = 0; engine->offers.count == OFFERS_MAX && i < engine->offers.count; i++)
        if (engine->offers.list[i].servers.count == 0)
            forget(engine, &engine->offers.list[i]);
}

/* NULL: there is no room. */
static Offer *remember(Engine *engine, OfferProvider provider, const char *interface)
{
    make_room(engine);
    if (engine->offers.count == OFFERS_MAX)
        return NULL;
    Offer *list = reallocarray(engine->offers.list, engine->offers.count + 1, sizeof(*list));
    if (!list)
        return NULL;
    engine->offers.list = list;
    Offer *offer = &list[engine->offers.count++];
    *offer = (Offer) {.provider = provider};
    (void) text_copy(offer->interface, sizeof(offer->interface), interface);
    return offer;
}

/* By what it says now, or said before its provider vanished. */
static bool is_dismissed(const Engine *engine, const Offer *of, const char *name)
{
    for (size_t i = 0; i < engine->offers.count; i++) {
        const Offer *offer = &engine->offers.list[i];
        if (offer->provider != of->provider || !text_equal(offer->interface, of->interface))
            continue;
        for (size_t k = 0; k < offer->servers.count; k++)
            if (offer->dismissed[k] && text_equal(offer->servers.names[k], name))
                return true;
    }
    return false;
}

static bool same_refusals(const OfferedNames *a, const OfferedNames *b)
{
    return a->refused == b->refused && a->reason == b->reason && text_equal(a->excerpt, b->excerpt);
}

static bool same_names(const OfferedNames *a, const OfferedNames *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (!text_equal(a->names[i], b->names[i]))
            return false;
    return a->count == b->count;
}

/* What is told again, as at each renewal of a lease, is no news. */
static void renew(const Engine *engine, Offer *offer, const OfferedNames *servers)
{
    bool dismissed[OFFERED_MAX] = {0};

    for (size_t i = 0; i < servers->count; i++)
        dismissed[i] = is_dismissed(engine, offer, servers->names[i]);
    memcpy(offer->dismissed, dismissed, sizeof(dismissed));
    offer->told_refused = offer->told_refused && same_refusals(&offer->servers, servers);
    offer->told_surplus = offer->told_surplus && same_names(&offer->servers, servers);
    offer->servers = *servers;
    offer->gone = MONO_UNSET;
}

static void tell_refused(Engine *engine, OfferProvider provider, const char *interface, OfferRefusal refusal,
                         size_t count, const char *first)
{
    Event *event = engine_emit(engine, EVENT_OFFER_REFUSED, NULL);

    event->origin = origin_of(provider);
    event->refusal = refusal;
    event->count = (uint32_t) count;
    (void) text_copy(event->interface, sizeof(event->interface), interface);
    (void) text_copy(event->name, sizeof(event->name), first);
}

/* With all that is left of it from before its provider vanished. */
static void withdraw(Engine *engine, OfferProvider provider, const char *interface)
{
    for (size_t i = engine->offers.count; i > 0; i--) {
        Offer *offer = &engine->offers.list[i - 1];
        if (offer->provider == provider && text_equal(offer->interface, interface))
            forget(engine, offer);
    }
}

/* What it says now, to be renewed. A provider that is back says it piece by piece (one lease after the
 * other): what it said before stays beside that until it has told all, and people's removals and what was
 * told are remembered. NULL: there is no room. */
static Offer *take_offer(Engine *engine, OfferProvider provider, const char *interface)
{
    Offer *offer = find_offer(engine, provider, interface, false);

    if (offer)
        return offer;
    offer = remember(engine, provider, interface);
    if (!offer)
        return NULL;
    offer->gone = MONO_UNSET;
    const Offer *before = find_offer(engine, provider, interface, true);
    if (before)
        *offer = *before;
    return offer;
}

void engine_on_offered(Engine *engine, const OfferedServers *offered, Now now)
{
    OfferedNames servers;

    engine_enter(engine, now);
    if (engine->ended)
        return;
    offered_read(offered->servers, offered->interface, &servers);
    if (servers.count == 0 && servers.refused == 0) {
        withdraw(engine, offered->provider, offered->interface);
    } else {
        Offer *offer = take_offer(engine, offered->provider, offered->interface);
        if (offer)
            renew(engine, offer, &servers);
        else
            tell_refused(engine, offered->provider, offered->interface, OFFER_TOO_MANY,
                         servers.count + servers.refused,
                         servers.count > 0 ? servers.names[0] : servers.excerpt);
    }
    engine_check_offers(engine);
}

void engine_on_provider(Engine *engine, OfferProvider provider, bool complete, Now now)
{
    engine_enter(engine, now);
    for (size_t i = engine->offers.count; i > 0; i--) {
        Offer *offer = &engine->offers.list[i - 1];
        if (offer->provider != provider)
            continue;
        if (complete && mono_is_set(offer->gone))
            forget(engine, offer);
        else if (!complete && !mono_is_set(offer->gone))
            offer->gone = mono_add(engine->now.mono, OFFER_GRACE);
    }
    if (!engine->ended)
        engine_check_offers(engine);
}

void engine_review_offers(Engine *engine)
{
    if (engine->offers.count > 0)
        engine->offers.deadline = engine->now.mono;
}

void engine_dismiss_offered(Engine *engine, const Source *source)
{
    for (size_t i = 0; source->owner == SOURCE_OF_OFFER && i < engine->offers.count; i++) {
        Offer *offer = &engine->offers.list[i];
        for (size_t k = 0; k < offer->servers.count; k++)
            offer->dismissed[k] |= text_equal(offer->servers.names[k], source->name);
    }
}

void engine_restore_offered(Engine *engine)
{
    for (size_t i = 0; i < engine->offers.count; i++)
        memset(engine->offers.list[i].dismissed, 0, sizeof(engine->offers.list[i].dismissed));
}

void engine_clear_offers(Engine *engine)
{
    free(engine->offers.list);
    engine->offers.list = NULL;
    engine->offers.count = 0;
}

/* --- the sources of it --- */

/* The first offer that has it and is not on its way out, or any; NULL: none. */
static const Offer *who_offers(const Engine *engine, const char *name)
{
    const Offer *found = NULL;

    for (size_t i = 0; i < engine->offers.count; i++) {
        const Offer *offer = &engine->offers.list[i];
        if (found && (!mono_is_set(found->gone) || mono_is_set(offer->gone)))
            continue;
        for (size_t k = 0; k < offer->servers.count; k++)
            if (!offer->dismissed[k] && text_equal(offer->servers.names[k], name))
                found = offer;
    }
    return found;
}

/* Another source has that name, or asks at that address or for keys there. mine: not looked at; NULL: one
 * that is offered is looked at like all others. */
static bool is_taken(const Engine *engine, const Source *mine, const char *name, const IpEndpoint *remote)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        if (source->owner == SOURCE_OF_PRELUDE || (mine && source->owner == SOURCE_OF_OFFER))
            continue;
        if (offered_name_equal(source->line.name, name))
            return true;
        if (remote->address.family != IP_UNSPEC &&
            (ip_endpoint_equal(&source->remote, remote) ||
             (source->nts && ip_address_equal(&source->nts->host, &remote->address))))
            return true;
    }
    return false;
}

static SourceConfig line_of(const Engine *engine, const char *name)
{
    SourceConfig line = source_config_default(SOURCE_SERVER, name);

    line.iburst = true;
    line.min_samples = line.max_samples = CONFIG_UNSET;
    source_config_resolve(&line, engine->config->min_samples, engine->config->max_samples);
    return line;
}

static bool is_still_wanted(const Engine *engine, const Source *source)
{
    SourceConfig line = line_of(engine, source->name);

    return who_offers(engine, source->name) && source_config_equal(&line, &source->line) &&
           !is_taken(engine, source, source->name, &source->remote);
}

static size_t drop_sources(Engine *engine, bool wanted)
{
    size_t left = 0;

    for (size_t i = engine->source_count; i > 0; i--) {
        Source *source = engine->sources[i - 1];
        if (source->owner != SOURCE_OF_OFFER)
            continue;
        if (wanted && is_still_wanted(engine, source))
            left++;
        else
            engine_remove(engine, source);
    }
    return left;
}

bool source_attribute_offer(const Engine *engine, Source *source)
{
    const Offer *offer = who_offers(engine, source->name);

    if (!offer ||
        (source->offer.provider == offer->provider && text_equal(source->offer.interface, offer->interface)))
        return false;
    source->offer.provider = offer->provider;
    memcpy(source->offer.interface, offer->interface, sizeof(source->offer.interface));
    return true;
}

/* False: it is there by an offer. */
static bool is_missing(const Engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->source_count; i++)
        if (engine->sources[i]->owner == SOURCE_OF_OFFER && text_equal(engine->sources[i]->name, name))
            return false;
    return true;
}

static void add_source(Engine *engine, const char *name)
{
    SourceConfig line = line_of(engine, name);
    IpEndpoint remote = {.port = line.port};

    if (!ip_address_parse(name, &remote.address))
        remote.address = (IpAddress) {0};
    if (!is_taken(engine, NULL, name, &remote))
        (void) engine_insert(engine, &line, SOURCE_OF_OFFER, NULL);
}

/* Those for which there is no room come when there is. */
static void add_sources(Engine *engine, Offer *offer, size_t *count)
{
    size_t surplus = 0;
    const char *first = NULL;

    for (size_t i = 0; i < offer->servers.count; i++) {
        const char *name = offer->servers.names[i];
        if (offer->dismissed[i] || !is_missing(engine, name))
            continue;
        if (*count < OFFERED_SOURCES_MAX) {
            add_source(engine, name);
            *count += !is_missing(engine, name);
        } else if (surplus++ == 0)
            first = name;
    }
    if (surplus > 0 && !offer->told_surplus)
        tell_refused(engine, offer->provider, offer->interface, OFFER_TOO_MANY, surplus, first);
    offer->told_surplus |= surplus > 0;
}

static void attribute_all(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++)
        if (engine->sources[i]->owner == SOURCE_OF_OFFER &&
            source_attribute_offer(engine, engine->sources[i]))
            engine_emit(engine, EVENT_SOURCE_CHANGED, engine->sources[i]);
}

/* Forgets what has no provider any more. Returns when that is to be looked at again. */
static MonoTime forget_lost(Engine *engine)
{
    MonoTime next = MONO_UNSET;

    for (size_t i = engine->offers.count; i > 0; i--) {
        Offer *offer = &engine->offers.list[i - 1];
        if (mono_is_set(offer->gone) && offer->gone.ns <= engine->now.mono.ns)
            forget(engine, offer);
        else
            next = mono_earliest(next, offer->gone);
    }
    return next;
}

void engine_check_offers(Engine *engine)
{
    bool wanted = config_takes_offers(engine->config);
    uint32_t last = engine->last_source;
    size_t before = engine->source_count;
    MonoTime next = forget_lost(engine);
    size_t count = drop_sources(engine, wanted);

    for (size_t i = 0; wanted && i < engine->offers.count; i++) {
        Offer *offer = &engine->offers.list[i];
        add_sources(engine, offer, &count);
        if (offer->servers.refused > 0 && !offer->told_refused)
            tell_refused(engine, offer->provider, offer->interface, offer->servers.reason,
                         offer->servers.refused, offer->servers.excerpt);
        offer->told_refused = true;
    }
    attribute_all(engine);
    /* What was done here need not be looked at again. */
    engine->offers.deadline = next;
    if (last != engine->last_source || before != engine->source_count)
        engine_select(engine);
}

void engine_withdraw_offered(Engine *engine, const SourceConfig *line, SourceOwner owner)
{
    if (owner == SOURCE_OF_OFFER || owner == SOURCE_OF_PRELUDE)
        return;
    for (size_t i = engine->source_count; i > 0; i--)
        if (engine->sources[i - 1]->owner == SOURCE_OF_OFFER &&
            offered_name_equal(engine->sources[i - 1]->name, line->name))
            engine_remove(engine, engine->sources[i - 1]);
}
