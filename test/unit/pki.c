// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See pki.h. */

#include "pki.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

#define YEAR_2000 INT64_C(946684800)
#define YEAR_2100 INT64_C(4102444800)

static void must(int r)
{
    if (r < 0)
        fail_msg("gnutls: %s", gnutls_strerror(r));
}

static gnutls_x509_privkey_t new_key(bool rsa)
{
    gnutls_x509_privkey_t key;

    must(gnutls_x509_privkey_init(&key));
    if (rsa)
        must(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0));
    else
        must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    return key;
}

static void add_names(gnutls_x509_crt_t certificate, const PkiSpec *spec)
{
    for (size_t i = 0; i < ELEMENTS(spec->names) && spec->names[i]; i++)
        must(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, spec->names[i],
                                                  (unsigned) strlen(spec->names[i]), GNUTLS_FSAN_APPEND));
    if (spec->address) {
        uint8_t bytes[16];
        bool v6 = strchr(spec->address, ':');

        assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, spec->address, bytes), 1);
        must(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, bytes, v6 ? 16 : 4,
                                                  GNUTLS_FSAN_APPEND));
    }
}

static void add_role(gnutls_x509_crt_t certificate, const PkiSpec *spec)
{
    must(gnutls_x509_crt_set_basic_constraints(certificate, spec->authority, -1));
    if (spec->authority) {
        must(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_KEY_CERT_SIGN));
    } else {
        must(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE));
        must(gnutls_x509_crt_set_key_purpose_oid(certificate,
                                                 spec->purpose ? spec->purpose : GNUTLS_KP_TLS_WWW_SERVER,
                                                 0));
    }
}

static void add_serial(gnutls_x509_crt_t certificate)
{
    uint8_t serial[8];

    must(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial)));
    serial[0] = serial[0] >> 1 | 1; /* positive */
    must(gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial)));
}

/* gnutls knows some things only of certificates that it has read. */
static gnutls_x509_crt_t read_again(gnutls_x509_crt_t certificate)
{
    gnutls_x509_crt_t again;
    gnutls_datum_t der;

    must(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, &der));
    must(gnutls_x509_crt_init(&again));
    must(gnutls_x509_crt_import(again, &der, GNUTLS_X509_FMT_DER));
    gnutls_free(der.data);
    gnutls_x509_crt_deinit(certificate);
    return again;
}

Pki pki_make(const PkiSpec *spec, const Pki *issuer)
{
    Pki pki = {.key = spec->with ? spec->with : new_key(spec->rsa), .owns_key = !spec->with};
    const Pki *signer = issuer ? issuer : &pki;

    must(gnutls_x509_crt_init(&pki.certificate));
    must(gnutls_x509_crt_set_version(pki.certificate, 3));
    must(gnutls_x509_crt_set_key(pki.certificate, pki.key));
    must(gnutls_x509_crt_set_dn_by_oid(pki.certificate, GNUTLS_OID_X520_COMMON_NAME, 0, spec->subject,
                                       (unsigned) strlen(spec->subject)));
    must(gnutls_x509_crt_set_activation_time(pki.certificate, (time_t) (spec->to ? spec->from : YEAR_2000)));
    must(gnutls_x509_crt_set_expiration_time(pki.certificate, (time_t) (spec->to ? spec->to : YEAR_2100)));
    add_serial(pki.certificate);
    add_names(pki.certificate, spec);
    add_role(pki.certificate, spec);
    must(gnutls_x509_crt_sign2(pki.certificate, signer->certificate, signer->key,
                               spec->sha1 ? GNUTLS_DIG_SHA1 : GNUTLS_DIG_SHA256, 0));
    pki.certificate = read_again(pki.certificate);
    return pki;
}

void pki_clear(Pki *pki)
{
    if (pki->certificate)
        gnutls_x509_crt_deinit(pki->certificate);
    if (pki->key && pki->owns_key)
        gnutls_x509_privkey_deinit(pki->key);
    *pki = (Pki) {0};
}

static void append(FILE *file, gnutls_datum_t text)
{
    assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
    gnutls_free(text.data);
}

void pki_write(const char *path, const Pki *const *chain, size_t count)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        gnutls_datum_t text;

        must(gnutls_x509_crt_export2(chain[i]->certificate, GNUTLS_X509_FMT_PEM, &text));
        append(file, text);
    }
    assert_int_equal(fclose(file), 0);
}

void pki_write_key(const char *path, const Pki *pki)
{
    FILE *file = fopen(path, "we");
    gnutls_datum_t text;

    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    must(gnutls_x509_privkey_export2_pkcs8(pki->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &text));
    append(file, text);
    assert_int_equal(fclose(file), 0);
}

gnutls_datum_t pki_der(const Pki *pki)
{
    gnutls_datum_t der;

    must(gnutls_x509_crt_export2(pki->certificate, GNUTLS_X509_FMT_DER, &der));
    return der;
}
