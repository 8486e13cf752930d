// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See nts-certificates.h.
 *
 * A pair that does not fit is seen for a moment whenever somebody replaces one file after the other: what is
 * in use stays in use until the new files are right. */

#include "nts-certificates.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/strings.h"
#include "file-watch.h"

struct NtsCertificates {
    sd_event *event;
    Journal *journal;
    void (*on_loaded)(void *userdata);
    void *userdata;
    char **chains, **keys; /* owned */
    FileWatch *watch;
    ServerCertificates *wanted; /* of these files; NULL: there are none */
    CookedTime end;             /* of what is used */
    pthread_mutex_t mutex;      /* of the following */
    ServerCertificates *used;   /* the wanted ones, or earlier ones as long as those cannot be read */
};

int nts_certificates_new(sd_event *event, Journal *journal, void (*on_loaded)(void *userdata), void *userdata,
                         NtsCertificates **ret)
{
    NtsCertificates *certificates = calloc(1, sizeof *certificates);

    if (!certificates)
        return -ENOMEM;
    certificates->event = sd_event_ref(event);
    certificates->journal = journal;
    certificates->on_loaded = on_loaded;
    certificates->userdata = userdata;
    certificates->end = COOKED_UNSET;
    (void) pthread_mutex_init(&certificates->mutex, NULL);
    *ret = certificates;
    return 0;
}

NtsCertificates *nts_certificates_free(NtsCertificates *certificates)
{
    if (!certificates)
        return NULL;
    file_watch_free(certificates->watch);
    if (certificates->wanted != certificates->used)
        server_certificates_free(certificates->wanted);
    server_certificates_free(certificates->used);
    pthread_mutex_destroy(&certificates->mutex);
    strings_clear(&certificates->chains);
    strings_clear(&certificates->keys);
    sd_event_unref(certificates->event);
    free(certificates);
    return NULL;
}

ServerCredentials *nts_certificates_take(NtsCertificates *certificates)
{
    pthread_mutex_lock(&certificates->mutex);
    ServerCredentials *taken = certificates->used ? server_certificates_take(certificates->used) : NULL;
    pthread_mutex_unlock(&certificates->mutex);
    return taken;
}

bool nts_certificates_are_wanted(const NtsCertificates *certificates)
{
    return certificates->wanted;
}

bool nts_certificates_are_there(const NtsCertificates *certificates)
{
    return certificates->used;
}

CookedTime nts_certificates_end(const NtsCertificates *certificates)
{
    return certificates->end;
}

/* --- reading --- */

static void format_date(int64_t seconds, char ret[static 32])
{
    time_t instant = (time_t) seconds;
    struct tm date;

    if (!gmtime_r(&instant, &date) || strftime(ret, 32, "%Y-%m-%d %H:%M:%S UTC", &date) == 0)
        ret[0] = '\0';
}

/* Which file a problem is about. */
static const char *culprit(const NtsCertificates *certificates, const CertificateReport *report)
{
    switch (report->problem) {
    case CERTIFICATE_KEY_UNREADABLE:
    case CERTIFICATE_KEY_NOT_PEM:
    case CERTIFICATE_MISMATCH: return certificates->keys[report->pair];
    case CERTIFICATE_OK:
    case CERTIFICATE_UNREADABLE:
    case CERTIFICATE_NOT_PEM:
    case CERTIFICATE_PROBLEM_COUNT: break;
    }
    return certificates->chains[report->pair];
}

static void describe_problem(const NtsCertificates *certificates, const CertificateReport *report, Text *ret)
{
    text_append_format(ret, "%s: %s", culprit(certificates, report),
                       certificate_problem_text(report->problem));
    if (report->error < 0)
        text_append_format(ret, ": %s", strerror(-report->error));
    else if (report->problem == CERTIFICATE_MISMATCH)
        text_append_format(ret, " in %s", certificates->chains[report->pair]);
}

static void tell_problem(const NtsCertificates *certificates, const CertificateReport *report, Text *detail)
{
    char buffer[2 * PATH_MAX];
    Text problem = TEXT(buffer);

    describe_problem(certificates, report, &problem);
    if (detail)
        text_append(detail, problem.data);
    journal_print(certificates->journal, LOG_LEVEL_ERROR, "%s; %s", problem.data,
                  certificates->used ? "those that were read before stay in use"
                                     : "no keys are handed out (NTS) until that is mended");
}

static void tell_success(const NtsCertificates *certificates, const CertificateReport *report)
{
    char from[32], to[32];
    int64_t now = (int64_t) time(NULL);

    format_date(report->validity.from, from);
    format_date(report->validity.to, to);
    journal_print(certificates->journal, LOG_LEVEL_INFO,
                  "Read %zu certificates of the NTS server, valid until %s",
                  strings_count(certificates->chains), to);
    if (report->exposed_keys > 0)
        journal_print(
            certificates->journal, LOG_LEVEL_WARNING,
            "%zu files of ntsserverkey can be read by everybody: whoever does can pretend to be this "
            "server (mode 0640 is good)",
            report->exposed_keys);
    if (now > report->validity.to)
        journal_print(certificates->journal, LOG_LEVEL_WARNING,
                      "A certificate of the NTS server expired at %s: clients will refuse it", to);
    else if (now < report->validity.from)
        journal_print(certificates->journal, LOG_LEVEL_WARNING,
                      "A certificate of the NTS server is not valid before %s: clients will refuse it", from);
}

static void use(NtsCertificates *certificates, ServerCertificates *new)
{
    pthread_mutex_lock(&certificates->mutex);
    ServerCertificates *old = certificates->used;
    certificates->used = new;
    pthread_mutex_unlock(&certificates->mutex);
    if (old != new)
        server_certificates_free(old);
}

static bool load(NtsCertificates *certificates, Text *detail)
{
    CertificateReport report;

    int r = server_certificates_load(certificates->wanted, &report);
    if (r < 0) {
        journal_print(certificates->journal, LOG_LEVEL_ERROR,
                      "Could not read the certificates of the NTS server: %s", strerror(-r));
        return false;
    }
    if (report.problem != CERTIFICATE_OK) {
        tell_problem(certificates, &report, detail);
        return false;
    }
    bool first = !certificates->used;
    use(certificates, certificates->wanted);
    certificates->end = (CookedTime) {report.validity.to * NSEC_PER_SEC};
    tell_success(certificates, &report);
    if (first)
        certificates->on_loaded(certificates->userdata);
    return true;
}

static void on_changed(void *userdata)
{
    (void) load(userdata, NULL);
}

bool nts_certificates_reload(NtsCertificates *certificates, Text *detail)
{
    if (!certificates->wanted)
        return true;
    file_watch_look(certificates->watch);
    return load(certificates, detail);
}

/* --- which ones --- */

static int watch_files(NtsCertificates *certificates, char *const *chains, char *const *keys)
{
    char **all = NULL;
    int r;

    if ((r = strings_add_all(&all, chains)) >= 0 && (r = strings_add_all(&all, keys)) >= 0)
        r = file_watch_new(certificates->event, all, on_changed, certificates, &certificates->watch);
    strings_clear(&all);
    return r;
}

static int make_pairs(char *const *chains, char *const *keys, ServerCertificates **ret)
{
    size_t count = strings_count(chains);
    cleanup_(freep) CertificatePair *pairs = calloc(count + 1, sizeof *pairs);

    if (!pairs)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        pairs[i] = (CertificatePair) {.certificate = chains[i], .key = keys[i]};
    return server_certificates_new(pairs, count, ret);
}

/* There are no files, and what was read before is not wanted any more, or not yet. */
static void forget(NtsCertificates *certificates)
{
    certificates->watch = file_watch_free(certificates->watch);
    if (certificates->wanted != certificates->used)
        server_certificates_free(certificates->wanted);
    certificates->wanted = NULL;
    strings_clear(&certificates->chains);
    strings_clear(&certificates->keys);
}

int nts_certificates_set_files(NtsCertificates *certificates, char *const *chains, char *const *keys)
{
    int r;

    if (strings_equal(certificates->chains, chains) && strings_equal(certificates->keys, keys))
        return 0;
    forget(certificates);
    if (strings_count(chains) == 0) {
        use(certificates, NULL);
        certificates->end = COOKED_UNSET;
        return 0;
    }
    if ((r = strings_add_all(&certificates->chains, chains)) < 0 ||
        (r = strings_add_all(&certificates->keys, keys)) < 0 ||
        (r = watch_files(certificates, chains, keys)) < 0 ||
        (r = make_pairs(chains, keys, &certificates->wanted)) < 0)
        return r;
    (void) load(certificates, NULL); /* what is wrong can be mended */
    return 0;
}
