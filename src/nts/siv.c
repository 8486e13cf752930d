// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The implementation of nettle, and the choice; see siv.h. */

#include "nts/siv.h"

#include <assert.h>
#include <nettle/siv-cmac.h>

static_assert(sizeof(struct siv_cmac_aes128_ctx) <= sizeof(SivKey), "a key of nettle fits in");
static_assert(SIV_DIGEST_SIZE == SIV_TAG_SIZE && SIV_MIN_NONCE_SIZE == 1, "as siv.h says");

static void prepare(const uint8_t key[static SIV_KEY_SIZE], SivKey *ret)
{
    siv_cmac_aes128_set_key((struct siv_cmac_aes128_ctx *) ret->state, key);
}

static void seal(const SivKey *key, AeadText nonce, AeadText associated, AeadText plain, uint8_t *ret)
{
    siv_cmac_aes128_encrypt_message((const struct siv_cmac_aes128_ctx *) key->state, nonce.length,
                                    nonce.bytes, associated.length, associated.bytes,
                                    plain.length + SIV_TAG_SIZE, ret, plain.bytes);
}

static bool open_sealed(const SivKey *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret)
{
    return siv_cmac_aes128_decrypt_message((const struct siv_cmac_aes128_ctx *) key->state, nonce.length,
                                           nonce.bytes, associated.length, associated.bytes,
                                           sealed.length - SIV_TAG_SIZE, ret, sealed.bytes) == 1;
}

const SivCipher SIV_NETTLE = {.prepare = prepare, .seal = seal, .open = open_sealed};

const SivCipher *siv_cipher(void)
{
    const SivCipher *native = siv_native();

    return native ? native : &SIV_NETTLE;
}
