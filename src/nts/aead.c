// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See aead.h. */

#include "nts/aead.h"

#include <nettle/siv-cmac.h>
#include <string.h>

#include "nts/aead-gcm-siv.h"

/* Of what we seal; others may have any length with SIV. */
#define SIV_NONCE 16

static size_t nonce_length(void *userdata, NtsAead aead)
{
    (void) userdata;
    switch (aead) {
    case NTS_AEAD_AES_SIV_CMAC_256: return SIV_NONCE;
    case NTS_AEAD_AES_128_GCM_SIV: return aead_gcm_siv_nonce_length();
    case NTS_AEAD_NONE: break;
    }
    return 0;
}

static size_t siv_seal(const uint8_t *key, AeadText nonce, AeadText associated, AeadText plain, uint8_t *ret,
                       size_t size)
{
    struct siv_cmac_aes128_ctx context;
    size_t length = plain.length + SIV_DIGEST_SIZE;

    if (nonce.length < SIV_MIN_NONCE_SIZE || plain.length > SIZE_MAX - SIV_DIGEST_SIZE || size < length)
        return 0;
    siv_cmac_aes128_set_key(&context, key);
    siv_cmac_aes128_encrypt_message(&context, nonce.length, nonce.bytes, associated.length, associated.bytes,
                                    length, ret, plain.bytes);
    explicit_bzero(&context, sizeof(context));
    return length;
}

static bool siv_open(const uint8_t *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret,
                     size_t size, size_t *ret_length)
{
    struct siv_cmac_aes128_ctx context;

    if (nonce.length < SIV_MIN_NONCE_SIZE || sealed.length < SIV_DIGEST_SIZE ||
        size < sealed.length - SIV_DIGEST_SIZE)
        return false;
    size_t length = sealed.length - SIV_DIGEST_SIZE;
    siv_cmac_aes128_set_key(&context, key);
    bool good = siv_cmac_aes128_decrypt_message(&context, nonce.length, nonce.bytes, associated.length,
                                                associated.bytes, length, ret, sealed.bytes) == 1;
    explicit_bzero(&context, sizeof(context));
    if (good)
        *ret_length = length;
    return good;
}

static size_t seal(void *userdata, NtsAead aead, const uint8_t *key, AeadText nonce, AeadText associated,
                   AeadText plain, uint8_t *ret, size_t size)
{
    (void) userdata;
    switch (aead) {
    case NTS_AEAD_AES_SIV_CMAC_256: return siv_seal(key, nonce, associated, plain, ret, size);
    case NTS_AEAD_AES_128_GCM_SIV: return aead_gcm_siv_seal(key, nonce, associated, plain, ret, size);
    case NTS_AEAD_NONE: break;
    }
    return 0;
}

static bool open_sealed(void *userdata, NtsAead aead, const uint8_t *key, AeadText nonce, AeadText associated,
                        AeadText sealed, uint8_t *ret, size_t size, size_t *ret_length)
{
    (void) userdata;
    switch (aead) {
    case NTS_AEAD_AES_SIV_CMAC_256: return siv_open(key, nonce, associated, sealed, ret, size, ret_length);
    case NTS_AEAD_AES_128_GCM_SIV:
        return aead_gcm_siv_open(key, nonce, associated, sealed, ret, size, ret_length);
    case NTS_AEAD_NONE: break;
    }
    return false;
}

Aead aead_ciphers(void)
{
    return (Aead) {.nonce_length = nonce_length, .seal = seal, .open = open_sealed};
}
