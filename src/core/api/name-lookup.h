// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What a name stands for: the question, and the one answer that each question has. Core asks, and whoever can
 * look up names answers. */

#include "base/address.h"
#include "base/host-name.h"
#include "core/api/report.h"

/* A name that begins so is not that of a host but of a service: SRV records (RFC 2782) say which hosts offer
 * it, and at which ports. */
#define LOOKUP_SERVICE_PREFIX "_ntp._udp."

/* Places of one answer, and of one record of a service. */
#define LOOKUP_PLACES_MAX  16
#define LOOKUP_RECORD_MAX  4
/* Records of a service that are looked at. */
#define LOOKUP_RECORDS_MAX 16

typedef struct LookupQuestion {
    char name[SOURCE_NAME_MAX]; /* never a literal address when service */
    IpFamily family;            /* IP_UNSPEC: both */
    bool service;               /* the name is that of a service */
    bool trusted_time;          /* the kernel's clock is right: signatures (DNSSEC) can be held against it */
    bool uncached;              /* what is remembered of earlier answers may be lies */
} LookupQuestion;

typedef enum LookupVerdict {
    LOOKUP_NOT_FOUND = 0, /* no such name, no address, or nobody who would know: it may come */
    LOOKUP_FOUND,
    LOOKUP_BOGUS, /* there was an answer, but DNSSEC says that it is not what the owner of the name signed */
    LOOKUP_VERDICT_COUNT,
} LookupVerdict;

/* An address behind a name. */
typedef struct LookupPlace {
    IpEndpoint endpoint; /* port 0: the name does not say */
    uint16_t record;     /* of a service: from which record, counted from 1; 0: of a host */
    uint16_t priority;   /* of the record: lower ones come first */
    uint16_t weight;     /* among equals: how often this one comes first */
} LookupPlace;

typedef struct LookupAnswer {
    LookupVerdict verdict;
    size_t count;                          /* 0 unless found */
    LookupPlace places[LOOKUP_PLACES_MAX]; /* each only once, those of a record in the order of preference */
} LookupAnswer;

/* Who offers a service, before the host is looked up. */
typedef struct LookupRecord {
    uint16_t priority, weight, port;
    char host[HOST_NAME_MAX_LENGTH + 2]; /* a full name, with a dot at its end */
} LookupRecord;

typedef struct LookupRecords {
    size_t count;
    LookupRecord
        items[LOOKUP_RECORDS_MAX]; /* the lowest priority first, otherwise in the order in which they came */
} LookupRecords;

/* True for the name of a service: the prefix, in letters of any size, and something behind it. */
bool lookup_is_service(const char *name) must_check_;

/* Takes a place into the answer, which is found from then on. Places that cannot be (no family, a port of 0
 * of a service), that are there already, and those of one record beyond LOOKUP_RECORD_MAX are passed over;
 * when the answer is full, a place gives way only to one of lower priority. */
void lookup_answer_add(LookupAnswer *answer, const LookupPlace *place);

/* Takes a record in whose port is not 0 and whose host is the name of one: the text is a server's, anything
 * may be in it, with or without a dot at its end. "." says that there is no such service. When there is no
 * room, a record gives way only to one of lower priority. */
void lookup_records_add(LookupRecords *records, uint16_t priority, uint16_t weight, uint16_t port,
                        const char *host);

/* The place of an address of the record with that index. */
LookupPlace lookup_record_place(const LookupRecords *records, size_t index, const IpAddress *address);

/* What a literal address stands for: itself, unless another family is wanted. */
LookupAnswer lookup_answer_literal(const IpAddress *address, IpFamily family);
