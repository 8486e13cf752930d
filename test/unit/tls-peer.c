// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See tls-peer.h. */

#include "tls-peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3"

typedef struct Bytes {
    uint8_t *bytes;
    size_t begin, end, size;
} Bytes;

struct TlsPeer {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    Bytes input, output, heard;
    char asked_for[256];
    bool open, ended;
    int alert;
};

static void must(int r)
{
    if (r < 0)
        fail_msg("gnutls: %s", gnutls_strerror(r));
}

static void append(Bytes *bytes, const void *more, size_t length)
{
    if (bytes->end + length > bytes->size) {
        bytes->size = 2 * (bytes->end + length);
        bytes->bytes = realloc(bytes->bytes, bytes->size);
        assert_non_null(bytes->bytes);
    }
    if (length > 0)
        memcpy(bytes->bytes + bytes->end, more, length);
    bytes->end += length;
}

static ssize_t push(gnutls_transport_ptr_t transport, const void *data, size_t length)
{
    TlsPeer *peer = transport;

    append(&peer->output, data, length);
    return (ssize_t) length;
}

static ssize_t pull(gnutls_transport_ptr_t transport, void *buffer, size_t size)
{
    TlsPeer *peer = transport;
    size_t length = MIN(size, peer->input.end - peer->input.begin);

    if (length == 0) {
        gnutls_transport_set_errno(peer->session, EAGAIN);
        return -1;
    }
    memcpy(buffer, peer->input.bytes + peer->input.begin, length);
    peer->input.begin += length;
    return (ssize_t) length;
}

static int pull_timeout(gnutls_transport_ptr_t transport, unsigned milliseconds)
{
    const TlsPeer *peer = transport;

    (void) milliseconds;
    return peer->input.end > peer->input.begin;
}

static void set_chain(TlsPeer *peer, const TlsPeerSetup *setup)
{
    gnutls_x509_crt_t chain[ELEMENTS(setup->chain)];
    int count = 0;

    while (count < (int) ELEMENTS(setup->chain) && setup->chain[count]) {
        chain[count] = setup->chain[count]->certificate;
        count++;
    }
    if (count == 0)
        return;
    if (setup->wrong_key)
        gnutls_certificate_set_flags(peer->credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    must(gnutls_certificate_set_x509_key(peer->credentials, chain, count,
                                         (setup->wrong_key ? setup->wrong_key : setup->chain[0])->key));
}

TlsPeer *tls_peer_new(const TlsPeerSetup *setup)
{
    TlsPeer *peer = calloc(1, sizeof(*peer));

    assert_non_null(peer);
    peer->alert = -1;
    must(gnutls_init(&peer->session, (setup->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
                                         (setup->tickets ? GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_NO_TICKETS)));
    if (setup->tickets) {
        gnutls_datum_t key;
        must(gnutls_session_ticket_key_generate(&key));
        must(gnutls_session_ticket_enable_server(peer->session, &key));
        gnutls_free(key.data);
    }
    must(gnutls_certificate_allocate_credentials(&peer->credentials));
    set_chain(peer, setup);
    must(gnutls_credentials_set(peer->session, GNUTLS_CRD_CERTIFICATE, peer->credentials));
    must(gnutls_priority_set_direct(peer->session, setup->priorities ? setup->priorities : PRIORITIES, NULL));
    if (setup->protocol && setup->protocol[0]) {
        gnutls_datum_t alpn = {(unsigned char *) setup->protocol, (unsigned) strlen(setup->protocol)};
        must(gnutls_alpn_set_protocols(peer->session, &alpn, 1, 0));
    }
    if (setup->name)
        must(gnutls_server_name_set(peer->session, GNUTLS_NAME_DNS, setup->name, strlen(setup->name)));
    gnutls_transport_set_ptr(peer->session, peer);
    gnutls_transport_set_push_function(peer->session, push);
    gnutls_transport_set_pull_function(peer->session, pull);
    gnutls_transport_set_pull_timeout_function(peer->session, pull_timeout);
    if (!setup->server)
        tls_peer_on_bytes(peer, NULL, 0);
    return peer;
}

void tls_peer_free(TlsPeer *peer)
{
    gnutls_deinit(peer->session);
    gnutls_certificate_free_credentials(peer->credentials);
    free(peer->input.bytes);
    free(peer->output.bytes);
    free(peer->heard.bytes);
    free(peer);
}

static void on_error(TlsPeer *peer, int error)
{
    if (error == GNUTLS_E_FATAL_ALERT_RECEIVED || error == GNUTLS_E_WARNING_ALERT_RECEIVED)
        peer->alert = (int) gnutls_alert_get(peer->session);
    if (error >= 0 || !gnutls_error_is_fatal(error))
        return;
    peer->ended = true;
    (void) gnutls_alert_send_appropriate(peer->session, error);
}

static void shake_hands(TlsPeer *peer)
{
    int r;
    unsigned type;
    size_t length = sizeof(peer->asked_for);

    do
        r = gnutls_handshake(peer->session);
    while (r < 0 && r != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(r));
    on_error(peer, r);
    peer->open = r == 0;
    if (gnutls_server_name_get(peer->session, peer->asked_for, &length, &type, 0) < 0)
        peer->asked_for[0] = '\0';
}

void tls_peer_on_bytes(TlsPeer *peer, const uint8_t *bytes, size_t length)
{
    uint8_t text[4096];

    append(&peer->input, bytes, length);
    if (!peer->open && !peer->ended)
        shake_hands(peer);
    while (peer->open && !peer->ended) {
        ssize_t n = gnutls_record_recv(peer->session, text, sizeof(text));

        if (n == GNUTLS_E_AGAIN)
            return;
        on_error(peer, (int) n);
        if (n == 0)
            peer->ended = true;
        append(&peer->heard, text, n > 0 ? (size_t) n : 0);
    }
}

size_t tls_peer_output(const TlsPeer *peer, const uint8_t **ret)
{
    size_t length = peer->output.end - peer->output.begin;

    *ret = length > 0 ? peer->output.bytes + peer->output.begin : NULL;
    return length;
}

void tls_peer_on_sent(TlsPeer *peer, size_t length)
{
    peer->output.begin += length;
}

bool tls_peer_is_open(const TlsPeer *peer)
{
    return peer->open;
}

void tls_peer_say(TlsPeer *peer, const void *text, size_t length)
{
    assert_int_equal(gnutls_record_send(peer->session, text, length), length);
}

void tls_peer_close(TlsPeer *peer)
{
    must(gnutls_bye(peer->session, GNUTLS_SHUT_WR));
}

size_t tls_peer_heard(const TlsPeer *peer, const uint8_t **ret)
{
    *ret = peer->heard.bytes;
    return peer->heard.end;
}

const char *tls_peer_asked_for(const TlsPeer *peer)
{
    return peer->asked_for;
}

int tls_peer_alert(const TlsPeer *peer)
{
    return peer->alert;
}

gnutls_session_t tls_peer_session(const TlsPeer *peer)
{
    return peer->session;
}
