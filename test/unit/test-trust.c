// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Chains of certificates against sets of trusted ones: signatures, names, dates, and the files that sets come
 * from. Time is 2026-03-01 unless a row says otherwise. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nts/trust.h"
#include "pki.h"
#include "unit.h"

#define NOW  INT64_C(1772323200)
#define DAY  INT64_C(86400)
#define YEAR (365 * DAY)

typedef struct World {
    char folder[32];
    Pki root;         /* trusted */
    Pki root_expired; /* the same name and key, but expired */
    Pki old;          /* an authority that has expired */
    Pki cross;        /* root's name and key, signed by the old one */
    Pki other;        /* trusted by nobody, or in set 7 */
    Pki middle;       /* signed by root */
    Pki lower;        /* signed by middle */
    Pki server;       /* signed by middle: ntp.example.net */
    Pki deep;         /* signed by lower: ntp.example.net */
    Pki direct;       /* signed by root: ntp.example.net */
    Trust *trust;
} World;

static Pki authority(const char *subject, const Pki *issuer)
{
    return pki_make(&(PkiSpec) {.subject = subject, .authority = true}, issuer);
}

static Pki server_of(const Pki *issuer)
{
    return pki_make(&(PkiSpec) {.subject = "server", .names = {"ntp.example.net"}}, issuer);
}

static char *path_of(const World *world, const char *name)
{
    static char paths[4][96];
    static size_t next;
    char *path = paths[next++ % ELEMENTS(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", world->folder, name);
    return path;
}

static void write_certificate(const World *world, const char *name, const Pki *pki)
{
    pki_write(path_of(world, name), &pki, 1);
}

static int set_up(void **state)
{
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    strcpy(world->folder, "/tmp/test-trust-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->root = authority("Root", NULL);
    world->root_expired = pki_make(&(PkiSpec) {.subject = "Root",
                                               .authority = true,
                                               .from = NOW - 9 * YEAR,
                                               .to = NOW - YEAR,
                                               .with = world->root.key},
                                   NULL);
    world->old =
        pki_make(&(PkiSpec) {.subject = "Old", .authority = true, .from = NOW - 9 * YEAR, .to = NOW - YEAR},
                 NULL);
    world->cross =
        pki_make(&(PkiSpec) {.subject = "Root", .authority = true, .with = world->root.key}, &world->old);
    world->other = authority("Other", NULL);
    world->middle = authority("Middle", &world->root);
    world->lower = authority("Lower", &world->middle);
    world->server = server_of(&world->middle);
    world->deep = server_of(&world->lower);
    world->direct = server_of(&world->root);
    write_certificate(world, "root.pem", &world->root);
    write_certificate(world, "other.pem", &world->other);
    assert_int_equal(trust_new(false, &world->trust), 0);
    assert_int_equal(trust_add(world->trust, 0, path_of(world, "root.pem")), 0);
    assert_int_equal(trust_add(world->trust, 7, path_of(world, "other.pem")), 0);
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
    Pki *all[] = {&world->server, &world->deep,  &world->direct, &world->lower,        &world->middle,
                  &world->other,  &world->cross, &world->old,    &world->root_expired, &world->root};

    trust_free(world->trust);
    for (size_t i = 0; i < ELEMENTS(all); i++)
        pki_clear(all[i]);
    assert_int_equal(nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(world);
    return 0;
}

static TrustSet *open_set(World *world, uint32_t id)
{
    TrustSet *set = NULL;

    assert_int_equal(trust_open(world->trust, id, NULL, NULL, &set), 0);
    return set;
}

/* What a set says to a chain, to its first NULL. */
static TrustAnswer ask(const TrustSet *set, const TrustQuestion *question, const Pki *const *chain)
{
    TrustCertificate sent[16] = {0};
    TrustAnswer answer = {.failure = NTS_FAILURE_COUNT};
    size_t count = 0;

    for (; chain[count]; count++) {
        gnutls_datum_t der = pki_der(chain[count]);
        sent[count] = (TrustCertificate) {.bytes = der.data, .length = der.size};
    }
    assert_int_equal(trust_set_verify(set, question, sent, count, &answer), 0);
    for (size_t i = 0; i < count; i++)
        gnutls_free((void *) sent[i].bytes);
    return answer;
}

static NtsFailure verdict_on(const TrustSet *set, const Pki *const *chain)
{
    return ask(set, &(TrustQuestion) {.name = "ntp.example.net", .now_s = NOW}, chain).failure;
}

static void test_chains(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = open_set(world, 0);
    cleanup_(trust_set_unrefp) TrustSet *seven = open_set(world, 7);
    cleanup_(trust_set_unrefp) TrustSet *empty = open_set(world, 3);
    const struct {
        const char *name;
        const TrustSet *set;
        const Pki *chain[6];
        NtsFailure failure;
    } rows[] = {
        {"signed by the root", set, {&world->direct}, NTS_OK},
        {"with the root", set, {&world->direct, &world->root}, NTS_OK},
        {"one between", set, {&world->server, &world->middle}, NTS_OK},
        {"one between, with the root", set, {&world->server, &world->middle, &world->root}, NTS_OK},
        {"two between", set, {&world->deep, &world->lower, &world->middle}, NTS_OK},
        {"in another order", set, {&world->deep, &world->middle, &world->lower}, NTS_OK},
        {"with a stranger in it", set, {&world->deep, &world->other, &world->middle, &world->lower}, NTS_OK},
        {"the one between twice", set, {&world->server, &world->middle, &world->middle}, NTS_OK},
        {"the one between is missing", set, {&world->server}, NTS_CERT_UNTRUSTED},
        {"another one between", set, {&world->server, &world->lower}, NTS_CERT_UNTRUSTED},
        {"another set", seven, {&world->server, &world->middle}, NTS_CERT_UNTRUSTED},
        {"no set", empty, {&world->server, &world->middle}, NTS_CERT_UNTRUSTED},
        {"no certificate", set, {NULL}, NTS_CERT_BAD},
        {"an authority itself", set, {&world->middle, &world->root}, NTS_CERT_NAME},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(verdict_on(rows[i].set, rows[i].chain), rows[i].failure);
    }
}

/* Who signs without being allowed to, what is for something else, what is signed in a way that can be
 * forged. */
static void test_bad(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = open_set(world, 0);
    Pki forged = server_of(&world->direct);
    Pki client = pki_make(&(PkiSpec) {.subject = "client",
                                      .names = {"ntp.example.net"},
                                      .purpose = GNUTLS_KP_TLS_WWW_CLIENT},
                          &world->root);
    Pki sha1 =
        pki_make(&(PkiSpec) {.subject = "server", .names = {"ntp.example.net"}, .sha1 = true}, &world->root);
    Pki impostor_root = authority("Root", NULL);
    Pki impostor = server_of(&impostor_root);
    Pki rsa =
        pki_make(&(PkiSpec) {.subject = "server", .names = {"ntp.example.net"}, .rsa = true}, &world->root);
    const struct {
        const char *name;
        const Pki *chain[4];
        NtsFailure failure;
    } rows[] = {
        {"signed by a server", {&forged, &world->direct}, NTS_CERT_UNTRUSTED},
        {"for clients", {&client}, NTS_CERT_BAD},
        {"signed with SHA-1", {&sha1}, NTS_CERT_BAD},
        {"an authority of the same name", {&impostor}, NTS_CERT_UNTRUSTED},
        {"an authority of the same name, sent along", {&impostor, &impostor_root}, NTS_CERT_UNTRUSTED},
        {"RSA", {&rsa}, NTS_OK},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(verdict_on(set, rows[i].chain), rows[i].failure);
    }
    pki_clear(&forged);
    pki_clear(&client);
    pki_clear(&sha1);
    pki_clear(&impostor);
    pki_clear(&impostor_root);
    pki_clear(&rsa);
}

/* A certificate with one bit wrong is never believed; what cannot be read is bad. */
static void test_mutilated(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = open_set(world, 0);
    const TrustQuestion question = {.name = "ntp.example.net", .now_s = NOW};
    gnutls_datum_t der = pki_der(&world->direct);
    TrustCertificate sent = {.bytes = der.data, .length = der.size};
    TrustAnswer answer;

    assert_int_equal(trust_set_verify(set, &question, &sent, 1, &answer), 0);
    assert_int_equal(answer.failure, NTS_OK);
    for (unsigned i = 0; i < der.size; i++) {
        der.data[i] ^= 1;
        assert_int_equal(trust_set_verify(set, &question, &sent, 1, &answer), 0);
        assert_true(answer.failure == NTS_CERT_BAD || answer.failure == NTS_CERT_UNTRUSTED ||
                    answer.failure == NTS_CERT_NAME);
        der.data[i] ^= 1;
    }
    for (sent.length = 0; sent.length < der.size; sent.length += 1 + sent.length / 8) {
        assert_int_equal(trust_set_verify(set, &question, &sent, 1, &answer), 0);
        assert_int_equal(answer.failure, NTS_CERT_BAD);
    }
    gnutls_free(der.data);
}

static void test_names(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = open_set(world, 0);
    static const struct {
        PkiSpec spec;
        const char *name;
        bool good;
    } rows[] = {
        {{.names = {"ntp.example.net"}}, "ntp.example.net", true},
        {{.names = {"ntp.example.net"}}, "NTP.Example.NET", true},
        {{.names = {"ntp.example.net"}}, "ntp.example.net.", true},
        {{.names = {"ntp.example.net"}}, "example.net", false},
        {{.names = {"ntp.example.net"}}, "ntp.example.ne", false},
        {{.names = {"ntp.example.net"}}, "antp.example.net", false},
        {{.names = {"ntp.example.net"}}, "ntp.example.net.evil.example", false},
        {{.names = {"a.example.net", "b.example.net"}}, "b.example.net", true},
        {{.names = {"*.example.net"}}, "ntp.example.net", true},
        {{.names = {"*.example.net"}}, "a.ntp.example.net", false},
        {{.names = {"*.example.net"}}, "example.net", false},
        {{.names = {"xn--bcher-kva.example"}}, "xn--bcher-kva.example", true},
        {{.names = {"xn--bcher-kva.example"}},
         "b\xc3\xbc"
         "cher.example",
         true},
        {{.names = {"xn--bcher-kva.example"}}, "bucher.example", false},
        {{.address = "192.0.2.1"}, "192.0.2.1", true},
        {{.address = "192.0.2.1"}, "192.0.2.2", false},
        {{.address = "2001:db8::1"}, "2001:db8::1", true},
        {{.address = "2001:db8::1"}, "2001:DB8:0:0::1", true},
        {{.address = "fe80::1"}, "fe80::1%1", true},
        {{.address = "fe80::1"}, "fe80::2%1", false},
        {{.names = {"ntp.example.net"}, .address = "192.0.2.1"}, "192.0.2.1", true},
        {{.names = {"ntp.example.net"}}, "192.0.2.1", false},
        {{.address = "192.0.2.1"}, "ntp.example.net", false},
        {{.names = {"ntp.example.net"}}, "", false},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        PkiSpec spec = rows[i].spec;
        TrustQuestion question = {.name = rows[i].name, .now_s = NOW};

        print_message("%s for %s\n", spec.names[0] ? spec.names[0] : spec.address, rows[i].name);
        spec.subject = "Somebody";
        Pki pki = pki_make(&spec, &world->root);
        assert_int_equal(ask(set, &question, (const Pki *[]) {&pki, NULL}).failure,
                         rows[i].good ? NTS_OK : NTS_CERT_NAME);
        pki_clear(&pki);
    }
}

/* By the key, not by the certificate: a renewed one of the same key is the same host, and so is another name
 * of it. What is not right has no key. */
static void test_host_keys(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = open_set(world, 0);
    TrustQuestion question = {.name = "ntp.example.net", .now_s = NOW};
    PkiSpec spec = {.subject = "wild", .names = {"*.example.net"}, .with = world->direct.key};
    Pki wild = pki_make(&spec, &world->middle);
    spec = (PkiSpec) {.subject = "wild", .names = {"*.example.net"}, .rsa = true};
    Pki stranger = pki_make(&spec, &world->middle);
    TrustAnswer direct = ask(set, &question, (const Pki *[]) {&world->direct, NULL});
    TrustAnswer same = ask(set, &question, (const Pki *[]) {&wild, &world->middle, NULL});
    TrustAnswer other = ask(set, &question, (const Pki *[]) {&stranger, &world->middle, NULL});
    TrustAnswer deep =
        ask(set, &question, (const Pki *[]) {&world->deep, &world->lower, &world->middle, NULL});
    question.name = "elsewhere.example";
    TrustAnswer bad = ask(set, &question, (const Pki *[]) {&world->direct, NULL});

    assert_true(nts_host_key_is_same(&direct.host_key, &same.host_key));
    assert_false(nts_host_key_is_same(&direct.host_key, &other.host_key));
    assert_false(nts_host_key_is_same(&direct.host_key, &deep.host_key));
    assert_false(nts_host_key_is_same(&other.host_key, &deep.host_key));
    assert_int_equal(bad.failure, NTS_CERT_NAME);
    assert_false(nts_host_key_is_same(&bad.host_key, &bad.host_key));
    pki_clear(&wild);
    pki_clear(&stranger);
}

/* Dates of a server's certificate and of the one that signed it, in years from now; everything else is
 * valid. */
static void test_dates(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = open_set(world, 0);
    static const struct {
        const char *name;
        int server_from, server_to, middle_from, middle_to;
        int clock, bound;          /* years from now */
        NtsFailure checked, maybe; /* with NTS_DATES_CHECKED, and with NTS_DATES_PROVISIONAL */
        bool provisional;
    } rows[] = {
        {"a clock that is right", -1, 1, -2, 2, 0, -1, NTS_OK, NTS_OK, false},
        {"expired", -2, -1, -2, 2, 0, -3, NTS_CERT_EXPIRED, NTS_OK, true},
        {"expired before the bound", -3, -2, -3, 2, 0, -1, NTS_CERT_EXPIRED, NTS_CERT_EXPIRED, false},
        {"expired, but for a clock before the bound", -3, -2, -3, 2, -2, -1, NTS_CERT_EXPIRED,
         NTS_CERT_EXPIRED, false},
        {"not yet", 1, 2, -2, 2, 0, -1, NTS_CERT_NOT_YET, NTS_OK, true},
        {"the signer expired", -2, 1, -2, -1, 0, -3, NTS_CERT_EXPIRED, NTS_OK, true},
        {"the signer expired before the bound", -3, 1, -3, -2, 0, -1, NTS_CERT_EXPIRED, NTS_CERT_EXPIRED,
         false},
        {"the signer is not yet", -2, 2, 1, 2, 0, -1, NTS_CERT_NOT_YET, NTS_OK, true},
        {"a clock of long ago", -1, 1, -2, 2, -11, 0, NTS_CERT_NOT_YET, NTS_OK, true},
        {"a clock of the far future", -1, 1, -2, 2, 14, 0, NTS_CERT_EXPIRED, NTS_OK, true},
        {"a clock before the bound", -3, 1, -3, 2, -2, -1, NTS_OK, NTS_OK, false},
        {"no time at which both are valid", 1, 3, -2, 0, 2, -3, NTS_CERT_EXPIRED, NTS_CERT_EXPIRED, false},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        PkiSpec middle_spec = {.subject = "M",
                               .authority = true,
                               .from = NOW + rows[i].middle_from * YEAR,
                               .to = NOW + rows[i].middle_to * YEAR};
        PkiSpec server_spec = {.subject = "s",
                               .names = {"ntp.example.net"},
                               .from = NOW + rows[i].server_from * YEAR,
                               .to = NOW + rows[i].server_to * YEAR};
        Pki middle = pki_make(&middle_spec, &world->root), server = pki_make(&server_spec, &middle);
        const Pki *chain[] = {&server, &middle, NULL};
        TrustQuestion question = {.name = "ntp.example.net",
                                  .now_s = NOW + rows[i].clock * YEAR,
                                  .lower_bound_s = NOW + rows[i].bound * YEAR};

        print_message("%s\n", rows[i].name);
        TrustAnswer answer = ask(set, &question, chain);
        assert_int_equal(answer.failure, rows[i].checked);
        assert_false(answer.provisional);
        assert_int_equal(answer.validity.from, MAX(middle_spec.from, server_spec.from));
        assert_int_equal(answer.validity.to, MIN(middle_spec.to, server_spec.to));
        question.dates = NTS_DATES_PROVISIONAL;
        answer = ask(set, &question, chain);
        assert_int_equal(answer.failure, rows[i].maybe);
        assert_int_equal(answer.provisional, rows[i].provisional);
        question.dates = NTS_DATES_IGNORED;
        answer = ask(set, &question, chain);
        assert_int_equal(answer.failure, NTS_OK);
        assert_false(answer.provisional);
        assert_int_equal(answer.validity.to, MIN(middle_spec.to, server_spec.to));
        question.name = "other.example.net"; /* no clock makes that right */
        assert_int_equal(ask(set, &question, chain).failure, NTS_CERT_NAME);
        pki_clear(&server);
        pki_clear(&middle);
    }
}

/* Both ends of the validity belong to it. */
static void test_first_and_last_second(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = open_set(world, 0);
    Pki server = pki_make(
        &(PkiSpec) {.subject = "s", .names = {"ntp.example.net"}, .from = NOW - DAY, .to = NOW + DAY},
        &world->root);
    static const struct {
        int64_t now;
        NtsFailure failure;
    } rows[] = {
        {NOW - DAY - 1, NTS_CERT_NOT_YET}, {NOW - DAY, NTS_OK},           {NOW + DAY, NTS_OK},
        {NOW + DAY + 1, NTS_CERT_EXPIRED}, {INT64_MIN, NTS_CERT_NOT_YET}, {INT64_MAX, NTS_CERT_EXPIRED},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        TrustQuestion question = {.name = "ntp.example.net", .now_s = rows[i].now};
        assert_int_equal(ask(set, &question, (const Pki *[]) {&server, NULL}).failure, rows[i].failure);
    }
    pki_clear(&server);
}

/* An authority that has expired makes everything expire that it signed; but where there is another way to an
 * authority that has not, that one counts. */
static void test_several_ways(void **state)
{
    World *world = *state;
    const struct {
        const char *name;
        const Pki *trusted[3];
        const Pki *chain[5];
        NtsFailure failure;
    } rows[] = {
        {"the root has expired", {&world->root_expired}, {&world->server, &world->middle}, NTS_CERT_EXPIRED},
        {"and was renewed", {&world->root_expired, &world->root}, {&world->server, &world->middle}, NTS_OK},
        {"renewed, the other way round",
         {&world->root, &world->root_expired},
         {&world->server, &world->middle},
         NTS_OK},
        {"signed by an expired one as well",
         {&world->root},
         {&world->server, &world->middle, &world->cross},
         NTS_OK},
        {"which is trusted as well",
         {&world->root, &world->old},
         {&world->server, &world->middle, &world->cross},
         NTS_OK},
        {"in the other order",
         {&world->old, &world->root},
         {&world->server, &world->middle, &world->cross},
         NTS_OK},
        {"with all there is",
         {&world->old, &world->root},
         {&world->server, &world->middle, &world->cross, &world->old},
         NTS_OK},
        {"only the expired one is trusted",
         {&world->old},
         {&world->server, &world->middle, &world->cross},
         NTS_CERT_EXPIRED},
        {"an authority in the middle is trusted", {&world->middle}, {&world->server}, NTS_OK},
        {"and sent along", {&world->middle}, {&world->server, &world->middle}, NTS_OK},
        {"the server's own is trusted, by itself",
         {&world->server},
         {&world->server, &world->middle},
         NTS_OK},
    };

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(trust_freep) Trust *trust = NULL;
        cleanup_(trust_set_unrefp) TrustSet *set = NULL;
        size_t count = 0;

        print_message("%s\n", rows[i].name);
        while (count < ELEMENTS(rows[i].trusted) && rows[i].trusted[count])
            count++;
        pki_write(path_of(world, "trusted.pem"), rows[i].trusted, count);
        assert_int_equal(trust_new(false, &trust), 0);
        assert_int_equal(trust_add(trust, 0, path_of(world, "trusted.pem")), 0);
        assert_int_equal(trust_open(trust, 0, NULL, NULL, &set), 0);
        assert_int_equal(trust_set_size(set), count);
        assert_int_equal(verdict_on(set, rows[i].chain), rows[i].failure);
    }
}

/* A server that signed its own certificate, which was copied to its clients. */
static void test_pinned(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = NULL;
    Pki alone = pki_make(&(PkiSpec) {.subject = "alone", .names = {"ntp.example.net"}}, NULL);
    const Pki *chain[] = {&alone, NULL};
    cleanup_(trust_set_unrefp) TrustSet *without = open_set(world, 0);

    assert_int_equal(verdict_on(without, chain), NTS_CERT_UNTRUSTED);
    write_certificate(world, "alone.pem", &alone);
    assert_int_equal(trust_add(world->trust, 9, path_of(world, "alone.pem")), 0);
    set = open_set(world, 9);
    assert_int_equal(verdict_on(set, chain), NTS_OK);
    pki_clear(&alone);
}

/* Chains that are too long are cut; what is behind the cut does not help. */
static void test_long_chain(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = open_set(world, 0);
    const Pki *chain[16] = {&world->server};

    for (size_t i = 1; i < 15; i++)
        chain[i] = &world->other;
    chain[TRUST_CHAIN_MAX - 1] = &world->middle;
    assert_int_equal(verdict_on(set, chain), NTS_OK);
    chain[TRUST_CHAIN_MAX - 1] = &world->other;
    chain[TRUST_CHAIN_MAX] = &world->middle;
    assert_int_equal(verdict_on(set, chain), NTS_CERT_UNTRUSTED);
}

/* --- Where sets come from ---------------------------------------------------------------------------- */

typedef struct Told {
    size_t count;
    int error; /* the last one */
    char path[96];
} Told;

static void note(void *userdata, const char *path, int error)
{
    Told *told = userdata;

    told->count++;
    told->error = error;
    snprintf(told->path, sizeof(told->path), "%s", path ? path : "system");
}

static void test_files(void **state)
{
    World *world = *state;
    static const struct {
        const char *name;
        size_t size;
        int error; /* 0: none */
    } rows[] = {
        {"root.pem", 1, 0},
        {"two.pem", 2, 0},
        {"folder", 2, 0},
        {"missing.pem", 0, -ENOENT},
        {"text", 0, -EBADMSG},
        {"empty", 0, -EBADMSG},
        {"empty-folder", 0, -EBADMSG},
        {"fifo", 0, -EINVAL},
        {"link.pem", 1, 0},
    };

    pki_write(path_of(world, "two.pem"), (const Pki *[]) {&world->root, &world->other}, 2);
    assert_int_equal(mkdir(path_of(world, "folder"), 0700), 0);
    assert_int_equal(mkdir(path_of(world, "empty-folder"), 0700), 0);
    write_certificate(world, "folder/a.pem", &world->root);
    write_certificate(world, "folder/b.pem", &world->other);
    assert_int_equal(mkfifo(path_of(world, "fifo"), 0600), 0);
    assert_int_equal(symlink("root.pem", path_of(world, "link.pem")), 0);
    FILE *file = fopen(path_of(world, "text"), "we");
    assert_non_null(file);
    assert_true(fputs("no certificate\n", file) >= 0);
    fclose(file);
    close(open(path_of(world, "empty"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(trust_set_unrefp) TrustSet *set = NULL;
        Told told = {0};
        uint32_t id = (uint32_t) (100 + i);

        print_message("%s\n", rows[i].name);
        assert_int_equal(trust_add(world->trust, id, path_of(world, rows[i].name)), 0);
        assert_int_equal(trust_open(world->trust, id, note, &told, &set), 0);
        assert_int_equal(trust_set_size(set), rows[i].size);
        assert_int_equal(told.count, rows[i].error != 0);
        assert_int_equal(told.error, rows[i].error);
        assert_string_equal(told.path, rows[i].error != 0 ? path_of(world, rows[i].name) : "");
    }
}

/* One file that is missing does not cost the other. */
static void test_some_files(void **state)
{
    World *world = *state;
    cleanup_(trust_set_unrefp) TrustSet *set = NULL;
    Told told = {0};

    assert_int_equal(trust_add(world->trust, 7, path_of(world, "missing.pem")), 0);
    assert_int_equal(trust_add(world->trust, 7, path_of(world, "root.pem")), 0);
    assert_int_equal(trust_open(world->trust, 7, note, &told, &set), 0);
    assert_int_equal(trust_set_size(set), 2);
    assert_int_equal(told.count, 1);
    assert_int_equal(verdict_on(set, (const Pki *[]) {&world->direct, NULL}), NTS_OK);
}

/* The store of the system belongs to set 0, and only if it is wanted. A machine may have none: then that is
 * told. */
static void test_system(void **state)
{
    World *world = *state;
    cleanup_(trust_freep) Trust *trust = NULL;
    cleanup_(trust_set_unrefp) TrustSet *zero = NULL, *one = NULL, *without = open_set(world, 0);
    Told told = {0};

    assert_int_equal(trust_set_size(without), 1);
    assert_int_equal(trust_new(true, &trust), 0);
    assert_int_equal(trust_open(trust, 1, note, &told, &one), 0);
    assert_int_equal(trust_set_size(one), 0);
    assert_int_equal(told.count, 0);
    assert_int_equal(trust_open(trust, 0, note, &told, &zero), 0);
    assert_true(trust_set_size(zero) > 0 || (told.count == 1 && strcmp(told.path, "system") == 0));
    assert_int_equal(verdict_on(zero, (const Pki *[]) {&world->direct, NULL}), NTS_CERT_UNTRUSTED);
}

/* A set is shared while it is used and its files are as they were; then it is read anew. */
static void test_read_anew(void **state)
{
    World *world = *state;
    TrustSet *first = open_set(world, 0), *second = open_set(world, 0);
    const Pki *chain[] = {&world->direct, NULL};

    assert_ptr_equal(first, second);
    trust_set_unref(second);
    assert_int_equal(rename(path_of(world, "other.pem"), path_of(world, "root.pem")), 0);
    TrustSet *third = open_set(world, 0);
    assert_ptr_not_equal(first, third);
    assert_int_equal(verdict_on(first, chain), NTS_OK);
    assert_int_equal(verdict_on(third, chain), NTS_CERT_UNTRUSTED);
    trust_set_unref(first);
    TrustSet *fourth = open_set(world, 0);
    assert_ptr_equal(fourth, third);
    trust_set_unref(third);
    trust_set_unref(fourth);

    write_certificate(world, "root.pem", &world->root); /* nobody has it: no need to notice */
    third = open_set(world, 0);
    assert_int_equal(verdict_on(third, chain), NTS_OK);
    world->trust = trust_free(world->trust); /* who has a set keeps it */
    assert_int_equal(verdict_on(third, chain), NTS_OK);
    trust_set_unref(third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mutilated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_host_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_and_last_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pinned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_some_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_system, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_anew, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
