// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See aead-gcm-siv.h: what stands in where gnutls lacks the cipher. */

#include "nts/aead-gcm-siv.h"

size_t aead_gcm_siv_nonce_length(void)
{
    return 0;
}

size_t aead_gcm_siv_seal(const uint8_t *key, AeadText nonce, AeadText associated, AeadText plain,
                         uint8_t *ret, size_t size)
{
    (void) key, (void) nonce, (void) associated, (void) plain, (void) ret, (void) size;
    return 0;
}

bool aead_gcm_siv_open(const uint8_t *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret,
                       size_t size, size_t *ret_length)
{
    (void) key, (void) nonce, (void) associated, (void) sealed, (void) ret, (void) size, (void) ret_length;
    return false;
}
