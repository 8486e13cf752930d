// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* One key establishment as a client: TLS 1.3 and the messages in it. It is fed with what a connection brings,
 * gives what to send, and knows neither sockets nor clocks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "core/api/nts.h"
#include "nts/ke-message.h"
#include "nts/trust.h"

typedef struct KeClientSetup {
    TrustSet *trust;             /* a reference is taken; an empty set ends it at once with NTS_LOCAL */
    TrustQuestion question;      /* the name is copied */
    NtsAead aeads[KE_AEADS_MAX]; /* best first; those that this machine has */
    size_t aead_count;
} KeClientSetup;

typedef struct KeClient KeClient;

/* Has output at once. */
int ke_client_new(const KeClientSetup *setup, KeClient **ret) must_check_;
KeClient *ke_client_free(KeClient *client);
DEFINE_CLEANUP(KeClient, ke_client_free);

/* The connection has brought bytes; ignored when it is done. */
void ke_client_on_bytes(KeClient *client, const uint8_t *bytes, size_t length);
/* The other end has closed the connection: NTS_CLOSED, unless it is done. */
void ke_client_on_closed(KeClient *client);

/* What is to be sent, in place: valid until the next call with this client. Returns its length. When it is
 * done there may still be something to send, out of politeness. */
size_t ke_client_output(const KeClient *client, const uint8_t **ret);
/* So many bytes of it were sent. */
void ke_client_on_sent(KeClient *client, size_t length);

bool ke_client_is_done(const KeClient *client);
/* NULL: it is not done. Otherwise valid as long as the client, which wipes it. */
const NtsEstablishment *ke_client_result(const KeClient *client);

/* For people: what was agreed on, "" when nothing was yet. */
void ke_client_describe(const KeClient *client, char *buffer, size_t size);
/* The certificates that the server has shown, its own first, valid as long as the client. Returns how many.
 */
size_t ke_client_chain(const KeClient *client, TrustCertificate ret[static TRUST_CHAIN_MAX]);
