// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See ke-record.h. An inbox looks at each record once, when all of it is there, so that a message costs the
 * same in one piece and byte by byte. */

#include "nts/ke-record.h"

#include <stdlib.h>
#include <string.h>

#define CRITICAL 0x8000U

bool ke_record_read(ByteReader *reader, KeRecord *ret)
{
    uint16_t head = byte_reader_u16(reader);
    uint16_t length = byte_reader_u16(reader);
    const uint8_t *body = byte_reader_skip(reader, length);

    if (!body)
        return false;
    *ret = (KeRecord) {
        .critical = (head & CRITICAL) != 0,
        .type = (uint16_t) (head & ~CRITICAL),
        .body = byte_reader(body, length),
    };
    return true;
}

void ke_record_write(ByteWriter *writer, bool critical, KeRecordType type, const void *body, size_t length)
{
    if (length > UINT16_MAX) {
        writer->failed = true;
        return;
    }
    byte_writer_u16(writer, (uint16_t) (type | (critical ? CRITICAL : 0)));
    byte_writer_u16(writer, (uint16_t) length);
    byte_writer_bytes(writer, body, length);
}

void ke_record_write_u16(ByteWriter *writer, bool critical, KeRecordType type, uint16_t value)
{
    uint8_t body[2] = {(uint8_t) (value >> 8), (uint8_t) value};

    ke_record_write(writer, critical, type, body, sizeof(body));
}

KeInbox ke_inbox(size_t limit)
{
    return (KeInbox) {.limit = limit};
}

void ke_inbox_clear(KeInbox *inbox)
{
    free(inbox->bytes);
    *inbox = (KeInbox) {.limit = inbox->limit};
}

/* Room for so many more bytes. Most messages fit into the first block. */
static bool reserve(KeInbox *inbox, size_t length)
{
    size_t size = MAX(inbox->size, (size_t) 512);

    while (size < inbox->length + length)
        size *= 2;
    if (size == inbox->size)
        return true;
    uint8_t *bytes = realloc(inbox->bytes, size);
    if (!bytes)
        return false;
    inbox->bytes = bytes;
    inbox->size = size;
    return true;
}

/* Goes on over the records that have arrived whole, up to the end of message. */
static KeInboxVerdict look(KeInbox *inbox)
{
    ByteReader reader = byte_reader(inbox->bytes + inbox->next, inbox->length - inbox->next);
    KeRecord record;

    while (ke_record_read(&reader, &record)) {
        inbox->next = inbox->length - reader.left;
        if (record.type == KE_END_OF_MESSAGE) {
            inbox->complete = true;
            return reader.left > 0 ? KE_INBOX_BEYOND_END : KE_INBOX_COMPLETE;
        }
    }
    return KE_INBOX_WAITS;
}

KeInboxVerdict ke_inbox_append(KeInbox *inbox, const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return inbox->complete ? KE_INBOX_COMPLETE : KE_INBOX_WAITS;
    if (inbox->complete)
        return KE_INBOX_BEYOND_END;
    if (length > inbox->limit - inbox->length)
        return KE_INBOX_TOO_LONG;
    if (!reserve(inbox, length))
        return KE_INBOX_NO_MEMORY;
    memcpy(inbox->bytes + inbox->length, bytes, length);
    inbox->length += length;
    return look(inbox);
}
