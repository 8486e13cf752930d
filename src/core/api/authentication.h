// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Symmetric keys as far as they are no secret: their types, and what is told about them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/api/nts.h"

/* The numbers are those of chrony's monitoring protocol. */
typedef enum KeyType {
    KEY_TYPE_NONE = 0,
    KEY_TYPE_MD5 = 1,
    KEY_TYPE_SHA1 = 2,
    KEY_TYPE_SHA256 = 3,
    KEY_TYPE_SHA384 = 4,
    KEY_TYPE_SHA512 = 5,
    KEY_TYPE_SHA3_224 = 6,
    KEY_TYPE_SHA3_256 = 7,
    KEY_TYPE_SHA3_384 = 8,
    KEY_TYPE_SHA3_512 = 9,
    KEY_TYPE_AES128 = 13, /* CMAC, RFC 8573 */
    KEY_TYPE_AES256 = 14,
} KeyType;

typedef struct KeyTypeInfo {
    KeyType type;
    const char *name;   /* as the key file writes it */
    uint8_t mac_length; /* bytes of the whole digest */
    uint8_t key_length; /* bytes that a key must have; 0: any number */
} KeyTypeInfo;

/* Every one, in the order of the numbers; terminated by a NULL name. */
extern const KeyTypeInfo KEY_TYPES[];

/* NULL: there is none. Case matters. */
const KeyTypeInfo *key_type_find(const char *name);
/* "SHA1"; "" for KEY_TYPE_NONE. */
const char *key_type_name(KeyType type);

/* A key with fewer bits is worth a warning. */
#define KEY_BITS_MIN 80

/* What is known of a key without its secret. */
typedef struct KeyInfo {
    KeyType type;
    uint32_t bits;      /* of the secret */
    uint8_t mac_length; /* bytes of the whole digest */
} KeyInfo;

typedef enum AuthenticationMode {
    AUTHENTICATION_NONE = 0,
    AUTHENTICATION_SYMMETRIC,
    AUTHENTICATION_NTS,
} AuthenticationMode;

/* How a source is authenticated: `authdata`. */
typedef struct AuthenticationReport {
    AuthenticationMode mode;
    uint32_t key; /* its identifier; with NTS: how many key establishments have succeeded */
    bool has_key; /* the key file has it, or with NTS: there are keys and cookies; if not, nothing is asked */
    KeyInfo info; /* of a symmetric key that is there */
    NtsAead aead; /* of NTS, as all that follows; NTS_AEAD_NONE: no keys */
    uint32_t aead_bits;         /* of each of the two keys */
    double since_establishment; /* s since there were new keys; negative: never */
    uint32_t attempts;          /* to establish keys since then */
    uint32_t naks;              /* kisses that our cookie is no good since the last good answer */
    uint32_t cookies;           /* that are left */
    uint32_t cookie_length;     /* bytes; 0: there was none yet */
    NtsFailure failure;         /* of the last attempt */
    NtsValidity validity;       /* of the certificates that the keys come from; 0 and 0: unknown */
    bool unproven;              /* they were not held against the truth yet */
} AuthenticationReport;

/* "none", "symmetric" or "nts", as on the bus. */
const char *authentication_mode_name(AuthenticationMode mode);
/* The other way; AUTHENTICATION_NONE for anything else. */
AuthenticationMode authentication_mode_find(const char *name);
