// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A TLS 1.3 session between two buffers: no sockets, no waiting. It is given what has arrived, asked again
 * and again what that means until it waits for more, and leaves what is to be sent. Only NTS-KE is spoken in
 * it (ALPN `ntske/1`), nothing is resumed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "core/api/nts.h"
#include "nts/server-certificates.h"
#include "nts/trust.h"

typedef struct Tls Tls;

/* Judges a server's chain, its own certificate first. */
typedef NtsFailure (*TlsVerify)(void *userdata, const TrustCertificate *chain, size_t count);

/* A client's; begins to speak at once. name: which server is meant, NULL when it has none. */
int tls_new_client(const char *name, TlsVerify verify, void *userdata, Tls **ret) must_check_;
/* A server's. A reference to the credentials is taken. */
int tls_new_server(ServerCredentials *credentials, Tls **ret) must_check_;
Tls *tls_free(Tls *tls);
DEFINE_CLEANUP(Tls, tls_free);

typedef enum TlsEvent {
    TLS_WAITS = 0, /* for more to arrive; all that was given is used up */
    TLS_OPENED,    /* the handshake is over: there are keys, and text can be written */
    TLS_TEXT,      /* the other end says something */
    TLS_CLOSED,    /* it has said all that it had to say */
    TLS_FAILED,    /* see tls_failure(); the other end is told */
} TlsEvent;

/* What has arrived: read in place by tls_next() until that waits. */
void tls_give(Tls *tls, const uint8_t *bytes, size_t length);
/* What happens next. With TLS_TEXT, writes up to size bytes of plain text and their number. */
TlsEvent tls_next(Tls *tls, uint8_t *ret, size_t size, size_t *ret_length) must_check_;
/* Why it has failed, as a client tells it. */
NtsFailure tls_failure(const Tls *tls);

/* Once it is open. 0, or -ENOMEM. */
int tls_write(Tls *tls, const uint8_t *text, size_t length) must_check_;
/* Says that nothing more will be written. */
void tls_close(Tls *tls);
/* A key from the exporter of TLS (RFC 8446, section 7.5). */
bool tls_export(const Tls *tls, const char *label, const uint8_t *context, size_t context_length,
                uint8_t *ret, size_t length) must_check_;

/* What was agreed on, for people; "": nothing yet. */
void tls_describe(const Tls *tls, char *buffer, size_t size);
/* What the other end has shown, at most TRUST_CHAIN_MAX of them. Returns how many. */
size_t tls_chain(const Tls *tls, TrustCertificate ret[static TRUST_CHAIN_MAX]);

/* What is to be sent, in place, until the next call that changes the session; NULL: nothing. */
size_t tls_output(const Tls *tls, const uint8_t **ret);
/* So much of it was sent. */
void tls_on_sent(Tls *tls, size_t length);
