// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See server-certificates.h. Each load makes new credentials, and only when all of it is right they take the
 * place of the old ones, which die with the last handshake that has them. Key files are read by us and not by
 * gnutls, so that we know what went wrong, and wiped. */

#include "nts/server-certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nts/server-credentials.h"
#include "nts/tls-priorities.h"

/* Longest file, bytes: some tens of certificates. */
#define PEM_MAX ((size_t) 256 * 1024)

typedef struct Paths {
    char *certificate, *key; /* owned */
} Paths;

struct ServerCertificates {
    Paths *pairs;
    size_t count;
    pthread_mutex_t lock;
    ServerCredentials *current; /* NULL: none yet */
};

const char *certificate_problem_text(CertificateProblem problem)
{
    switch (problem) {
    case CERTIFICATE_OK: return "";
    case CERTIFICATE_UNREADABLE: return "the certificate cannot be read";
    case CERTIFICATE_NOT_PEM: return "the certificate is not in PEM format";
    case CERTIFICATE_KEY_UNREADABLE: return "the private key cannot be read";
    case CERTIFICATE_KEY_NOT_PEM: return "the private key is not in PEM format, or it is encrypted";
    case CERTIFICATE_MISMATCH: return "the private key does not belong to the certificate";
    case CERTIFICATE_PROBLEM_COUNT: break;
    }
    return "";
}

/* --- The object -------------------------------------------------------------------------------------- */

static int copy_pairs(ServerCertificates *certificates, const CertificatePair *pairs, size_t count)
{
    certificates->pairs = calloc(count + 1, sizeof(certificates->pairs[0]));
    if (!certificates->pairs)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        Paths *paths = &certificates->pairs[certificates->count++];

        paths->certificate = strdup(pairs[i].certificate);
        paths->key = strdup(pairs[i].key);
        if (!paths->certificate || !paths->key)
            return -ENOMEM;
    }
    return 0;
}

int server_certificates_new(const CertificatePair *pairs, size_t count, ServerCertificates **ret)
{
    ServerCertificates *certificates = calloc(1, sizeof(*certificates));

    if (!certificates)
        return -ENOMEM;
    int error = pthread_mutex_init(&certificates->lock, NULL);
    if (error != 0) {
        free(certificates);
        return -error;
    }
    int r = copy_pairs(certificates, pairs, count);
    if (r < 0) {
        server_certificates_free(certificates);
        return r;
    }
    *ret = certificates;
    return 0;
}

ServerCertificates *server_certificates_free(ServerCertificates *certificates)
{
    if (!certificates)
        return NULL;
    server_credentials_unref(certificates->current);
    for (size_t i = 0; i < certificates->count; i++) {
        free(certificates->pairs[i].certificate);
        free(certificates->pairs[i].key);
    }
    free(certificates->pairs);
    (void) pthread_mutex_destroy(&certificates->lock);
    free(certificates);
    return NULL;
}

ServerCredentials *server_certificates_take(ServerCertificates *certificates)
{
    (void) pthread_mutex_lock(&certificates->lock);
    ServerCredentials *taken = certificates->current ? server_credentials_ref(certificates->current) : NULL;
    (void) pthread_mutex_unlock(&certificates->lock);
    return taken;
}

static void replace(ServerCertificates *certificates, ServerCredentials *credentials)
{
    (void) pthread_mutex_lock(&certificates->lock);
    ServerCredentials *old = certificates->current;
    certificates->current = credentials;
    (void) pthread_mutex_unlock(&certificates->lock);
    server_credentials_unref(old);
}

ServerCredentials *server_credentials_ref(ServerCredentials *credentials)
{
    atomic_fetch_add_explicit(&credentials->references, 1, memory_order_relaxed);
    return credentials;
}

ServerCredentials *server_credentials_unref(ServerCredentials *credentials)
{
    if (!credentials || atomic_fetch_sub_explicit(&credentials->references, 1, memory_order_acq_rel) > 1)
        return NULL;
    if (credentials->certificates)
        gnutls_certificate_free_credentials(credentials->certificates);
    if (credentials->priorities)
        gnutls_priority_deinit(credentials->priorities);
    free(credentials);
    return NULL;
}

/* Without a certificate. */
static int credentials_new(ServerCredentials **ret)
{
    cleanup_(server_credentials_unrefp) ServerCredentials *credentials = calloc(1, sizeof(*credentials));

    if (!credentials)
        return -ENOMEM;
    atomic_init(&credentials->references, 1);
    if (gnutls_certificate_allocate_credentials(&credentials->certificates) < 0)
        return -ENOMEM;
    if (tls_server_priorities(&credentials->priorities) < 0)
        return -EPROTONOSUPPORT; /* the policy of this machine leaves no TLS 1.3 */
    *ret = TAKE_PTR(credentials);
    return 0;
}

/* --- Reading ----------------------------------------------------------------------------------------- */

typedef struct Pem {
    gnutls_datum_t text; /* owned */
    mode_t mode;
} Pem;

static void pem_clear(Pem *pem)
{
    if (pem->text.data)
        explicit_bzero(pem->text.data, pem->text.size);
    free(pem->text.data);
    *pem = (Pem) {0};
}

static int read_all(int fd, Pem *pem)
{
    size_t length = 0;

    pem->text.data = malloc(PEM_MAX);
    if (!pem->text.data)
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, pem->text.data + length, PEM_MAX - length);
        if (n < 0)
            return -errno;
        length += (size_t) n;
        pem->text.size = (unsigned) length;
        if (n == 0)
            return 0;
        if (length == PEM_MAX)
            return -EFBIG;
    }
}

/* Links are followed: that is how ACME clients exchange certificates. To be cleared in any case. */
static int pem_read(const char *path, Pem *pem)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    int r = fstat(fd, &status) < 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    if (r == 0)
        r = read_all(fd, pem);
    pem->mode = status.st_mode;
    close(fd);
    return r;
}

/* What gnutls does not take: the certificate, the key, or both together? */
static CertificateProblem problem_of(const Pem *certificate, const Pem *key)
{
    gnutls_x509_crt_t *chain = NULL;
    gnutls_x509_privkey_t parsed = NULL;
    unsigned count = 0;
    CertificateProblem problem = CERTIFICATE_MISMATCH;

    if (gnutls_x509_crt_list_import2(&chain, &count, &certificate->text, GNUTLS_X509_FMT_PEM, 0) < 0)
        problem = CERTIFICATE_NOT_PEM;
    else if (gnutls_x509_privkey_init(&parsed) < 0 ||
             gnutls_x509_privkey_import2(parsed, &key->text, GNUTLS_X509_FMT_PEM, NULL, 0) < 0)
        problem = CERTIFICATE_KEY_NOT_PEM;
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(chain[i]);
    gnutls_free(chain);
    if (parsed)
        gnutls_x509_privkey_deinit(parsed);
    return problem;
}

/* When all certificates of a file are valid. */
static void narrow(NtsValidity *validity, const Pem *certificate)
{
    gnutls_x509_crt_t *chain = NULL;
    unsigned count = 0;

    if (gnutls_x509_crt_list_import2(&chain, &count, &certificate->text, GNUTLS_X509_FMT_PEM, 0) < 0)
        return;
    for (unsigned i = 0; i < count; i++) {
        validity->from = MAX(validity->from, (int64_t) gnutls_x509_crt_get_activation_time(chain[i]));
        validity->to = MIN(validity->to, (int64_t) gnutls_x509_crt_get_expiration_time(chain[i]));
        gnutls_x509_crt_deinit(chain[i]);
    }
    gnutls_free(chain);
}

/* gnutls would spend seconds on trying the empty password. */
static bool is_encrypted(const Pem *key)
{
    static const char mark[] = "ENCRYPTED";

    return memmem(key->text.data, key->text.size, mark, sizeof(mark) - 1);
}

static void add_pair(ServerCredentials *credentials, const Pem *certificate, const Pem *key,
                     CertificateReport *report)
{
    if (is_encrypted(key)) {
        report->problem = CERTIFICATE_KEY_NOT_PEM;
        return;
    }
    if (gnutls_certificate_set_x509_key_mem2(credentials->certificates, &certificate->text, &key->text,
                                             GNUTLS_X509_FMT_PEM, NULL, 0) < 0) {
        report->problem = problem_of(certificate, key);
        return;
    }
    narrow(&report->validity, certificate);
    report->exposed_keys += (key->mode & S_IROTH) != 0;
}

static void read_pair(const Paths *paths, ServerCredentials *credentials, CertificateReport *report)
{
    Pem certificate = {0}, key = {0};

    report->error = pem_read(paths->certificate, &certificate);
    if (report->error < 0)
        report->problem = CERTIFICATE_UNREADABLE;
    else if ((report->error = pem_read(paths->key, &key)) < 0)
        report->problem = CERTIFICATE_KEY_UNREADABLE;
    else
        add_pair(credentials, &certificate, &key, report);
    pem_clear(&certificate);
    pem_clear(&key);
}

int server_certificates_load(ServerCertificates *certificates, CertificateReport *ret)
{
    CertificateReport report = {.validity = {.from = INT64_MIN, .to = INT64_MAX}};
    cleanup_(server_credentials_unrefp) ServerCredentials *credentials = NULL;
    int r = credentials_new(&credentials);

    if (r < 0)
        return r;
    for (size_t i = 0; i < certificates->count && report.problem == CERTIFICATE_OK; i++) {
        report.pair = i;
        read_pair(&certificates->pairs[i], credentials, &report);
    }
    if (report.problem == CERTIFICATE_OK)
        replace(certificates, TAKE_PTR(credentials));
    *ret = report;
    return 0;
}
