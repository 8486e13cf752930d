// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See nts.h. Each server has one pair of keys for everybody, and a cookie says no more than its number. */

#include "nts.h"

#include <stdlib.h>
#include <string.h>

#include "core/ntp/nts-fields.h"
#include "nts/aead.h"

#define KEY_LENGTH    32
#define COOKIE_LENGTH 100

static NtsKeys keys_of(size_t server)
{
    NtsKeys keys = {.aead = NTS_AEAD_AES_SIV_CMAC_256, .length = KEY_LENGTH};

    memset(keys.c2s, 1 + (int) server, KEY_LENGTH);
    memset(keys.s2c, 101 + (int) server, KEY_LENGTH);
    return keys;
}

static NtsCookie cookie_of(size_t server)
{
    NtsCookie cookie = {.length = COOKIE_LENGTH};

    memset(cookie.bytes, (int) server, COOKIE_LENGTH);
    return cookie;
}

/* As src/nts/trust.c judges. */
static NtsFailure judge(const NtsValidity *validity, const Action *establish, bool *ret_provisional)
{
    int64_t now = establish->establish.now_s;
    bool fits = now >= validity->from && now <= validity->to;

    *ret_provisional = false;
    if (establish->establish.dates == NTS_DATES_IGNORED)
        return NTS_OK;
    if (validity->to < establish->establish.lower_bound_s)
        return NTS_CERT_EXPIRED;
    if (establish->establish.dates == NTS_DATES_CHECKED && !fits)
        return now < validity->from ? NTS_CERT_NOT_YET : NTS_CERT_EXPIRED;
    *ret_provisional = !fits;
    return NTS_OK;
}

void sim_establish(size_t server, const NtsValidity *validity, uint8_t host_key, const Action *establish,
                   NtsEstablishment *ret)
{
    *ret = (NtsEstablishment) {.validity = *validity};
    ret->failure = judge(validity, establish, &ret->provisional);
    if (ret->failure != NTS_OK)
        return;
    ret->keys = keys_of(server);
    memset(&ret->host_key, host_key != 0 ? host_key : 201 + (int) server, sizeof(ret->host_key));
    while (ret->cookie_count < NTS_COOKIES)
        ret->cookies[ret->cookie_count++] = cookie_of(server);
}

static size_t append(uint16_t type, AeadText body, uint8_t *bytes, size_t length, size_t size)
{
    length = nts_field_append(type, body, bytes, length, size);
    if (length == 0)
        abort();
    return length;
}

size_t sim_authenticate(size_t server, const Action *send, uint8_t *bytes, size_t length, size_t size)
{
    static const uint8_t nonce[AEAD_NONCE_MAX] = "never repeated";
    const NtsCookie cookie = cookie_of(server);
    const NtsKeys keys = keys_of(server);
    const Aead aead = aead_ciphers();
    uint8_t hidden[NTP_PACKET_MAX];
    size_t used = 0;
    NtpPacket request;
    NtsFields asked;

    if (!ntp_packet_parse(send->send.bytes, send->send.length, &request) ||
        !nts_fields_find(send->send.bytes, &request, &asked) || asked.cookie.length != COOKIE_LENGTH ||
        memcmp(asked.cookie.bytes, cookie.bytes, COOKIE_LENGTH) != 0)
        return length;
    for (size_t i = 0; i <= asked.placeholders; i++)
        used =
            append(NTS_FIELD_COOKIE, (AeadText) {cookie.bytes, cookie.length}, hidden, used, sizeof(hidden));
    length = append(NTS_FIELD_UNIQUE_ID, asked.unique_id, bytes, length, size);
    length = nts_authenticator_append(&(NtsSeal) {&aead, keys.aead, keys.s2c, nonce, {hidden, used}}, bytes,
                                      length, size);
    if (length == 0)
        abort();
    return length;
}
