// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Bounded big-endian reading and writing; see bytes.h. */

#include "base/bytes.h"

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

static uint64_t read_number(ByteReader *reader, size_t size)
{
    const uint8_t *bytes = byte_reader_skip(reader, size);
    uint64_t value = 0;

    if (!bytes)
        return 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

uint8_t byte_reader_u8(ByteReader *reader)
{
    return (uint8_t) read_number(reader, 1);
}

uint16_t byte_reader_u16(ByteReader *reader)
{
    return (uint16_t) read_number(reader, 2);
}

uint32_t byte_reader_u32(ByteReader *reader)
{
    return (uint32_t) read_number(reader, 4);
}

uint64_t byte_reader_u64(ByteReader *reader)
{
    return read_number(reader, 8);
}

ByteWriter byte_writer(uint8_t *buffer, size_t size)
{
    return (ByteWriter) {.next = buffer, .left = size};
}

static void write_number(ByteWriter *writer, uint64_t value, size_t size)
{
    if (writer->failed || size > writer->left) {
        writer->failed = true;
        return;
    }
    for (size_t i = 0; i < size; i++)
        writer->next[i] = (uint8_t) (value >> (8 * (size - 1 - i)));
    writer->next += size;
    writer->left -= size;
}

void byte_writer_u8(ByteWriter *writer, uint8_t value)
{
    write_number(writer, value, 1);
}

void byte_writer_u16(ByteWriter *writer, uint16_t value)
{
    write_number(writer, value, 2);
}

void byte_writer_u32(ByteWriter *writer, uint32_t value)
{
    write_number(writer, value, 4);
}

void byte_writer_u64(ByteWriter *writer, uint64_t value)
{
    write_number(writer, value, 8);
}
