// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See key-server.h.
 *
 * Three things have to be there before anybody is listened to: a certificate, keys for cookies, and somebody
 * who is allowed. Whenever one of them comes or goes, listen_as_it_is() opens or closes.
 *
 * What the threads of the stream server use is the gate, the certificates and the keys of cookies, which may
 * be used by anybody at any time, and `ke`, which changes only while no thread runs. */

#include "key-server.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "cookie-keys.h"
#include "credentials.h"
#include "hw/kernel-clock.h"
#include "key-gate.h"
#include "net/stream-server.h"
#include "nts-certificates.h"
#include "nts/ke-server.h"

/* A connection, from its first byte to the last one, s. chrony gives 2; what is crowded out is not those that
 * are slow but those of whom there are many, so there is no need to be so strict with links over satellites.
 */
#define LIFETIME   4.0
/* A port that cannot be had is tried again after that. */
#define RETRY_USEC UINT64_C(32000000)
/* Descriptors that are left to all the others. */
#define OTHERS     256
/* Of clientloglimit, in addition to what the log of packets has: whoever comes for keys comes rarely. */
#define LOG_SHARE  4

struct KeyServer {
    KeyServerSetup setup;
    const Config *config;      /* borrowed */
    const AccessTable *access; /* borrowed */
    KeyGate *gate;
    NtsCertificates *certificates;
    CookieKeys *keys;
    StreamServer *streams;
    KeServerConfig ke;
    char *ntp_server; /* owned; what ke points to */
    sd_event_source *retry;
    bool v4, v6; /* listens for */
    bool failed; /* an address to listen on cannot be had */
    bool told;   /* and that was said: it is tried again and again */
};

/* --- one conversation; in any thread --- */

typedef struct Talk {
    KeyServer *server;
    KeServer *ke;
} Talk;

static KeServer *new_ke(KeyServer *server)
{
    cleanup_(server_credentials_unrefp) ServerCredentials *credentials =
        nts_certificates_take(server->certificates);
    KeServer *ke;

    return credentials && ke_server_new(credentials, &server->ke, &ke) >= 0 ? ke : NULL;
}

static void *talk_open(void *userdata, const IpEndpoint *remote)
{
    KeyServer *server = userdata;

    if (!key_gate_admits(server->gate, &remote->address, kernel_clock_now().mono))
        return NULL;
    Talk *talk = calloc(1, sizeof *talk);
    if (talk && (talk->ke = new_ke(server))) {
        talk->server = server;
        return talk;
    }
    free(talk);
    key_gate_count(server->gate, KEYS_FAILED);
    return NULL;
}

static void talk_on_bytes(void *talk, const uint8_t *bytes, size_t length)
{
    ke_server_on_bytes(((Talk *) talk)->ke, bytes, length);
}

static void talk_on_closed(void *talk)
{
    (void) talk; /* the stream server ends what has no answer then */
}

static size_t talk_output(void *talk, const uint8_t **ret)
{
    return ke_server_output(((Talk *) talk)->ke, ret);
}

static void talk_on_sent(void *talk, size_t length)
{
    ke_server_on_sent(((Talk *) talk)->ke, length);
}

static bool talk_is_done(const void *talk)
{
    return ke_server_is_done(((const Talk *) talk)->ke);
}

static KeyVerdict verdict_of_state(KeServerState state)
{
    switch (state) {
    case KE_SERVER_ANSWERED: return KEYS_GIVEN;
    case KE_SERVER_REFUSED: return KEYS_REFUSED;
    case KE_SERVER_FAILED: return KEYS_NO_TLS;
    case KE_SERVER_HANDSHAKE:
    case KE_SERVER_LISTENS: break;
    }
    return KEYS_HUNG_UP;
}

static KeyVerdict verdict_of(const Talk *talk, StreamEnd end)
{
    switch (end) {
    case STREAM_FINISHED: return verdict_of_state(ke_server_state(talk->ke));
    case STREAM_LATE: return KEYS_LATE;
    case STREAM_CROWDED_OUT:
    case STREAM_STOPPED: return KEYS_CROWDED_OUT;
    case STREAM_TALKATIVE: return KEYS_REFUSED;
    case STREAM_HUNG_UP:
    case STREAM_END_COUNT: break;
    }
    return KEYS_HUNG_UP;
}

static void talk_close(void *userdata, StreamEnd end)
{
    Talk *talk = userdata;

    key_gate_count(talk->server->gate, verdict_of(talk, end));
    ke_server_free(talk->ke);
    free(talk);
}

static const StreamHandlers talk_handlers = {.open = talk_open,
                                             .on_bytes = talk_on_bytes,
                                             .on_closed = talk_on_closed,
                                             .output = talk_output,
                                             .on_sent = talk_on_sent,
                                             .is_done = talk_is_done,
                                             .close = talk_close};

/* --- listening --- */

static void on_failed(void *userdata, const IpEndpoint *endpoint, int error)
{
    KeyServer *server = userdata;
    char text[IP_ENDPOINT_TEXT_MAX];

    if (!server->told)
        journal_print(server->setup.journal, LOG_LEVEL_ERROR, "Could not listen on %s (NTS): %s",
                      ip_endpoint_format(endpoint, text), strerror(error));
    server->failed = true;
}

/* Connections that each hand may have: as configured, or as many as there are descriptors for. */
static size_t limit_connections(const KeyServer *server, size_t hands)
{
    size_t wanted = (size_t) server->config->nts_server.max_connections;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wanted;
    rlim_t needed = (rlim_t) wanted * hands + OTHERS;
    if (limit.rlim_cur < needed && limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = MIN(needed, limit.rlim_max), .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) >= 0)
            limit = raised;
    }
    if (limit.rlim_cur >= needed)
        return wanted;
    size_t possible = limit.rlim_cur > 2 * OTHERS ? (limit.rlim_cur - OTHERS) / hands : OTHERS / hands;
    journal_print(
        server->setup.journal, LOG_LEVEL_WARNING,
        "maxntsconnections %zu is too much for the limit of descriptors (%llu, LimitNOFILE=): %zu are "
        "taken at once",
        wanted, (unsigned long long) limit.rlim_cur, MAX(possible, (size_t) 1));
    return MAX(possible, (size_t) 1);
}

static void tell_listening(const KeyServer *server)
{
    for (size_t i = 0; i < stream_server_count(server->streams); i++) {
        char text[IP_ENDPOINT_TEXT_MAX];
        IpEndpoint local = stream_server_local(server->streams, i);
        journal_print(server->setup.journal, LOG_LEVEL_DEBUG, "Listening on %s (NTS)",
                      ip_endpoint_format(&local, text));
    }
}

static void open_streams(KeyServer *server)
{
    const NtsServerConfig *nts = &server->config->nts_server;
    ServerConfig at = server->config->server; /* its addresses, with another port */
    size_t threads = MIN((size_t) nts->threads, (size_t) STREAM_THREADS_MAX);
    const ServerListen where = {.config = &at,
                                .v4 = server->v4,
                                .v6 = server->v6,
                                .dscp = server->config->net.dscp,
                                .passed = server->setup.passed,
                                .passed_count = server->setup.passed_count};
    StreamHands hands = {.threads = threads, .limit = 1};

    at.port = nts->port;
    if (server->v4 || server->v6)
        hands.limit = limit_connections(server, MAX(threads, (size_t) 1));
    server->failed = false;
    int r = stream_server_listen(server->streams, &where, &hands);
    if (r < 0 && !server->told)
        journal_print(server->setup.journal, LOG_LEVEL_ERROR, "Could not start the NTS server: %s",
                      strerror(-r));
    server->told = server->failed = server->failed || r < 0;
    tell_listening(server);
    (void) sd_event_source_set_time_relative(server->retry, RETRY_USEC);
    (void) sd_event_source_set_enabled(server->retry, server->failed ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static bool is_configured(const KeyServer *server)
{
    return server->setup.passed_count > 0 || server->config->nts_server.port > 0;
}

static bool is_ready(const KeyServer *server)
{
    return is_configured(server) && nts_certificates_are_there(server->certificates) &&
           cookie_keys_are_there(server->keys);
}

static bool allows_any(const KeyServer *server, IpFamily family)
{
    return server->access && access_table_allows_any(server->access, family);
}

/* Opens or closes what is to be; always: also when that is what is open. */
static void listen_as_it_is(KeyServer *server, bool always)
{
    bool ready = is_ready(server);
    bool v4 = ready && server->setup.family != IP_V6 && allows_any(server, IP_V4);
    bool v6 = ready && server->setup.family != IP_V4 && allows_any(server, IP_V6);

    if (!always && v4 == server->v4 && v6 == server->v6)
        return;
    server->v4 = v4;
    server->v6 = v6;
    open_streams(server);
}

static void on_ready_or_not(void *userdata)
{
    listen_as_it_is(userdata, false);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void) source;
    (void) usec;
    open_streams(userdata);
    return 0;
}

void key_server_set_access(KeyServer *server, const AccessTable *access)
{
    server->access = access;
    key_gate_set_access(server->gate, access);
    listen_as_it_is(server, false);
}

/* --- configuration --- */

/* Files of the configuration; without any those that the service manager passed. */
static int configure_certificates(KeyServer *server)
{
    const NtsServerConfig *nts = &server->config->nts_server;
    char chain[PATH_MAX], key[PATH_MAX];
    char *chains[] = {chain, NULL}, *keys[] = {key, NULL};

    if (nts->certificates)
        return nts_certificates_set_files(server->certificates, nts->certificates, nts->keys);
    bool has_chain = credential_find(CREDENTIAL_NTS_CERTIFICATE, chain);
    bool has_key = credential_find(CREDENTIAL_NTS_KEY, key);
    if (has_chain != has_key)
        journal_print(server->setup.journal, LOG_LEVEL_ERROR,
                      "Of the credentials " CREDENTIAL_NTS_CERTIFICATE " and " CREDENTIAL_NTS_KEY
                      " only one was passed: no keys are handed out (NTS)");
    return has_chain && has_key ? nts_certificates_set_files(server->certificates, chains, keys)
                                : nts_certificates_set_files(server->certificates, NULL, NULL);
}

/* Without a certificate keys are of use as well, if others hand them out. */
static int configure_keys(KeyServer *server)
{
    const Config *config = server->config;
    const CookieKeysConfig keys = {
        .wanted = nts_certificates_are_wanted(server->certificates) ||
                  (config->nts_server.rotate == 0 && config->nts.dump_dir),
        .folder = config->nts.dump_dir,
        .rotate = config->nts_server.rotate,
    };

    return cookie_keys_configure(server->keys, &keys);
}

static int configure_gate(KeyServer *server)
{
    const ServerConfig *config = &server->config->server;
    size_t log_limit = config->no_client_log ? 0 : MAX((size_t) config->log_limit / LOG_SHARE, (size_t) 1);

    return key_gate_configure(server->gate, &server->config->nts_server.rate_limit, log_limit);
}

/* What the threads read: none of them runs. */
static int configure_ke(KeyServer *server)
{
    const Config *config = server->config;

    free(server->ntp_server);
    server->ntp_server = NULL;
    if (config->nts_server.ntp_server && !(server->ntp_server = strdup(config->nts_server.ntp_server)))
        return -ENOMEM;
    server->ke = (KeServerConfig) {.jar = cookie_keys_jar(server->keys),
                                   .ntp_server = server->ntp_server,
                                   .ntp_port = config->server.port};
    for (size_t i = 0; i < config->nts.aead_count && i < ELEMENTS(server->ke.aeads); i++)
        server->ke.aeads[server->ke.aead_count++] = config->nts.aeads[i];
    return 0;
}

static bool same_aeads(const NtsConfig *a, const NtsConfig *b)
{
    return a->aead_count == b->aead_count &&
           memcmp(a->aeads, b->aeads, a->aead_count * sizeof a->aeads[0]) == 0;
}

/* Clients are served by others, elsewhere or in another way. */
static bool serves_otherwise(const Config *a, const Config *b)
{
    return !a || !nts_server_config_serves_equal(&a->nts_server, &b->nts_server) ||
           !server_config_listens_equal(&a->server, &b->server) || a->net.dscp != b->net.dscp ||
           !same_aeads(&a->nts, &b->nts);
}

static void tell_mismatches(const KeyServer *server)
{
    const NtsServerConfig *nts = &server->config->nts_server;

    if (nts->threads > STREAM_THREADS_MAX && is_ready(server))
        journal_print(server->setup.journal, LOG_LEVEL_WARNING, "ntsprocesses %d: %d threads are started",
                      (int) nts->threads, STREAM_THREADS_MAX);
    if (server->setup.passed_count > 0 && !nts_certificates_are_wanted(server->certificates))
        journal_print(server->setup.journal, LOG_LEVEL_WARNING,
                      "systemd passed sockets for NTS, but there is no ntsservercert and ntsserverkey");
    for (size_t i = 0; i < server->setup.passed_count; i++)
        if (server->setup.passed[i].local.port != nts->port)
            journal_print(server->setup.journal, LOG_LEVEL_WARNING,
                          "Listening on port %u, which systemd passed, instead of ntsport %u",
                          (unsigned) server->setup.passed[i].local.port, (unsigned) nts->port);
}

int key_server_configure(KeyServer *server, const Config *config)
{
    bool otherwise = serves_otherwise(server->config, config);
    int r = 0;

    if (otherwise) {
        server->v4 = server->v6 = false;
        server->config = config;
        open_streams(server); /* closes them */
    }
    server->config = config;
    if ((r = configure_certificates(server)) < 0 || (r = configure_keys(server)) < 0 ||
        (r = configure_gate(server)) < 0 || (otherwise && (r = configure_ke(server)) < 0))
        return r;
    listen_as_it_is(server, otherwise);
    tell_mismatches(server);
    return 0;
}

bool key_server_rekey(KeyServer *server, Text *detail)
{
    bool good = nts_certificates_reload(server->certificates, detail);

    return cookie_keys_reload(server->keys, good ? detail : NULL) && good;
}

/* --- the whole --- */

static int connect_parts(KeyServer *server)
{
    const KeyServerSetup *setup = &server->setup;
    const CookieKeysSetup keys = {.event = setup->event,
                                  .journal = setup->journal,
                                  .stored = setup->stored_keys,
                                  .on_changed = on_ready_or_not,
                                  .userdata = server};
    StreamServerSetup streams = {.event = setup->event,
                                 .handlers = &talk_handlers,
                                 .userdata = server,
                                 .now = kernel_clock_now,
                                 .lifetime = LIFETIME,
                                 .on_failed = on_failed};
    int r;

    memcpy(streams.secret, setup->secret, sizeof streams.secret);
    if ((r = key_gate_new(setup->secret + sizeof streams.secret, &server->gate)) < 0 ||
        (r = nts_certificates_new(setup->event, setup->journal, on_ready_or_not, server,
                                  &server->certificates)) < 0 ||
        (r = cookie_keys_new(&keys, &server->keys)) < 0 ||
        (r = stream_server_new(&streams, &server->streams)) < 0 ||
        (r = sd_event_add_time_relative(setup->event, &server->retry, CLOCK_MONOTONIC, 0, 0, on_retry,
                                        server)) < 0)
        return r;
    return sd_event_source_set_enabled(server->retry, SD_EVENT_OFF);
}

int key_server_new(const KeyServerSetup *setup, const Config *config, KeyServer **ret)
{
    cleanup_(key_server_freep) KeyServer *server = calloc(1, sizeof *server);
    int r;

    if (!server)
        return -ENOMEM;
    server->setup = *setup;
    sd_event_ref(setup->event);
    if ((r = connect_parts(server)) < 0 || (r = key_server_configure(server, config)) < 0)
        return r;
    *ret = TAKE_PTR(server);
    return 0;
}

KeyServer *key_server_free(KeyServer *server)
{
    if (!server)
        return NULL;
    sd_event_source_disable_unref(server->retry);
    stream_server_free(server->streams);
    cookie_keys_free(server->keys);
    nts_certificates_free(server->certificates);
    key_gate_free(server->gate);
    sd_event_unref(server->setup.event);
    free(server->ntp_server);
    free(server);
    return NULL;
}

/* --- reports --- */

CookieJar key_server_jar(const KeyServer *server)
{
    return cookie_keys_jar(server->keys);
}

static KeyServerState state_of(const KeyServer *server)
{
    if (!is_configured(server) || !nts_certificates_are_wanted(server->certificates))
        return KEY_SERVER_OFF;
    if (!nts_certificates_are_there(server->certificates))
        return KEY_SERVER_NO_CERTIFICATE;
    if (!cookie_keys_are_there(server->keys))
        return KEY_SERVER_NO_KEYS;
    if (!server->v4 && !server->v6)
        return KEY_SERVER_OFF;
    return stream_server_count(server->streams) > 0 ? KEY_SERVER_LISTENING : KEY_SERVER_NO_SOCKET;
}

void key_server_report(const KeyServer *server, KeyServerReport *ret)
{
    key_gate_report(server->gate, ret);
    ret->state = state_of(server);
    ret->certificate_end = nts_certificates_end(server->certificates);
}

void key_server_fill_client(KeyServer *server, ClientReport *client)
{
    key_gate_fill_client(server->gate, kernel_clock_now().mono, client);
}

bool key_server_next_client(KeyServer *server, uint64_t *position, ClientReport *ret)
{
    return key_gate_next_client(server->gate, position, kernel_clock_now().mono, ret);
}

void key_server_reset_clients(KeyServer *server)
{
    key_gate_reset_clients(server->gate);
}
