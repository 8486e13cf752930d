// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See tls.h. gnutls reads from the bytes that were given last, without a copy, and writes into a buffer that
 * grows up to a limit. Whatever it reports as an error is one of the failures that an administrator can do
 * something about; those of the handshake are most telling, and the alert that the other end sends is more
 * telling still. */

#include "nts/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "nts/server-credentials.h"
#include "nts/tls-priorities.h"

#define ALPN             "ntske/1"
/* Most that is to be sent and was not taken. What either end has to say fits many times. */
#define OUTPUT_MAX       ((size_t) 128 * 1024)
/* Most bytes of the other end in a handshake, which is a hello, or a chain of certificates: gnutls would keep
 * what a length of 16 MiB announces. */
#define CLIENT_HELLO_MAX ((size_t) 16 * 1024)
#define SERVER_HELLO_MAX ((size_t) 128 * 1024)

typedef enum State { STATE_HANDSHAKE = 0, STATE_OPEN, STATE_CLOSED, STATE_FAILED } State;

typedef struct Output {
    uint8_t *bytes; /* owned */
    size_t begin, end, size;
} Output;

struct Tls {
    gnutls_session_t session;
    ServerCredentials *credentials;                /* of a server */
    gnutls_certificate_credentials_t certificates; /* of a client: none */
    gnutls_priority_t priorities;                  /* of a client */
    TlsVerify verify;
    void *verify_userdata;
    State state;
    NtsFailure failure;
    const uint8_t *input; /* not ours; used up before tls_next() waits */
    size_t input_left;
    size_t welcome; /* most bytes that may still arrive */
    Output output;
};

/* --- The two buffers --------------------------------------------------------------------------------- */

static bool reserve(Output *output, size_t length)
{
    size_t size = MAX(output->size, (size_t) 2048);

    while (size < output->end + length)
        size *= 2;
    if (size == output->size)
        return true;
    uint8_t *bytes = size <= OUTPUT_MAX ? realloc(output->bytes, size) : NULL;
    if (!bytes)
        return false;
    output->bytes = bytes;
    output->size = size;
    return true;
}

static ssize_t push(gnutls_transport_ptr_t transport, const giovec_t *parts, int count)
{
    Tls *tls = transport;
    size_t before = tls->output.end;

    for (int i = 0; i < count; i++) {
        if (!reserve(&tls->output, parts[i].iov_len)) {
            tls->output.end = before;
            gnutls_transport_set_errno(tls->session, ENOMEM);
            return -1;
        }
        memcpy(tls->output.bytes + tls->output.end, parts[i].iov_base, parts[i].iov_len);
        tls->output.end += parts[i].iov_len;
    }
    return (ssize_t) (tls->output.end - before);
}

static ssize_t pull(gnutls_transport_ptr_t transport, void *buffer, size_t size)
{
    Tls *tls = transport;
    size_t length = MIN(size, tls->input_left);

    if (length == 0) {
        gnutls_transport_set_errno(tls->session, EAGAIN);
        return -1;
    }
    if (length > tls->welcome) {
        gnutls_transport_set_errno(tls->session, EMSGSIZE);
        return -1;
    }
    tls->welcome -= length;
    memcpy(buffer, tls->input, length);
    tls->input += length;
    tls->input_left -= length;
    return (ssize_t) length;
}

static int pull_timeout(gnutls_transport_ptr_t transport, unsigned milliseconds)
{
    const Tls *tls = transport;

    (void) milliseconds;
    return tls->input_left > 0;
}

size_t tls_output(const Tls *tls, const uint8_t **ret)
{
    size_t length = tls->output.end - tls->output.begin;

    *ret = length > 0 ? tls->output.bytes + tls->output.begin : NULL;
    return length;
}

void tls_on_sent(Tls *tls, size_t length)
{
    tls->output.begin += MIN(length, tls->output.end - tls->output.begin);
    if (tls->output.begin == tls->output.end)
        tls->output.begin = tls->output.end = 0;
}

void tls_give(Tls *tls, const uint8_t *bytes, size_t length)
{
    tls->input = bytes;
    tls->input_left = length;
}

/* --- Whom we speak with ------------------------------------------------------------------------------ */

size_t tls_chain(const Tls *tls, TrustCertificate ret[static TRUST_CHAIN_MAX])
{
    unsigned count = 0;
    const gnutls_datum_t *sent = gnutls_certificate_get_peers(tls->session, &count);

    if (!sent || gnutls_certificate_type_get2(tls->session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509)
        return 0;
    count = MIN(count, (unsigned) TRUST_CHAIN_MAX);
    for (unsigned i = 0; i < count; i++)
        ret[i] = (TrustCertificate) {.bytes = sent[i].data, .length = sent[i].size};
    return count;
}

static NtsFailure verify_chain(Tls *tls)
{
    TrustCertificate chain[TRUST_CHAIN_MAX];
    size_t count = tls_chain(tls, chain);

    return count > 0 ? tls->verify(tls->verify_userdata, chain, count) : NTS_CERT_BAD;
}

static bool speaks_nts(const Tls *tls)
{
    gnutls_datum_t selected;

    return gnutls_alpn_get_selected_protocol(tls->session, &selected) == 0 && selected.size == strlen(ALPN) &&
           memcmp(selected.data, ALPN, selected.size) == 0;
}

/* Called by gnutls within the handshake, when nothing of ours is said yet. A server that does not speak our
 * protocol says so before it shows its certificate, and that is the first thing to tell. */
static int on_certificate(gnutls_session_t session)
{
    Tls *tls = gnutls_session_get_ptr(session);

    tls->failure = speaks_nts(tls) ? verify_chain(tls) : NTS_NO_ALPN;
    return tls->failure == NTS_OK ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* --- What errors mean -------------------------------------------------------------------------------- */

static NtsFailure meaning_of_alert(gnutls_alert_description_t alert)
{
    if (alert == GNUTLS_A_NO_APPLICATION_PROTOCOL)
        return NTS_NO_ALPN;
    if (alert == GNUTLS_A_UNRECOGNIZED_NAME)
        return NTS_CERT_NAME;
    if (alert == GNUTLS_A_CLOSE_NOTIFY || alert == GNUTLS_A_USER_CANCELED ||
        alert == GNUTLS_A_INTERNAL_ERROR || alert == GNUTLS_A_ACCESS_DENIED)
        return NTS_CLOSED;
    return NTS_NO_TLS;
}

/* Of the certificates of the other end, other than that nobody trusts them. */
static bool is_about_certificates(int error)
{
    return error == GNUTLS_E_CERTIFICATE_ERROR || error == GNUTLS_E_NO_CERTIFICATE_FOUND ||
           error == GNUTLS_E_UNSUPPORTED_CERTIFICATE_TYPE || error == GNUTLS_E_PK_SIG_VERIFY_FAILED ||
           error == GNUTLS_E_KEY_USAGE_VIOLATION || error == GNUTLS_E_CERTIFICATE_LIST_UNSORTED ||
           error == GNUTLS_E_ASN1_DER_ERROR || error == GNUTLS_E_ASN1_TAG_ERROR ||
           error == GNUTLS_E_INSUFFICIENT_SECURITY;
}

static NtsFailure meaning_of(const Tls *tls, int error)
{
    if (tls->failure != NTS_OK) /* on_certificate() was more precise */
        return tls->failure;
    if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return tls->state == STATE_HANDSHAKE ? meaning_of_alert(gnutls_alert_get(tls->session)) : NTS_CLOSED;
    if (error == GNUTLS_E_MEMORY_ERROR || error == GNUTLS_E_INTERNAL_ERROR || error == GNUTLS_E_PUSH_ERROR)
        return NTS_LOCAL;
    if (error == GNUTLS_E_NO_APPLICATION_PROTOCOL)
        return NTS_NO_ALPN;
    if (error == GNUTLS_E_SESSION_EOF || error == GNUTLS_E_PREMATURE_TERMINATION)
        return NTS_CLOSED;
    if (tls->state == STATE_OPEN)
        return NTS_BAD_RECORD;
    return is_about_certificates(error) ? NTS_CERT_BAD : NTS_NO_TLS;
}

NtsFailure tls_failure(const Tls *tls)
{
    return tls->failure;
}

static TlsEvent fail(Tls *tls, int error)
{
    tls->failure = meaning_of(tls, error);
    tls->state = STATE_FAILED;
    if (error != GNUTLS_E_FATAL_ALERT_RECEIVED)
        (void) gnutls_alert_send_appropriate(tls->session, error);
    return TLS_FAILED;
}

/* --- Speaking ---------------------------------------------------------------------------------------- */

static bool is_waiting(int error)
{
    return error == GNUTLS_E_AGAIN || error == GNUTLS_E_INTERRUPTED;
}

/* gnutls also calls it waiting when it has just taken in something that is no text, a ticket say, while what
 * it waits for is there already. */
static bool may_go_on(const Tls *tls, ssize_t r)
{
    return r < 0 && (is_waiting((int) r) ? tls->input_left > 0 : !gnutls_error_is_fatal((int) r));
}

static TlsEvent shake_hands(Tls *tls)
{
    int r;

    do
        r = gnutls_handshake(tls->session);
    while (may_go_on(tls, r));
    if (is_waiting(r))
        return TLS_WAITS;
    if (r >= 0 && !speaks_nts(tls))
        r = GNUTLS_E_NO_APPLICATION_PROTOCOL;
    if (r < 0)
        return fail(tls, r);
    tls->state = STATE_OPEN;
    tls->welcome = SIZE_MAX; /* who reads the text limits it */
    return TLS_OPENED;
}

static TlsEvent listen_to(Tls *tls, uint8_t *ret, size_t size, size_t *ret_length)
{
    ssize_t n;

    do
        n = gnutls_record_recv(tls->session, ret, size);
    while (may_go_on(tls, n));
    if (n == 0) {
        tls->state = STATE_CLOSED;
        return TLS_CLOSED;
    }
    if (n < 0)
        return is_waiting((int) n) ? TLS_WAITS : fail(tls, (int) n);
    *ret_length = (size_t) n;
    return TLS_TEXT;
}

TlsEvent tls_next(Tls *tls, uint8_t *ret, size_t size, size_t *ret_length)
{
    switch (tls->state) {
    case STATE_HANDSHAKE: return shake_hands(tls);
    case STATE_OPEN: return listen_to(tls, ret, size, ret_length);
    case STATE_CLOSED: return TLS_CLOSED;
    case STATE_FAILED: break;
    }
    return TLS_FAILED;
}

int tls_write(Tls *tls, const uint8_t *text, size_t length)
{
    while (length > 0) {
        ssize_t n = gnutls_record_send(tls->session, text, length);
        if (n < 0)
            return -ENOMEM; /* nothing else can happen to a buffer */
        text += n;
        length -= (size_t) n;
    }
    return 0;
}

void tls_close(Tls *tls)
{
    if (tls->state == STATE_OPEN || tls->state == STATE_CLOSED)
        (void) gnutls_bye(tls->session, GNUTLS_SHUT_WR);
}

bool tls_export(const Tls *tls, const char *label, const uint8_t *context, size_t context_length,
                uint8_t *ret, size_t length)
{
    return gnutls_prf_rfc5705(tls->session, strlen(label), label, context_length, (const char *) context,
                              length, (char *) ret) >= 0;
}

void tls_describe(const Tls *tls, char *buffer, size_t size)
{
    char *text = gnutls_session_get_desc(tls->session);

    (void) text_copy(buffer, size, text ? text : "");
    gnutls_free(text);
}

/* --- Coming and going -------------------------------------------------------------------------------- */

static int set_up(Tls *tls, gnutls_certificate_credentials_t certificates, gnutls_priority_t priorities)
{
    static const char protocol[] = ALPN;
    const gnutls_datum_t alpn = {.data = (unsigned char *) protocol, .size = sizeof(protocol) - 1};
    int r = gnutls_priority_set(tls->session, priorities);

    if (r >= 0)
        r = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, certificates);
    if (r >= 0)
        r = gnutls_alpn_set_protocols(tls->session, &alpn, 1, GNUTLS_ALPN_MANDATORY);
    gnutls_session_set_ptr(tls->session, tls);
    gnutls_transport_set_ptr(tls->session, tls);
    gnutls_transport_set_vec_push_function(tls->session, push);
    gnutls_transport_set_pull_function(tls->session, pull);
    gnutls_transport_set_pull_timeout_function(tls->session, pull_timeout);
    return r;
}

static int set_up_client(Tls *tls, const char *name)
{
    int r = gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS);

    if (r >= 0)
        r = gnutls_certificate_allocate_credentials(&tls->certificates);
    if (r >= 0)
        r = tls_client_priorities(&tls->priorities);
    if (r >= 0)
        r = set_up(tls, tls->certificates, tls->priorities);
    if (r >= 0 && name)
        r = gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, name, strlen(name));
    if (r < 0)
        return r;
    gnutls_session_set_verify_function(tls->session, on_certificate);
    tls->welcome = SERVER_HELLO_MAX;
    return 0;
}

static int set_up_server(Tls *tls, ServerCredentials *credentials)
{
    int r = gnutls_init(&tls->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS);

    if (r < 0)
        return r;
    tls->credentials = server_credentials_ref(credentials);
    tls->welcome = CLIENT_HELLO_MAX;
    return set_up(tls, credentials->certificates, credentials->priorities);
}

/* gnutls fails in what is done here for want of memory, or because the policy of the machine leaves no
 * TLS 1.3. */
static int errno_of(int gnutls_error)
{
    return gnutls_error >= 0 ? 0 : gnutls_error == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EPROTONOSUPPORT;
}

int tls_new_client(const char *name, TlsVerify verify, void *userdata, Tls **ret)
{
    cleanup_(tls_freep) Tls *tls = calloc(1, sizeof(*tls));

    if (!tls)
        return -ENOMEM;
    tls->verify = verify;
    tls->verify_userdata = userdata;
    int r = errno_of(set_up_client(tls, name));
    if (r < 0)
        return r;
    if (shake_hands(tls) != TLS_WAITS) /* the first words are ours, and nothing can be wrong with them */
        return -ENOMEM;
    *ret = TAKE_PTR(tls);
    return 0;
}

int tls_new_server(ServerCredentials *credentials, Tls **ret)
{
    cleanup_(tls_freep) Tls *tls = calloc(1, sizeof(*tls));

    if (!tls)
        return -ENOMEM;
    int r = errno_of(set_up_server(tls, credentials));
    if (r < 0)
        return r;
    *ret = TAKE_PTR(tls);
    return 0;
}

Tls *tls_free(Tls *tls)
{
    if (!tls)
        return NULL;
    if (tls->session)
        gnutls_deinit(tls->session);
    if (tls->certificates)
        gnutls_certificate_free_credentials(tls->certificates);
    if (tls->priorities)
        gnutls_priority_deinit(tls->priorities);
    server_credentials_unref(tls->credentials);
    free(tls->output.bytes);
    free(tls);
    return NULL;
}
