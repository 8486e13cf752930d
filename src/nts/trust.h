// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Whose signature a client of NTS believes, and whether it believes a chain of certificates. Trusted
 * certificates come in numbered sets; set 0 has those of the system. A set is in memory only while somebody
 * uses it, and is read anew when its files have changed. Not for several threads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "core/api/nts-check.h"

typedef struct Trust Trust;

/* system: set 0 has the certificates of the system (no nosystemcert). */
int trust_new(bool system, Trust **ret) must_check_;
/* Sets that are in use live on. */
Trust *trust_free(Trust *trust);
DEFINE_CLEANUP(Trust, trust_free);

/* Adds a PEM file, or a folder of them, to a set (ntstrustedcerts). */
int trust_add(Trust *trust, uint32_t set, const char *path) must_check_;

/* A file or folder (NULL: the store of the system) that cannot be used: a negative errno, or -EBADMSG when
 * there is no certificate in it. */
typedef void (*TrustProblemHandler)(void *userdata, const char *path, int error);

typedef struct TrustSet TrustSet;

/* A reference to a set, with all that can be read of it. report may be NULL. */
int trust_open(Trust *trust, uint32_t set, TrustProblemHandler report, void *userdata,
               TrustSet **ret) must_check_;
/* One more reference. */
TrustSet *trust_set_ref(TrustSet *set);
TrustSet *trust_set_unref(TrustSet *set);
DEFINE_CLEANUP(TrustSet, trust_set_unref);
/* How many certificates it trusts. */
size_t trust_set_size(const TrustSet *set);

/* What a chain is held against. */
typedef struct TrustQuestion {
    const char *name; /* as configured: a name, or a literal address */
    NtsDates dates;
    int64_t now_s;         /* our clock, seconds since 1970 */
    int64_t lower_bound_s; /* no time before that is believed; ignored with NTS_DATES_IGNORED */
} TrustQuestion;

typedef struct TrustAnswer {
    NtsFailure failure;   /* NTS_OK, or one of NTS_CERT_* */
    bool provisional;     /* only with NTS_DATES_PROVISIONAL: right in all but its dates */
    NtsValidity validity; /* with NTS_OK, NTS_CERT_EXPIRED and NTS_CERT_NOT_YET */
    NtsHostKey host_key;  /* with NTS_OK */
} TrustAnswer;

/* One certificate as it was sent (DER). */
typedef struct TrustCertificate {
    const uint8_t *bytes;
    size_t length;
} TrustCertificate;

/* Most certificates of a chain. */
#define TRUST_CHAIN_MAX 10

/* The server's certificate comes first. Returns 0, or what failed on this machine. */
int trust_set_verify(const TrustSet *set, const TrustQuestion *question, const TrustCertificate *chain,
                     size_t count, TrustAnswer *ret) must_check_;

/* A certificate for people to look at. False: it cannot be read. */
bool trust_certificate_read(TrustCertificate certificate, NtsCertificate *ret) must_check_;
