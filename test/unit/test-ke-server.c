// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* A server against clients that somebody else wrote (gnutls by itself): what it answers to each request, and
 * whom it does not talk to. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ke-ends.h"
#include "nts/ke-keys.h"
#include "unit.h"

typedef struct World {
    char folder[32], certificate[64], key[64];
    Pki root, server;
    ServerCertificates *certificates;
    ServerCredentials *credentials;
    KeServerConfig config;
    NtsKeys sealed; /* what the jar was given last */
    size_t cookie_length;
    size_t left; /* cookies that it still makes */
} World;

static bool open_cookie(void *userdata, const uint8_t *cookie, size_t length, NtsKeys *ret)
{
    (void) userdata, (void) cookie, (void) length, (void) ret;
    return false;
}

static size_t seal_cookie(void *userdata, const NtsKeys *keys, uint8_t ret[static NTS_COOKIE_MAX])
{
    World *world = userdata;

    if (world->left == 0)
        return 0;
    world->left--;
    world->sealed = *keys;
    memset(ret, 0x55, world->cookie_length);
    return world->cookie_length;
}

static int set_up(void **state)
{
    World *world = calloc(1, sizeof(*world));
    CertificateReport report;

    assert_non_null(world);
    strcpy(world->folder, "/tmp/test-ke-server-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->certificate, sizeof(world->certificate), "%s/server.pem", world->folder);
    snprintf(world->key, sizeof(world->key), "%s/server.key", world->folder);
    world->root = pki_make(&(PkiSpec) {.subject = "Root", .authority = true}, NULL);
    world->server = pki_make(&(PkiSpec) {.subject = "server", .names = {"ntp.example.net"}}, &world->root);
    pki_write(world->certificate, (const Pki *[]) {&world->server, &world->root}, 2);
    pki_write_key(world->key, &world->server);
    CertificatePair pair = {.certificate = world->certificate, .key = world->key};
    assert_int_equal(server_certificates_new(&pair, 1, &world->certificates), 0);
    assert_int_equal(server_certificates_load(world->certificates, &report), 0);
    world->credentials = server_certificates_take(world->certificates);
    assert_non_null(world->credentials);
    world->config = (KeServerConfig) {
        .jar = {.open = open_cookie, .seal = seal_cookie, .userdata = world},
        .aeads = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 2,
    };
    world->cookie_length = 3;
    world->left = SIZE_MAX;
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    World *world = *state;

    server_credentials_unref(world->credentials);
    server_certificates_free(world->certificates);
    pki_clear(&world->server);
    pki_clear(&world->root);
    unlink(world->certificate);
    unlink(world->key);
    rmdir(world->folder);
    free(world);
    return 0;
}

static KeServer *new_server(World *world)
{
    KeServer *server = NULL;

    assert_int_equal(ke_server_new(world->credentials, &world->config, &server), 0);
    return server;
}

static TlsPeer *new_peer(void)
{
    return tls_peer_new(&(TlsPeerSetup) {.protocol = "ntske/1", .name = "ntp.example.net"});
}

/* --- TLS --------------------------------------------------------------------------------------------- */

static void test_handshake(void **state)
{
    World *world = *state;
    static const struct {
        const char *name;
        TlsPeerSetup peer;
        bool good;
    } rows[] = {
        {"as we do it", {.protocol = "ntske/1", .name = "ntp.example.net"}, true},
        {"without a name", {.protocol = "ntske/1"}, true},
        {"with another name", {.protocol = "ntske/1", .name = "other.example.net"}, true},
        {"without a protocol", {.name = "ntp.example.net"}, false},
        {"with another protocol", {.protocol = "h2"}, false},
        {"with nearly the right one", {.protocol = "ntske/2"}, false},
        {"TLS 1.2", {.protocol = "ntske/1", .priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2"}, false},
        {"TLS 1.0", {.protocol = "ntske/1", .priorities = "LEGACY:-VERS-ALL:+VERS-TLS1.0"}, false},
        {"TLS 1.2 or 1.3", {.protocol = "ntske/1", .priorities = "NORMAL"}, true},
        {"RSA only",
         {.protocol = "ntske/1",
          .priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256"},
         false},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(ke_server_freep) KeServer *server = new_server(world);
        TlsPeer *peer = tls_peer_new(&rows[i].peer);

        print_message("%s\n", rows[i].name);
        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
        assert_int_equal(ke_server_state(server), rows[i].good ? KE_SERVER_LISTENS : KE_SERVER_FAILED);
        assert_int_equal(tls_peer_alert(peer) >= 0, !rows[i].good); /* who is refused is told so */
        assert_int_equal(ke_server_is_done(server), !rows[i].good);
        tls_peer_free(peer);
    }
}

/* Of what a client offers the cheapest is taken, and each of the rest is good enough. */
static void test_choice(void **state)
{
    static const struct {
        const char *priorities;
        gnutls_group_t group;
        gnutls_cipher_algorithm_t cipher;
    } choices[] = {
#define TLS "NORMAL:-VERS-ALL:+VERS-TLS1.3"
        {TLS, GNUTLS_GROUP_X25519, GNUTLS_CIPHER_AES_128_GCM},
        {TLS ":-GROUP-X25519", GNUTLS_GROUP_SECP256R1, GNUTLS_CIPHER_AES_128_GCM},
        {TLS ":-GROUP-ALL:+GROUP-SECP384R1", GNUTLS_GROUP_SECP384R1, GNUTLS_CIPHER_AES_128_GCM},
        {TLS ":-GROUP-ALL:+GROUP-FFDHE2048", GNUTLS_GROUP_FFDHE2048, GNUTLS_CIPHER_AES_128_GCM},
        {TLS ":-AES-128-GCM", GNUTLS_GROUP_X25519, GNUTLS_CIPHER_AES_256_GCM},
        {TLS ":-CIPHER-ALL:+CHACHA20-POLY1305", GNUTLS_GROUP_X25519, GNUTLS_CIPHER_CHACHA20_POLY1305},
#undef TLS
    };
    World *world = *state;

    for (size_t i = 0; i < ELEMENTS(choices); i++) {
        cleanup_(ke_server_freep) KeServer *server = new_server(world);
        TlsPeer *peer =
            tls_peer_new(&(TlsPeerSetup) {.protocol = "ntske/1", .priorities = choices[i].priorities});

        print_message("%s\n", choices[i].priorities);
        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
        assert_int_equal(ke_server_state(server), KE_SERVER_LISTENS);
        assert_int_equal(gnutls_group_get(tls_peer_session(peer)), choices[i].group);
        assert_int_equal(gnutls_cipher_get(tls_peer_session(peer)), choices[i].cipher);
        tls_peer_free(peer);
    }
}

static void test_nonsense(void **state)
{
    World *world = *state;
    static const struct {
        const char *name, *bytes;
        size_t length;
        bool refused; /* or it waits for more */
    } rows[] = {
#define BYTES(s) s, sizeof(s) - 1
        {"HTTP", BYTES("GET / HTTP/1.1\r\nHost: ntp.example.net\r\n\r\n"), true},
        {"NTP", BYTES("\x23\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), true},
        {"the head of SSLv2", BYTES("\x80\x2e\1\0\2\0\x15\0\0\0\x10\1\0\x80"), false},
        {"an alert", BYTES("\x15\3\1\0\2\2\x28"), true},
        {"a record that is not to end", BYTES("\x16\3\1\x3f\xff"), false},
        {"a record that is too long",
         BYTES("\x16\3\1\xff\xff"
               "aaaa"),
         true},
        {"half a hello", BYTES("\x16\3\1\0\x20\1\0\0\x1c\3\3"), false},
#undef BYTES
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        for (size_t piece = 1; piece < 100; piece += 98) {
            cleanup_(ke_server_freep) KeServer *server = new_server(world);

            print_message("%s\n", rows[i].name);
            for (size_t at = 0; at < rows[i].length; at += piece)
                ke_server_on_bytes(server, (const uint8_t *) rows[i].bytes + at,
                                   MIN(piece, rows[i].length - at));
            assert_int_equal(ke_server_state(server),
                             rows[i].refused ? KE_SERVER_FAILED : KE_SERVER_HANDSHAKE);
        }
    }
}

/* A hello of 16 MiB, or one that was cut into thousands of records: neither is waited for. */
static void test_long_hello(void **state)
{
    World *world = *state;
    static const size_t sizes[] = {1, 100, 16384};

    for (size_t i = 0; i < ELEMENTS(sizes); i++) {
        cleanup_(ke_server_freep) KeServer *server = new_server(world);
        static uint8_t record[5 + 16384];
        size_t given = 0;

        memcpy(record, "\x16\3\1\0\4\1\xff\xff\xff", 9);
        ke_server_on_bytes(server, record, 9);
        memset(record, 0, sizeof(record));
        memcpy(record, "\x16\3\3", 3);
        record[3] = (uint8_t) (sizes[i] >> 8);
        record[4] = (uint8_t) sizes[i];
        for (; given < 200000 && !ke_server_is_done(server); given += 5 + sizes[i])
            ke_server_on_bytes(server, record, 5 + sizes[i]);
        assert_int_equal(ke_server_state(server), KE_SERVER_FAILED);
        assert_true(given <= 3 * 16384);
    }
}

/* Who goes before asking has failed; what comes afterwards is not listened to. */
static void test_closed(void **state)
{
    World *world = *state;
    cleanup_(ke_server_freep) KeServer *server = new_server(world);
    TlsPeer *peer = new_peer();
    const uint8_t *bytes;

    ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
    assert_int_equal(ke_server_state(server), KE_SERVER_LISTENS);
    tls_peer_say(peer, "\x80\1", 2);
    tls_peer_close(peer);
    ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
    assert_int_equal(ke_server_state(server), KE_SERVER_FAILED);
    assert_int_equal(tls_peer_heard(peer, &bytes), 0);
    ke_server_on_bytes(server, (const uint8_t *) "nonsense", 8);
    assert_int_equal(ke_server_state(server), KE_SERVER_FAILED);
    tls_peer_free(peer);
}

/* --- Answers ----------------------------------------------------------------------------------------- */

typedef struct Row {
    const char *name, *request;
    size_t length;
    const char *answer; /* up to the cookies, or all of it */
    size_t answer_length;
    KeServerState state;
} Row;

#define BYTES(s) s, sizeof(s) - 1
#define NTP      "\x80\1\0\2\0\0"
#define SIV      "\x80\4\0\2\0\x0f"
#define GCM      "\x80\4\0\2\0\x1e"
#define END      "\x80\0\0\0"

static const Row rows[] = {
    {"the usual one", BYTES(NTP SIV END), BYTES(NTP SIV), KE_SERVER_ANSWERED},
    {"one that knows both",
     BYTES(NTP "\x80\4\0\4\0\x0f\0\x1e"
               "\4\0\0\0" END),
     BYTES(NTP GCM "\4\0\0\0"), KE_SERVER_ANSWERED},
    {"chrony 4.4", BYTES(NTP "\x80\4\0\4\0\x1e\0\x0f" END), BYTES(NTP GCM), KE_SERVER_ANSWERED},
    {"no export for that", BYTES(NTP SIV "\4\0\0\0" END), BYTES(NTP SIV), KE_SERVER_ANSWERED},
    {"unknown, not critical", BYTES(NTP SIV "\x40\0\0\0" END), BYTES(NTP SIV), KE_SERVER_ANSWERED},
    {"another protocol", BYTES("\x80\1\0\2\x80\1" END), BYTES("\x80\1\0\0" END), KE_SERVER_REFUSED},
    {"another cipher", BYTES(NTP "\x80\4\0\2\0\x11" END), BYTES(NTP "\x80\4\0\0" END), KE_SERVER_REFUSED},
    {"unknown and critical", BYTES(NTP SIV "\xc0\0\0\0" END), BYTES("\x80\2\0\2\0\0" END), KE_SERVER_REFUSED},
    {"nothing", BYTES(END), BYTES("\x80\2\0\2\0\1" END), KE_SERVER_REFUSED},
    {"two ends", BYTES(NTP SIV END END), BYTES("\x80\2\0\2\0\1" END), KE_SERVER_REFUSED},
    {"an end with a body", BYTES(NTP SIV "\x80\0\0\1\0"), BYTES("\x80\2\0\2\0\1" END), KE_SERVER_REFUSED},
    {"no ciphers", BYTES(NTP END), BYTES("\x80\2\0\2\0\1" END), KE_SERVER_REFUSED},
};

/* A whole conversation; how the peer cuts its words into records of TLS, and how the network cuts those. */
static void converse(World *world, const Row *row, size_t record, size_t piece)
{
    static const char cookie[] = "\0\5\0\3\x55\x55\x55";
    cleanup_(ke_server_freep) KeServer *server = new_server(world);
    TlsPeer *peer = new_peer();
    const uint8_t *heard;

    ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), piece);
    for (size_t at = 0; at < row->length; at += record)
        tls_peer_say(peer, row->request + at, MIN(record, row->length - at));
    ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), piece);
    assert_int_equal(ke_server_state(server), row->state);
    assert_true(ke_server_is_done(server));

    size_t length = tls_peer_heard(peer, &heard);
    bool answered = row->state == KE_SERVER_ANSWERED;
    assert_int_equal(length, row->answer_length + (answered ? NTS_COOKIES * 7 + 4 : 0));
    assert_memory_equal(heard, row->answer, row->answer_length);
    for (size_t i = 0; answered && i < NTS_COOKIES; i++)
        assert_memory_equal(heard + row->answer_length + 7 * i, cookie, 7);
    tls_peer_free(peer);
}

static void test_answers(void **state)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        print_message("%s\n", rows[i].name);
        converse(*state, &rows[i], SIZE_MAX, KE_WHOLE);
    }
}

static void test_in_pieces(void **state)
{
    converse(*state, &rows[0], 1, 1);
    converse(*state, &rows[0], 1, KE_WHOLE);
    converse(*state, &rows[0], SIZE_MAX, 1);
    converse(*state, &rows[6], 5, 11);
}

/* 4096 bytes of records that mean nothing are a request; one byte more is too much. */
static void test_long_request(void **state)
{
    static const struct {
        size_t padding;
        KeServerState state;
    } sizes[] = {{1024, KE_SERVER_ANSWERED},
                 {KE_REQUEST_MAX - 20, KE_SERVER_ANSWERED},
                 {KE_REQUEST_MAX - 19, KE_SERVER_REFUSED}};
    World *world = *state;

    for (size_t i = 0; i < ELEMENTS(sizes); i++) {
        cleanup_(ke_server_freep) KeServer *server = new_server(world);
        TlsPeer *peer = new_peer();
        uint8_t request[KE_REQUEST_MAX + 64] = {0};
        const uint8_t *heard;
        size_t length = 0;

        memcpy(request, NTP SIV "\x40\0", 14);
        request[14] = (uint8_t) (sizes[i].padding >> 8);
        request[15] = (uint8_t) sizes[i].padding;
        length = 16 + sizes[i].padding;
        memcpy(request + length, END, 4);
        length += 4;
        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
        tls_peer_say(peer, request, length);
        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
        assert_int_equal(ke_server_state(server), sizes[i].state);
        length = tls_peer_heard(peer, &heard);
        if (sizes[i].state == KE_SERVER_REFUSED) {
            assert_int_equal(length, 10);
            assert_memory_equal(heard, "\x80\2\0\2\0\1" END, 10);
        }
        tls_peer_free(peer);
    }
}

/* Where NTP is served, and that it is elsewhere only if it is. */
static void test_where(void **state)
{
    static const struct {
        const char *server;
        uint16_t port;
        Row row;
    } places[] = {
        {NULL, 0, {"here", BYTES(NTP SIV END), BYTES(NTP SIV), KE_SERVER_ANSWERED}},
        {NULL, 123, {"here, said twice", BYTES(NTP SIV END), BYTES(NTP SIV), KE_SERVER_ANSWERED}},
        {NULL,
         4123,
         {"another port", BYTES(NTP SIV END), BYTES(NTP SIV "\x80\7\0\2\x10\x1b"), KE_SERVER_ANSWERED}},
        {"a.example",
         0,
         {"another server", BYTES(NTP SIV END),
          BYTES(NTP SIV "\x80\6\0\x9"
                        "a.example"),
          KE_SERVER_ANSWERED}},
        {"192.0.2.1",
         4123,
         {"another server and port", BYTES(NTP SIV END),
          BYTES(NTP SIV "\x80\6\0\x9"
                        "192.0.2.1"
                        "\x80\7\0\2\x10\x1b"),
          KE_SERVER_ANSWERED}},
        {"a.example",
         4123,
         {"not for who cannot use it", BYTES(NTP "\x80\4\0\2\0\x11" END), BYTES(NTP "\x80\4\0\0" END),
          KE_SERVER_REFUSED}},
    };
    World *world = *state;

    for (size_t i = 0; i < ELEMENTS(places); i++) {
        print_message("%s\n", places[i].row.name);
        world->config.ntp_server = places[i].server;
        world->config.ntp_port = places[i].port;
        converse(world, &places[i].row, SIZE_MAX, KE_WHOLE);
    }
    world->config.ntp_server = NULL;
    world->config.ntp_port = 0;
}

/* The longest of all answers: eight cookies of the greatest length and a long name. */
static void test_longest(void **state)
{
    static char name[NTS_NAME_MAX];
    World *world = *state;
    cleanup_(ke_server_freep) KeServer *server = new_server(world);
    TlsPeer *peer = new_peer();
    const uint8_t *heard;

    memset(name, 'a', sizeof(name) - 1);
    world->config.ntp_server = name;
    world->config.ntp_port = 4123;
    world->cookie_length = NTS_COOKIE_MAX;
    ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
    tls_peer_say(peer, NTP SIV END, 16);
    ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
    assert_int_equal(ke_server_state(server), KE_SERVER_ANSWERED);
    assert_int_equal(tls_peer_heard(peer, &heard), 12 + 4 + 255 + 6 + 8 * (4 + NTS_COOKIE_MAX) + 4);
    tls_peer_free(peer);
    world->config.ntp_server = NULL;
    world->config.ntp_port = 0;
    world->cookie_length = 3;
}

/* Without cookies, whether there are none or not enough, there is an error of ours. */
static void test_no_cookies(void **state)
{
    static const Row row = {"no cookies", BYTES(NTP SIV END), BYTES("\x80\2\0\2\0\2" END), KE_SERVER_REFUSED};
    World *world = *state;

    for (size_t left = 0; left < NTS_COOKIES; left++) {
        world->left = left;
        converse(world, &row, SIZE_MAX, KE_WHOLE);
    }
    world->left = NTS_COOKIES;
    converse(world, &rows[0], SIZE_MAX, KE_WHOLE);
    world->left = SIZE_MAX;
}

/* Without ciphers of its own (ntsaeads without one that we have). */
static void test_no_ciphers(void **state)
{
    static const Row row = {"no ciphers", BYTES(NTP SIV END), BYTES(NTP "\x80\4\0\0" END), KE_SERVER_REFUSED};
    World *world = *state;
    size_t count = world->config.aead_count;

    world->config.aead_count = 0;
    converse(world, &row, SIZE_MAX, KE_WHOLE);
    world->config.aead_count = count;
}

/* --- Keys -------------------------------------------------------------------------------------------- */

/* What goes into cookies is what the other end exports. */
static void test_keys(void **state)
{
    static const struct {
        const char *request;
        size_t length;
        NtsAead aead;
        uint8_t key_length, named;
    } keys[] = {
        {BYTES(NTP SIV END), NTS_AEAD_AES_SIV_CMAC_256, 32, 15},
        {BYTES(NTP GCM "\4\0\0\0" END), NTS_AEAD_AES_128_GCM_SIV, 16, 30},
        {BYTES(NTP GCM END), NTS_AEAD_AES_128_GCM_SIV, 16, 15},
    };
    World *world = *state;

    for (size_t i = 0; i < ELEMENTS(keys); i++) {
        cleanup_(ke_server_freep) KeServer *server = new_server(world);
        TlsPeer *peer = new_peer();
        uint8_t context[] = {0, 0, 0, keys[i].named, 0}, expected[NTS_KEY_MAX];

        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
        tls_peer_say(peer, keys[i].request, keys[i].length);
        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
        assert_int_equal(world->sealed.aead, keys[i].aead);
        assert_int_equal(world->sealed.length, keys[i].key_length);
        for (context[4] = 0; context[4] < 2; context[4]++) {
            assert_int_equal(gnutls_prf_rfc5705(tls_peer_session(peer), strlen(KE_EXPORT_LABEL),
                                                KE_EXPORT_LABEL, sizeof(context), (const char *) context,
                                                keys[i].key_length, (char *) expected),
                             0);
            assert_memory_equal(context[4] ? world->sealed.s2c : world->sealed.c2s, expected,
                                keys[i].key_length);
        }
        tls_peer_free(peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),  cmocka_unit_test(test_choice),
        cmocka_unit_test(test_nonsense),   cmocka_unit_test(test_long_hello),
        cmocka_unit_test(test_closed),     cmocka_unit_test(test_answers),
        cmocka_unit_test(test_in_pieces),  cmocka_unit_test(test_long_request),
        cmocka_unit_test(test_where),      cmocka_unit_test(test_longest),
        cmocka_unit_test(test_no_cookies), cmocka_unit_test(test_no_ciphers),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
