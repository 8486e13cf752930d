// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Records of the key establishment of NTS (RFC 8915, section 4): how messages are framed, without their
 * meaning. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/macros.h"

/* Bytes in front of the body of a record. */
#define KE_RECORD_HEAD 4

/* Numbers of IANA's registry, and chrony's. Others exist. */
typedef enum KeRecordType {
    KE_END_OF_MESSAGE = 0,
    KE_NEXT_PROTOCOL = 1,
    KE_ERROR = 2,
    KE_WARNING = 3,
    KE_AEAD = 4,
    KE_COOKIE = 5,
    KE_SERVER = 6,
    KE_PORT = 7,
    KE_COMPLIANT_EXPORT = 1024, /* of the keys of AEAD_AES_128_GCM_SIV */
} KeRecordType;

typedef struct KeRecord {
    bool critical; /* who does not know it must not go on */
    uint16_t type; /* KeRecordType, or another number below 32768 */
    ByteReader body;
} KeRecord;

/* The next record. False, with the reader failed, when less than a record is left. */
bool ke_record_read(ByteReader *reader, KeRecord *ret) must_check_;
/* body may be NULL when length is 0. */
void ke_record_write(ByteWriter *writer, bool critical, KeRecordType type, const void *body, size_t length);
void ke_record_write_u16(ByteWriter *writer, bool critical, KeRecordType type, uint16_t value);

/* A message that arrives in pieces of any size. */
typedef struct KeInbox {
    uint8_t *bytes; /* owned */
    size_t size;    /* of the block */
    size_t length;  /* of what has arrived */
    size_t next;    /* where the first record begins that has not arrived whole */
    size_t limit;   /* longest message */
    bool complete;  /* the end of message has arrived */
} KeInbox;

typedef enum KeInboxVerdict {
    KE_INBOX_WAITS = 0, /* for more */
    KE_INBOX_COMPLETE,
    KE_INBOX_TOO_LONG,
    KE_INBOX_BEYOND_END, /* something follows the end of message */
    KE_INBOX_NO_MEMORY,
} KeInboxVerdict;

KeInbox ke_inbox(size_t limit);
KeInboxVerdict ke_inbox_append(KeInbox *inbox, const uint8_t *bytes, size_t length) must_check_;
/* Leaves an empty inbox behind. */
void ke_inbox_clear(KeInbox *inbox);
