// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The other end of a TLS session, over memory, which does whatever a test wants: other versions, other
 * protocols, any text in records of any size. It is gnutls itself, with nothing of ours between. */

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pki.h"

typedef struct TlsPeerSetup {
    bool server;
    bool tickets;           /* a server's: it can send session tickets, wanted or not */
    const char *priorities; /* NULL: TLS 1.3, as we speak it */
    const char *protocol;   /* ALPN; NULL or "": none */
    const char *name;       /* a client's: of the server it means (SNI); NULL: none */
    const Pki *chain[8];    /* a server's, its own first */
    const Pki *wrong_key;   /* a server's: of another certificate; NULL: the right one */
} TlsPeerSetup;

typedef struct TlsPeer TlsPeer;

TlsPeer *tls_peer_new(const TlsPeerSetup *setup);
void tls_peer_free(TlsPeer *peer);

/* What has arrived. The handshake goes on, and text is kept. */
void tls_peer_on_bytes(TlsPeer *peer, const uint8_t *bytes, size_t length);
/* What is to be sent, in place. */
size_t tls_peer_output(const TlsPeer *peer, const uint8_t **ret);
void tls_peer_on_sent(TlsPeer *peer, size_t length);

bool tls_peer_is_open(const TlsPeer *peer);
/* Says something, in one record (at most 16384 bytes). */
void tls_peer_say(TlsPeer *peer, const void *text, size_t length);
void tls_peer_close(TlsPeer *peer);
/* All that was said to it. */
size_t tls_peer_heard(const TlsPeer *peer, const uint8_t **ret);
/* The name that the client has sent (SNI), "" when it has sent none. */
const char *tls_peer_asked_for(const TlsPeer *peer);
/* The alert that it got, -1: none. */
int tls_peer_alert(const TlsPeer *peer);
/* Its session, for exporting keys. */
gnutls_session_t tls_peer_session(const TlsPeer *peer);
