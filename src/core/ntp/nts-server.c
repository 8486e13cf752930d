// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See nts-server.h. */

#include "core/ntp/nts-server.h"

#include <string.h>

#include "core/api/action.h"

/* A shorter identifier is none. */
#define UNIQUE_ID_MIN NTS_UNIQUE_ID_SIZE

/* An identifier alone is not NTS yet: any request may have one (RFC 8915, section 5.3). */
static bool is_nts(const NtsFields *fields)
{
    return fields->cookie.bytes || fields->placeholders > 0 || fields->sealed.bytes;
}

/* Whether the cookie is ours and the request is proven with its key. What was hidden in a request is of no
 * use to us. */
static bool prove(const NtsServer *server, const uint8_t *bytes, const NtsFields *fields, NtsKeys *ret)
{
    uint8_t hidden[NTP_PACKET_MAX];
    size_t length;

    return fields->cookie.bytes && fields->sealed.bytes &&
           server->jar.open(server->jar.userdata, fields->cookie.bytes, fields->cookie.length, ret) &&
           nts_fields_open(fields, &server->aead, ret->aead, ret->c2s, bytes, hidden, sizeof(hidden),
                           &length);
}

NtsRequest nts_server_open(const NtsServer *server, const uint8_t *bytes, const NtpPacket *packet,
                           NtsQuestion *ret)
{
    NtsFields fields;

    ret->unique_id = (AeadText) {0};
    if (!server->jar.open || packet->mode != NTP_MODE_CLIENT)
        return NTS_REQUEST_NONE;
    if (!nts_fields_find(bytes, packet, &fields))
        return NTS_REQUEST_BROKEN;
    bool named = fields.unique_id.length >= UNIQUE_ID_MIN;
    if (named)
        ret->unique_id = fields.unique_id;
    if (!is_nts(&fields))
        return NTS_REQUEST_NONE;
    if (!named || packet->mac_length > 0)
        return NTS_REQUEST_BROKEN;
    if (!prove(server, bytes, &fields, &ret->keys))
        return NTS_REQUEST_REFUSED;
    ret->cookies = MIN(1 + fields.placeholders, (size_t) NTS_COOKIES);
    return NTS_REQUEST_GOOD;
}

size_t nts_server_append_id(const NtsQuestion *question, uint8_t *bytes, size_t length, size_t size)
{
    if (!question->unique_id.bytes)
        return length;
    return nts_field_append(NTS_FIELD_UNIQUE_ID, question->unique_id, bytes, length, size);
}

/* Cookies as fields that are to be hidden, as many as are wanted and fit. Returns their length. */
static size_t make_cookies(const NtsServer *server, const NtsQuestion *question, uint8_t *ret, size_t size)
{
    uint8_t cookie[NTS_COOKIE_MAX];
    size_t used = 0, after;

    for (size_t i = 0; i < question->cookies && size - used > NTS_FIELD_MIN; i++, used = after) {
        AeadText body = {cookie, server->jar.seal(server->jar.userdata, &question->keys, cookie)};
        if (body.length == 0 || (after = nts_field_append(NTS_FIELD_COOKIE, body, ret, used, size)) == 0)
            break;
    }
    return used;
}

size_t nts_server_append_proof(const NtsServer *server, const NtsQuestion *question, const uint8_t *nonce,
                               uint8_t *bytes, size_t length, size_t size)
{
    uint8_t cookies[NTS_COOKIES * (NTS_FIELD_MIN + NTS_COOKIE_MAX)];
    size_t bare = nts_field_size(4 + AEAD_NONCE_MAX + AEAD_OVERHEAD_MAX);
    size_t room = length + bare < size ? size - length - bare : 0;
    const NtsSeal seal = {
        .aead = &server->aead,
        .id = question->keys.aead,
        .key = question->keys.s2c,
        .nonce = nonce,
        .plain = {cookies, make_cookies(server, question, cookies, MIN(room, sizeof(cookies)))},
    };

    return nts_authenticator_append(&seal, bytes, length, size);
}

void nts_question_clear(NtsQuestion *question)
{
    explicit_bzero(&question->keys, sizeof(question->keys));
}
