// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Authenticated encryption with associated data (RFC 5116), and the cookies of our own server, as ports: core
 * writes and reads the extension fields of NTS (RFC 8915, section 5), somebody else has the ciphers and the
 * key that cookies are sealed with. All functions may be called from several threads at once. */

#include "base/macros.h"
#include "core/api/nts.h"

/* What an AEAD adds at most to what it seals, bytes. */
#define AEAD_OVERHEAD_MAX 16
/* What a nonce is for every AEAD that we know, at most, bytes. */
#define AEAD_NONCE_MAX    16

typedef struct AeadText {
    const uint8_t *bytes;
    size_t length;
} AeadText;

/* Without functions there is no NTS. */
typedef struct Aead {
    /* Length of the nonce that a seal has to be given, bytes; 0: this machine does not have that AEAD. */
    size_t (*nonce_length)(void *userdata, NtsAead aead);
    /* Writes the sealed text; returns its length, 0: no such AEAD, or ret is too small. */
    size_t (*seal)(void *userdata, NtsAead aead, const uint8_t *key, AeadText nonce, AeadText associated,
                   AeadText plain, uint8_t *ret, size_t size);
    /* The other way. False: it is not what was sealed with that key, or does not fit; ret has nothing of
     * use. */
    bool (*open)(void *userdata, NtsAead aead, const uint8_t *key, AeadText nonce, AeadText associated,
                 AeadText sealed, uint8_t *ret, size_t size, size_t *ret_length);
    void *userdata;
} Aead;

/* The server's own cookies. Without functions the server has no NTS. */
typedef struct CookieJar {
    /* False: not one of ours, or of a key that is gone. */
    bool (*open)(void *userdata, const uint8_t *cookie, size_t length, NtsKeys *ret);
    /* Writes a new cookie for these keys. Returns its length, the same for all cookies of an AEAD; 0: none
     * can be made now. */
    size_t (*seal)(void *userdata, const NtsKeys *keys, uint8_t ret[static NTS_COOKIE_MAX]);
    void *userdata;
} CookieJar;
