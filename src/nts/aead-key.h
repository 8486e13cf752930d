// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* AEADs with keys that are used often: they are made ready once. Only for this folder. */

#include <nettle/siv-cmac.h>

#include "core/ntp/aead.h"

/* A secret. */
typedef struct AeadKey {
    NtsAead aead;
    uint8_t bytes[NTS_KEY_MAX];
    struct siv_cmac_aes128_ctx siv; /* of AEAD_AES_SIV_CMAC_256 */
} AeadKey;

/* bytes: as long as a key of that AEAD. */
void aead_key_init(AeadKey *key, NtsAead aead, const uint8_t *bytes);

/* As the functions of Aead. */
size_t aead_nonce_length(NtsAead aead);
size_t aead_key_seal(const AeadKey *key, AeadText nonce, AeadText associated, AeadText plain, uint8_t *ret,
                     size_t size);
bool aead_key_open(const AeadKey *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret,
                   size_t size, size_t *ret_length);
