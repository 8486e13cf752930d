// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* SipHash-2-4, after the paper; see siphash.h. */

#include "base/siphash.h"

#include <endian.h>
#include <string.h>

typedef struct SipState {
    uint64_t v0, v1, v2, v3;
} SipState;

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(SipState *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline SipState start(const SipKey *key)
{
    return (SipState) {
        .v0 = UINT64_C(0x736f6d6570736575) ^ key->words[0],
        .v1 = UINT64_C(0x646f72616e646f6d) ^ key->words[1],
        .v2 = UINT64_C(0x6c7967656e657261) ^ key->words[0],
        .v3 = UINT64_C(0x7465646279746573) ^ key->words[1],
    };
}

static inline void compress(SipState *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t finish(SipState *s, uint64_t last)
{
    compress(s, last);
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t whole_word(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return le64toh(word);
}

/* The same of fewer than eight bytes. */
static inline uint64_t short_word(const uint8_t *bytes, size_t length)
{
    uint64_t word = 0;
    uint32_t half;

    if (length >= sizeof(half)) {
        memcpy(&half, bytes, sizeof(half));
        word = le32toh(half);
    }
    for (size_t i = length & 4; i < length; i++)
        word |= (uint64_t) bytes[i] << (8 * i);
    return word;
}

SipKey siphash_key(const uint8_t bytes[static SIPHASH_KEY_SIZE])
{
    return (SipKey) {{whole_word(bytes), whole_word(bytes + 8)}};
}

uint64_t siphash(const SipKey *key, const uint8_t *bytes, size_t length)
{
    SipState state = start(key);
    size_t i = 0;

    for (; i + 8 <= length; i += 8)
        compress(&state, whole_word(bytes + i));
    return finish(&state, short_word(bytes + i, length - i) | (uint64_t) length << 56);
}

uint64_t siphash_short(const SipKey *key, uint64_t word, size_t length)
{
    SipState state = start(key);

    return finish(&state, word | (uint64_t) length << 56);
}

uint64_t siphash_word(const SipKey *key, uint64_t word)
{
    SipState state = start(key);

    compress(&state, word);
    return finish(&state, UINT64_C(8) << 56);
}
