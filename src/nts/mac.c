// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See mac.h. One-shot functions on the stack: nothing is allocated, no state is shared. */

#include "nts/mac.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "core/api/action.h"

static gnutls_digest_algorithm_t digest_of(KeyType type)
{
    switch (type) {
    case KEY_TYPE_MD5: return GNUTLS_DIG_MD5;
    case KEY_TYPE_SHA1: return GNUTLS_DIG_SHA1;
    case KEY_TYPE_SHA256: return GNUTLS_DIG_SHA256;
    case KEY_TYPE_SHA384: return GNUTLS_DIG_SHA384;
    case KEY_TYPE_SHA512: return GNUTLS_DIG_SHA512;
    case KEY_TYPE_SHA3_224: return GNUTLS_DIG_SHA3_224;
    case KEY_TYPE_SHA3_256: return GNUTLS_DIG_SHA3_256;
    case KEY_TYPE_SHA3_384: return GNUTLS_DIG_SHA3_384;
    case KEY_TYPE_SHA3_512: return GNUTLS_DIG_SHA3_512;
    case KEY_TYPE_NONE:
    case KEY_TYPE_AES128:
    case KEY_TYPE_AES256: break;
    }
    return GNUTLS_DIG_UNKNOWN;
}

/* gnutls takes a key of another length for a bug of its caller and aborts: such a key is of no type. */
static gnutls_mac_algorithm_t cmac_of(KeyType type, size_t secret_length)
{
    return type == KEY_TYPE_AES128 && secret_length == 16   ? GNUTLS_MAC_AES_CMAC_128
           : type == KEY_TYPE_AES256 && secret_length == 32 ? GNUTLS_MAC_AES_CMAC_256
                                                            : GNUTLS_MAC_UNKNOWN;
}

/* MD5 is no approved digest, but the one that old servers have. */
static void allow_old_digests(KeyType type)
{
    if (type == KEY_TYPE_MD5 && gnutls_fips140_mode_enabled())
        gnutls_fips140_set_mode(GNUTLS_FIPS140_LAX, GNUTLS_FIPS140_SET_MODE_THREAD);
}

/* gnutls wants the input of a digest in one piece. */
static int digest(gnutls_digest_algorithm_t algorithm, const uint8_t *secret, size_t secret_length,
                  const uint8_t *message, size_t length, uint8_t *ret)
{
    uint8_t input[MAC_KEY_MAX + NTP_PACKET_MAX];

    memcpy(input, secret, secret_length);
    memcpy(input + secret_length, message, length);
    int r = gnutls_hash_fast(algorithm, input, secret_length + length, ret);
    explicit_bzero(input, secret_length);
    return r;
}

size_t mac_compute(KeyType type, const uint8_t *secret, size_t secret_length, const uint8_t *message,
                   size_t length, uint8_t ret[static NTP_DIGEST_MAX])
{
    gnutls_digest_algorithm_t algorithm = digest_of(type);
    gnutls_mac_algorithm_t cmac = cmac_of(type, secret_length);

    if (secret_length > MAC_KEY_MAX || length > NTP_PACKET_MAX)
        return 0;
    allow_old_digests(type);
    if (algorithm != GNUTLS_DIG_UNKNOWN) {
        int r = digest(algorithm, secret, secret_length, message, length, ret);
        return r < 0 ? 0 : gnutls_hash_get_len(algorithm);
    }
    if (cmac == GNUTLS_MAC_UNKNOWN || gnutls_hmac_fast(cmac, secret, secret_length, message, length, ret) < 0)
        return 0;
    return gnutls_hmac_get_len(cmac);
}

bool mac_is_supported(KeyType type)
{
    static const uint8_t secret[32];
    uint8_t ret[NTP_DIGEST_MAX];

    return mac_compute(type, secret, type == KEY_TYPE_AES128 ? 16 : sizeof secret, secret, 1, ret) > 0;
}
