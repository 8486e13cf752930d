// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Keys and cookies of sources with Network Time Security: when they are established, and what follows.
 *
 * A source has a host, which its name stands for and which keys are established with, and an address that is
 * asked for the time, which the host may say. It is not asked before it has keys. New keys are wanted when
 * there is no cookie left, when keys are old (ntsrefresh), and when the server has said that it cannot open a
 * cookie (NAK) and nothing better came until the exchange was over. Until new keys are there the old ones go
 * on: whoever forges a NAK gains nothing but an establishment, and those have to wait: after a failure ever
 * longer, and after successes that no answer has confirmed as well. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "core/engine/engine-internal.h"

/* Connections that failed in a row, before another address of the name is tried. */
#define LOST_ATTEMPTS       4U
/* Between the beginnings of two establishments, s. */
#define SPACING             16.0
/* After an attempt that failed, or that nothing good came of, the next one waits 2^n s: longer with each. */
#define RETRY_LOCAL         1U
#define RETRY_CONNECTION    4U
#define RETRY_NEGOTIATION   10U
#define RETRY_MAX           19U
/* The same after keys that no answer has confirmed: it may have been an attacker, who is gone now. */
#define RETRY_FRUITLESS_MAX 10U

int source_nts_new(const SourceConfig *config, SourceNts **ret)
{
    SourceNts *nts = NULL;

    if (config->nts) {
        nts = calloc(1, sizeof(*nts));
        if (!nts)
            return -ENOMEM;
        nts->deadline = nts->not_before = nts->begun = nts->established = MONO_UNSET;
        int r = nts_client_new(&nts->client);
        if (r < 0) {
            free(nts);
            return r;
        }
    }
    *ret = nts;
    return 0;
}

SourceNts *source_nts_free(SourceNts *nts)
{
    if (!nts)
        return NULL;
    nts_client_free(nts->client);
    explicit_bzero(nts, sizeof(*nts));
    free(nts);
    return NULL;
}

bool source_nts_has_cookies(const Source *source)
{
    NtsClientReport report;

    nts_client_report(source->nts->client, &report);
    return report.cookies > 0;
}

static uint32_t naks(const Source *source)
{
    NtsClientReport report;

    nts_client_report(source->nts->client, &report);
    return report.naks;
}

/* It has keys, and an address that takes them. */
static bool is_ready(const Source *source)
{
    return source_nts_has_cookies(source) && source->nts->server[0] == '\0';
}

bool source_nts_is_starting(const Source *source)
{
    const SourceNts *nts = source->nts;

    return nts->failure == NTS_OK && !is_ready(source) && !nts->held &&
           (nts->asked || mono_is_set(nts->deadline));
}

static void forget_keys(SourceNts *nts)
{
    nts_client_clear(nts->client);
    explicit_bzero(&nts->other_keys, sizeof(nts->other_keys));
    nts->host_key = (NtsHostKey) {};
    nts->server[0] = '\0';
    nts->established = MONO_UNSET;
    nts->unproven = false;
}

void source_nts_set_host(Source *source, const IpAddress *host)
{
    SourceNts *nts = source->nts;

    forget_keys(nts);
    nts->host = *host;
    nts->deadline = nts->not_before = MONO_UNSET;
    nts->asked = nts->anew = nts->held = false;
    nts->attempts = nts->fruitless = 0;
    nts->failure = nts->told = NTS_OK;
}

void source_nts_report(const Engine *engine, const Source *source, AuthenticationReport *ret)
{
    const SourceNts *nts = source->nts;
    NtsClientReport client;

    nts_client_report(nts->client, &client);
    *ret = (AuthenticationReport) {
        .mode = AUTHENTICATION_NTS,
        .key = nts->serial,
        .has_key = is_ready(source),
        .aead = client.aead,
        .aead_bits = client.key_length * 8U,
        .since_establishment =
            mono_is_set(nts->established) ? mono_diff(engine->now.mono, nts->established) : -1,
        .attempts = nts->attempts,
        .naks = client.naks,
        .cookies = (uint32_t) client.cookies,
        .cookie_length = (uint32_t) client.cookie_length,
        .failure = nts->failure,
        .unproven = nts->unproven,
    };
    if (client.aead != NTS_AEAD_NONE && nts->validity.from != INT64_MIN)
        ret->validity = nts->validity;
}

/* --- when --- */

static void want(const Engine *engine, Source *source)
{
    SourceNts *nts = source->nts;

    if (nts->asked || mono_is_set(nts->deadline) || nts->host.family == IP_UNSPEC)
        return;
    nts->deadline = engine->now.mono;
    if (mono_is_set(nts->not_before) && nts->not_before.ns > nts->deadline.ns)
        nts->deadline = nts->not_before;
    nts->held = mono_is_set(engine->keys_begin) && nts->deadline.ns < engine->keys_begin.ns;
    if (nts->held)
        nts->deadline = engine->keys_begin;
}

static void hold_off(const Engine *engine, SourceNts *nts, uint32_t exponent)
{
    nts->not_before = mono_add(engine->now.mono, exp2(MIN(exponent, RETRY_MAX)));
}

static uint32_t retry_exponent(NtsFailure failure)
{
    switch (failure) {
    case NTS_LOCAL: return RETRY_LOCAL;
    case NTS_UNREACHABLE:
    case NTS_REFUSED:
    case NTS_TIMEOUT:
    case NTS_CLOSED: return RETRY_CONNECTION;
    case NTS_OK:
    case NTS_NO_TLS:
    case NTS_NO_ALPN:
    case NTS_CERT_UNTRUSTED:
    case NTS_CERT_NAME:
    case NTS_CERT_EXPIRED:
    case NTS_CERT_NOT_YET:
    case NTS_CERT_BAD:
    case NTS_BAD_RECORD:
    case NTS_BAD_REQUEST:
    case NTS_SERVER_ERROR:
    case NTS_NO_PROTOCOL:
    case NTS_NO_AEAD:
    case NTS_NO_COOKIES:
    case NTS_BAD_SERVER:
    case NTS_FAILURE_COUNT: break;
    }
    return RETRY_NEGOTIATION;
}

bool source_nts_is_lost(const Source *source)
{
    if (!source_nts_is_stuck(source) || source->nts->failure == NTS_LOCAL ||
        source->nts->failure == NTS_NO_AEAD)
        return false;
    return retry_exponent(source->nts->failure) == RETRY_NEGOTIATION ||
           source->nts->attempts >= LOST_ATTEMPTS;
}

bool source_nts_start(Engine *engine, Source *source)
{
    if (is_ready(source))
        return true;
    /* A source that comes and goes, as a route may do, is no reason to connect each time. */
    source->nts->not_before =
        mono_is_set(source->nts->begun) ? mono_add(source->nts->begun, SPACING) : MONO_UNSET;
    source->nts->attempts = 0;
    want(engine, source);
    return false;
}

void engine_retry_keys(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (!source->nts || !source_nts_is_stuck(source) || !mono_is_set(source->nts->deadline))
            continue;
        source->nts->deadline = MONO_UNSET;
        (void) source_nts_start(engine, source);
    }
}

void source_nts_stop(Source *source)
{
    source->nts->deadline = MONO_UNSET;
    source->nts->held = false;
}

void source_nts_before_request(Engine *engine, Source *source)
{
    SourceNts *nts = source->nts;
    bool old = mono_is_set(nts->established) &&
               mono_diff(engine->now.mono, nts->established) > engine->config->nts.refresh;

    if (old || !source_nts_has_cookies(source))
        want(engine, source);
}

void source_nts_on_proof(Source *source)
{
    source->nts->fruitless = 0;
    explicit_bzero(&source->nts->other_keys, sizeof(source->nts->other_keys));
}

void source_nts_on_silence(Engine *engine, Source *source)
{
    SourceNts *nts = source->nts;

    if (naks(source) == 0)
        return;
    if (nts->other_keys.aead != NTS_AEAD_NONE) {
        nts_client_set_keys(nts->client, &nts->other_keys);
        explicit_bzero(&nts->other_keys, sizeof(nts->other_keys));
        return;
    }
    want(engine, source);
}

/* --- what is asked for --- */

static bool has_aead(const Engine *engine, NtsAead aead)
{
    const Aead *ciphers = &engine->setup.aead;

    return ciphers->nonce_length && ciphers->nonce_length(ciphers->userdata, aead) > 0;
}

/* The ciphers of the configuration that this machine has, the best first. */
static size_t list_aeads(const Engine *engine, NtsAead ret[static NTS_AEADS_MAX])
{
    const NtsConfig *config = &engine->config->nts;
    size_t count = 0;

    for (size_t i = 0; i < config->aead_count; i++)
        if (has_aead(engine, config->aeads[i]))
            ret[count++] = config->aeads[i];
    return count;
}

static void fill_establishment(const Engine *engine, const Source *source, Action *ret)
{
    ret->establish = (typeof(ret->establish)) {
        .source = source->id,
        .server = {.address = source->nts->host, .port = source->config.nts_port},
        .cert_set = source->config.cert_set,
        .dates = engine_dates(engine),
        .now_s = engine_now_s(engine),
        .lower_bound_s = engine->setup.lower_bound_s,
        .anew = source->nts->anew,
    };
    (void) text_copy(ret->establish.name, sizeof(ret->establish.name), source->config.name);
    ret->establish.aead_count = list_aeads(engine, ret->establish.aeads);
}

static void fill_kept(const Engine *engine, const Source *source, Action *ret)
{
    const SourceNts *nts = source->nts;
    NtsKept *kept = &ret->keep.kept;
    double age = mono_diff(engine->now.mono, nts->established);

    ret->keep.server = nts->host;
    *kept = (NtsKept) {
        .established_s = engine_now_s(engine) - (int64_t) age,
        .remote = source->remote,
        .serial = nts->serial,
    };
    (void) text_copy(kept->name, sizeof(kept->name), source->config.name);
    if (!nts_client_save(nts->client, &kept->keys, kept->cookies, &kept->cookie_count))
        kept->cookie_count = 0;
}

void source_nts_fill_action(const Engine *engine, const Source *source, Action *ret)
{
    if (ret->kind == ACTION_ESTABLISH_KEYS)
        fill_establishment(engine, source, ret);
    else
        fill_kept(engine, source, ret);
}

void engine_keep_keys(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        if (source->nts && is_ready(source) && !source->nts->unproven)
            action_queue_push(&engine->actions, ACTION_KEEP_KEYS)->keys = source->id;
    }
}

/* --- what becomes of it --- */

/* validity: of the certificates that it was about. */
static void fail(Engine *engine, Source *source, NtsFailure failure, const NtsValidity *validity)
{
    SourceNts *nts = source->nts;

    nts->failure = failure;
    hold_off(engine, nts, retry_exponent(failure) + (nts->attempts > 0 ? nts->attempts - 1 : 0));
    if (source->online)
        want(engine, source);
    if (nts->told != failure) {
        nts->told = failure;
        Event *event = engine_emit(engine, EVENT_KEYS_FAILED, source);
        event->failure = failure;
        event->validity = *validity;
        event->address = nts->host;
    }
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
    engine_select(engine);
}

void source_nts_revoke(Engine *engine, Source *source, NtsFailure failure)
{
    forget_keys(source->nts);
    source_drop_samples(engine, source);
    source->poll_deadline = MONO_UNSET;
    fail(engine, source, failure, &source->nts->validity);
}

void source_nts_due(Engine *engine, Source *source)
{
    SourceNts *nts = source->nts;
    NtsAead aeads[NTS_AEADS_MAX];

    nts->deadline = MONO_UNSET;
    nts->held = false;
    nts->attempts++;
    nts->begun = engine->now.mono;
    nts->not_before = mono_add(engine->now.mono, SPACING);
    if (list_aeads(engine, aeads) == 0) {
        fail(engine, source, NTS_NO_AEAD, &(NtsValidity) {0});
        return;
    }
    nts->asked = true;
    action_queue_push(&engine->actions, ACTION_ESTABLISH_KEYS)->keys = source->id;
}

/* Back to its host, which has sent it where another source is at home. */
static void send_back(Engine *engine, Source *source)
{
    const IpEndpoint home = {.address = source->nts->host, .port = source->config.port};

    source_stop_polling(engine, source);
    source_set_remote(engine, source, &home);
    source_nts_revoke(engine, source, NTS_BAD_SERVER);
}

bool source_nts_make_room(Engine *engine, const Source *source, const IpEndpoint *remote)
{
    Source *rival = engine_find_asked(engine, remote, source);

    if (!rival)
        return true;
    if (!rival->nts || ip_address_equal(&rival->nts->host, &remote->address))
        return false;
    send_back(engine, rival);
    return true;
}

/* Takes an address over that the host has said. False: it cannot be one, or is another source's. */
static bool move(Engine *engine, Source *source, const IpAddress *address, uint16_t port)
{
    IpEndpoint remote = {.address = *address, .port = port};
    bool at_home = ip_address_equal(address, &source->nts->host);

    if (at_home ? !source_nts_make_room(engine, source, &remote)
                : !ip_address_can_serve(address) || engine_find_asked(engine, &remote, source))
        return false;
    if (ip_endpoint_equal(&remote, &source->remote))
        return true;
    source_stop_polling(engine, source);
    source_set_remote(engine, source, &remote);
    return true;
}

static void tell_established(Engine *engine, Source *source)
{
    SourceNts *nts = source->nts;
    Event *event = engine_emit(engine, EVENT_KEYS_ESTABLISHED, source);

    event->validity = nts->validity;
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

/* Keys are there and an address is: ask. */
static void resume(Engine *engine, Source *source)
{
    SourceNts *nts = source->nts;

    tell_established(engine, source);
    nts->attempts = 0;
    nts->failure = nts->told = NTS_OK;
    if (source->online && !mono_is_set(source->poll_deadline))
        source_start_polling(engine, source);
    engine_select(engine);
}

static void take_keys(Engine *engine, Source *source, const NtsEstablishment *establishment)
{
    SourceNts *nts = source->nts;

    nts_client_load(nts->client, &establishment->keys, establishment->cookies, establishment->cookie_count);
    nts->other_keys = establishment->other_keys;
    nts->host_key = establishment->host_key;
    nts->established = engine->now.mono;
    nts->serial++;
    nts->anew = true;
    if (nts->fruitless > 0)
        hold_off(engine, nts, MIN(RETRY_CONNECTION + nts->fruitless, RETRY_FRUITLESS_MAX));
    nts->fruitless++;
}

/* Who answers NTP, as the host says. */
static void follow(Engine *engine, Source *source, const NtsEstablishment *establishment)
{
    SourceNts *nts = source->nts;
    uint16_t port = establishment->port != 0 ? establishment->port : source->config.port;
    IpAddress address = nts->host;
    bool named = establishment->server[0] != '\0' && !ip_address_parse(establishment->server, &address);

    if (named) {
        source_stop_polling(engine, source);
        (void) text_copy(nts->server, sizeof(nts->server), establishment->server);
        source->remote.port = port;
        source->lookup.deadline = engine->now.mono;
        source->lookup.failures = 0;
    } else if (move(engine, source, &address, port)) {
        resume(engine, source);
    } else {
        source_nts_revoke(engine, source, NTS_BAD_SERVER);
    }
}

static Source *expecting(Engine *engine, SourceId id)
{
    Source *source = engine_find(engine, id);

    return source && source->nts && source->nts->asked && !engine->ended ? source : NULL;
}

void engine_on_keys_established(Engine *engine, SourceId id, const NtsEstablishment *establishment, Now now)
{
    engine_enter(engine, now);
    Source *source = expecting(engine, id);
    if (!source)
        return;
    source->nts->asked = false;
    NtsFailure failure = establishment->failure;
    if (failure == NTS_OK)
        failure = source_take_dates(engine, source, &establishment->validity);
    if (failure != NTS_OK) {
        fail(engine, source, failure, &establishment->validity);
        return;
    }
    take_keys(engine, source, establishment);
    follow(engine, source, establishment);
}

void source_nts_on_resolved(Engine *engine, Source *source, const LookupAnswer *answer)
{
    SourceNts *nts = source->nts;

    nts->server[0] = '\0';
    for (size_t i = 0; i < answer->count; i++) {
        const IpAddress *address = &answer->places[i].endpoint.address;
        if ((source->config.family == IP_UNSPEC || address->family == source->config.family) &&
            move(engine, source, address, source->remote.port)) {
            engine_note_address(engine, source);
            resume(engine, source);
            return;
        }
    }
    source_nts_revoke(engine, source, NTS_BAD_SERVER);
}

/* Keys are as old as the clock says, if it can be believed that much. */
static bool is_fresh(const Engine *engine, const NtsKept *kept, double *ret_age)
{
    double age = (double) (engine_now_s(engine) - kept->established_s);

    *ret_age = fmax(age, 0);
    return age <= engine->config->nts.refresh;
}

bool engine_on_keys_kept(Engine *engine, SourceId id, const NtsKept *kept, Now now)
{
    double age;

    engine_enter(engine, now);
    Source *source = expecting(engine, id);
    if (!source)
        return true;
    SourceNts *nts = source->nts;
    nts->anew = true;
    if (!text_equal(kept->name, source->config.name) || kept->cookie_count == 0 ||
        !has_aead(engine, kept->keys.aead) || !is_fresh(engine, kept, &age) ||
        !move(engine, source, &kept->remote.address, kept->remote.port))
        return false;
    nts_client_load(nts->client, &kept->keys, kept->cookies, kept->cookie_count);
    nts->asked = false;
    nts->attempts = 0;
    nts->serial = kept->serial;
    nts->validity = (NtsValidity) {INT64_MIN, INT64_MAX};
    nts->host_key = (NtsHostKey) {};
    nts->established = mono_add(engine->now.mono, -age);
    nts->not_before = MONO_UNSET; /* nothing was asked of the host */
    if (source->online && !mono_is_set(source->poll_deadline))
        source_start_polling(engine, source);
    engine_emit(engine, EVENT_KEYS_RESTORED, source);
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
    engine_select(engine);
    return true;
}
