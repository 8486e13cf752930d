// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What client and server say in a key establishment (RFC 8915, section 4), as values. A message goes from the
 * first record to the end of message, which is the last one. */

#include "core/api/nts.h"
#include "nts/ke-record.h"

/* Longest request that a server reads, bytes; it has to read 1024. */
#define KE_REQUEST_MAX  4096
/* Longest response that a client reads, bytes: what it should (RFC 8915, section 4). */
#define KE_RESPONSE_MAX 65536
/* Most AEADs of a list that are looked at; the first ones are liked best. */
#define KE_AEADS_MAX    16

typedef struct KeRequest {
    bool ntp;                    /* the client speaks NTPv4 */
    NtsAead aeads[KE_AEADS_MAX]; /* the ones that we know, best first */
    size_t aead_count;
    bool compliant_export; /* the client can export keys of AEAD_AES_128_GCM_SIV as RFC 8915 says */
} KeRequest;

/* Codes of an error record. */
typedef enum KeError {
    KE_ERROR_UNKNOWN_CRITICAL = 0,
    KE_ERROR_BAD_REQUEST = 1,
    KE_ERROR_INTERNAL = 2,
    KE_ERROR_NONE = 0x10000, /* no code */
} KeError;

typedef struct KeResponse {
    KeError error; /* KE_ERROR_NONE, or nothing else is said */
    bool ntp;      /* we go on with NTPv4; false: no protocol that both speak */
    NtsAead aead;  /* NTS_AEAD_NONE: none that both know */
    bool compliant_export;
    const char *server; /* who answers NTP; NULL: who answered here */
    uint16_t port;      /* of NTP, host order; 0: 123 */
    const NtsCookie *cookies;
    size_t cookie_count;
} KeResponse;

/* Writes a client's request. Returns its length, 0 when it does not fit. */
size_t ke_request_write(const KeRequest *request, uint8_t *ret, size_t size);
/* Reads a whole request as a server. Returns the error that it deserves; ret is valid with KE_ERROR_NONE. */
KeError ke_request_read(const uint8_t *bytes, size_t length, KeRequest *ret) must_check_;

/* Writes a server's response. Returns its length, 0 when it does not fit. */
size_t ke_response_write(const KeResponse *response, uint8_t *ret, size_t size);
/* Reads a whole response to our request. On NTS_OK writes the AEAD (keys.aead), compliant_export, cookies,
 * server and port of an establishment, and nothing else of it. */
NtsFailure ke_response_read(const uint8_t *bytes, size_t length, const KeRequest *asked,
                            NtsEstablishment *ret) must_check_;
