// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Both ends of a key establishment, whole, TLS included. The first byte says what the rest is: what a server
 * or a client hears before there is TLS, what it hears in TLS, changes to what the other end says, or a chain
 * of certificates. Inside, a byte is the length of a piece, and the piece follows. Nothing may be established
 * with a client that did not hear it from its server, and nobody waits or remembers without end. Certificates
 * are made when it starts. */

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "ke-ends.h"
#include "pki.h"
#include "tls-peer.h"

#define NAME "ntp.example.net"
#define NOW  INT64_C(1772323200)

typedef struct World {
    Pki root, server;
    Trust *trust;
    TrustSet *set;
    ServerCertificates *certificates;
    KeServerConfig config;
    NtsKeys sealed; /* what the jar was given last */
} World;

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static size_t seal(void *userdata, const NtsKeys *keys, uint8_t ret[static NTS_COOKIE_MAX])
{
    World *world = userdata;

    world->sealed = *keys;
    memset(ret, 7, 100);
    return 100;
}

static bool open_cookie(void *userdata, const uint8_t *cookie, size_t length, NtsKeys *ret)
{
    (void) userdata, (void) cookie, (void) length, (void) ret;
    return false;
}

static void set_up(World *world)
{
    char folder[] = "/tmp/fuzz-ke-tls-XXXXXX", ca[64], certificate[64], key[64];
    CertificateReport report;

    require(mkdtemp(folder) != NULL, "a folder");
    snprintf(ca, sizeof(ca), "%s/ca", folder);
    snprintf(certificate, sizeof(certificate), "%s/certificate", folder);
    snprintf(key, sizeof(key), "%s/key", folder);
    world->root = pki_make(&(PkiSpec) {.subject = "Root", .authority = true}, NULL);
    world->server = pki_make(&(PkiSpec) {.subject = "server", .names = {NAME}}, &world->root);
    pki_write(ca, (const Pki *[]) {&world->root}, 1);
    pki_write(certificate, (const Pki *[]) {&world->server}, 1);
    pki_write_key(key, &world->server);
    CertificatePair pair = {.certificate = certificate, .key = key};
    require(trust_new(false, &world->trust) == 0 && trust_add(world->trust, 0, ca) == 0 &&
                trust_open(world->trust, 0, NULL, NULL, &world->set) == 0 &&
                trust_set_size(world->set) == 1 &&
                server_certificates_new(&pair, 1, &world->certificates) == 0 &&
                server_certificates_load(world->certificates, &report) == 0 &&
                report.problem == CERTIFICATE_OK,
            "set up");
    world->config = (KeServerConfig) {
        .jar = {.open = open_cookie, .seal = seal, .userdata = world},
        .aeads = {NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 1,
    };
    unlink(ca);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
}

static KeClient *new_client(World *world)
{
    KeClient *client = NULL;
    KeClientSetup setup = {
        .trust = world->set,
        .question = {.name = NAME, .now_s = NOW},
        .aeads = {NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 1,
    };

    require(ke_client_new(&setup, &client) == 0, "a client");
    return client;
}

static KeServer *new_server(World *world)
{
    cleanup_(server_credentials_unrefp) ServerCredentials *credentials =
        server_certificates_take(world->certificates);
    KeServer *server = NULL;

    require(ke_server_new(credentials, &world->config, &server) == 0, "a server");
    return server;
}

/* The next piece; false: there is none. */
static bool next_piece(ByteReader *input, const uint8_t **ret, size_t *ret_length)
{
    size_t length = byte_reader_u8(input);

    length = MIN(length + 1, input->left);
    *ret = byte_reader_skip(input, length);
    *ret_length = length;
    return length > 0 && *ret;
}

static void drain(KeEnd end)
{
    const uint8_t *bytes;
    size_t length = end.output(end.object, &bytes);

    require(length <= 256 * 1024, "output is bounded");
    end.on_sent(end.object, length);
    require(end.output(end.object, &bytes) == 0, "all of it is sent");
}

static void server_hears(World *world, ByteReader input)
{
    cleanup_(ke_server_freep) KeServer *server = new_server(world);
    const uint8_t *piece;
    size_t length;

    while (next_piece(&input, &piece, &length)) {
        ke_server_on_bytes(server, piece, length);
        drain(ke_end_of_server(server));
    }
    require(ke_server_state(server) == KE_SERVER_HANDSHAKE || ke_server_state(server) == KE_SERVER_FAILED,
            "nobody guesses keys");
}

static void client_hears(World *world, ByteReader input)
{
    cleanup_(ke_client_freep) KeClient *client = new_client(world);
    const uint8_t *piece;
    size_t length;

    drain(ke_end_of_client(client));
    while (next_piece(&input, &piece, &length)) {
        ke_client_on_bytes(client, piece, length);
        drain(ke_end_of_client(client));
    }
    ke_client_on_closed(client);
    require(ke_client_result(client)->failure != NTS_OK, "nobody guesses keys");
}

static void server_is_told(World *world, ByteReader input)
{
    cleanup_(ke_server_freep) KeServer *server = new_server(world);
    TlsPeer *peer = tls_peer_new(&(TlsPeerSetup) {.protocol = "ntske/1"});
    const uint8_t *piece;
    size_t length;

    ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
    while (!ke_server_is_done(server) && next_piece(&input, &piece, &length)) {
        tls_peer_say(peer, piece, length);
        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
    }
    require(ke_server_state(server) != KE_SERVER_FAILED, "whatever is said gets an answer");
    tls_peer_free(peer);
}

static void client_is_told(World *world, ByteReader input)
{
    cleanup_(ke_client_freep) KeClient *client = new_client(world);
    TlsPeer *peer =
        tls_peer_new(&(TlsPeerSetup) {.server = true, .protocol = "ntske/1", .chain = {&world->server}});
    const uint8_t *piece;
    size_t length;

    ke_carry(ke_end_of_client(client), ke_end_of_peer(peer), KE_WHOLE);
    while (!ke_client_is_done(client) && next_piece(&input, &piece, &length)) {
        tls_peer_say(peer, piece, length);
        ke_carry(ke_end_of_client(client), ke_end_of_peer(peer), KE_WHOLE);
    }
    ke_client_on_closed(client);
    const NtsEstablishment *result = ke_client_result(client);
    require((result->failure == NTS_OK) == (result->cookie_count > 0), "cookies only when all is right");
    tls_peer_free(peer);
}

/* The first flight of a server or client, changed: a place (2 bytes), and what is added to the byte there. */
static void change(uint8_t *bytes, size_t length, ByteReader *input)
{
    while (input->left >= 3) {
        size_t at = byte_reader_u16(input) % length;
        bytes[at] = (uint8_t) (bytes[at] + byte_reader_u8(input));
    }
}

/* Some bytes mean nothing and are not protected (the version in the head of a record): changing them changes
 * nothing. */
static void check_agreement(const World *world, const NtsEstablishment *result)
{
    if (result->failure != NTS_OK)
        return;
    require(memcmp(&result->keys, &world->sealed, sizeof(result->keys)) == 0, "keys that both ends have");
    require(result->cookie_count == NTS_COOKIES && result->cookies[0].length == 100 &&
                result->cookies[0].bytes[99] == 7,
            "cookies of the server");
}

static void flights_are_changed(World *world, ByteReader input, bool of_server)
{
    cleanup_(ke_client_freep) KeClient *client = new_client(world);
    cleanup_(ke_server_freep) KeServer *server = new_server(world);
    uint8_t bytes[8192];
    const uint8_t *said;
    size_t length = ke_client_output(client, &said);

    require(length > 0 && length <= sizeof(bytes), "a hello");
    memcpy(bytes, said, length);
    ke_client_on_sent(client, length);
    if (!of_server)
        change(bytes, length, &input);
    ke_server_on_bytes(server, bytes, length);
    length = ke_server_output(server, &said);
    require(length <= sizeof(bytes), "a flight");
    if (length > 0)
        memcpy(bytes, said, length);
    if (of_server && length > 0)
        change(bytes, length, &input);
    ke_server_on_sent(server, length);
    ke_client_on_bytes(client, bytes, length);
    ke_carry(ke_end_of_client(client), ke_end_of_server(server), KE_WHOLE);
    ke_client_on_closed(client);
    check_agreement(world, ke_client_result(client));
}

static void chain_is_shown(World *world, ByteReader input)
{
    TrustCertificate chain[12];
    TrustQuestion question = {.name = NAME, .now_s = NOW, .dates = NTS_DATES_PROVISIONAL};
    TrustAnswer answer = {.failure = NTS_FAILURE_COUNT};
    size_t count = 0;

    for (; count < ELEMENTS(chain) && input.left > 0; count++) {
        size_t length = byte_reader_u16(&input);
        chain[count].length = MIN(length, input.left);
        chain[count].bytes = byte_reader_skip(&input, chain[count].length);
    }
    require(trust_set_verify(world->set, &question, chain, count, &answer) == 0, "an answer");
    require(answer.failure >= NTS_CERT_UNTRUSTED && answer.failure <= NTS_CERT_BAD, "which is no");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static World world;
    ByteReader input = byte_reader(data, size);
    uint8_t what = byte_reader_u8(&input);

    if (!world.set)
        set_up(&world);
    switch (what % 7) {
    case 0: server_hears(&world, input); break;
    case 1: client_hears(&world, input); break;
    case 2: server_is_told(&world, input); break;
    case 3: client_is_told(&world, input); break;
    case 4: flights_are_changed(&world, input, true); break;
    case 5: flights_are_changed(&world, input, false); break;
    case 6: chain_is_shown(&world, input); break;
    }
    return 0;
}
