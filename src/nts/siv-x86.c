// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* SIV with the AES instructions of x86 processors; see siv.h.
 *
 * A block is a register, first byte lowest. Nothing here branches on a secret or looks into a table by one:
 * what decides are lengths. The chains of CMAC that do not need each other (associated data, nonce, all but
 * the end of the text) stand one after another, and the processor runs them side by side by itself.
 *
 * A text that does not end with a block is not copied: its last 16 bytes are loaded whole and moved, by masks
 * that are taken out of a longer row at the right place. */

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#include "nts/siv.h"

#define native_ __attribute__((target("aes,ssse3")))
#define inline_ static inline __attribute__((always_inline, target("aes,ssse3")))

#define BLOCK  16
#define ROUNDS 10
/* Blocks of the stream that are made at once. */
#define WIDTH  4

typedef struct NativeKey {
    __m128i mac[ROUNDS + 1], stream[ROUNDS + 1]; /* the two halves, expanded */
    __m128i whole, padded;                       /* what the last block of a CMAC is mixed with: K1, K2 */
    __m128i first;                               /* S2V's start, doubled */
} NativeKey;

static_assert(sizeof(NativeKey) <= sizeof(SivKey), "fits in");

static const uint8_t slide[3 * BLOCK] = {
    [0 ... 15] = 0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, [32 ... 47] = 0x80,
};
static const uint8_t padding[2 * BLOCK] = {[BLOCK] = 0x80};

inline_ __m128i load(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i_u *) bytes);
}

/* Bytes move `count` (0..16) places to the front, or to the end; zeros come in. */
inline_ __m128i to_front(__m128i block, size_t count)
{
    return _mm_shuffle_epi8(block, load(slide + BLOCK + count));
}

inline_ __m128i to_end(__m128i block, size_t count)
{
    return _mm_shuffle_epi8(block, load(slide + BLOCK - count));
}

/* The first `length` (0..15) bytes of a block, which has nothing behind them, with the padding of CMAC. */
inline_ __m128i pad(__m128i block, size_t length)
{
    return _mm_xor_si128(block, load(padding + BLOCK - length));
}

/* A text shorter than a block; zeros behind it. */
inline_ __m128i load_short(const uint8_t *bytes, size_t length)
{
    uint8_t block[BLOCK] = {0};

    if (length > 0)
        memcpy(block, bytes, length);
    return load(block);
}

/* Times x in the field of CMAC (RFC 4493): the first byte is the highest. */
inline_ __m128i doubled(__m128i block)
{
    uint64_t words[2];

    _mm_storeu_si128((__m128i_u *) words, block);
    uint64_t high = __builtin_bswap64(words[0]), low = __builtin_bswap64(words[1]);
    uint64_t carry = -(high >> 63);
    high = high << 1 | low >> 63;
    low = low << 1 ^ (carry & 0x87);
    return _mm_set_epi64x((long long) __builtin_bswap64(low), (long long) __builtin_bswap64(high));
}

inline_ __m128i encrypt(const __m128i *key, __m128i block)
{
    block = _mm_xor_si128(block, key[0]);
    block = _mm_aesenc_si128(block, key[1]);
    block = _mm_aesenc_si128(block, key[2]);
    block = _mm_aesenc_si128(block, key[3]);
    block = _mm_aesenc_si128(block, key[4]);
    block = _mm_aesenc_si128(block, key[5]);
    block = _mm_aesenc_si128(block, key[6]);
    block = _mm_aesenc_si128(block, key[7]);
    block = _mm_aesenc_si128(block, key[8]);
    block = _mm_aesenc_si128(block, key[9]);
    return _mm_aesenclast_si128(block, key[10]);
}

/* One round of the key schedule (FIPS 197, section 5.2). The last word, rotated, stands in all columns, so
 * that a last round of AES does nothing to it but substitute its bytes and add the constant. */
inline_ __m128i next_round(__m128i key, uint8_t constant)
{
    const __m128i rotated = _mm_shuffle_epi8(key, _mm_set1_epi32(0x0c0f0e0d));
    const __m128i word = _mm_aesenclast_si128(rotated, _mm_set1_epi32(constant));

    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, word);
}

native_ static void prepare(const uint8_t bytes[static SIV_KEY_SIZE], SivKey *ret)
{
    static const uint8_t constants[ROUNDS] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};
    NativeKey *key = (NativeKey *) ret->state;

    key->mac[0] = load(bytes);
    key->stream[0] = load(bytes + BLOCK);
    for (size_t i = 0; i < ROUNDS; i++) {
        key->mac[i + 1] = next_round(key->mac[i], constants[i]);
        key->stream[i + 1] = next_round(key->stream[i], constants[i]);
    }
    key->whole = doubled(encrypt(key->mac, _mm_setzero_si128()));
    key->padded = doubled(key->whole);
    /* The CMAC of a block of zeros. */
    key->first = doubled(encrypt(key->mac, key->whole));
}

/* The chain of CMAC over whole blocks. */
inline_ __m128i chain(const NativeKey *key, __m128i state, const uint8_t *bytes, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++)
        state = encrypt(key->mac, _mm_xor_si128(state, load(bytes + i * BLOCK)));
    return state;
}

inline_ __m128i end_chain(const NativeKey *key, __m128i state, __m128i last, __m128i mask)
{
    return encrypt(key->mac, _mm_xor_si128(_mm_xor_si128(state, last), mask));
}

inline_ __m128i cmac(const NativeKey *key, const uint8_t *bytes, size_t length)
{
    __m128i state = _mm_setzero_si128();

    if (length < BLOCK)
        return end_chain(key, state, pad(load_short(bytes, length), length), key->padded);
    size_t rest = length % BLOCK;
    state = chain(key, state, bytes, length / BLOCK - (rest == 0));
    __m128i last = load(bytes + length - BLOCK);
    if (rest == 0)
        return end_chain(key, state, last, key->whole);
    return end_chain(key, state, pad(to_front(last, BLOCK - rest), rest), key->padded);
}

/* The CMAC of a text of at least a block, of which the last 16 bytes are mixed with `mixed`. */
inline_ __m128i cmac_mixed_end(const NativeKey *key, const uint8_t *bytes, size_t length, __m128i mixed)
{
    size_t rest = length % BLOCK, whole = length / BLOCK - 1;
    __m128i state = chain(key, _mm_setzero_si128(), bytes, whole);
    __m128i last = _mm_xor_si128(load(bytes + length - BLOCK), mixed);

    if (rest == 0)
        return end_chain(key, state, last, key->whole);
    __m128i before = _mm_xor_si128(load(bytes + whole * BLOCK), to_end(mixed, rest));
    state = encrypt(key->mac, _mm_xor_si128(state, before));
    return end_chain(key, state, pad(to_front(last, BLOCK - rest), rest), key->padded);
}

/* S2V of RFC 5297, section 2.4: the tag. */
inline_ __m128i tag_of(const NativeKey *key, AeadText nonce, AeadText associated, const uint8_t *plain,
                       size_t length)
{
    __m128i mixed = _mm_xor_si128(key->first, cmac(key, associated.bytes, associated.length));

    mixed = _mm_xor_si128(doubled(mixed), cmac(key, nonce.bytes, nonce.length));
    if (length >= BLOCK)
        return cmac_mixed_end(key, plain, length, mixed);
    mixed = _mm_xor_si128(doubled(mixed), pad(load_short(plain, length), length));
    return end_chain(key, _mm_setzero_si128(), mixed, key->whole);
}

/* Block i of the stream. The counter begins with a clear highest bit: it is never more than its last four
 * bytes. */
inline_ __m128i stream_block(const NativeKey *key, __m128i counter, size_t i)
{
    const __m128i reverse = _mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

    counter = _mm_add_epi32(_mm_shuffle_epi8(counter, reverse), _mm_set_epi32((int) i, 0, 0, 0));
    return encrypt(key->stream, _mm_shuffle_epi8(counter, reverse));
}

/* Mixes a text with the stream that belongs to a tag. */
inline_ void mix_stream(const NativeKey *key, __m128i tag, const uint8_t *from, size_t length, uint8_t *to)
{
    const __m128i cleared = _mm_set_epi32((int) 0xffffff7f, (int) 0xffffff7f, -1, -1);
    __m128i counter = _mm_and_si128(tag, cleared), before = _mm_setzero_si128();
    size_t whole = length / BLOCK, rest = length % BLOCK;

    for (size_t i = 0; i < whole; i++) {
        before = stream_block(key, counter, i);
        _mm_storeu_si128((__m128i_u *) (to + i * BLOCK), _mm_xor_si128(load(from + i * BLOCK), before));
    }
    if (rest == 0)
        return;
    __m128i stream = stream_block(key, counter, whole);
    if (whole == 0) {
        uint8_t last[BLOCK];
        _mm_storeu_si128((__m128i_u *) last, _mm_xor_si128(load_short(from, rest), stream));
        memcpy(to, last, rest);
        return;
    }
    /* The last 16 bytes, some of them once more. */
    stream = _mm_or_si128(to_front(before, rest), to_end(stream, BLOCK - rest));
    _mm_storeu_si128((__m128i_u *) (to + length - BLOCK), _mm_xor_si128(load(from + length - BLOCK), stream));
}

native_ static void seal(const SivKey *state, AeadText nonce, AeadText associated, AeadText plain,
                         uint8_t *ret)
{
    const NativeKey *key = (const NativeKey *) state->state;
    __m128i tag = tag_of(key, nonce, associated, plain.bytes, plain.length);

    _mm_storeu_si128((__m128i_u *) ret, tag);
    mix_stream(key, tag, plain.bytes, plain.length, ret + SIV_TAG_SIZE);
}

native_ static bool open_sealed(const SivKey *state, AeadText nonce, AeadText associated, AeadText sealed,
                                uint8_t *ret)
{
    const NativeKey *key = (const NativeKey *) state->state;
    size_t length = sealed.length - SIV_TAG_SIZE;
    __m128i tag = load(sealed.bytes);

    mix_stream(key, tag, sealed.bytes + SIV_TAG_SIZE, length, ret);
    __m128i right = tag_of(key, nonce, associated, ret, length);
    return _mm_movemask_epi8(_mm_cmpeq_epi8(tag, right)) == 0xffff;
}

static const SivCipher native = {.prepare = prepare, .seal = seal, .open = open_sealed};

const SivCipher *siv_native(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("ssse3") ? &native : NULL;
}
