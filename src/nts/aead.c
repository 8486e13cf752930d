// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See aead.h. SIV comes from nettle itself, which is where gnutls has it from: without handles there is
 * nothing to allocate or to share, and a server's threads are kept busy with little else. */

#include "nts/aead.h"

#include <nettle/nettle-meta.h>
#include <string.h>

#include "nts/aead-gcm-siv.h"
#include "nts/aead-key.h"

/* Of what we seal; others may have any length with SIV. */
#define SIV_NONCE 16

size_t aead_nonce_length(NtsAead aead)
{
    switch (aead) {
    case NTS_AEAD_AES_SIV_CMAC_256: return SIV_NONCE;
    case NTS_AEAD_AES_128_GCM_SIV: return aead_gcm_siv_nonce_length();
    case NTS_AEAD_NONE: break;
    }
    return 0;
}

void aead_key_init(AeadKey *key, NtsAead aead, const uint8_t *bytes)
{
    key->aead = aead;
    memcpy(key->bytes, bytes, nts_aead_key_length(aead));
    if (aead == NTS_AEAD_AES_SIV_CMAC_256)
        siv_cmac_aes128_set_key(&key->siv, bytes);
}

/* --- AEAD_AES_SIV_CMAC_256 --- */

static size_t siv_seal(const struct siv_cmac_aes128_ctx *key, AeadText nonce, AeadText associated,
                       AeadText plain, uint8_t *ret, size_t size)
{
    if (nonce.length < SIV_MIN_NONCE_SIZE || size < SIV_DIGEST_SIZE || size - SIV_DIGEST_SIZE < plain.length)
        return 0;
    siv_cmac_aes128_encrypt_message(key, nonce.length, nonce.bytes, associated.length, associated.bytes,
                                    plain.length + SIV_DIGEST_SIZE, ret, plain.bytes);
    return plain.length + SIV_DIGEST_SIZE;
}

static bool siv_open(const struct siv_cmac_aes128_ctx *key, AeadText nonce, AeadText associated,
                     AeadText sealed, uint8_t *ret, size_t size, size_t *ret_length)
{
    if (nonce.length < SIV_MIN_NONCE_SIZE || sealed.length < SIV_DIGEST_SIZE ||
        size < sealed.length - SIV_DIGEST_SIZE)
        return false;
    size_t length = sealed.length - SIV_DIGEST_SIZE;
    if (siv_cmac_aes128_decrypt_message(key, nonce.length, nonce.bytes, associated.length, associated.bytes,
                                        length, ret, sealed.bytes) != 1)
        return false;
    *ret_length = length;
    return true;
}

static size_t siv_seal_once(const uint8_t *bytes, AeadText nonce, AeadText associated, AeadText plain,
                            uint8_t *ret, size_t size)
{
    struct siv_cmac_aes128_ctx key;

    siv_cmac_aes128_set_key(&key, bytes);
    size_t length = siv_seal(&key, nonce, associated, plain, ret, size);
    explicit_bzero(&key, sizeof(key));
    return length;
}

/* The first half of a key proves, the second one hides. Where nothing is hidden, as in a request, the second
 * one would be made ready for nothing. */
static void set_proving_key(struct siv_cmac_aes128_ctx *key, const uint8_t *bytes)
{
    aes128_set_encrypt_key(&key->cmac_cipher, bytes);
    cmac128_set_key(&key->cmac_key, &key->cmac_cipher, nettle_aes128.encrypt);
    key->ctr_cipher = key->cmac_cipher;
}

static bool siv_open_once(const uint8_t *bytes, AeadText nonce, AeadText associated, AeadText sealed,
                          uint8_t *ret, size_t size, size_t *ret_length)
{
    struct siv_cmac_aes128_ctx key;

    if (sealed.length <= SIV_DIGEST_SIZE)
        set_proving_key(&key, bytes);
    else
        siv_cmac_aes128_set_key(&key, bytes);
    bool good = siv_open(&key, nonce, associated, sealed, ret, size, ret_length);
    explicit_bzero(&key, sizeof(key));
    return good;
}

/* --- all of them --- */

size_t aead_key_seal(const AeadKey *key, AeadText nonce, AeadText associated, AeadText plain, uint8_t *ret,
                     size_t size)
{
    switch (key->aead) {
    case NTS_AEAD_AES_SIV_CMAC_256: return siv_seal(&key->siv, nonce, associated, plain, ret, size);
    case NTS_AEAD_AES_128_GCM_SIV: return aead_gcm_siv_seal(key->bytes, nonce, associated, plain, ret, size);
    case NTS_AEAD_NONE: break;
    }
    return 0;
}

bool aead_key_open(const AeadKey *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret,
                   size_t size, size_t *ret_length)
{
    switch (key->aead) {
    case NTS_AEAD_AES_SIV_CMAC_256:
        return siv_open(&key->siv, nonce, associated, sealed, ret, size, ret_length);
    case NTS_AEAD_AES_128_GCM_SIV:
        return aead_gcm_siv_open(key->bytes, nonce, associated, sealed, ret, size, ret_length);
    case NTS_AEAD_NONE: break;
    }
    return false;
}

static size_t nonce_length(void *userdata, NtsAead aead)
{
    (void) userdata;
    return aead_nonce_length(aead);
}

static size_t seal(void *userdata, NtsAead aead, const uint8_t *key, AeadText nonce, AeadText associated,
                   AeadText plain, uint8_t *ret, size_t size)
{
    (void) userdata;
    switch (aead) {
    case NTS_AEAD_AES_SIV_CMAC_256: return siv_seal_once(key, nonce, associated, plain, ret, size);
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
    case NTS_AEAD_AES_SIV_CMAC_256:
        return siv_open_once(key, nonce, associated, sealed, ret, size, ret_length);
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
