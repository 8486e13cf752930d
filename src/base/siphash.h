// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed hash. Whoever does not know the key can neither
 * predict a value nor make two inputs collide, which keeps hash tables honest and gives random bits from a
 * counter. */

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY_SIZE 16

typedef struct SipKey {
    uint64_t words[2];
} SipKey;

SipKey siphash_key(const uint8_t bytes[static SIPHASH_KEY_SIZE]);
uint64_t siphash(const SipKey *key, const uint8_t *bytes, size_t length);

/* The same as of the eight bytes of a word, least significant first. */
uint64_t siphash_word(const SipKey *key, uint64_t word);

/* The same as of the `length` lowest bytes of a word, seven at most; the others are 0. One block, where
 * eight bytes take two. */
uint64_t siphash_short(const SipKey *key, uint64_t word, size_t length);
