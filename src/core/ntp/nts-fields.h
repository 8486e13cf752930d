// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The extension fields of NTS in a packet (RFC 8915, section 5): an identifier that the answer repeats, a
 * cookie, placeholders that ask for more cookies, and the authenticator, which proves all that stands before
 * it and hides what is in it. What stands behind it is nobody's. */

#include "core/ntp/aead.h"
#include "core/ntp/packet.h"

/* A client's unique identifier, bytes: the shortest that is allowed (RFC 8915, section 5.3). */
#define NTS_UNIQUE_ID_SIZE 32

/* The shortest field, bytes. */
#define NTS_FIELD_MIN 16

enum {
    NTS_FIELD_UNIQUE_ID = 0x0104,
    NTS_FIELD_COOKIE = 0x0204,
    NTS_FIELD_PLACEHOLDER = 0x0304,
    NTS_FIELD_AUTHENTICATOR = 0x0404,
};

/* Of a field with such a body, bytes with header and padding. */
size_t nts_field_size(size_t body);

/* Appends a field to `length` bytes in a buffer of `size`. A body without bytes is all zeros. Returns the new
 * length, 0: no room. */
size_t nts_field_append(uint16_t type, AeadText body, uint8_t *bytes, size_t length, size_t size);

/* How an authenticator is made. */
typedef struct NtsSeal {
    const Aead *aead;
    NtsAead id;
    const uint8_t *key;
    const uint8_t *nonce; /* AEAD_NONCE_MAX bytes that were never used with this key before */
    AeadText plain;       /* fields to be hidden */
} NtsSeal;

/* Appends the authenticator over `length` bytes. Returns the new length, 0: no room, or no such AEAD. */
size_t nts_authenticator_append(const NtsSeal *seal, uint8_t *bytes, size_t length, size_t size);

/* What a packet has, all of it in the packet's own bytes. A text without bytes: there is none. */
typedef struct NtsFields {
    AeadText unique_id, cookie;
    size_t placeholders;
    AeadText nonce, sealed; /* of the authenticator */
    size_t proven;          /* bytes of the packet before the authenticator */
} NtsFields;

/* Looks for them in a packet that was parsed from these bytes. False: there are two of what there is one of,
 * or the authenticator is malformed. */
bool nts_fields_find(const uint8_t *bytes, const NtpPacket *packet, NtsFields *ret) must_check_;

/* Opens the authenticator; the hidden fields, at most `size` bytes, go to ret. False: it does not prove the
 * packet. */
bool nts_fields_open(const NtsFields *fields, const Aead *aead, NtsAead id, const uint8_t *key,
                     const uint8_t *bytes, uint8_t *ret, size_t size, size_t *ret_length) must_check_;

/* Walks through hidden fields, which may be shorter than others. *position is 0 at first; false at the end.
 */
bool nts_hidden_next(AeadText hidden, size_t *position, NtpExtension *ret) must_check_;
