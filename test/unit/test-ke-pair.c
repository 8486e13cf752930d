// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* A client and a server of ours, with TLS between them, over memory. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ke-ends.h"
#include "unit.h"

#define NOW INT64_C(1772323200) /* 2026-03-01 */

/* Files in a folder of their own, which goes with the test. */
typedef struct World {
    char folder[32], ca[64], certificate[64], key[64];
    Pki authority, server;
    Trust *trust;
    ServerCertificates *certificates;
    KeServerConfig config;
    NtsKeys sealed; /* what the jar was given last */
    size_t seals;
    bool jar_is_empty;
} World;

static bool open_cookie(void *userdata, const uint8_t *cookie, size_t length, NtsKeys *ret)
{
    (void) userdata, (void) cookie, (void) length, (void) ret;
    return false;
}

static size_t seal_cookie(void *userdata, const NtsKeys *keys, uint8_t ret[static NTS_COOKIE_MAX])
{
    World *world = userdata;

    world->sealed = *keys;
    memset(ret, (int) ++world->seals, 100);
    return world->jar_is_empty ? 0 : 100;
}

static int set_up(void **state)
{
    World *world = calloc(1, sizeof(*world));
    const Pki *chain[1];

    assert_non_null(world);
    strcpy(world->folder, "/tmp/test-ke-pair-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->ca, sizeof(world->ca), "%s/ca.pem", world->folder);
    snprintf(world->certificate, sizeof(world->certificate), "%s/server.pem", world->folder);
    snprintf(world->key, sizeof(world->key), "%s/server.key", world->folder);
    world->authority = pki_make(&(PkiSpec) {.subject = "Test CA", .authority = true}, NULL);
    world->server =
        pki_make(&(PkiSpec) {.subject = "server", .names = {"ntp.example.net"}}, &world->authority);
    chain[0] = &world->authority;
    pki_write(world->ca, chain, 1);
    chain[0] = &world->server;
    pki_write(world->certificate, chain, 1);
    pki_write_key(world->key, &world->server);

    assert_int_equal(trust_new(false, &world->trust), 0);
    assert_int_equal(trust_add(world->trust, 0, world->ca), 0);
    CertificatePair pair = {.certificate = world->certificate, .key = world->key};
    CertificateReport report;
    assert_int_equal(server_certificates_new(&pair, 1, &world->certificates), 0);
    assert_int_equal(server_certificates_load(world->certificates, &report), 0);
    assert_int_equal(report.problem, CERTIFICATE_OK);
    world->config = (KeServerConfig) {
        .jar = {.open = open_cookie, .seal = seal_cookie, .userdata = world},
        .aeads = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 2,
    };
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    World *world = *state;

    server_certificates_free(world->certificates);
    trust_free(world->trust);
    pki_clear(&world->server);
    pki_clear(&world->authority);
    unlink(world->ca);
    unlink(world->certificate);
    unlink(world->key);
    rmdir(world->folder);
    free(world);
    return 0;
}

/* A client that likes some AEADs; none: the one that everybody has. */
static KeClient *new_client(World *world, const char *name, const NtsAead *aeads, size_t count)
{
    cleanup_(trust_set_unrefp) TrustSet *set = NULL;
    KeClientSetup setup = {
        .question = {.name = name, .now_s = NOW},
        .aeads = {NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 1,
    };
    KeClient *client = NULL;

    assert_int_equal(trust_open(world->trust, 0, NULL, NULL, &set), 0);
    setup.trust = set;
    if (count > 0) {
        memcpy(setup.aeads, aeads, count * sizeof(aeads[0]));
        setup.aead_count = count;
    }
    assert_int_equal(ke_client_new(&setup, &client), 0);
    return client;
}

static KeServer *new_server(World *world)
{
    cleanup_(server_credentials_unrefp) ServerCredentials *credentials =
        server_certificates_take(world->certificates);
    KeServer *server = NULL;

    assert_non_null(credentials);
    assert_int_equal(ke_server_new(credentials, &world->config, &server), 0);
    return server;
}

static void test_established(void **state)
{
    static const size_t pieces[] = {1, 7, 1000, KE_WHOLE};
    World *world = *state;

    for (size_t i = 0; i < ELEMENTS(pieces); i++) {
        cleanup_(ke_client_freep) KeClient *client = new_client(world, "ntp.example.net", NULL, 0);
        cleanup_(ke_server_freep) KeServer *server = new_server(world);

        assert_null(ke_client_result(client));
        assert_int_equal(ke_server_state(server), KE_SERVER_HANDSHAKE);
        ke_carry(ke_end_of_client(client), ke_end_of_server(server), pieces[i]);

        assert_true(ke_client_is_done(client));
        assert_int_equal(ke_server_state(server), KE_SERVER_ANSWERED);
        const NtsEstablishment *result = ke_client_result(client);
        assert_int_equal(result->failure, NTS_OK);
        assert_false(result->provisional);
        assert_int_equal(result->keys.aead, NTS_AEAD_AES_SIV_CMAC_256);
        assert_int_equal(result->keys.length, 32);
        assert_memory_equal(&result->keys, &world->sealed, sizeof(NtsKeys));
        assert_memory_not_equal(result->keys.c2s, result->keys.s2c, 32);
        assert_int_equal(result->cookie_count, NTS_COOKIES);
        for (size_t j = 0; j < NTS_COOKIES; j++) {
            assert_int_equal(result->cookies[j].length, 100);
            assert_int_equal(result->cookies[j].bytes[99], (8 * i + j + 1) & 0xff);
        }
        assert_string_equal(result->server, "");
        assert_int_equal(result->port, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_established, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
