// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Bytes of the network in and out, big-endian and bounded. A reader that is asked for more than there is
 * gives zeros and remembers it; a writer that has no room drops and remembers it. So a parser reads straight
 * on and asks once, at the end, whether all of it was there. All of it is inline: a server does it dozens of
 * times for each packet. */

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct ByteReader {
    const uint8_t *next;
    size_t left; /* bytes */
    bool failed; /* something was asked for that was not there */
} ByteReader;

static inline ByteReader byte_reader(const uint8_t *bytes, size_t length)
{
    return (ByteReader) {.next = bytes, .left = length};
}

/* The next `length` bytes in place, NULL when there are not that many. */
static inline const uint8_t *byte_reader_skip(ByteReader *reader, size_t length)
{
    const uint8_t *here = reader->next;

    if (reader->failed || length > reader->left) {
        reader->failed = true;
        return NULL;
    }
    reader->next += length;
    reader->left -= length;
    return here;
}

static inline uint8_t byte_reader_u8(ByteReader *reader)
{
    const uint8_t *bytes = byte_reader_skip(reader, 1);

    return bytes ? *bytes : 0;
}

static inline uint16_t byte_reader_u16(ByteReader *reader)
{
    const uint8_t *bytes = byte_reader_skip(reader, sizeof(uint16_t));
    uint16_t value = 0;

    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return be16toh(value);
}

static inline uint32_t byte_reader_u32(ByteReader *reader)
{
    const uint8_t *bytes = byte_reader_skip(reader, sizeof(uint32_t));
    uint32_t value = 0;

    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return be32toh(value);
}

static inline uint64_t byte_reader_u64(ByteReader *reader)
{
    const uint8_t *bytes = byte_reader_skip(reader, sizeof(uint64_t));
    uint64_t value = 0;

    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return be64toh(value);
}

typedef struct ByteWriter {
    uint8_t *next;
    size_t left; /* room, bytes */
    bool failed; /* something did not fit */
} ByteWriter;

static inline ByteWriter byte_writer(uint8_t *buffer, size_t size)
{
    return (ByteWriter) {.next = buffer, .left = size};
}

/* bytes: NULL when length is 0. */
static inline void byte_writer_bytes(ByteWriter *writer, const void *bytes, size_t length)
{
    if (writer->failed || length > writer->left) {
        writer->failed = true;
        return;
    }
    if (length > 0) /* memcpy takes no NULL */
        memcpy(writer->next, bytes, length);
    writer->next += length;
    writer->left -= length;
}

static inline void byte_writer_u8(ByteWriter *writer, uint8_t value)
{
    byte_writer_bytes(writer, &value, sizeof(value));
}

static inline void byte_writer_u16(ByteWriter *writer, uint16_t value)
{
    value = htobe16(value);
    byte_writer_bytes(writer, &value, sizeof(value));
}

static inline void byte_writer_u32(ByteWriter *writer, uint32_t value)
{
    value = htobe32(value);
    byte_writer_bytes(writer, &value, sizeof(value));
}

static inline void byte_writer_u64(ByteWriter *writer, uint64_t value)
{
    value = htobe64(value);
    byte_writer_bytes(writer, &value, sizeof(value));
}
