// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Symmetric keys as far as they are no secret: their types, and what is told about them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* How a source is authenticated: `authdata`. */
typedef struct AuthenticationReport {
    uint32_t key; /* its identifier; 0: no authentication */
    bool has_key; /* the key file has it; if not, nothing is asked */
    KeyInfo info; /* KEY_TYPE_NONE without it */
} AuthenticationReport;

/* "none" or "symmetric", as on the bus. */
const char *authentication_mode_name(const AuthenticationReport *report);
