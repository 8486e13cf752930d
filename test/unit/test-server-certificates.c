// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Certificates and keys of a server: what can be wrong with the files, and how they are exchanged while
 * handshakes go on. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ke-ends.h"
#include "unit.h"

#define NOW INT64_C(1772323200) /* 2026-03-01 */
#define DAY INT64_C(86400)

typedef struct World {
    char folder[48];
    Pki first, second; /* authorities */
    Pki one, two;      /* servers of theirs */
    KeServerConfig config;
} World;

static char *path_of(const World *world, const char *name)
{
    static char paths[8][96];
    static size_t next;
    char *path = paths[next++ % ELEMENTS(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", world->folder, name);
    return path;
}

static void write_text(const World *world, const char *name, const char *text)
{
    FILE *file = fopen(path_of(world, name), "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void write_pair(const World *world, const char *certificate, const char *key, const Pki *pki)
{
    pki_write(path_of(world, certificate), &pki, 1);
    pki_write_key(path_of(world, key), pki);
}

static bool open_cookie(void *userdata, const uint8_t *cookie, size_t length, NtsKeys *ret)
{
    (void) userdata, (void) cookie, (void) length, (void) ret;
    return false;
}

static size_t seal_cookie(void *userdata, const NtsKeys *keys, uint8_t ret[static NTS_COOKIE_MAX])
{
    (void) userdata, (void) keys;
    memset(ret, 1, 100);
    return 100;
}

static int set_up(void **state)
{
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    strcpy(world->folder, "/tmp/test-server-certificates-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->first = pki_make(&(PkiSpec) {.subject = "First", .authority = true}, NULL);
    world->second = pki_make(&(PkiSpec) {.subject = "Second", .authority = true}, NULL);
    world->one = pki_make(&(PkiSpec) {.subject = "one",
                                      .names = {"ntp.example.net"},
                                      .from = NOW - 9 * DAY,
                                      .to = NOW + 9 * DAY},
                          &world->first);
    world->two = pki_make(
        &(PkiSpec) {.subject = "two", .names = {"ntp.example.net"}, .from = NOW - DAY, .to = NOW + 99 * DAY},
        &world->second);
    write_pair(world, "one.pem", "one.key", &world->one);
    write_pair(world, "two.pem", "two.key", &world->two);
    pki_write(path_of(world, "first.pem"), (const Pki *[]) {&world->first}, 1);
    pki_write(path_of(world, "second.pem"), (const Pki *[]) {&world->second}, 1);
    world->config = (KeServerConfig) {
        .jar = {.open = open_cookie, .seal = seal_cookie},
        .aeads = {NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 1,
    };
    *state = world;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void) status, (void) type, (void) ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    World *world = *state;

    pki_clear(&world->one);
    pki_clear(&world->two);
    pki_clear(&world->first);
    pki_clear(&world->second);
    assert_int_equal(nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(world);
    return 0;
}

static ServerCertificates *new_certificates(World *world, const char *certificate, const char *key)
{
    ServerCertificates *certificates = NULL;
    CertificatePair pair = {.certificate = path_of(world, certificate), .key = path_of(world, key)};

    assert_int_equal(server_certificates_new(&pair, 1, &certificates), 0);
    return certificates;
}

/* --- The files --------------------------------------------------------------------------------------- */

static void test_problems(void **state)
{
    World *world = *state;
    static const struct {
        const char *name, *certificate, *key;
        CertificateProblem problem;
        int error;
    } rows[] = {
        {"good", "one.pem", "one.key", CERTIFICATE_OK, 0},
        {"a link", "link.pem", "link.key", CERTIFICATE_OK, 0},
        {"with its chain", "chain.pem", "one.key", CERTIFICATE_OK, 0},
        {"no certificate", "missing.pem", "one.key", CERTIFICATE_UNREADABLE, -ENOENT},
        {"no key", "one.pem", "missing.key", CERTIFICATE_KEY_UNREADABLE, -ENOENT},
        {"a folder", "folder", "one.key", CERTIFICATE_UNREADABLE, -EINVAL},
        {"a FIFO", "one.pem", "fifo", CERTIFICATE_KEY_UNREADABLE, -EINVAL},
        {"text", "text", "one.key", CERTIFICATE_NOT_PEM, 0},
        {"an empty file", "empty", "one.key", CERTIFICATE_NOT_PEM, 0},
        {"text for a key", "one.pem", "text", CERTIFICATE_KEY_NOT_PEM, 0},
        {"the other way round", "one.key", "one.pem", CERTIFICATE_NOT_PEM, 0},
        {"an encrypted key", "one.pem", "encrypted.key", CERTIFICATE_KEY_NOT_PEM, 0},
        {"another's key", "one.pem", "two.key", CERTIFICATE_MISMATCH, 0},
        {"a large file", "large", "one.key", CERTIFICATE_UNREADABLE, -EFBIG},
    };
    gnutls_datum_t text;

    assert_int_equal(symlink("one.pem", path_of(world, "link.pem")), 0);
    assert_int_equal(symlink("one.key", path_of(world, "link.key")), 0);
    pki_write(path_of(world, "chain.pem"), (const Pki *[]) {&world->one, &world->first}, 2);
    assert_int_equal(mkdir(path_of(world, "folder"), 0700), 0);
    assert_int_equal(mkfifo(path_of(world, "fifo"), 0600), 0);
    write_text(world, "text", "nothing of use\n");
    write_text(world, "empty", "");
    assert_int_equal(truncate(path_of(world, "text"), 15), 0);
    write_text(world, "large", "");
    assert_int_equal(truncate(path_of(world, "large"), 1 << 20), 0);
    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(world->one.key, GNUTLS_X509_FMT_PEM, "secret",
                                                       GNUTLS_PKCS_PBES2_AES_128, &text),
                     0);
    write_text(world, "encrypted.key", (const char *) text.data);
    gnutls_free(text.data);

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(server_certificates_freep) ServerCertificates *certificates =
            new_certificates(world, rows[i].certificate, rows[i].key);
        cleanup_(server_credentials_unrefp) ServerCredentials *taken = NULL;
        CertificateReport report;

        print_message("%s\n", rows[i].name);
        assert_null(server_certificates_take(certificates));
        assert_int_equal(server_certificates_load(certificates, &report), 0);
        assert_int_equal(report.problem, rows[i].problem);
        assert_int_equal(report.error, rows[i].error);
        taken = server_certificates_take(certificates);
        assert_int_equal(taken != NULL, rows[i].problem == CERTIFICATE_OK);
        assert_int_equal(strlen(certificate_problem_text(report.problem)) > 10,
                         rows[i].problem != CERTIFICATE_OK);
    }
}

static void test_several(void **state)
{
    World *world = *state;
    CertificatePair pairs[] = {
        {path_of(world, "one.pem"), path_of(world, "one.key")},
        {path_of(world, "two.pem"), path_of(world, "two.key")},
        {path_of(world, "one.pem"), path_of(world, "two.key")},
    };
    cleanup_(server_certificates_freep) ServerCertificates *two = NULL, *three = NULL;
    CertificateReport report;

    assert_int_equal(chmod(path_of(world, "two.key"), 0644), 0);
    assert_int_equal(server_certificates_new(pairs, 2, &two), 0);
    assert_int_equal(server_certificates_load(two, &report), 0);
    assert_int_equal(report.problem, CERTIFICATE_OK);
    assert_int_equal(report.exposed_keys, 1);
    assert_int_equal(report.validity.from, NOW - DAY);
    assert_int_equal(report.validity.to, NOW + 9 * DAY);
    assert_int_equal(server_certificates_new(pairs, 3, &three), 0);
    assert_int_equal(server_certificates_load(three, &report), 0);
    assert_int_equal(report.problem, CERTIFICATE_MISMATCH);
    assert_int_equal(report.pair, 2);
    assert_null(server_certificates_take(three));
}

/* --- Handshakes -------------------------------------------------------------------------------------- */

/* A client that trusts one authority. */
static KeClient *client_of(World *world, const char *authority)
{
    cleanup_(trust_freep) Trust *trust = NULL;
    cleanup_(trust_set_unrefp) TrustSet *set = NULL;
    KeClientSetup setup = {
        .question = {.name = "ntp.example.net", .now_s = NOW},
        .aeads = {NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 1,
    };
    KeClient *client = NULL;

    assert_int_equal(trust_new(false, &trust), 0);
    assert_int_equal(trust_add(trust, 0, path_of(world, authority)), 0);
    assert_int_equal(trust_open(trust, 0, NULL, NULL, &set), 0);
    setup.trust = set;
    assert_int_equal(ke_client_new(&setup, &client), 0);
    return client;
}

static KeServer *server_of(World *world, ServerCertificates *certificates)
{
    cleanup_(server_credentials_unrefp) ServerCredentials *taken = server_certificates_take(certificates);
    KeServer *server = NULL;

    assert_non_null(taken);
    assert_int_equal(ke_server_new(taken, &world->config, &server), 0);
    return server;
}

static NtsFailure result_of(World *world, ServerCertificates *certificates, const char *authority)
{
    cleanup_(ke_client_freep) KeClient *client = client_of(world, authority);
    cleanup_(ke_server_freep) KeServer *server = server_of(world, certificates);

    ke_carry(ke_end_of_client(client), ke_end_of_server(server), KE_WHOLE);
    assert_true(ke_client_is_done(client));
    return ke_client_result(client)->failure;
}

/* New files serve those who come afterwards; who is in a handshake ends with what was there at its beginning.
 * Bad files change nothing. */
static void test_exchange(void **state)
{
    World *world = *state;
    CertificateReport report;

    write_pair(world, "server.pem", "server.key", &world->one);
    cleanup_(server_certificates_freep) ServerCertificates *certificates =
        new_certificates(world, "server.pem", "server.key");
    assert_int_equal(server_certificates_load(certificates, &report), 0);
    assert_int_equal(result_of(world, certificates, "first.pem"), NTS_OK);

    cleanup_(ke_client_freep) KeClient *client = client_of(world, "first.pem");
    cleanup_(ke_server_freep) KeServer *server = server_of(world, certificates);

    pki_write(path_of(world, "server.pem"), (const Pki *[]) {&world->two}, 1); /* its key is still to come */
    assert_int_equal(server_certificates_load(certificates, &report), 0);
    assert_int_equal(report.problem, CERTIFICATE_MISMATCH);
    assert_int_equal(result_of(world, certificates, "first.pem"), NTS_OK);

    pki_write_key(path_of(world, "server.key"), &world->two);
    assert_int_equal(server_certificates_load(certificates, &report), 0);
    assert_int_equal(report.problem, CERTIFICATE_OK);
    assert_int_equal(result_of(world, certificates, "first.pem"), NTS_CERT_UNTRUSTED);
    assert_int_equal(result_of(world, certificates, "second.pem"), NTS_OK);

    ke_carry(ke_end_of_client(client), ke_end_of_server(server), 100);
    assert_int_equal(ke_client_result(client)->failure, NTS_OK);

    server = ke_server_free(server); /* and outlives where they came from */
    server = server_of(world, certificates);
    client = ke_client_free(client);
    client = client_of(world, "second.pem");
    certificates = server_certificates_free(certificates);
    ke_carry(ke_end_of_client(client), ke_end_of_server(server), KE_WHOLE);
    assert_int_equal(ke_client_result(client)->failure, NTS_OK);
}

/* Who knows one kind of signature only is shown the certificate that fits. */
static void test_choice(void **state)
{
    static const struct {
        const char *priorities;
        gnutls_pk_algorithm_t kind;
    } rows[] = {
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-ECDSA-SECP256R1-SHA256", GNUTLS_PK_ECDSA},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256", GNUTLS_PK_RSA_PSS},
    };
    World *world = *state;
    CertificatePair pairs[] = {
        {path_of(world, "one.pem"), path_of(world, "one.key")},
        {path_of(world, "rsa.pem"), path_of(world, "rsa.key")},
    };
    cleanup_(server_certificates_freep) ServerCertificates *certificates = NULL;
    CertificateReport report;
    Pki rsa =
        pki_make(&(PkiSpec) {.subject = "rsa", .names = {"ntp.example.net"}, .rsa = true}, &world->second);

    write_pair(world, "rsa.pem", "rsa.key", &rsa);
    pki_clear(&rsa);
    assert_int_equal(server_certificates_new(pairs, 2, &certificates), 0);
    assert_int_equal(server_certificates_load(certificates, &report), 0);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(ke_server_freep) KeServer *server = server_of(world, certificates);
        TlsPeer *peer =
            tls_peer_new(&(TlsPeerSetup) {.protocol = "ntske/1", .priorities = rows[i].priorities});

        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
        assert_true(tls_peer_is_open(peer));
        assert_int_equal(gnutls_sign_get_pk_algorithm(
                             (gnutls_sign_algorithm_t) gnutls_sign_algorithm_get(tls_peer_session(peer))),
                         rows[i].kind);
        tls_peer_free(peer);
    }
}

/* --- Threads ----------------------------------------------------------------------------------------- */

typedef struct Worker {
    World *world;
    ServerCertificates *certificates;
    size_t done;
} Worker;

/* Handshakes one after the other, as the workers of a server do them. */
static void *work(void *userdata)
{
    Worker *worker = userdata;

    for (size_t i = 0; i < 20; i++) {
        ServerCredentials *taken = server_certificates_take(worker->certificates);
        KeServer *server = NULL;

        if (!taken || ke_server_new(taken, &worker->world->config, &server) < 0)
            break;
        server_credentials_unref(taken);
        TlsPeer *peer = tls_peer_new(&(TlsPeerSetup) {.protocol = "ntske/1"});
        ke_carry(ke_end_of_server(server), ke_end_of_peer(peer), KE_WHOLE);
        worker->done += ke_server_state(server) == KE_SERVER_LISTENS;
        ke_server_free(server);
        tls_peer_free(peer);
    }
    return NULL;
}

/* Two threads shake hands while certificates are exchanged again and again: no handshake fails. */
static void test_threads(void **state)
{
    World *world = *state;
    cleanup_(server_certificates_freep) ServerCertificates *certificates =
        new_certificates(world, "one.pem", "one.key");
    CertificateReport report;
    pthread_t threads[2];
    Worker workers[2];

    assert_int_equal(server_certificates_load(certificates, &report), 0);
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        workers[i] = (Worker) {world, certificates, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 40; i++)
        assert_int_equal(server_certificates_load(certificates, &report), 0);
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].done, 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_problems, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exchange, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_choice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
