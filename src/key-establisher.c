// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See key-establisher.h. A session is a stream and what speaks over it; it ends with exactly one result,
 * unless another one for the same source takes its place. */

#include "key-establisher.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "kept-keys-files.h"
#include "kept-keys-store.h"
#include "net/stream.h"
#include "notify.h"
#include "nts/ke-client.h"

/* For the whole of it, s. */
#define SESSION_TIME 16.0

typedef struct Session Session;
struct Session {
    KeyEstablisher *owner;
    Session *next; /* newest first */
    SourceId source;
    KeClient *client;
    Stream *stream;
};

struct KeyEstablisher {
    sd_event *event;
    Journal *journal;
    const Config *config;
    bool keeps;
    const KeyHandlers *handlers;
    void *userdata;
    Trust *trust;
    KeptKeysStore *store;
    Session *first;
};

/* The certificates of a system are megabytes, which nobody needs for the next four weeks. */
void key_establisher_tidy_up(const KeyEstablisher *establisher)
{
    if (establisher && !establisher->first)
        (void) malloc_trim(0);
}

static Session *session_free(Session *session)
{
    if (!session)
        return NULL;
    for (Session **s = &session->owner->first; *s; s = &(*s)->next)
        if (*s == session) {
            *s = session->next;
            break;
        }
    const KeyEstablisher *owner = session->owner;
    stream_free(session->stream);
    ke_client_free(session->client);
    free(session);
    key_establisher_tidy_up(owner);
    return NULL;
}
DEFINE_CLEANUP(Session, session_free);

/* --- whom to trust --- */

static int load_trust(const NtsConfig *config, Trust **ret)
{
    cleanup_(trust_freep) Trust *trust = NULL;
    int r = trust_new(!config->no_system_certs, &trust);

    for (size_t i = 0; i < config->trusted_count && r >= 0; i++)
        r = trust_add(trust, config->trusted[i].set, config->trusted[i].path);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(trust);
    return 0;
}

static void on_trust_problem(void *userdata, const char *path, int error)
{
    KeyEstablisher *establisher = userdata;

    journal_print(establisher->journal, LOG_LEVEL_WARNING, "Trusted certificates in %s cannot be used: %s",
                  path ? path : "the store of the system",
                  error == -EBADMSG ? "there is none" : strerror(-error));
}

int key_establisher_open_trust(KeyEstablisher *establisher, uint32_t set, TrustSet **ret)
{
    return trust_open(establisher->trust, set, on_trust_problem, establisher, ret);
}

int key_establisher_configure(KeyEstablisher *establisher, const Config *config)
{
    Trust *trust;
    int r = load_trust(&config->nts, &trust);

    establisher->config = config;
    if (r < 0)
        return r;
    trust_free(establisher->trust);
    establisher->trust = trust;
    return 0;
}

int key_establisher_new(sd_event *event, Journal *journal, const Config *config, bool keeps,
                        const KeyHandlers *handlers, void *userdata, KeyEstablisher **ret)
{
    cleanup_(key_establisher_freep) KeyEstablisher *establisher = calloc(1, sizeof *establisher);

    if (!establisher)
        return -ENOMEM;
    *establisher = (KeyEstablisher) {.event = sd_event_ref(event),
                                     .journal = journal,
                                     .keeps = keeps,
                                     .handlers = handlers,
                                     .userdata = userdata};
    int r = kept_keys_store_new(&establisher->store);
    if (r < 0 || (r = key_establisher_configure(establisher, config)) < 0)
        return r;
    *ret = TAKE_PTR(establisher);
    return 0;
}

KeyEstablisher *key_establisher_free(KeyEstablisher *establisher)
{
    if (!establisher)
        return NULL;
    while (establisher->first)
        session_free(establisher->first);
    trust_free(establisher->trust);
    kept_keys_store_free(establisher->store);
    sd_event_unref(establisher->event);
    free(establisher);
    return NULL;
}

/* --- a session --- */

static void finish(Session *session)
{
    const KeyEstablisher *owner = session->owner;

    owner->handlers->on_established(owner->userdata, session->source, ke_client_result(session->client));
    session_free(session);
}

static void fail(const KeyEstablisher *establisher, SourceId source, NtsFailure failure)
{
    const NtsEstablishment result = {.failure = failure};

    establisher->handlers->on_established(establisher->userdata, source, &result);
}

/* Sends what is to be sent, and ends the session when nothing more is to be said. */
static void go_on(Session *session)
{
    const uint8_t *bytes;
    size_t length;

    while ((length = ke_client_output(session->client, &bytes)) > 0) {
        size_t sent = stream_write(session->stream, bytes, length);
        if (sent == 0)
            break;
        ke_client_on_sent(session->client, sent);
    }
    if (ke_client_is_done(session->client))
        finish(session);
}

static void on_bytes(void *userdata, const uint8_t *bytes, size_t length)
{
    Session *session = userdata;

    ke_client_on_bytes(session->client, bytes, length);
    go_on(session);
}

static void on_written(void *userdata)
{
    go_on(userdata);
}

NtsFailure key_establisher_failure(int error)
{
    switch (error) {
    case ETIMEDOUT: return NTS_TIMEOUT;
    case ECONNREFUSED: return NTS_REFUSED;
    case ECONNRESET:
    case EPIPE: return NTS_CLOSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case EACCES:
    case EPERM: return NTS_UNREACHABLE;
    default: return NTS_LOCAL;
    }
}

static void on_end(void *userdata, int error)
{
    Session *session = userdata;
    const KeyEstablisher *owner = session->owner;
    SourceId source = session->source;

    if (error == 0) {
        ke_client_on_closed(session->client);
        finish(session);
        return;
    }
    session_free(session);
    fail(owner, source, key_establisher_failure(error));
}

static const StreamHandlers stream_handlers = {
    .on_bytes = on_bytes,
    .on_written = on_written,
    .on_end = on_end,
};

static int new_client(KeyEstablisher *establisher, const Action *action, KeClient **ret)
{
    cleanup_(trust_set_unrefp) TrustSet *set = NULL;
    KeClientSetup setup = {
        .question =
            {
                .name = action->establish.name,
                .dates = action->establish.dates,
                .now_s = action->establish.now_s,
                .lower_bound_s = action->establish.lower_bound_s,
            },
        .aead_count = action->establish.aead_count,
    };

    memcpy(setup.aeads, action->establish.aeads, sizeof action->establish.aeads);
    int r = key_establisher_open_trust(establisher, action->establish.cert_set, &set);
    if (r < 0)
        return r;
    setup.trust = set;
    return ke_client_new(&setup, ret);
}

static int begin(KeyEstablisher *establisher, const Action *action)
{
    const StreamSetup stream = {.remote = action->establish.server,
                                .net = &establisher->config->net,
                                .seconds = SESSION_TIME};
    Session *session = calloc(1, sizeof *session);

    if (!session)
        return -ENOMEM;
    *session =
        (Session) {.owner = establisher, .next = establisher->first, .source = action->establish.source};
    establisher->first = session;
    int r = new_client(establisher, action, &session->client);
    if (r >= 0 && ke_client_is_done(session->client)) {
        finish(session);
        return 0;
    }
    if (r >= 0)
        r = stream_new(establisher->event, &stream, &stream_handlers, session, &session->stream);
    if (r < 0)
        session_free(session);
    return r;
}

static void give_up(KeyEstablisher *establisher, SourceId source)
{
    for (Session *session = establisher->first; session; session = session->next)
        if (source_id_equal(session->source, source)) {
            session_free(session);
            return;
        }
}

/* --- between runs --- */

/* From memory or from a file; where both have them neither has them afterwards. */
static bool find_kept(KeyEstablisher *establisher, const IpAddress *server, NtsKept *ret)
{
    const char *directory = establisher->config->nts.dump_dir;
    bool filed = directory && kept_keys_take(establisher->journal, directory, server, ret);

    return kept_keys_store_take(establisher->store, server, ret) || filed;
}

static bool take_kept(KeyEstablisher *establisher, const Action *action)
{
    NtsKept kept;

    if (!establisher->keeps || action->establish.anew ||
        !find_kept(establisher, &action->establish.server.address, &kept))
        return false;
    bool taken = establisher->handlers->on_kept(establisher->userdata, action->establish.source, &kept);
    explicit_bzero(&kept, sizeof kept);
    return taken;
}

void key_establisher_establish(KeyEstablisher *establisher, const Action *action)
{
    give_up(establisher, action->establish.source);
    if (take_kept(establisher, action))
        return;
    int r = begin(establisher, action);
    if (r < 0) {
        journal_print(establisher->journal, LOG_LEVEL_ERROR, "Could not begin to establish keys: %s",
                      strerror(-r));
        fail(establisher, action->establish.source, NTS_LOCAL);
    }
}

void key_establisher_keep(KeyEstablisher *establisher, const Action *action)
{
    const char *directory = establisher->config->nts.dump_dir;

    if (!establisher->keeps)
        return;
    if (directory)
        kept_keys_leave(establisher->journal, directory, &action->keep.server, &action->keep.kept);
    if (kept_keys_store_leave(establisher->store, &action->keep.server, &action->keep.kept) < 0)
        journal_print(establisher->journal, LOG_LEVEL_WARNING, "No memory to keep keys over a restart");
}

void key_establisher_take_over(KeyEstablisher *establisher, int fd)
{
    if (!kept_keys_store_read(establisher->store, fd))
        journal_print(establisher->journal, LOG_LEVEL_WARNING,
                      "Keys that systemd has kept are not all used: they are not what was given to it");
    notify_forget(KEPT_KEYS_STORED);
}

void key_establisher_hand_over(const KeyEstablisher *establisher)
{
    size_t length;
    char *text;

    if (kept_keys_store_format(establisher->store, &text, &length) < 0 || !text)
        return;
    notify_store(KEPT_KEYS_STORED, text, length);
    notify_wait();
    explicit_bzero(text, length);
    free(text);
}
