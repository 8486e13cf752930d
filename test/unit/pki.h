// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Certificates for tests, made when they are needed: authorities, chains, servers, with any dates and any
 * faults. Keys are new in each run and never leave it but for files of the test. All functions end the test
 * when something fails. */

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct PkiSpec {
    const char *subject;        /* common name */
    const char *names[4];       /* DNS names */
    const char *address;        /* IP address; NULL: none */
    int64_t from, to;           /* seconds since 1970; to 0: from 2000 to 2100 */
    bool authority;             /* may sign others */
    bool rsa;                   /* 2048 bits; otherwise ECDSA over P-256 */
    bool sha1;                  /* signed as nobody should any more */
    const char *purpose;        /* object identifier of what it is for; NULL: servers */
    gnutls_x509_privkey_t with; /* the key of another one; NULL: a new one */
} PkiSpec;

typedef struct Pki {
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
    bool owns_key;
} Pki;

/* Signed by issuer, or by itself when that is NULL. To be freed with pki_clear(). */
Pki pki_make(const PkiSpec *spec, const Pki *issuer);
void pki_clear(Pki *pki);

/* Writes certificates, one after the other, or a key, in PEM. */
void pki_write(const char *path, const Pki *const *chain, size_t count);
void pki_write_key(const char *path, const Pki *pki);
/* DER; valid as long as nobody frees it with gnutls_free(). */
gnutls_datum_t pki_der(const Pki *pki);
