// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See trust.h. Sets are loaded when somebody wants them, shared as long as somebody has them (the system's
 * store is four megabytes), and gone afterwards, so that the next one sees the files as they are then.
 *
 * gnutls says whether a chain is right; what its dates mean is for us to say, because the clock that they are
 * held against may be the one that is to be set. gnutls does not tell which way it took to a trusted
 * certificate, and there may be several (an old root that has expired, and the same key in a new one). So the
 * ways are tried one by one, the shortest first, and each has its own validity: that of the certificates on
 * it, the trusted one included. */

#include "nts/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

typedef struct TrustPath {
    uint32_t set;
    char *path; /* owned */
} TrustPath;

struct Trust {
    bool system;
    TrustPath *paths;
    size_t path_count;
    TrustSet *sets; /* in use, and as their files are */
};

struct TrustSet {
    unsigned references;
    Trust *trust; /* that knows of it; NULL: on its own */
    TrustSet *next;
    uint32_t id;
    uint64_t stamp; /* of its files when they were read */
    gnutls_x509_trust_list_t list;
    size_t size;
};

/* --- The sets ---------------------------------------------------------------------------------------- */

int trust_new(bool system, Trust **ret)
{
    Trust *trust = calloc(1, sizeof(*trust));

    if (!trust)
        return -ENOMEM;
    trust->system = system;
    *ret = trust;
    return 0;
}

Trust *trust_free(Trust *trust)
{
    if (!trust)
        return NULL;
    for (TrustSet *set = trust->sets; set; set = set->next)
        set->trust = NULL;
    for (size_t i = 0; i < trust->path_count; i++)
        free(trust->paths[i].path);
    free(trust->paths);
    free(trust);
    return NULL;
}

int trust_add(Trust *trust, uint32_t set, const char *path)
{
    TrustPath *paths = realloc(trust->paths, (trust->path_count + 1) * sizeof(paths[0]));

    if (!paths)
        return -ENOMEM;
    trust->paths = paths;
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    paths[trust->path_count++] = (TrustPath) {.set = set, .path = copy};
    return 0;
}

/* Out of the list of those that can be shared. */
static void unlink_set(TrustSet *set)
{
    if (!set->trust)
        return;
    for (TrustSet **link = &set->trust->sets; *link; link = &(*link)->next)
        if (*link == set) {
            *link = set->next;
            break;
        }
    set->trust = NULL;
}

TrustSet *trust_set_ref(TrustSet *set)
{
    set->references++;
    return set;
}

TrustSet *trust_set_unref(TrustSet *set)
{
    if (!set || --set->references > 0)
        return NULL;
    unlink_set(set);
    if (set->list)
        gnutls_x509_trust_list_deinit(set->list, 1);
    free(set);
    return NULL;
}

size_t trust_set_size(const TrustSet *set)
{
    return set->size;
}

/* --- Reading them ------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t stamp, uint64_t value)
{
    return (stamp ^ value) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Differs when a file was replaced or written, or the entries of a folder have changed. */
static uint64_t stamp_of(const Trust *trust, uint32_t id)
{
    uint64_t stamp = 0;
    struct stat status;

    for (size_t i = 0; i < trust->path_count; i++) {
        if (trust->paths[i].set != id || stat(trust->paths[i].path, &status) < 0)
            continue;
        stamp = mix(stamp, i + 1);
        stamp = mix(stamp, (uint64_t) status.st_ino);
        stamp = mix(stamp, (uint64_t) status.st_size);
        stamp = mix(stamp, (uint64_t) status.st_mtim.tv_sec);
        stamp = mix(stamp, (uint64_t) status.st_mtim.tv_nsec);
    }
    return stamp;
}

/* Whether gnutls can be let at it: it would wait for a FIFO for ever, and does not say what it failed on. */
static int look_at(const char *path, bool *ret_folder)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    int r = fstat(fd, &status) < 0 ? -errno : 0;
    close(fd);
    if (r == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        r = -EINVAL;
    if (r == 0)
        *ret_folder = S_ISDIR(status.st_mode);
    return r;
}

/* How many certificates came from it, or a negative errno. */
static int read_path(TrustSet *set, const char *path)
{
    bool folder = false;
    int r = look_at(path, &folder);

    if (r < 0)
        return r;
    r = folder ? gnutls_x509_trust_list_add_trust_dir(set->list, path, NULL, GNUTLS_X509_FMT_PEM,
                                                      GNUTLS_TL_NO_DUPLICATES, 0)
               : gnutls_x509_trust_list_add_trust_file(set->list, path, NULL, GNUTLS_X509_FMT_PEM,
                                                       GNUTLS_TL_NO_DUPLICATES, 0);
    return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : r <= 0 ? -EBADMSG : r;
}

static int read_system(TrustSet *set)
{
    int r = gnutls_x509_trust_list_add_system_trust(set->list, 0, 0);

    return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : r <= 0 ? -EBADMSG : r;
}

static void count_or_report(TrustSet *set, int r, const char *path, TrustProblemHandler report,
                            void *userdata)
{
    if (r > 0)
        set->size += (size_t) r;
    else if (report)
        report(userdata, path, r);
}

static void read_all(TrustSet *set, const Trust *trust, TrustProblemHandler report, void *userdata)
{
    if (set->id == 0 && trust->system)
        count_or_report(set, read_system(set), NULL, report, userdata);
    for (size_t i = 0; i < trust->path_count; i++)
        if (trust->paths[i].set == set->id)
            count_or_report(set, read_path(set, trust->paths[i].path), trust->paths[i].path, report,
                            userdata);
}

int trust_open(Trust *trust, uint32_t id, TrustProblemHandler report, void *userdata, TrustSet **ret)
{
    uint64_t stamp = stamp_of(trust, id);

    for (TrustSet *set = trust->sets; set; set = set->next)
        if (set->id == id && set->stamp == stamp) {
            *ret = trust_set_ref(set);
            return 0;
        }

    cleanup_(trust_set_unrefp) TrustSet *set = calloc(1, sizeof(*set));
    if (!set)
        return -ENOMEM;
    set->references = 1;
    set->id = id;
    set->stamp = stamp;
    if (gnutls_x509_trust_list_init(&set->list, 0) < 0)
        return -ENOMEM;
    read_all(set, trust, report, userdata);
    set->trust = trust;
    set->next = trust->sets;
    trust->sets = set;
    *ret = TAKE_PTR(set);
    return 0;
}

/* --- Judging a chain --------------------------------------------------------------------------------- */

/* Certificates in the order of their signatures, the server's own first. */
typedef struct Chain {
    gnutls_x509_crt_t items[TRUST_CHAIN_MAX]; /* owned */
    size_t count;
} Chain;

static void chain_clear(Chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        gnutls_x509_crt_deinit(chain->items[i]);
    chain->count = 0;
}

/* 0, or an error of gnutls; the chain is to be cleared in any case. */
static int chain_read(Chain *chain, const TrustCertificate *sent, size_t count)
{
    for (size_t i = 0; i < count && i < TRUST_CHAIN_MAX; i++) {
        const gnutls_datum_t bytes = {.data = (unsigned char *) sent[i].bytes,
                                      .size = (unsigned) sent[i].length};
        int r = gnutls_x509_crt_init(&chain->items[i]);

        if (r < 0)
            return r;
        chain->count++;
        r = gnutls_x509_crt_import(chain->items[i], &bytes, GNUTLS_X509_FMT_DER);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Brings those that lead away from the server's own to the front, in order. Returns how many they are. */
static size_t chain_sort(Chain *chain)
{
    size_t sorted = 1;

    for (size_t i = sorted; i < chain->count; i++) {
        if (!gnutls_x509_crt_check_issuer(chain->items[sorted - 1], chain->items[i]))
            continue;
        gnutls_x509_crt_t issuer = chain->items[i];
        chain->items[i] = chain->items[sorted];
        chain->items[sorted++] = issuer;
        i = sorted - 1;
    }
    return sorted;
}

/* Dates are ours to judge; the strength of keys as with gnutls by itself. */
#define VERIFY_FLAGS                                                                                         \
    (GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS |                         \
     GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_LOW))

/* What gnutls says when nobody whom we trust stands behind a chain. Anything else: somebody should not
 * have. */
#define NOBODY                                                                                               \
    (GNUTLS_CERT_INVALID | GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA |                        \
     GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE | GNUTLS_CERT_SIGNATURE_FAILURE)

/* What comes of one way to a trusted certificate, the best last. */
typedef enum Rank { RANK_UNTRUSTED = 0, RANK_BAD, RANK_DATES, RANK_PROVISIONAL, RANK_GOOD } Rank;

static void narrow(NtsValidity *validity, gnutls_x509_crt_t certificate)
{
    time_t from = gnutls_x509_crt_get_activation_time(certificate);
    time_t to = gnutls_x509_crt_get_expiration_time(certificate);

    validity->from = MAX(validity->from, from == -1 ? INT64_MAX : (int64_t) from); /* unreadable: never */
    validity->to = MIN(validity->to, to == -1 ? INT64_MIN : (int64_t) to);
}

static Rank judge_dates(const TrustQuestion *question, TrustAnswer *answer)
{
    bool expired = answer->validity.to < question->now_s, early = question->now_s < answer->validity.from;

    if (question->dates == NTS_DATES_IGNORED)
        return RANK_GOOD;
    if (answer->validity.to < question->lower_bound_s || answer->validity.to < answer->validity.from) {
        answer->failure = NTS_CERT_EXPIRED;
        return RANK_DATES;
    }
    if (!expired && !early)
        return RANK_GOOD;
    if (question->dates == NTS_DATES_PROVISIONAL) {
        answer->provisional = true;
        return RANK_PROVISIONAL;
    }
    answer->failure = expired ? NTS_CERT_EXPIRED : NTS_CERT_NOT_YET;
    return RANK_DATES;
}

/* The dates of a way: of the certificates that were sent, narrowed by those of a trusted one at its end
 * (NULL: the last one sent is trusted itself). Keeps the better answer. */
static void consider(const TrustQuestion *question, NtsValidity sent, gnutls_x509_crt_t trusted,
                     TrustAnswer *answer, Rank *rank)
{
    TrustAnswer here = {.failure = NTS_OK, .validity = sent};

    if (trusted)
        narrow(&here.validity, trusted);
    Rank here_rank = judge_dates(question, &here);
    if (here_rank > *rank) {
        *answer = here;
        *rank = here_rank;
    }
}

static bool is_signed_by(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer)
{
    unsigned status = 0;

    return gnutls_x509_crt_check_issuer(certificate, issuer) &&
           gnutls_x509_crt_verify(certificate, &issuer, 1, VERIFY_FLAGS, &status) >= 0 && status == 0;
}

/* Any other trusted certificate that has signed the last one: an authority that renews its certificate keeps
 * its name and key. Looking at all of them takes milliseconds, so it is done only when dates do not fit. */
static void consider_all(const TrustSet *set, const TrustQuestion *question, NtsValidity sent,
                         gnutls_x509_crt_t last, TrustAnswer *answer, Rank *rank)
{
    gnutls_x509_trust_list_iter_t next = NULL;
    gnutls_x509_crt_t trusted;

    while (gnutls_x509_trust_list_iter_get_ca(set->list, &next, &trusted) >= 0) {
        if (is_signed_by(last, trusted))
            consider(question, sent, trusted, answer, rank);
        gnutls_x509_crt_deinit(trusted);
    }
}

static void look_at_dates(const TrustSet *set, const TrustQuestion *question, const Chain *chain,
                          size_t count, TrustAnswer *answer, Rank *rank)
{
    NtsValidity sent = {.from = INT64_MIN, .to = INT64_MAX};
    gnutls_x509_crt_t last = chain->items[count - 1], trusted = NULL;

    for (size_t i = 0; i < count; i++)
        narrow(&sent, chain->items[i]);
    if (gnutls_x509_trust_list_get_issuer(set->list, last, &trusted, 0) < 0)
        trusted = NULL;
    consider(question, sent, trusted, answer, rank);
    if (*rank < RANK_GOOD)
        consider_all(set, question, sent, last, answer, rank);
}

/* One way: over the first `count` certificates of the chain. Returns 0 or an error of gnutls. */
static int try_way(const TrustSet *set, const TrustQuestion *question, Chain *chain, size_t count,
                   TrustAnswer *answer, Rank *rank)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *) GNUTLS_KP_TLS_WWW_SERVER};
    unsigned status = 0;
    int r = gnutls_x509_trust_list_verify_crt2(set->list, chain->items, (unsigned) count, &purpose, 1,
                                               VERIFY_FLAGS, &status, NULL);

    if (r < 0)
        return r;
    if (status == 0) {
        look_at_dates(set, question, chain, count, answer, rank);
    } else if ((status & ~NOBODY) != 0 && *rank < RANK_BAD) {
        *answer = (TrustAnswer) {.failure = NTS_CERT_BAD};
        *rank = RANK_BAD;
    }
    return 0;
}

/* The name as it stands in certificates: without a dot at its end, an address without its interface. */
static bool is_named(gnutls_x509_crt_t certificate, const char *name)
{
    char plain[NTS_NAME_MAX];

    if (!text_copy(plain, sizeof(plain), name))
        return false;
    plain[strcspn(plain, "%")] = '\0';
    size_t length = strlen(plain);
    if (length > 0 && plain[length - 1] == '.')
        plain[length - 1] = '\0';
    return gnutls_x509_crt_check_hostname2(certificate, plain, 0) != 0;
}

static NtsHostKey host_key_of(gnutls_x509_crt_t certificate)
{
    NtsHostKey key = {};
    size_t size = sizeof(key.bytes);

    if (gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA256, key.bytes, &size) < 0)
        return (NtsHostKey) {};
    return key;
}

static int judge(const TrustSet *set, const TrustQuestion *question, Chain *chain, TrustAnswer *ret)
{
    TrustAnswer answer = {.failure = NTS_CERT_UNTRUSTED};
    Rank rank = RANK_UNTRUSTED;
    size_t sorted = chain_sort(chain);

    for (size_t count = 1; count <= sorted && rank < RANK_GOOD; count++) {
        int r = try_way(set, question, chain, count, &answer, &rank);
        if (r < 0)
            return r;
    }
    if (rank >= RANK_DATES && !is_named(chain->items[0], question->name))
        answer = (TrustAnswer) {.failure = NTS_CERT_NAME};
    if (answer.failure == NTS_OK)
        answer.host_key = host_key_of(chain->items[0]);
    *ret = answer;
    return 0;
}

int trust_set_verify(const TrustSet *set, const TrustQuestion *question, const TrustCertificate *sent,
                     size_t count, TrustAnswer *ret)
{
    Chain chain = {.count = 0};
    TrustAnswer answer = {.failure = NTS_CERT_BAD};
    int r = count > 0 ? chain_read(&chain, sent, count) : GNUTLS_E_NO_CERTIFICATE_FOUND;

    if (r >= 0)
        r = judge(set, question, &chain, &answer);
    chain_clear(&chain);
    if (r == GNUTLS_E_MEMORY_ERROR)
        return -ENOMEM;
    *ret = answer; /* what gnutls cannot read is bad */
    return 0;
}

/* --- For people -------------------------------------------------------------------------------------- */

/* A name as one line of text. */
static void name_of(gnutls_datum_t *name, char *buffer, size_t size)
{
    (void) text_copy(buffer, size, name->data ? (const char *) name->data : "");
    gnutls_free(name->data);
}

bool trust_certificate_read(TrustCertificate certificate, NtsCertificate *ret)
{
    Chain chain = {.count = 0};
    gnutls_datum_t subject = {0}, issuer = {0};
    NtsCertificate read = {.validity = {.from = INT64_MIN, .to = INT64_MAX}};
    bool good = chain_read(&chain, &certificate, 1) >= 0 &&
                gnutls_x509_crt_get_dn3(chain.items[0], &subject, 0) >= 0 &&
                gnutls_x509_crt_get_issuer_dn3(chain.items[0], &issuer, 0) >= 0;

    name_of(&subject, read.subject, sizeof(read.subject));
    name_of(&issuer, read.issuer, sizeof(read.issuer));
    if (good) {
        narrow(&read.validity, chain.items[0]);
        *ret = read;
    }
    chain_clear(&chain);
    return good;
}
