// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The client's end of an NTS association (RFC 8915, section 5.7): keys and cookies from a key establishment,
 * what a request needs of them, and what an answer proves and brings. A cookie is sent once and never again,
 * so that nobody can tell by it that two requests came from the same machine; each answer brings new ones.
 *
 * A server that cannot open a cookie says so in a kiss-o'-death (NTS NAK) that nothing proves: whoever sees
 * the request can send one. It is counted and changes nothing; a good answer that comes after it clears the
 * count. */

#include "core/ntp/nts-fields.h"

typedef struct NtsClient NtsClient;

/* Longest request: longer ones ask for fewer cookies. */
#define NTS_REQUEST_MAX 864
/* Unpredictable bytes that each request takes. */
#define NTS_RANDOM_SIZE (NTS_UNIQUE_ID_SIZE + AEAD_NONCE_MAX)

/* What an answer is worth. */
typedef enum NtsAnswer {
    NTS_ANSWER_BAD = 0, /* it proves nothing */
    NTS_ANSWER_NAK,     /* it says that our cookie or our key is no good; nothing proves it */
    NTS_ANSWER_GOOD,
} NtsAnswer;

/* Without keys at first. */
int nts_client_new(NtsClient **ret) must_check_;
/* Wipes what it has. */
NtsClient *nts_client_free(NtsClient *nts);
DEFINE_CLEANUP(NtsClient, nts_client_free);

/* From now on these keys and cookies, the oldest cookie first; what was there before is wiped. More than
 * NTS_COOKIES, and cookies of an impossible length, are left out. */
void nts_client_load(NtsClient *nts, const NtsKeys *keys, const NtsCookie *cookies, size_t count);
/* Other keys for the same cookies. */
void nts_client_set_keys(NtsClient *nts, const NtsKeys *keys);
/* Forgets keys and cookies. */
void nts_client_clear(NtsClient *nts);

/* What is there, to be kept for another start. False: no keys. */
bool nts_client_save(const NtsClient *nts, NtsKeys *ret_keys, NtsCookie ret_cookies[static NTS_COOKIES],
                     size_t *ret_count) must_check_;

/* Appends what a request needs to `length` bytes in a buffer of `size`; uses up a cookie. Returns the new
 * length, 0: there is no cookie, no room, or the AEAD is not one that we have. */
size_t nts_client_append(NtsClient *nts, const Aead *aead, const uint8_t random[static NTS_RANDOM_SIZE],
                         uint8_t *bytes, size_t length, size_t size) must_check_;

/* Judges an answer to the last request, parsed from these bytes. A good one brings cookies, answers no other
 * time, and loses what it does not prove: afterwards packet has the extension fields before the authenticator
 * only. */
NtsAnswer nts_client_check(NtsClient *nts, const Aead *aead, const uint8_t *bytes, NtpPacket *packet);

typedef struct NtsClientReport {
    NtsAead aead;         /* NTS_AEAD_NONE: no keys */
    uint8_t key_length;   /* bytes */
    size_t cookies;       /* that are left */
    size_t cookie_length; /* bytes of the last one that came in; 0: none */
    uint32_t naks;        /* since the last good answer, or the last keys */
} NtsClientReport;

void nts_client_report(const NtsClient *nts, NtsClientReport *ret);
