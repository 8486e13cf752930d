// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See nts-fields.h. A field is type, length with header and padding, body; its length is a multiple of four.
 * The body of the authenticator is the length of the nonce, the length of the sealed text, and both of them,
 * padded. */

#include "core/ntp/nts-fields.h"

#include <string.h>

#include "base/bytes.h"

#define HEADER_SIZE 4

static size_t padded(size_t length)
{
    return (length + 3) & ~(size_t) 3;
}

size_t nts_field_size(size_t body)
{
    return MAX(HEADER_SIZE + padded(body), (size_t) NTS_FIELD_MIN);
}

static void write_header(uint8_t *at, uint16_t type, size_t size)
{
    ByteWriter writer = byte_writer(at, HEADER_SIZE);

    byte_writer_u16(&writer, type);
    byte_writer_u16(&writer, (uint16_t) size);
}

size_t nts_field_append(uint16_t type, AeadText body, uint8_t *bytes, size_t length, size_t size)
{
    if (body.length > UINT16_MAX - NTS_FIELD_MIN)
        return 0;
    size_t field = nts_field_size(body.length);
    if (length > size || size - length < field)
        return 0;
    write_header(bytes + length, type, field);
    memset(bytes + length + HEADER_SIZE, 0, field - HEADER_SIZE);
    if (body.bytes)
        memcpy(bytes + length + HEADER_SIZE, body.bytes, body.length);
    return length + field;
}

size_t nts_authenticator_append(const NtsSeal *seal, uint8_t *bytes, size_t length, size_t size)
{
    const Aead *aead = seal->aead;
    size_t nonce = aead->nonce_length ? aead->nonce_length(aead->userdata, seal->id) : 0;
    size_t before = HEADER_SIZE + 4 + padded(nonce);

    if (nonce == 0 || nonce > AEAD_NONCE_MAX || length > size || size - length < before)
        return 0;
    uint8_t *field = bytes + length;
    size_t sealed =
        aead->seal(aead->userdata, seal->id, seal->key, (AeadText) {seal->nonce, nonce},
                   (AeadText) {bytes, length}, seal->plain, field + before, size - length - before);
    size_t whole = before + padded(sealed);
    if (sealed == 0 || size - length < whole)
        return 0;
    write_header(field, NTS_FIELD_AUTHENTICATOR, whole);
    ByteWriter writer = byte_writer(field + HEADER_SIZE, 4);
    byte_writer_u16(&writer, (uint16_t) nonce);
    byte_writer_u16(&writer, (uint16_t) sealed);
    memset(field + HEADER_SIZE + 4, 0, padded(nonce));
    memcpy(field + HEADER_SIZE + 4, seal->nonce, nonce);
    memset(field + before + sealed, 0, whole - before - sealed);
    return length + whole;
}

static bool read_authenticator(const NtpExtension *field, NtsFields *fields)
{
    ByteReader reader = byte_reader(field->body, field->length);

    fields->nonce.length = byte_reader_u16(&reader);
    fields->sealed.length = byte_reader_u16(&reader);
    fields->nonce.bytes = byte_reader_skip(&reader, padded(fields->nonce.length));
    fields->sealed.bytes = byte_reader_skip(&reader, padded(fields->sealed.length));
    return !reader.failed && fields->nonce.length > 0 && fields->sealed.length > 0;
}

/* False: it was there before. */
static bool note(AeadText *text, const NtpExtension *field)
{
    bool first = text->bytes == NULL;

    *text = (AeadText) {field->body, field->length};
    return first;
}

bool nts_fields_find(const uint8_t *bytes, const NtpPacket *packet, NtsFields *ret)
{
    NtsFields fields = {0};
    NtpExtension field;
    size_t position = 0;
    bool good = true;

    while (good && !fields.sealed.bytes && ntp_packet_next_extension(packet, &position, &field)) {
        if (field.type == NTS_FIELD_UNIQUE_ID)
            good = note(&fields.unique_id, &field);
        else if (field.type == NTS_FIELD_COOKIE)
            good = note(&fields.cookie, &field);
        else if (field.type == NTS_FIELD_PLACEHOLDER)
            fields.placeholders++;
        else if (field.type == NTS_FIELD_AUTHENTICATOR) {
            good = read_authenticator(&field, &fields);
            fields.proven = (size_t) (field.body - bytes) - HEADER_SIZE;
        }
    }
    if (good)
        *ret = fields;
    return good;
}

bool nts_fields_open(const NtsFields *fields, const Aead *aead, NtsAead id, const uint8_t *key,
                     const uint8_t *bytes, uint8_t *ret, size_t size, size_t *ret_length)
{
    return fields->sealed.bytes && aead->open &&
           aead->open(aead->userdata, id, key, fields->nonce, (AeadText) {bytes, fields->proven},
                      fields->sealed, ret, size, ret_length);
}

bool nts_hidden_next(AeadText hidden, size_t *position, NtpExtension *ret)
{
    if (*position >= hidden.length)
        return false;

    ByteReader reader = byte_reader(hidden.bytes + *position, hidden.length - *position);
    uint16_t type = byte_reader_u16(&reader);
    size_t length = byte_reader_u16(&reader);
    if (reader.failed || length < HEADER_SIZE || length % 4 != 0)
        return false;
    const uint8_t *body = byte_reader_skip(&reader, length - HEADER_SIZE);
    if (!body)
        return false;
    *position += length;
    *ret = (NtpExtension) {.type = type, .body = body, .length = length - HEADER_SIZE};
    return true;
}
