// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* A client against servers that somebody else wrote (gnutls by itself): every way in which a key
 * establishment fails, and that it is told apart from the others. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ke-ends.h"
#include "nts/ke-keys.h"
#include "unit.h"

#define NOW  INT64_C(1772323200) /* 2026-03-01 */
#define DAY  INT64_C(86400)
#define NAME "ntp.example.net"

typedef struct World {
    char path[64];
    Pki root, middle, stranger;
    Pki good, expired, early, other_name, address, untrusted, for_clients;
    Trust *trust;
    TrustSet *set;
} World;

static Pki server(World *world, PkiSpec spec)
{
    if (!spec.names[0] && !spec.address)
        spec.names[0] = NAME;
    spec.subject = "server";
    return pki_make(&spec, &world->middle);
}

static int set_up(void **state)
{
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->root = pki_make(&(PkiSpec) {.subject = "Root", .authority = true}, NULL);
    world->middle = pki_make(&(PkiSpec) {.subject = "Middle", .authority = true}, &world->root);
    world->stranger = pki_make(&(PkiSpec) {.subject = "Stranger", .authority = true}, NULL);
    world->good = server(world, (PkiSpec) {.rsa = false});
    world->expired = server(world, (PkiSpec) {.from = NOW - 9 * DAY, .to = NOW - DAY});
    world->early = server(world, (PkiSpec) {.from = NOW + DAY, .to = NOW + 9 * DAY});
    world->other_name = server(world, (PkiSpec) {.names = {"other.example.net"}});
    world->address = server(world, (PkiSpec) {.address = "192.0.2.1"});
    world->for_clients = server(world, (PkiSpec) {.purpose = GNUTLS_KP_TLS_WWW_CLIENT});
    world->untrusted = pki_make(&(PkiSpec) {.subject = "server", .names = {NAME}}, &world->stranger);
    strcpy(world->path, "/tmp/test-ke-client-XXXXXX");
    close(mkstemp(world->path));
    pki_write(world->path, (const Pki *[]) {&world->root}, 1);
    assert_int_equal(trust_new(false, &world->trust), 0);
    assert_int_equal(trust_add(world->trust, 0, world->path), 0);
    assert_int_equal(trust_open(world->trust, 0, NULL, NULL, &world->set), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    World *world = *state;
    Pki *all[] = {&world->good,    &world->expired,   &world->early,       &world->other_name,
                  &world->address, &world->untrusted, &world->for_clients, &world->stranger,
                  &world->middle,  &world->root};

    trust_set_unref(world->set);
    trust_free(world->trust);
    for (size_t i = 0; i < ELEMENTS(all); i++)
        pki_clear(all[i]);
    unlink(world->path);
    free(world);
    return 0;
}

static KeClient *new_client(World *world, TrustQuestion question)
{
    KeClientSetup setup = {
        .trust = world->set,
        .question = question,
        .aeads = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 2,
    };
    KeClient *client = NULL;

    if (!setup.question.name)
        setup.question.name = NAME;
    if (setup.question.now_s == 0)
        setup.question.now_s = NOW;
    assert_int_equal(ke_client_new(&setup, &client), 0);
    return client;
}

/* A server that shows a certificate and the one in the middle, and speaks as we do. */
static TlsPeer *new_peer(World *world, const Pki *certificate, TlsPeerSetup setup)
{
    setup.server = true;
    setup.chain[0] = certificate;
    setup.chain[1] = &world->middle;
    if (!setup.protocol)
        setup.protocol = "ntske/1";
    return tls_peer_new(&setup);
}

/* --- Certificates and TLS ---------------------------------------------------------------------------- */

static void test_handshake(void **state)
{
    World *world = *state;
    const struct {
        const char *name;
        const Pki *certificate;
        TrustQuestion question;
        TlsPeerSetup peer;
        NtsFailure failure; /* NTS_OK: TLS stands */
    } rows[] = {
        {"a good one", &world->good, {.name = NAME}, {.server = true}, NTS_OK},
        {"an address", &world->address, {.name = "192.0.2.1"}, {.server = true}, NTS_OK},
        {"a dot at the end", &world->good, {.name = NAME "."}, {.server = true}, NTS_OK},
        {"another name", &world->other_name, {.name = NAME}, {.server = true}, NTS_CERT_NAME},
        {"another address", &world->address, {.name = "192.0.2.2"}, {.server = true}, NTS_CERT_NAME},
        {"expired", &world->expired, {.name = NAME}, {.server = true}, NTS_CERT_EXPIRED},
        {"not yet", &world->early, {.name = NAME}, {.server = true}, NTS_CERT_NOT_YET},
        {"untrusted", &world->untrusted, {.name = NAME}, {.server = true}, NTS_CERT_UNTRUSTED},
        {"for clients", &world->for_clients, {.name = NAME}, {.server = true}, NTS_CERT_BAD},
        {"somebody else's certificate",
         &world->good,
         {.name = NAME},
         {.wrong_key = &world->stranger},
         NTS_CERT_BAD},
        {"no ALPN", &world->good, {.name = NAME}, {.protocol = ""}, NTS_NO_ALPN},
        {"another ALPN", &world->good, {.name = NAME}, {.protocol = "http/1.1"}, NTS_NO_ALPN},
        {"no ALPN, and another name", &world->other_name, {.name = NAME}, {.protocol = ""}, NTS_NO_ALPN},
        {"TLS 1.2",
         &world->good,
         {.name = NAME},
         {.priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2"},
         NTS_NO_TLS},
        {"expired, our clock may be wrong",
         &world->expired,
         {.dates = NTS_DATES_PROVISIONAL},
         {.server = true},
         NTS_OK},
        {"not yet, our clock may be wrong",
         &world->early,
         {.dates = NTS_DATES_PROVISIONAL},
         {.server = true},
         NTS_OK},
        {"expired before the bound",
         &world->expired,
         {.dates = NTS_DATES_PROVISIONAL, .lower_bound_s = NOW},
         {.server = true},
         NTS_CERT_EXPIRED},
        {"expired, ignored",
         &world->expired,
         {.dates = NTS_DATES_IGNORED, .lower_bound_s = NOW},
         {.server = true},
         NTS_OK},
        {"another name, whatever the date",
         &world->other_name,
         {.dates = NTS_DATES_IGNORED},
         {.server = true},
         NTS_CERT_NAME},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(ke_client_freep) KeClient *client = new_client(world, rows[i].question);
        TlsPeer *peer = new_peer(world, rows[i].certificate, rows[i].peer);

        print_message("%s\n", rows[i].name);
        ke_carry(ke_end_of_client(client), ke_end_of_peer(peer), KE_WHOLE);
        assert_int_equal(ke_client_is_done(client), rows[i].failure != NTS_OK);
        if (rows[i].failure != NTS_OK) {
            const uint8_t *heard;

            assert_int_equal(ke_client_result(client)->failure, rows[i].failure);
            assert_int_equal(tls_peer_heard(peer, &heard), 0); /* no word before it is trusted */
            assert_false(tls_peer_is_open(peer) && tls_peer_alert(peer) < 0); /* and it is told */
        } else {
            assert_true(tls_peer_is_open(peer));
        }
        tls_peer_free(peer);
    }
}

/* What an administrator is told about dates is what stands in the chain. */
static void test_validity(void **state)
{
    World *world = *state;
    cleanup_(ke_client_freep) KeClient *client = new_client(world, (TrustQuestion) {.name = NAME});
    TlsPeer *peer = new_peer(world, &world->expired, (TlsPeerSetup) {.server = true});

    ke_carry(ke_end_of_client(client), ke_end_of_peer(peer), KE_WHOLE);
    const NtsEstablishment *result = ke_client_result(client);
    assert_int_equal(result->failure, NTS_CERT_EXPIRED);
    assert_int_equal(result->validity.from, NOW - 9 * DAY);
    assert_int_equal(result->validity.to, NOW - DAY);
    assert_false(result->provisional);
    tls_peer_free(peer);
}

/* What was shown can be looked at, whether or not it was believed; before there was anything, there is
 * nothing. */
static void test_chain_for_people(void **state)
{
    World *world = *state;
    cleanup_(ke_client_freep) KeClient *client = new_client(world, (TrustQuestion) {.name = NAME});
    TlsPeer *peer = new_peer(world, &world->expired, (TlsPeerSetup) {.server = true});
    TrustCertificate chain[TRUST_CHAIN_MAX];
    NtsCertificate certificate;
    char text[96];

    assert_int_equal(ke_client_chain(client, chain), 0);
    ke_carry(ke_end_of_client(client), ke_end_of_peer(peer), KE_WHOLE);
    assert_int_equal(ke_client_chain(client, chain), 2);
    assert_true(trust_certificate_read(chain[0], &certificate));
    assert_string_equal(certificate.subject, "CN=server");
    assert_string_equal(certificate.issuer, "CN=Middle");
    assert_int_equal(certificate.validity.from, NOW - 9 * DAY);
    assert_int_equal(certificate.validity.to, NOW - DAY);
    assert_true(trust_certificate_read(chain[1], &certificate));
    assert_string_equal(certificate.subject, "CN=Middle");
    assert_false(trust_certificate_read((TrustCertificate) {chain[0].bytes, 20}, &certificate));
    ke_client_describe(client, text, sizeof(text));
    assert_string_equal(text, ""); /* nothing was agreed on */
    tls_peer_free(peer);

    client = ke_client_free(client);
    client = new_client(world, (TrustQuestion) {.name = NAME});
    peer = new_peer(world, &world->good, (TlsPeerSetup) {.server = true});
    ke_carry(ke_end_of_client(client), ke_end_of_peer(peer), KE_WHOLE);
    ke_client_describe(client, text, sizeof(text));
    assert_non_null(strstr(text, "TLS1.3"));
    tls_peer_free(peer);
}

static void test_name_that_is_sent(void **state)
{
    World *world = *state;
    static const struct {
        const char *name, *sent;
    } rows[] = {
        {NAME, NAME},        {NAME ".", NAME},  {"192.0.2.1", ""},
        {"2001:db8::1", ""}, {"fe80::1%1", ""}, {"xn--bcher-kva.example", "xn--bcher-kva.example"},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(ke_client_freep) KeClient *client =
            new_client(world, (TrustQuestion) {.name = rows[i].name});
        TlsPeer *peer = new_peer(world, &world->good, (TlsPeerSetup) {.server = true});

        print_message("%s\n", rows[i].name);
        ke_carry(ke_end_of_client(client), ke_end_of_peer(peer), KE_WHOLE);
        assert_string_equal(tls_peer_asked_for(peer), rows[i].sent);
        tls_peer_free(peer);
    }
}

/* What answers is not TLS, or says in TLS what it does not like. */
static void test_other_services(void **state)
{
    World *world = *state;
    static const struct {
        const char *name, *bytes;
        size_t length;
        NtsFailure failure;
    } rows[] = {
#define BYTES(s) s, sizeof(s) - 1
        {"a web server", BYTES("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), NTS_NO_TLS},
        {"a shell", BYTES("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"), NTS_NO_TLS},
        {"a mail server", BYTES("220 mail.example.net ESMTP Postfix (Debian/GNU)\r\n"), NTS_NO_TLS},
        {"zeros", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), NTS_NO_TLS},
        {"an alert: protocol_version", BYTES("\x15\3\3\0\2\2\x46"), NTS_NO_TLS},
        {"an alert: handshake_failure", BYTES("\x15\3\3\0\2\2\x28"), NTS_NO_TLS},
        {"an alert: no_application_protocol", BYTES("\x15\3\3\0\2\2\x78"), NTS_NO_ALPN},
        {"an alert: unrecognized_name", BYTES("\x15\3\3\0\2\2\x70"), NTS_CERT_NAME},
        {"an alert: internal_error", BYTES("\x15\3\3\0\2\2\x50"), NTS_CLOSED},
        {"an alert: close_notify", BYTES("\x15\3\3\0\2\1\0"), NTS_CLOSED},
#undef BYTES
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        for (size_t piece = 1; piece < 100; piece += 98) {
            cleanup_(ke_client_freep) KeClient *client = new_client(world, (TrustQuestion) {.name = NAME});

            print_message("%s\n", rows[i].name);
            for (size_t at = 0; at < rows[i].length; at += piece)
                ke_client_on_bytes(client, (const uint8_t *) rows[i].bytes + at,
                                   MIN(piece, rows[i].length - at));
            assert_true(ke_client_is_done(client));
            assert_int_equal(ke_client_result(client)->failure, rows[i].failure);
        }
    }
}

/* A hello of 16 MiB in records of any size: not waited for. */
static void test_long_hello(void **state)
{
    static const size_t sizes[] = {1, 100, 16384};
    static uint8_t record[5 + 16384];

    for (size_t i = 0; i < ELEMENTS(sizes); i++) {
        cleanup_(ke_client_freep) KeClient *client = new_client(*state, (TrustQuestion) {.name = NAME});
        size_t given = 0;

        memset(record, 0, sizeof(record));
        memcpy(record, "\x16\3\3\0\4\2\xff\xff\xff", 9);
        ke_client_on_bytes(client, record, 9);
        memset(record + 5, 0, 4);
        record[3] = (uint8_t) (sizes[i] >> 8);
        record[4] = (uint8_t) sizes[i];
        for (; given < 1000000 && !ke_client_is_done(client); given += 5 + sizes[i])
            ke_client_on_bytes(client, record, 5 + sizes[i]);
        assert_true(ke_client_is_done(client));
        assert_int_not_equal(ke_client_result(client)->failure, NTS_OK);
        assert_true(given <= 150000);
    }
}

/* Somebody on the way changes one byte of what the server says: never an establishment. */
static void test_tampering(void **state)
{
    World *world = *state;

    for (size_t at = 0; at < 1200; at += 37) {
        cleanup_(ke_client_freep) KeClient *client = new_client(world, (TrustQuestion) {.name = NAME});
        TlsPeer *peer = new_peer(world, &world->good, (TlsPeerSetup) {.server = true});
        const uint8_t *bytes;
        uint8_t changed[8192];
        size_t length = ke_client_output(client, &bytes);

        tls_peer_on_bytes(peer, bytes, length);
        ke_client_on_sent(client, length);
        length = tls_peer_output(peer, &bytes);
        assert_true(length > 1200 / 2 && length < sizeof(changed));
        memcpy(changed, bytes, length);
        tls_peer_on_sent(peer, length);
        changed[at % length] ^= 0x10;
        ke_client_on_bytes(client, changed, length);
        ke_carry(ke_end_of_client(client), ke_end_of_peer(peer), KE_WHOLE);
        ke_client_on_closed(client);
        assert_true(ke_client_is_done(client));
        assert_int_not_equal(ke_client_result(client)->failure, NTS_OK);
        tls_peer_free(peer);
    }
}

static void test_nobody_to_trust(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *empty = NULL;
    KeClientSetup setup = {.question = {.name = NAME, .now_s = NOW}};
    cleanup_(ke_client_freep) KeClient *client = NULL;
    const uint8_t *bytes;

    assert_int_equal(trust_open(world->trust, 5, NULL, NULL, &empty), 0);
    setup.trust = empty;
    assert_int_equal(ke_client_new(&setup, &client), 0);
    assert_true(ke_client_is_done(client));
    assert_int_equal(ke_client_result(client)->failure, NTS_LOCAL);
    assert_int_equal(ke_client_output(client, &bytes), 0);
    ke_client_on_bytes(client, (const uint8_t *) "x", 1);
    ke_client_on_closed(client);
    assert_int_equal(ke_client_result(client)->failure, NTS_LOCAL);
}

/* --- What the server says ---------------------------------------------------------------------------- */

#define START  "\x80\1\0\2\0\0\x80\4\0\2\0\x0f"
#define COOKIE "\0\5\0\4\xaa\xbb\xcc\xdd"
#define END    "\x80\0\0\0"

typedef struct Said {
    World *world;
    KeClient *client;
    TlsPeer *peer;
} Said;

/* Up to where the request has arrived. */
static Said begin_as(World *world, TlsPeerSetup setup)
{
    static const char request[] = "\x80\1\0\2\0\0\x80\4\0\4\0\x1e\0\x0f\4\0\0\0\x80\0\0\0";
    Said said = {world, new_client(world, (TrustQuestion) {.name = NAME}),
                 new_peer(world, &world->good, setup)};
    const uint8_t *heard;

    ke_carry(ke_end_of_client(said.client), ke_end_of_peer(said.peer), KE_WHOLE);
    assert_false(ke_client_is_done(said.client));
    assert_int_equal(tls_peer_heard(said.peer, &heard), sizeof(request) - 1);
    assert_memory_equal(heard, request, sizeof(request) - 1);
    return said;
}

static Said begin(World *world)
{
    return begin_as(world, (TlsPeerSetup) {.server = true});
}

static void say(Said *said, const void *text, size_t length)
{
    tls_peer_say(said->peer, text, length);
    ke_carry(ke_end_of_client(said->client), ke_end_of_peer(said->peer), KE_WHOLE);
}

static void end(Said *said)
{
    ke_client_free(said->client);
    tls_peer_free(said->peer);
}

static void assert_no_secrets(const NtsEstablishment *result)
{
    NtsEstablishment failure = {.failure = result->failure, .validity = result->validity};

    assert_memory_equal(result, &failure, sizeof(failure));
}

static void test_responses(void **state)
{
    static const struct {
        const char *name, *message;
        size_t length;
        NtsFailure failure;
    } rows[] = {
#define MESSAGE(s) s, sizeof(s) - 1
        {"the usual one", MESSAGE(START COOKIE END), NTS_OK},
        {"unknown, not critical", MESSAGE(START COOKIE "\x40\0\0\1\0" END), NTS_OK},
        {"unknown and critical", MESSAGE(START COOKIE "\xc0\0\0\1\0" END), NTS_BAD_RECORD},
        {"two ends", MESSAGE(START COOKIE END END), NTS_BAD_RECORD},
        {"no cookie", MESSAGE(START END), NTS_NO_COOKIES},
        {"an empty cookie", MESSAGE(START "\0\5\0\0" END), NTS_NO_COOKIES},
        {"no protocol", MESSAGE("\x80\1\0\0" END), NTS_NO_PROTOCOL},
        {"no cipher", MESSAGE("\x80\1\0\2\0\0\x80\4\0\0" END), NTS_NO_AEAD},
        {"error 0", MESSAGE("\x80\2\0\2\0\0" END), NTS_BAD_REQUEST},
        {"error 1", MESSAGE("\x80\2\0\2\0\1" END), NTS_BAD_REQUEST},
        {"error 2", MESSAGE("\x80\2\0\2\0\2" END), NTS_SERVER_ERROR},
        {"port 0", MESSAGE(START COOKIE "\x80\7\0\2\0\0" END), NTS_BAD_SERVER},
        {"a server on this machine",
         MESSAGE(START COOKIE "\x80\6\0\x09"
                              "127.0.0.1" END),
         NTS_BAD_SERVER},
        {"a server that is many",
         MESSAGE(START COOKIE "\x80\6\0\x09"
                              "224.0.1.1" END),
         NTS_BAD_SERVER},
#undef MESSAGE
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Said said = begin(*state);

        print_message("%s\n", rows[i].name);
        say(&said, rows[i].message, rows[i].length);
        assert_true(ke_client_is_done(said.client));
        assert_int_equal(ke_client_result(said.client)->failure, rows[i].failure);
        if (rows[i].failure != NTS_OK)
            assert_no_secrets(ke_client_result(said.client));
        end(&said);
    }
}

/* A server that sends session tickets, which nobody wants, in one go with its answer, and hangs up. */
static void test_tickets(void **state)
{
    static const char message[] = START COOKIE END;
    Said said = begin_as(*state, (TlsPeerSetup) {.server = true, .tickets = true});

    assert_int_equal(gnutls_session_ticket_send(tls_peer_session(said.peer), 2, 0), 0);
    say(&said, message, sizeof(message) - 1);
    ke_client_on_closed(said.client);
    assert_true(ke_client_is_done(said.client));
    assert_int_equal(ke_client_result(said.client)->failure, NTS_OK);
    end(&said);
}

/* A record of TLS for each byte, and bytes of those one by one. */
static void test_byte_by_byte(void **state)
{
    static const char message[] = START COOKIE COOKIE END;
    Said said = begin(*state);

    for (size_t i = 0; i < sizeof(message) - 1; i++) {
        assert_false(ke_client_is_done(said.client));
        tls_peer_say(said.peer, message + i, 1);
        ke_carry(ke_end_of_client(said.client), ke_end_of_peer(said.peer), 1);
    }
    assert_true(ke_client_is_done(said.client));
    assert_int_equal(ke_client_result(said.client)->failure, NTS_OK);
    assert_int_equal(ke_client_result(said.client)->cookie_count, 2);
    end(&said);
}

static void test_many_cookies(void **state)
{
    static char message[9999 * 5 + 16];
    Said said = begin(*state);
    size_t length = 0;

    memcpy(message, START, 12);
    length += 12;
    for (size_t i = 0; i < 9999; i++, length += 5)
        memcpy(message + length, "\0\5\0\1\x77", 5);
    memcpy(message + length, END, 4);
    length += 4;
    for (size_t at = 0; at < length; at += 16384)
        say(&said, message + at, MIN((size_t) 16384, length - at));
    assert_true(ke_client_is_done(said.client));
    assert_int_equal(ke_client_result(said.client)->failure, NTS_OK);
    assert_int_equal(ke_client_result(said.client)->cookie_count, NTS_COOKIES);
    const NtsHostKey *key = &ke_client_result(said.client)->host_key;
    assert_true(nts_host_key_is_same(key, key));
    end(&said);
}

/* Cookies that would not fit into a packet; a response without an end. */
static void test_large(void **state)
{
    static char text[16384];
    Said said = begin(*state);

    say(&said, START "\0\5\1\1", 16);
    say(&said, text, 257);
    say(&said, END, 4);
    assert_true(ke_client_is_done(said.client));
    assert_int_equal(ke_client_result(said.client)->failure, NTS_NO_COOKIES);
    end(&said);

    said = begin(*state);
    memset(text, 0x40, sizeof(text));
    for (size_t i = 0; i < KE_RESPONSE_MAX / sizeof(text); i++) {
        say(&said, text, sizeof(text));
        assert_false(ke_client_is_done(said.client));
    }
    say(&said, text, 1);
    assert_true(ke_client_is_done(said.client));
    assert_int_equal(ke_client_result(said.client)->failure, NTS_BAD_RECORD);
    end(&said);
}

/* It hangs up: at once, within the handshake, before a word, in the middle of the response. Who hangs up
 * afterwards changes nothing. */
static void test_closed(void **state)
{
    World *world = *state;
    static const char message[] = START COOKIE END;

    for (size_t piece = 0; piece < 700; piece += 100) {
        cleanup_(ke_client_freep) KeClient *client = new_client(world, (TrustQuestion) {.name = NAME});
        TlsPeer *peer = new_peer(world, &world->good, (TlsPeerSetup) {.server = true});
        const uint8_t *bytes;
        size_t length = ke_client_output(client, &bytes);

        tls_peer_on_bytes(peer, bytes, length);
        ke_client_on_sent(client, length);
        assert_true(tls_peer_output(peer, &bytes) > piece);
        ke_client_on_bytes(client, bytes, piece);
        assert_false(ke_client_is_done(client));
        ke_client_on_closed(client);
        assert_int_equal(ke_client_result(client)->failure, NTS_CLOSED);
        tls_peer_free(peer);
    }
    for (size_t length = 0; length < sizeof(message); length++) {
        for (int politely = 0; politely < 2; politely++) {
            Said said = begin(world);

            if (length > 0)
                say(&said, message, length);
            if (politely)
                tls_peer_close(said.peer);
            ke_carry(ke_end_of_client(said.client), ke_end_of_peer(said.peer), KE_WHOLE);
            ke_client_on_closed(said.client);
            assert_int_equal(ke_client_result(said.client)->failure,
                             length < sizeof(message) - 1 ? NTS_CLOSED : NTS_OK);
            end(&said);
        }
    }
}

/* When it has what it wants it says goodbye, and hears nothing more. */
static void test_goodbye(void **state)
{
    Said said = begin(*state);
    const uint8_t *bytes;

    tls_peer_say(said.peer, START COOKIE END, 24);
    size_t length = tls_peer_output(said.peer, &bytes);
    ke_client_on_bytes(said.client, bytes, length);
    assert_true(ke_client_is_done(said.client));
    assert_true(ke_client_output(said.client, &bytes) > 0);
    ke_client_on_bytes(said.client, (const uint8_t *) "nonsense", 8);
    assert_int_equal(ke_client_result(said.client)->failure, NTS_OK);
    assert_string_equal(ke_client_result(said.client)->server, "");
    end(&said);
}

/* --- Keys -------------------------------------------------------------------------------------------- */

static void assert_key(const Said *said, const uint8_t *key, size_t length, uint8_t aead, uint8_t direction)
{
    const uint8_t context[] = {0, 0, 0, aead, direction};
    uint8_t expected[NTS_KEY_MAX];

    assert_int_equal(gnutls_prf_rfc5705(tls_peer_session(said->peer), strlen(KE_EXPORT_LABEL),
                                        KE_EXPORT_LABEL, sizeof(context), (const char *) context, length,
                                        (char *) expected),
                     0);
    assert_memory_equal(key, expected, length);
}

/* Both ends export the same; for AES-128-GCM-SIV that depends on what they have said about it. */
static void test_keys(void **state)
{
    static const struct {
        const char *name, *message;
        size_t length;
        uint8_t key_length, named, other; /* AEADs in contexts; other 0: none */
        bool compliant;
    } rows[] = {
#define MESSAGE(s) s, sizeof(s) - 1
        {"SIV-CMAC-256", MESSAGE(START COOKIE END), 32, 15, 0, false},
        {"SIV-CMAC-256, whatever is said of the other", MESSAGE(START "\4\0\0\0" COOKIE END), 32, 15, 0,
         true},
        {"128-GCM-SIV", MESSAGE("\x80\1\0\2\0\0\x80\4\0\2\0\x1e\4\0\0\0" COOKIE END), 16, 30, 0, true},
        {"128-GCM-SIV of chrony 4.4", MESSAGE("\x80\1\0\2\0\0\x80\4\0\2\0\x1e" COOKIE END), 16, 15, 30,
         false},
#undef MESSAGE
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Said said = begin(*state);

        print_message("%s\n", rows[i].name);
        say(&said, rows[i].message, rows[i].length);
        const NtsEstablishment *result = ke_client_result(said.client);
        assert_int_equal(result->failure, NTS_OK);
        assert_int_equal(result->compliant_export, rows[i].compliant);
        assert_int_equal(result->keys.length, rows[i].key_length);
        assert_key(&said, result->keys.c2s, rows[i].key_length, rows[i].named, 0);
        assert_key(&said, result->keys.s2c, rows[i].key_length, rows[i].named, 1);
        assert_int_equal(result->other_keys.aead, rows[i].other ? result->keys.aead : NTS_AEAD_NONE);
        if (rows[i].other) {
            assert_int_equal(result->other_keys.length, rows[i].key_length);
            assert_key(&said, result->other_keys.c2s, rows[i].key_length, rows[i].other, 0);
            assert_key(&said, result->other_keys.s2c, rows[i].key_length, rows[i].other, 1);
        }
        end(&said);
    }
}

/* Each failure has words for people, and a name of its own. */
static void test_words(void **state)
{
    (void) state;
    for (int i = NTS_OK + 1; i < NTS_FAILURE_COUNT; i++) {
        assert_true(strlen(nts_failure_text((NtsFailure) i)) > 10);
        for (int j = NTS_OK; j < i; j++)
            assert_string_not_equal(nts_failure_name((NtsFailure) i), nts_failure_name((NtsFailure) j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_chain_for_people),
        cmocka_unit_test(test_name_that_is_sent),
        cmocka_unit_test(test_other_services),
        cmocka_unit_test(test_long_hello),
        cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_nobody_to_trust),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_many_cookies),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
