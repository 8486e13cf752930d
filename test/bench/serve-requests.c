// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See serve-requests.h. Each client has keys of its own, made from its number, which is also in its
 * identifier: so an answer tells which keys it has to be proven with. */

#include "serve-requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ntp/nts-client.h"
#include "nts/aead.h"
#include "nts/cookie-ring.h"

struct NtsRequests {
    Aead aead;
    size_t count, next;
    uint8_t bytes[][NTS_REQUEST_SIZE];
};

static CookieRing *read_ring(const char *path)
{
    static char text[COOKIE_RING_TEXT_MAX + 1];
    CookieRing *ring;
    double age;

    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    if (cookie_ring_new(&ring) < 0)
        return NULL;
    return cookie_ring_parse(ring, text, length, &age) ? ring : cookie_ring_free(ring);
}

static NtsKeys keys_of(size_t number)
{
    NtsKeys keys = {.aead = NTS_AEAD_AES_SIV_CMAC_256, .length = 32};

    memcpy(keys.c2s, &number, sizeof number);
    memcpy(keys.s2c, &number, sizeof number);
    keys.s2c[31] = 1;
    return keys;
}

static bool make_request(const Aead *aead, const CookieJar *jar, size_t number, uint8_t *ret)
{
    uint8_t random[NTS_RANDOM_SIZE] = {0};
    NtsKeys keys = keys_of(number);
    NtsCookie cookies[NTS_COOKIES];
    const NtpPacket packet = {.version = 4, .mode = NTP_MODE_CLIENT, .poll = 6, .transmit = {number + 1}};
    NtsClient *client;

    /* Of a client that has all cookies: it asks for one. */
    for (size_t i = 0; i < NTS_COOKIES; i++)
        cookies[i].length = (uint16_t) jar->seal(jar->userdata, &keys, cookies[i].bytes);
    if (nts_client_new(&client) < 0)
        return false;
    nts_client_load(client, &keys, cookies, NTS_COOKIES);
    memcpy(random, &number, sizeof number);
    ntp_packet_build(&packet, ret);
    size_t length = nts_client_append(client, aead, random, ret, NTP_HEADER_SIZE, NTS_REQUEST_SIZE);
    nts_client_free(client);
    return length == NTS_REQUEST_SIZE;
}

NtsRequests *nts_requests_new(const char *keys, size_t count)
{
    CookieRing *ring = read_ring(keys);
    NtsRequests *requests = ring ? calloc(1, sizeof *requests + count * NTS_REQUEST_SIZE) : NULL;

    if (!requests)
        return NULL;
    requests->aead = aead_ciphers();
    requests->count = count;
    CookieJar jar = cookie_ring_jar(ring);
    for (size_t i = 0; i < count; i++)
        if (!make_request(&requests->aead, &jar, i, requests->bytes[i]))
            return NULL;
    cookie_ring_free(ring);
    return requests;
}

const uint8_t *nts_requests_next(NtsRequests *requests)
{
    requests->next = (requests->next + 1) % requests->count;
    return requests->bytes[requests->next];
}

bool nts_requests_answered(const NtsRequests *requests, const uint8_t *bytes, size_t length)
{
    uint8_t hidden[NTS_REQUEST_SIZE];
    size_t number, hidden_length;
    NtpPacket packet;
    NtsFields fields;

    if (length != NTS_REQUEST_SIZE || !ntp_packet_parse(bytes, length, &packet) ||
        !nts_fields_find(bytes, &packet, &fields) || fields.unique_id.length != NTS_UNIQUE_ID_SIZE)
        return false;
    memcpy(&number, fields.unique_id.bytes, sizeof number);
    NtsKeys keys = keys_of(number);
    return number < requests->count && packet.stratum != 0 &&
           nts_fields_open(&fields, &requests->aead, keys.aead, keys.s2c, bytes, hidden, sizeof hidden,
                           &hidden_length) &&
           hidden_length == nts_field_size(100);
}
