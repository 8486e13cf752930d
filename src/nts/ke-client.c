// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See ke-client.h. First TLS, in which the server's chain is judged; then one request, one response, and the
 * keys from the session. What is wrong with any of them ends it, with the reason; nothing is tried again
 * here. */

#include "nts/ke-client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "nts/ke-keys.h"
#include "nts/tls.h"

struct KeClient {
    Tls *tls; /* NULL: there was nobody to trust */
    TrustSet *trust;
    TrustQuestion question; /* its name is `name` */
    char name[NTS_NAME_MAX];
    KeRequest request;
    KeInbox inbox;
    NtsEstablishment result;
    bool done;
};

/* Without secrets when it has failed. */
static void finish(KeClient *client, NtsFailure failure)
{
    if (failure != NTS_OK) {
        NtsValidity validity = client->result.validity;

        explicit_bzero(&client->result, sizeof(client->result));
        client->result.validity = validity;
    }
    client->result.failure = failure;
    client->done = true;
    if (client->tls)
        tls_close(client->tls);
}

static NtsFailure on_chain(void *userdata, const TrustCertificate *chain, size_t count)
{
    KeClient *client = userdata;
    TrustAnswer answer;

    if (trust_set_verify(client->trust, &client->question, chain, count, &answer) < 0)
        return NTS_LOCAL;
    client->result.validity = answer.validity;
    client->result.provisional = answer.provisional;
    client->result.host_key = answer.host_key;
    return answer.failure;
}

static void send_request(KeClient *client)
{
    uint8_t message[128];
    size_t length = ke_request_write(&client->request, message, sizeof(message));

    if (tls_write(client->tls, message, length) < 0)
        finish(client, NTS_LOCAL);
}

static NtsFailure take_keys(KeClient *client)
{
    NtsEstablishment *result = &client->result;
    NtsAead aead = result->keys.aead;

    if (!ke_export_keys(client->tls, aead, result->compliant_export, &result->keys))
        return NTS_LOCAL;
    if (ke_export_is_ambiguous(aead) && !result->compliant_export &&
        !ke_export_keys(client->tls, aead, true, &result->other_keys))
        return NTS_LOCAL;
    return NTS_OK;
}

static void on_text(KeClient *client, const uint8_t *text, size_t length)
{
    NtsFailure failure = NTS_BAD_RECORD;

    switch (ke_inbox_append(&client->inbox, text, length)) {
    case KE_INBOX_WAITS: return;
    case KE_INBOX_COMPLETE:
        failure =
            ke_response_read(client->inbox.bytes, client->inbox.length, &client->request, &client->result);
        break;
    case KE_INBOX_NO_MEMORY: failure = NTS_LOCAL; break;
    case KE_INBOX_TOO_LONG:
    case KE_INBOX_BEYOND_END: break;
    }
    finish(client, failure == NTS_OK ? take_keys(client) : failure);
}

void ke_client_on_bytes(KeClient *client, const uint8_t *bytes, size_t length)
{
    uint8_t text[2048];
    size_t text_length = 0;

    if (client->done)
        return;
    tls_give(client->tls, bytes, length);
    while (!client->done) {
        switch (tls_next(client->tls, text, sizeof(text), &text_length)) {
        case TLS_WAITS: return;
        case TLS_OPENED: send_request(client); break;
        case TLS_TEXT: on_text(client, text, text_length); break;
        case TLS_CLOSED: finish(client, NTS_CLOSED); break;
        case TLS_FAILED: finish(client, tls_failure(client->tls)); break;
        }
    }
}

void ke_client_on_closed(KeClient *client)
{
    if (!client->done)
        finish(client, NTS_CLOSED);
}

size_t ke_client_output(const KeClient *client, const uint8_t **ret)
{
    *ret = NULL;
    return client->tls ? tls_output(client->tls, ret) : 0;
}

void ke_client_on_sent(KeClient *client, size_t length)
{
    if (client->tls)
        tls_on_sent(client->tls, length);
}

bool ke_client_is_done(const KeClient *client)
{
    return client->done;
}

const NtsEstablishment *ke_client_result(const KeClient *client)
{
    return client->done ? &client->result : NULL;
}

void ke_client_describe(const KeClient *client, char *buffer, size_t size)
{
    buffer[0] = '\0';
    if (client->tls)
        tls_describe(client->tls, buffer, size);
}

size_t ke_client_chain(const KeClient *client, TrustCertificate ret[static TRUST_CHAIN_MAX])
{
    return client->tls ? tls_chain(client->tls, ret) : 0;
}

/* --- Coming and going -------------------------------------------------------------------------------- */

static KeRequest request_of(const KeClientSetup *setup)
{
    KeRequest request = {.ntp = true};

    for (size_t i = 0; i < setup->aead_count && i < KE_AEADS_MAX; i++) {
        request.aeads[request.aead_count++] = setup->aeads[i];
        request.compliant_export |= ke_export_is_ambiguous(setup->aeads[i]);
    }
    return request;
}

/* The name that goes to the server: as in certificates, and not that of an address (RFC 6066, section 3). */
static int start_tls(KeClient *client)
{
    IpAddress address;
    char name[NTS_NAME_MAX];

    if (ip_address_parse(client->name, &address))
        return tls_new_client(NULL, on_chain, client, &client->tls);
    (void) text_copy(name, sizeof(name), client->name);
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '.')
        name[length - 1] = '\0';
    return tls_new_client(name, on_chain, client, &client->tls);
}

int ke_client_new(const KeClientSetup *setup, KeClient **ret)
{
    cleanup_(ke_client_freep) KeClient *client = calloc(1, sizeof(*client));

    if (!client)
        return -ENOMEM;
    client->trust = trust_set_ref(setup->trust);
    client->question = setup->question;
    client->question.name = client->name;
    if (!text_copy(client->name, sizeof(client->name), setup->question.name))
        return -ENAMETOOLONG;
    client->request = request_of(setup);
    client->inbox = ke_inbox(KE_RESPONSE_MAX);
    if (trust_set_size(client->trust) == 0) {
        finish(client, NTS_LOCAL);
    } else {
        int r = start_tls(client);
        if (r < 0)
            return r;
    }
    *ret = TAKE_PTR(client);
    return 0;
}

KeClient *ke_client_free(KeClient *client)
{
    if (!client)
        return NULL;
    tls_free(client->tls);
    trust_set_unref(client->trust);
    ke_inbox_clear(&client->inbox);
    explicit_bzero(client, sizeof(*client));
    free(client);
    return NULL;
}
