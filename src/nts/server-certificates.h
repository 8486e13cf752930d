// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Certificates and private keys of a server of NTS, for any number of handshakes in any threads. They can be
 * read anew while others use them: a handshake ends with what it began with. */

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "core/api/nts.h"

typedef struct CertificatePair {
    const char *certificate; /* path; PEM, the server's own first, then those that signed it */
    const char *key;         /* path; PEM, not encrypted */
} CertificatePair;

typedef enum CertificateProblem {
    CERTIFICATE_OK = 0,
    CERTIFICATE_UNREADABLE,
    CERTIFICATE_NOT_PEM, /* no certificate in it */
    CERTIFICATE_KEY_UNREADABLE,
    CERTIFICATE_KEY_NOT_PEM, /* no key in it, or an encrypted one */
    CERTIFICATE_MISMATCH,    /* the key belongs to another certificate */
    CERTIFICATE_PROBLEM_COUNT,
} CertificateProblem;

/* "cannot be read", without the name of the file. */
const char *certificate_problem_text(CertificateProblem problem);

/* How reading has gone. */
typedef struct CertificateReport {
    CertificateProblem problem; /* of the first pair that has one */
    size_t pair;                /* which, from 0 */
    int error;                  /* why it is unreadable: negative errno, or 0 */
    size_t exposed_keys;        /* how many keys everybody can read */
    NtsValidity validity;       /* of the certificates of all pairs together */
} CertificateReport;

typedef struct ServerCertificates ServerCertificates;

/* Empty; nothing can be served. Copies the paths. */
int server_certificates_new(const CertificatePair *pairs, size_t count, ServerCertificates **ret) must_check_;
/* Nobody may take from it any more; what was taken lives on. */
ServerCertificates *server_certificates_free(ServerCertificates *certificates);
DEFINE_CLEANUP(ServerCertificates, server_certificates_free);

/* Reads all pairs. With a problem in one of them nothing changes. Returns 0, with the report, or -errno for
 * want of memory and the like. One thread at a time. */
int server_certificates_load(ServerCertificates *certificates, CertificateReport *ret) must_check_;

/* What a handshake needs; it may outlive the object that it comes from. */
typedef struct ServerCredentials ServerCredentials;

/* NULL: nothing was loaded yet. In any thread. */
ServerCredentials *server_certificates_take(ServerCertificates *certificates);
ServerCredentials *server_credentials_ref(ServerCredentials *credentials);
ServerCredentials *server_credentials_unref(ServerCredentials *credentials);
DEFINE_CLEANUP(ServerCredentials, server_credentials_unref);
