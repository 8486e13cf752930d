// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* One key establishment as a server: TLS 1.3 and the messages in it. It is fed with what a connection brings,
 * gives what to send, and knows neither sockets nor clocks. Whoever owns it limits how long it may take. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "core/ntp/aead.h"
#include "nts/ke-message.h"
#include "nts/server-certificates.h"

/* What all servers share; it must live as long as they. */
typedef struct KeServerConfig {
    CookieJar jar;
    NtsAead aeads[KE_AEADS_MAX]; /* that we can do, best first */
    size_t aead_count;
    const char *ntp_server; /* name or address of who answers NTP (ntsntpserver); NULL: ourselves */
    uint16_t ntp_port;      /* host order; 0: 123 */
} KeServerConfig;

typedef enum KeServerState {
    KE_SERVER_HANDSHAKE = 0, /* TLS begins */
    KE_SERVER_LISTENS,       /* TLS stands, the request is to come */
    KE_SERVER_ANSWERED,      /* with cookies */
    KE_SERVER_REFUSED,       /* answered without: an error, or nothing that both know */
    KE_SERVER_FAILED,        /* no TLS, another protocol, closed, no memory */
} KeServerState;

typedef struct KeServer KeServer;

/* A reference to the credentials is taken. */
int ke_server_new(ServerCredentials *credentials, const KeServerConfig *config, KeServer **ret) must_check_;
KeServer *ke_server_free(KeServer *server);
DEFINE_CLEANUP(KeServer, ke_server_free);

/* The connection has brought bytes; ignored when it is done. */
void ke_server_on_bytes(KeServer *server, const uint8_t *bytes, size_t length);

/* What is to be sent, in place: valid until the next call with this server. Returns its length. When it is
 * done, the connection ends as soon as all of this is sent. */
size_t ke_server_output(const KeServer *server, const uint8_t **ret);
/* So many bytes of it were sent. */
void ke_server_on_sent(KeServer *server, size_t length);

KeServerState ke_server_state(const KeServer *server);
/* Answered, refused or failed. */
bool ke_server_is_done(const KeServer *server);

/* The answer to a whole request: what is inside TLS. export_keys gives the keys of the session; false: it
 * cannot. Writes at most size bytes; returns their length, 0: there is no answer, which only happens
 * when size is too small. */
typedef bool (*KeExportKeys)(void *userdata, NtsAead aead, bool compliant, NtsKeys *ret);
size_t ke_server_answer(const KeServerConfig *config, const uint8_t *request, size_t length,
                        KeExportKeys export_keys, void *userdata, uint8_t *ret, size_t size,
                        KeServerState *ret_state);
