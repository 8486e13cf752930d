// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The AEADs of NTS: AEAD_AES_SIV_CMAC_256 (siv.h), which every NTS server has, and AEAD_AES_128_GCM_SIV (RFC
 * 8452) where gnutls has it. Keys have the length that nts_aead_key_length() says. */

#include "core/ntp/aead.h"
#include "nts/siv.h"

/* For keys that are used once. */
Aead aead_ciphers(void);

/* A key that is used often. A secret. */
typedef struct AeadKey {
    NtsAead aead;
    uint8_t bytes[NTS_KEY_MAX];
    SivKey siv; /* of AEAD_AES_SIV_CMAC_256 */
} AeadKey;

/* bytes: as long as a key of that AEAD. */
void aead_key_init(AeadKey *key, NtsAead aead, const uint8_t *bytes);

/* As the functions of Aead. */
size_t aead_nonce_length(NtsAead aead);
size_t aead_key_seal(const AeadKey *key, AeadText nonce, AeadText associated, AeadText plain, uint8_t *ret,
                     size_t size);
bool aead_key_open(const AeadKey *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret,
                   size_t size, size_t *ret_length);
