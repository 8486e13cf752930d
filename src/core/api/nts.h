// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Network Time Security (RFC 8915) as far as core knows it: what a key establishment brings, and why there
 * is none. TLS and ciphers are somebody else's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

/* Longest key of an AEAD that we know, bytes. */
#define NTS_KEY_MAX    64
/* Longest cookie that we take, bytes; RFC 8915 sets no limit. */
#define NTS_COOKIE_MAX 256
/* Cookies that a client keeps, and a server hands out (RFC 8915, section 4.1.6). */
#define NTS_COOKIES    8
/* So many AEADs are known: the longest list without repetitions. */
#define NTS_AEADS_MAX  2
/* Longest name of a server, with the end. */
#define NTS_NAME_MAX   256

/* Numbers of IANA's AEAD registry; NTS_AEAD_NONE: none. */
typedef enum NtsAead {
    NTS_AEAD_NONE = 0,
    NTS_AEAD_AES_SIV_CMAC_256 = 15,
    NTS_AEAD_AES_128_GCM_SIV = 30,
} NtsAead;

/* Length of each key of an AEAD, bytes; 0: one that we do not know. */
size_t nts_aead_key_length(NtsAead aead);
/* "AES-SIV-CMAC-256"; "" for NTS_AEAD_NONE. */
const char *nts_aead_name(NtsAead aead);

typedef struct NtsCookie {
    uint16_t length; /* 1..NTS_COOKIE_MAX */
    uint8_t bytes[NTS_COOKIE_MAX];
} NtsCookie;

/* The two keys of an association. A secret: wipe what is not needed any more. */
typedef struct NtsKeys {
    NtsAead aead;
    uint8_t length;           /* of each key, bytes */
    uint8_t c2s[NTS_KEY_MAX]; /* client to server */
    uint8_t s2c[NTS_KEY_MAX]; /* server to client */
} NtsKeys;

/* Why a key establishment brought nothing, in the order in which one gets further. Each has a sentence for an
 * administrator (nts_failure_text()). */
typedef enum NtsFailure {
    NTS_OK = 0,
    NTS_LOCAL,          /* no memory, no descriptors, no trust store */
    NTS_UNREACHABLE,    /* no route, or the network says so */
    NTS_REFUSED,        /* nobody listens at that port */
    NTS_TIMEOUT,        /* no connection, or no answer: often a firewall that blocks the port */
    NTS_CLOSED,         /* the other end hung up */
    NTS_NO_TLS,         /* what answers does not speak TLS 1.3 */
    NTS_NO_ALPN,        /* it does, but not `ntske/1` */
    NTS_CERT_UNTRUSTED, /* its chain does not end at a certificate that is trusted */
    NTS_CERT_NAME,      /* it is for other names */
    NTS_CERT_EXPIRED,   /* by our clock, or by the lower bound of what time it is */
    NTS_CERT_NOT_YET,   /* not valid yet by our clock */
    NTS_CERT_BAD,       /* revoked, weak, not for servers */
    NTS_BAD_RECORD,     /* the answer is malformed, or has a critical record that we do not know */
    NTS_BAD_REQUEST,    /* the server calls our request bad (error 1) or not understood (error 0) */
    NTS_SERVER_ERROR,   /* the server has an error of its own (error 2), or one that we do not know */
    NTS_NO_PROTOCOL,    /* it does not do NTPv4 */
    NTS_NO_AEAD,        /* no AEAD that both know */
    NTS_NO_COOKIES,     /* none, or none that fits */
    NTS_BAD_SERVER,     /* it names a server or port that cannot be one */
    NTS_FAILURE_COUNT,
} NtsFailure;

/* "certificate-expired": as on the bus. */
const char *nts_failure_name(NtsFailure failure);
/* What it means and what can be done, without the end of the sentence. */
const char *nts_failure_text(NtsFailure failure);

/* When all certificates of a chain are valid, seconds since 1970, both ends included. */
typedef struct NtsValidity {
    int64_t from, to;
} NtsValidity;

/* Which key a host has proven to have: the SHA-256 of the public key in its certificate. All 0: unknown. */
typedef struct NtsHostKey {
    uint8_t bytes[32];
} NtsHostKey;

/* Both are known, and one. */
bool nts_host_key_is_same(const NtsHostKey *a, const NtsHostKey *b);

/* What the dates of a chain mean for a key establishment. */
typedef enum NtsDates {
    NTS_DATES_CHECKED = 0, /* they have to fit our clock */
    NTS_DATES_PROVISIONAL, /* if they do not fit, our clock may be the one that is wrong */
    NTS_DATES_IGNORED,     /* nothing (nocerttimecheck) */
} NtsDates;

/* What a key establishment has brought. A secret, as its keys are. */
typedef struct NtsEstablishment {
    NtsFailure failure;   /* NTS_OK: the rest is valid */
    bool provisional;     /* the chain is right in all but its dates, which do not fit our clock */
    NtsValidity validity; /* of the chain; also valid with NTS_CERT_EXPIRED and NTS_CERT_NOT_YET */
    NtsHostKey host_key;
    NtsKeys keys;
    bool compliant_export; /* of keys of AEAD_AES_128_GCM_SIV: as RFC 8915 says (chrony's record 1024) */
    /* What keys would be if the server understands that export in the other way: to be tried, with the same
     * cookies, when nothing but a NAK comes back. NTS_AEAD_NONE: there is no doubt. */
    NtsKeys other_keys;
    NtsCookie cookies[NTS_COOKIES];
    size_t cookie_count;
    char server[NTS_NAME_MAX]; /* who answers NTP: a name or an address; "": the host of the establishment */
    uint16_t port;             /* of NTP, host order; 0: the default */
} NtsEstablishment;

/* What is kept of an association while we do not run. A secret, as its keys are. */
typedef struct NtsKept {
    char name[NTS_NAME_MAX]; /* that the certificate was for */
    int64_t established_s;   /* when, seconds since 1970, by the clock of that time */
    IpEndpoint remote;       /* who answers NTP */
    uint32_t serial;         /* number of the establishment, from 1 */
    NtsKeys keys;
    NtsCookie cookies[NTS_COOKIES];
    size_t cookie_count;
} NtsKept;
