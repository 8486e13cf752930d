// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See aead-gcm-siv.h. */

#include "nts/aead-gcm-siv.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#define KEY_LENGTH   16
#define NONCE_LENGTH 12
#define TAG_LENGTH   16

size_t aead_gcm_siv_nonce_length(void)
{
    /* What was compiled against may be newer than what runs, or a policy may forbid the cipher. */
    return gnutls_cipher_get_tag_size(GNUTLS_CIPHER_AES_128_SIV_GCM) == TAG_LENGTH ? NONCE_LENGTH : 0;
}

static gnutls_aead_cipher_hd_t cipher_new(const uint8_t *key)
{
    const gnutls_datum_t datum = {(uint8_t *) key, KEY_LENGTH};
    gnutls_aead_cipher_hd_t handle;

    return gnutls_aead_cipher_init(&handle, GNUTLS_CIPHER_AES_128_SIV_GCM, &datum) < 0 ? NULL : handle;
}

size_t aead_gcm_siv_seal(const uint8_t *key, AeadText nonce, AeadText associated, AeadText plain,
                         uint8_t *ret, size_t size)
{
    gnutls_aead_cipher_hd_t handle;
    size_t length = size;

    if (nonce.length != NONCE_LENGTH || !(handle = cipher_new(key)))
        return 0;
    int r = gnutls_aead_cipher_encrypt(handle, nonce.bytes, nonce.length, associated.bytes, associated.length,
                                       TAG_LENGTH, plain.bytes, plain.length, ret, &length);
    gnutls_aead_cipher_deinit(handle);
    return r < 0 ? 0 : length;
}

bool aead_gcm_siv_open(const uint8_t *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret,
                       size_t size, size_t *ret_length)
{
    gnutls_aead_cipher_hd_t handle;
    size_t length = size;

    if (nonce.length != NONCE_LENGTH || sealed.length < TAG_LENGTH || size < sealed.length - TAG_LENGTH ||
        !(handle = cipher_new(key)))
        return false;
    int r = gnutls_aead_cipher_decrypt(handle, nonce.bytes, nonce.length, associated.bytes, associated.length,
                                       TAG_LENGTH, sealed.bytes, sealed.length, ret, &length);
    gnutls_aead_cipher_deinit(handle);
    if (r >= 0)
        *ret_length = length;
    return r >= 0;
}
