// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See toy-nts.h. */

#include "toy-nts.h"

#include <string.h>

#define TAG   16
/* First byte of a cookie. */
#define MAGIC 0xc0

static size_t nonce_length(void *userdata, NtsAead aead)
{
    (void) userdata;
    return aead == NTS_AEAD_AES_SIV_CMAC_256 ? 16 : aead == NTS_AEAD_AES_128_GCM_SIV ? 12 : 0;
}

static uint8_t sum_of(uint8_t sum, AeadText text)
{
    for (size_t i = 0; i < text.length; i++)
        sum = (uint8_t) (sum + text.bytes[i]);
    return sum;
}

static uint8_t tag_of(const uint8_t *key, AeadText nonce, AeadText associated, AeadText plain)
{
    return sum_of(sum_of(sum_of(key[0], nonce), associated), plain);
}

static size_t seal(void *userdata, NtsAead aead, const uint8_t *key, AeadText nonce, AeadText associated,
                   AeadText plain, uint8_t *ret, size_t size)
{
    if (nonce_length(userdata, aead) == 0 || nonce.length == 0 || size < plain.length + TAG)
        return 0;
    if (plain.length > 0)
        memcpy(ret, plain.bytes, plain.length);
    memset(ret + plain.length, tag_of(key, nonce, associated, plain), TAG);
    return plain.length + TAG;
}

static bool open_sealed(void *userdata, NtsAead aead, const uint8_t *key, AeadText nonce, AeadText associated,
                        AeadText sealed, uint8_t *ret, size_t size, size_t *ret_length)
{
    if (nonce_length(userdata, aead) == 0 || nonce.length == 0 || sealed.length < TAG ||
        size < sealed.length - TAG)
        return false;
    AeadText plain = {sealed.bytes, sealed.length - TAG};
    uint8_t tag = tag_of(key, nonce, associated, plain);
    for (size_t i = plain.length; i < sealed.length; i++)
        if (sealed.bytes[i] != tag)
            return false;
    if (plain.length > 0)
        memcpy(ret, plain.bytes, plain.length);
    *ret_length = plain.length;
    return true;
}

Aead toy_aead(void)
{
    return (Aead) {.nonce_length = nonce_length, .seal = seal, .open = open_sealed};
}

NtsKeys toy_keys(uint8_t byte)
{
    NtsKeys keys = {.aead = byte % 2 ? NTS_AEAD_AES_SIV_CMAC_256 : NTS_AEAD_AES_128_GCM_SIV};

    keys.length = (uint8_t) nts_aead_key_length(keys.aead);
    memset(keys.c2s, byte, sizeof(keys.c2s));
    memset(keys.s2c, byte + 1, sizeof(keys.s2c));
    return keys;
}

static bool open_cookie(void *userdata, const uint8_t *cookie, size_t length, NtsKeys *ret)
{
    (void) userdata;
    if (length < 2 || cookie[0] != MAGIC)
        return false;
    *ret = toy_keys(cookie[1]);
    return true;
}

static size_t seal_cookie(void *userdata, const NtsKeys *keys, uint8_t ret[static NTS_COOKIE_MAX])
{
    size_t length = *(const size_t *) userdata;

    memset(ret, 0, length);
    ret[0] = MAGIC;
    ret[1] = keys->c2s[0];
    return length;
}

CookieJar toy_jar(const size_t *length)
{
    return (CookieJar) {.open = open_cookie, .seal = seal_cookie, .userdata = (void *) length};
}
