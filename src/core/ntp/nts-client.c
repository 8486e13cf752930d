// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See nts-client.h. Cookies are a ring, the oldest one first: servers forget old keys before new ones. */

#include "core/ntp/nts-client.h"

#include <errno.h>
#include <string.h>

#include "core/api/action.h"

struct NtsClient {
    NtsKeys keys;
    NtsCookie cookies[NTS_COOKIES];
    size_t first, count;
    bool open; /* unique_id is of a request that has no good answer yet */
    uint8_t unique_id[NTS_UNIQUE_ID_SIZE];
    size_t cookie_length; /* of the last one that came in */
    uint32_t naks;
};

int nts_client_new(NtsClient **ret)
{
    NtsClient *nts = calloc(1, sizeof(*nts));

    if (!nts)
        return -ENOMEM;
    *ret = nts;
    return 0;
}

NtsClient *nts_client_free(NtsClient *nts)
{
    if (nts)
        nts_client_clear(nts);
    free(nts);
    return NULL;
}

void nts_client_clear(NtsClient *nts)
{
    explicit_bzero(nts, sizeof(*nts));
}

/* Takes a cookie in, unless it cannot be one or there is no room. */
static void store(NtsClient *nts, const uint8_t *bytes, size_t length)
{
    if (length == 0 || length > NTS_COOKIE_MAX || nts->count == NTS_COOKIES)
        return;
    NtsCookie *cookie = &nts->cookies[(nts->first + nts->count) % NTS_COOKIES];
    cookie->length = (uint16_t) length;
    memcpy(cookie->bytes, bytes, length);
    nts->cookie_length = length;
    nts->count++;
}

void nts_client_load(NtsClient *nts, const NtsKeys *keys, const NtsCookie *cookies, size_t count)
{
    nts_client_clear(nts);
    nts->keys = *keys;
    for (size_t i = 0; i < count; i++)
        store(nts, cookies[i].bytes, cookies[i].length);
}

void nts_client_set_keys(NtsClient *nts, const NtsKeys *keys)
{
    nts->keys = *keys;
    nts->naks = 0;
    nts->open = false;
}

bool nts_client_save(const NtsClient *nts, NtsKeys *ret_keys, NtsCookie ret_cookies[static NTS_COOKIES],
                     size_t *ret_count)
{
    if (nts->keys.aead == NTS_AEAD_NONE)
        return false;
    *ret_keys = nts->keys;
    for (size_t i = 0; i < nts->count; i++)
        ret_cookies[i] = nts->cookies[(nts->first + i) % NTS_COOKIES];
    *ret_count = nts->count;
    return true;
}

/* Appends placeholders for the cookies that will be missing, as many as fit before an authenticator. */
static size_t append_placeholders(const NtsClient *nts, size_t cookie_length, uint8_t *bytes, size_t length,
                                  size_t size)
{
    size_t authenticator = nts_field_size(4 + AEAD_NONCE_MAX + AEAD_OVERHEAD_MAX);
    size_t each = nts_field_size(cookie_length);

    /* The answer to a request brings one without being asked. */
    for (size_t held = nts->count; held < NTS_COOKIES && size - length >= each + authenticator; held++)
        length =
            nts_field_append(NTS_FIELD_PLACEHOLDER, (AeadText) {NULL, cookie_length}, bytes, length, size);
    return length;
}

size_t nts_client_append(NtsClient *nts, const Aead *aead, const uint8_t random[static NTS_RANDOM_SIZE],
                         uint8_t *bytes, size_t length, size_t size)
{
    NtsCookie *cookie = &nts->cookies[nts->first];
    const NtsSeal seal = {
        .aead = aead,
        .id = nts->keys.aead,
        .key = nts->keys.c2s,
        .nonce = random + NTS_UNIQUE_ID_SIZE,
    };

    size = MIN(size, (size_t) NTS_REQUEST_MAX);
    if (nts->count == 0)
        return 0;
    length =
        nts_field_append(NTS_FIELD_UNIQUE_ID, (AeadText) {random, NTS_UNIQUE_ID_SIZE}, bytes, length, size);
    if (length > 0)
        length = nts_field_append(NTS_FIELD_COOKIE, (AeadText) {cookie->bytes, cookie->length}, bytes, length,
                                  size);
    if (length > 0)
        length = append_placeholders(nts, cookie->length, bytes, length, size);
    if (length > 0)
        length = nts_authenticator_append(&seal, bytes, length, size);
    if (length == 0)
        return 0;
    memcpy(nts->unique_id, random, NTS_UNIQUE_ID_SIZE);
    nts->open = true;
    nts->first = (nts->first + 1) % NTS_COOKIES;
    nts->count--;
    return length;
}

static bool is_ours(const NtsClient *nts, const NtsFields *fields)
{
    return nts->open && fields->unique_id.bytes && fields->unique_id.length == NTS_UNIQUE_ID_SIZE &&
           memcmp(fields->unique_id.bytes, nts->unique_id, NTS_UNIQUE_ID_SIZE) == 0;
}

static void take_cookies(NtsClient *nts, AeadText hidden)
{
    NtpExtension field;
    size_t position = 0;

    while (nts_hidden_next(hidden, &position, &field))
        if (field.type == NTS_FIELD_COOKIE)
            store(nts, field.body, field.length);
}

NtsAnswer nts_client_check(NtsClient *nts, const Aead *aead, const uint8_t *bytes, NtpPacket *packet)
{
    uint8_t hidden[NTP_PACKET_MAX];
    NtsFields fields;
    size_t length;

    if (packet->mac_length > 0 || !nts_fields_find(bytes, packet, &fields) || !is_ours(nts, &fields))
        return NTS_ANSWER_BAD;
    if (!fields.sealed.bytes) {
        bool nak = packet->stratum == 0 && packet->reference_id == NTP_KISS_NTS_NAK;
        nts->naks += nak;
        return nak ? NTS_ANSWER_NAK : NTS_ANSWER_BAD;
    }
    if (!nts_fields_open(&fields, aead, nts->keys.aead, nts->keys.s2c, bytes, hidden, sizeof(hidden),
                         &length))
        return NTS_ANSWER_BAD;
    nts->open = false;
    nts->naks = 0;
    take_cookies(nts, (AeadText) {hidden, length});
    packet->extensions_length = (size_t) (bytes + fields.proven - packet->extensions);
    return NTS_ANSWER_GOOD;
}

void nts_client_report(const NtsClient *nts, NtsClientReport *ret)
{
    *ret = (NtsClientReport) {
        .aead = nts->keys.aead,
        .key_length = nts->keys.length,
        .cookies = nts->count,
        .cookie_length = nts->cookie_length,
        .naks = nts->naks,
    };
}
