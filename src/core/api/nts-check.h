// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A try of a server with Network Time Security, for an administrator: what it shows and gives, up to where it
 * fails. No source is added and no clock moves. */

#include "core/api/nts.h"
#include "core/api/verdict.h"

/* A certificate as people look at it. */
typedef struct NtsCertificate {
    char subject[128], issuer[128]; /* "CN=ntp.example.net"; cut when they are longer */
    NtsValidity validity;
} NtsCertificate;

#define NTS_CERTIFICATES_MAX 10

typedef struct NtsCheckRequest {
    char name[NTS_NAME_MAX]; /* or an address */
    uint16_t port;           /* of the key establishment; 0: 4460 */
    uint32_t cert_set;       /* of trusted certificates */
} NtsCheckRequest;

typedef struct NtsCheckReport {
    NtsFailure failure; /* of the key establishment; NTS_OK: keys were established */
    IpEndpoint server;  /* that was asked for keys; IP_UNSPEC: the name has no address */
    char protocol[96];  /* TLS and its ciphers; "": not agreed on */
    NtsCertificate certificates[NTS_CERTIFICATES_MAX]; /* as they were sent */
    size_t certificate_count;
    NtsAead aead;
    uint32_t key_bits, cookies, cookie_length; /* bits, how many, bytes of the first */
    IpEndpoint ntp;                            /* that was asked for the time; IP_UNSPEC: not asked */
    bool answered;                             /* by somebody: verdict is valid */
    PacketVerdict verdict;                     /* of the best answer; PACKET_GOOD: the following are valid */
    uint8_t stratum;
    double offset; /* s, correction of the kernel's clock */
    double delay;  /* s */
} NtsCheckReport;

/* The report is valid during the call. */
typedef void (*NtsCheckDone)(void *userdata, const NtsCheckReport *report);

/* One that is under way. */
typedef struct NtsCheck NtsCheck;
