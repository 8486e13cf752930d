// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Bytes of the network in and out, big-endian and bounded. A reader that is asked for more than there is
 * gives zeros and remembers it; a writer that has no room drops and remembers it. So a parser reads straight
 * on and asks once, at the end, whether all of it was there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ByteReader {
    const uint8_t *next;
    size_t left; /* bytes */
    bool failed; /* something was asked for that was not there */
} ByteReader;

ByteReader byte_reader(const uint8_t *bytes, size_t length);
uint8_t byte_reader_u8(ByteReader *reader);
uint16_t byte_reader_u16(ByteReader *reader);
uint32_t byte_reader_u32(ByteReader *reader);
uint64_t byte_reader_u64(ByteReader *reader);
/* The next `length` bytes in place, NULL when there are not that many. */
const uint8_t *byte_reader_skip(ByteReader *reader, size_t length);

typedef struct ByteWriter {
    uint8_t *next;
    size_t left; /* room, bytes */
    bool failed; /* something did not fit */
} ByteWriter;

ByteWriter byte_writer(uint8_t *buffer, size_t size);
void byte_writer_u8(ByteWriter *writer, uint8_t value);
void byte_writer_u16(ByteWriter *writer, uint16_t value);
void byte_writer_u32(ByteWriter *writer, uint32_t value);
void byte_writer_u64(ByteWriter *writer, uint64_t value);
void byte_writer_bytes(ByteWriter *writer, const void *bytes, size_t length); /* NULL when length is 0 */
