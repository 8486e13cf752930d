// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See aead.h. Nothing is allocated for SIV, and no state is shared: it is what a server's threads are kept
 * busy with. */

#include "nts/aead.h"

#include <string.h>

#include "nts/aead-gcm-siv.h"

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
        siv_cipher()->prepare(bytes, &key->siv);
}

/* --- AEAD_AES_SIV_CMAC_256 --- */

static size_t siv_seal(const SivKey *key, AeadText nonce, AeadText associated, AeadText plain, uint8_t *ret,
                       size_t size)
{
    if (nonce.length == 0 || size < SIV_TAG_SIZE || size - SIV_TAG_SIZE < plain.length)
        return 0;
    siv_cipher()->seal(key, nonce, associated, plain, ret);
    return plain.length + SIV_TAG_SIZE;
}

static bool siv_open(const SivKey *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret,
                     size_t size, size_t *ret_length)
{
    if (nonce.length == 0 || sealed.length < SIV_TAG_SIZE || size < sealed.length - SIV_TAG_SIZE ||
        !siv_cipher()->open(key, nonce, associated, sealed, ret))
        return false;
    *ret_length = sealed.length - SIV_TAG_SIZE;
    return true;
}

static size_t siv_seal_once(const uint8_t *bytes, AeadText nonce, AeadText associated, AeadText plain,
                            uint8_t *ret, size_t size)
{
    SivKey key;

    siv_cipher()->prepare(bytes, &key);
    size_t length = siv_seal(&key, nonce, associated, plain, ret, size);
    explicit_bzero(&key, sizeof(key));
    return length;
}

static bool siv_open_once(const uint8_t *bytes, AeadText nonce, AeadText associated, AeadText sealed,
                          uint8_t *ret, size_t size, size_t *ret_length)
{
    SivKey key;

    siv_cipher()->prepare(bytes, &key);
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
