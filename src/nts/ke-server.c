// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See ke-server.h. TLS, one request, one answer, end. Inside TLS there is no state: an answer is a function
 * of the request, of the keys of the session and of what the cookie jar gives. */

#include "nts/ke-server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nts/ke-keys.h"
#include "nts/tls.h"

#define DEFAULT_PORT 123
/* Longest answer: eight cookies, a server's name, and the rest. */
#define ANSWER_MAX   (NTS_COOKIES * (KE_RECORD_HEAD + NTS_COOKIE_MAX) + NTS_NAME_MAX + 128)

struct KeServer {
    Tls *tls;
    const KeServerConfig *config;
    KeInbox inbox;
    KeServerState state;
};

/* --- The answer -------------------------------------------------------------------------------------- */

/* The one that we like best of those that the client knows. */
static NtsAead choose_aead(const KeServerConfig *config, const KeRequest *request)
{
    for (size_t i = 0; i < config->aead_count && i < KE_AEADS_MAX; i++)
        for (size_t j = 0; j < request->aead_count; j++)
            if (config->aeads[i] == request->aeads[j])
                return config->aeads[i];
    return NTS_AEAD_NONE;
}

static bool fill_cookies(const CookieJar *jar, const NtsKeys *keys, NtsCookie cookies[static NTS_COOKIES])
{
    for (size_t i = 0; i < NTS_COOKIES; i++) {
        cookies[i].length = (uint16_t) jar->seal(jar->userdata, keys, cookies[i].bytes);
        if (cookies[i].length == 0)
            return false;
    }
    return true;
}

/* False: there are no keys or no cookies now. */
static bool make_cookies(const KeServerConfig *config, const KeResponse *response, KeExportKeys export_keys,
                         void *userdata, NtsCookie cookies[static NTS_COOKIES])
{
    NtsKeys keys;
    bool made = export_keys(userdata, response->aead, response->compliant_export, &keys) &&
                fill_cookies(&config->jar, &keys, cookies);

    explicit_bzero(&keys, sizeof(keys));
    return made;
}

static KeResponse agree(const KeServerConfig *config, const KeRequest *request)
{
    KeResponse response = {.error = KE_ERROR_NONE, .ntp = request->ntp};

    if (!request->ntp)
        return response;
    response.aead = choose_aead(config, request);
    response.compliant_export = request->compliant_export && ke_export_is_ambiguous(response.aead);
    response.server = config->ntp_server;
    response.port = config->ntp_port == DEFAULT_PORT ? 0 : config->ntp_port;
    return response;
}

size_t ke_server_answer(const KeServerConfig *config, const uint8_t *bytes, size_t length,
                        KeExportKeys export_keys, void *userdata, uint8_t *ret, size_t size,
                        KeServerState *ret_state)
{
    NtsCookie cookies[NTS_COOKIES];
    KeRequest request;
    KeResponse response = {.error = ke_request_read(bytes, length, &request)};

    if (response.error == KE_ERROR_NONE)
        response = agree(config, &request);
    if (response.aead != NTS_AEAD_NONE) {
        if (make_cookies(config, &response, export_keys, userdata, cookies)) {
            response.cookies = cookies;
            response.cookie_count = NTS_COOKIES;
        } else {
            response = (KeResponse) {.error = KE_ERROR_INTERNAL};
        }
    }
    *ret_state = response.cookie_count > 0 ? KE_SERVER_ANSWERED : KE_SERVER_REFUSED;
    return ke_response_write(&response, ret, size);
}

/* --- The session ------------------------------------------------------------------------------------- */

static bool export_keys(void *userdata, NtsAead aead, bool compliant, NtsKeys *ret)
{
    const KeServer *server = userdata;

    return ke_export_keys(server->tls, aead, compliant, ret);
}

static void answer(KeServer *server, const uint8_t *request, size_t length)
{
    uint8_t text[ANSWER_MAX];
    KeServerState state = KE_SERVER_FAILED;
    size_t n =
        ke_server_answer(server->config, request, length, export_keys, server, text, sizeof(text), &state);

    server->state = n > 0 && tls_write(server->tls, text, n) >= 0 ? state : KE_SERVER_FAILED;
    tls_close(server->tls);
}

static void on_text(KeServer *server, const uint8_t *text, size_t length)
{
    switch (ke_inbox_append(&server->inbox, text, length)) {
    case KE_INBOX_WAITS: return;
    case KE_INBOX_COMPLETE: answer(server, server->inbox.bytes, server->inbox.length); return;
    case KE_INBOX_BEYOND_END:
    case KE_INBOX_TOO_LONG: answer(server, text, 0); return; /* no request that is one */
    case KE_INBOX_NO_MEMORY: server->state = KE_SERVER_FAILED; return;
    }
}

void ke_server_on_bytes(KeServer *server, const uint8_t *bytes, size_t length)
{
    uint8_t text[1024];
    size_t text_length = 0;

    if (ke_server_is_done(server))
        return;
    tls_give(server->tls, bytes, length);
    while (!ke_server_is_done(server)) {
        switch (tls_next(server->tls, text, sizeof(text), &text_length)) {
        case TLS_WAITS: return;
        case TLS_OPENED: server->state = KE_SERVER_LISTENS; break;
        case TLS_TEXT: on_text(server, text, text_length); break;
        case TLS_CLOSED:
        case TLS_FAILED: server->state = KE_SERVER_FAILED; break;
        }
    }
}

size_t ke_server_output(const KeServer *server, const uint8_t **ret)
{
    return tls_output(server->tls, ret);
}

void ke_server_on_sent(KeServer *server, size_t length)
{
    tls_on_sent(server->tls, length);
}

KeServerState ke_server_state(const KeServer *server)
{
    return server->state;
}

bool ke_server_is_done(const KeServer *server)
{
    return server->state >= KE_SERVER_ANSWERED;
}

int ke_server_new(ServerCredentials *credentials, const KeServerConfig *config, KeServer **ret)
{
    cleanup_(ke_server_freep) KeServer *server = calloc(1, sizeof(*server));

    if (!server)
        return -ENOMEM;
    server->config = config;
    server->inbox = ke_inbox(KE_REQUEST_MAX);
    int r = tls_new_server(credentials, &server->tls);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(server);
    return 0;
}

KeServer *ke_server_free(KeServer *server)
{
    if (!server)
        return NULL;
    tls_free(server->tls);
    ke_inbox_clear(&server->inbox);
    free(server);
    return NULL;
}
