// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* AEAD_AES_SIV_CMAC_256 (RFC 5297), in two implementations that give the same results: nettle's, and one with
 * the processor's own AES instructions, which is several times as fast, as a server needs it: three of the
 * four keys of a request are new ones. A text is taken with one piece of associated data and a nonce, which
 * may have any length but 0. */

#include "core/ntp/aead.h"

#define SIV_KEY_SIZE 32
/* That a sealed text is longer, bytes. */
#define SIV_TAG_SIZE 16

/* A key that is made ready, as an implementation likes it. A secret. */
typedef struct SivKey {
    _Alignas(16) uint8_t state[416];
} SivKey;

typedef struct SivCipher {
    void (*prepare)(const uint8_t key[static SIV_KEY_SIZE], SivKey *ret);
    /* Writes plain.length + SIV_TAG_SIZE bytes, which may not overlap the texts. */
    void (*seal)(const SivKey *key, AeadText nonce, AeadText associated, AeadText plain, uint8_t *ret);
    /* sealed: at least SIV_TAG_SIZE bytes. Writes the rest of its length, which is worth nothing if it
     * returns false. */
    bool (*open)(const SivKey *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret);
} SivCipher;

extern const SivCipher SIV_NETTLE;

/* With the instructions of this processor; NULL: it has none, or we do not know them. */
const SivCipher *siv_native(void);

/* The best one here. */
const SivCipher *siv_cipher(void);
