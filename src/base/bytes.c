// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Bounded big-endian reading and writing; see bytes.h. */

#include "base/bytes.h"

#include <endian.h>
#include <string.h>

ByteReader byte_reader(const uint8_t *bytes, size_t length)
{
    return (ByteReader) {.next = bytes, .left = length};
}

const uint8_t *byte_reader_skip(ByteReader *reader, size_t length)
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

static void read_bytes(ByteReader *reader, void *ret, size_t size)
{
    const uint8_t *bytes = byte_reader_skip(reader, size);

    if (bytes)
        memcpy(ret, bytes, size);
}

uint8_t byte_reader_u8(ByteReader *reader)
{
    uint8_t value = 0;

    read_bytes(reader, &value, sizeof(value));
    return value;
}

uint16_t byte_reader_u16(ByteReader *reader)
{
    uint16_t value = 0;

    read_bytes(reader, &value, sizeof(value));
    return be16toh(value);
}

uint32_t byte_reader_u32(ByteReader *reader)
{
    uint32_t value = 0;

    read_bytes(reader, &value, sizeof(value));
    return be32toh(value);
}

uint64_t byte_reader_u64(ByteReader *reader)
{
    uint64_t value = 0;

    read_bytes(reader, &value, sizeof(value));
    return be64toh(value);
}

ByteWriter byte_writer(uint8_t *buffer, size_t size)
{
    return (ByteWriter) {.next = buffer, .left = size};
}

void byte_writer_bytes(ByteWriter *writer, const void *bytes, size_t length)
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

void byte_writer_u8(ByteWriter *writer, uint8_t value)
{
    byte_writer_bytes(writer, &value, sizeof(value));
}

void byte_writer_u16(ByteWriter *writer, uint16_t value)
{
    value = htobe16(value);
    byte_writer_bytes(writer, &value, sizeof(value));
}

void byte_writer_u32(ByteWriter *writer, uint32_t value)
{
    value = htobe32(value);
    byte_writer_bytes(writer, &value, sizeof(value));
}

void byte_writer_u64(ByteWriter *writer, uint64_t value)
{
    value = htobe64(value);
    byte_writer_bytes(writer, &value, sizeof(value));
}
