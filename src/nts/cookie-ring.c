// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See cookie-ring.h.
 *
 * A key is found by the two lowest bits of its number; the other bits are random, so that a key of another
 * ring is seldom tried in vain. Nonces are a counter under a keyed hash: never the same one twice, and nobody
 * can tell which cookies were made one after another. */

#include "nts/cookie-ring.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hex.h"
#include "base/siphash.h"
#include "base/text.h"
#include "nts/aead-key.h"

#define KEYS            4
#define ID_SIZE         4
/* Of new keys. */
#define OWN_AEAD        NTS_AEAD_AES_SIV_CMAC_256
/* Longest line of a file: number, key, AEAD. */
#define LINE_MAX_LENGTH (8 + 1 + 2 * NTS_KEY_MAX + 1 + 5)

typedef struct ServerKey {
    uint32_t id;
    AeadKey key;
} ServerKey;

typedef struct ServerKeys {
    ServerKey items[KEYS]; /* by the lowest bits of their ids */
    size_t current;
    bool valid;
} ServerKeys;

struct CookieRing {
    pthread_rwlock_t lock;
    ServerKeys keys;
    SipKey nonce_key;
    _Atomic uint64_t nonces; /* words of nonces that were used */
};

int cookie_ring_new(CookieRing **ret)
{
    uint8_t secret[SIPHASH_KEY_SIZE];

    if (gnutls_rnd(GNUTLS_RND_RANDOM, secret, sizeof(secret)) < 0)
        return -EIO;
    CookieRing *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    int error = pthread_rwlock_init(&ring->lock, NULL);
    if (error != 0) {
        free(ring);
        return -error;
    }
    ring->nonce_key = siphash_key(secret);
    *ret = ring;
    return 0;
}

CookieRing *cookie_ring_free(CookieRing *ring)
{
    if (!ring)
        return NULL;
    (void) pthread_rwlock_destroy(&ring->lock);
    explicit_bzero(ring, sizeof(*ring));
    free(ring);
    return NULL;
}

/* --- keys --- */

/* Exchanges all keys at once. */
static void replace(CookieRing *ring, const ServerKeys *keys)
{
    (void) pthread_rwlock_wrlock(&ring->lock);
    ring->keys = *keys;
    (void) pthread_rwlock_unlock(&ring->lock);
}

static int make_key(ServerKey *key, size_t index)
{
    uint8_t bytes[NTS_KEY_MAX];
    uint32_t id;

    if (gnutls_rnd(GNUTLS_RND_KEY, bytes, nts_aead_key_length(OWN_AEAD)) < 0 ||
        gnutls_rnd(GNUTLS_RND_NONCE, &id, sizeof(id)) < 0)
        return -EIO;
    key->id = (id & ~(uint32_t) (KEYS - 1)) | (uint32_t) index;
    aead_key_init(&key->key, OWN_AEAD, bytes);
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

int cookie_ring_renew(CookieRing *ring)
{
    ServerKeys keys = {.valid = true};
    int r = 0;

    for (size_t i = 0; r >= 0 && i < KEYS; i++)
        r = make_key(&keys.items[i], i);
    if (r >= 0)
        replace(ring, &keys);
    explicit_bzero(&keys, sizeof(keys));
    return r;
}

int cookie_ring_rotate(CookieRing *ring)
{
    ServerKeys keys = ring->keys; /* that only we change */

    if (!keys.valid)
        return cookie_ring_renew(ring);
    keys.current = (keys.current + 1) % KEYS;
    size_t next = (keys.current + 1) % KEYS;
    int r = make_key(&keys.items[next], next);
    if (r >= 0)
        replace(ring, &keys);
    explicit_bzero(&keys, sizeof(keys));
    return r;
}

void cookie_ring_clear(CookieRing *ring)
{
    replace(ring, &(ServerKeys) {0});
}

bool cookie_ring_has_keys(CookieRing *ring)
{
    return ring->keys.valid;
}

/* --- the file --- */

/* From the oldest key to the one to come. */
static size_t place_of(const ServerKeys *keys, size_t i)
{
    return (keys->current + 2 + i) % KEYS;
}

/* NTS_AEAD_NONE: they have different ones. */
static NtsAead aead_of_all(const ServerKeys *keys)
{
    NtsAead aead = keys->items[0].key.aead;

    for (size_t i = 1; i < KEYS; i++)
        if (keys->items[i].key.aead != aead)
            return NTS_AEAD_NONE;
    return aead;
}

static void write_key(Text *text, const ServerKey *item)
{
    char digits[2 * NTS_KEY_MAX + 1];

    hex_encode(item->key.bytes, nts_aead_key_length(item->key.aead), digits);
    text_append_format(text, "%08X %s", item->id, digits);
    explicit_bzero(digits, sizeof(digits));
}

size_t cookie_ring_format(CookieRing *ring, double age, char ret[static COOKIE_RING_TEXT_MAX])
{
    const ServerKeys *keys = &ring->keys;
    NtsAead aead = aead_of_all(keys);
    Text text = text_init(ret, COOKIE_RING_TEXT_MAX);

    static_assert(COOKIE_RING_TEXT_MAX >= 5 + 32 + KEYS * (LINE_MAX_LENGTH + 1), "room for the longest keys");
    if (!keys->valid)
        return 0;
    age = CLAMP(age, 0.0, 1e12);
    if (aead == NTS_AEAD_NONE)
        text_append_format(&text, "NKS1\n%.1f\n", age);
    else
        text_append_format(&text, "NKS0\n%d %.1f\n", (int) aead, age);
    for (size_t i = 0; i < KEYS; i++) {
        const ServerKey *item = &keys->items[place_of(keys, i)];
        write_key(&text, item);
        if (aead == NTS_AEAD_NONE)
            text_append_format(&text, " %d", (int) item->key.aead);
        text_append(&text, "\n");
    }
    return text.length;
}

/* Words of a line, the rest of a text behind it. */
typedef struct Line {
    const char *next;
    size_t left;
    char text[LINE_MAX_LENGTH + 1];
    char *words[3];
    size_t count; /* of words; more than 3: there were too many */
} Line;

/* The next line, cut into words; false: there is none, or it is too long. */
static bool read_line(Line *line)
{
    const char *end = line->left > 0 ? memchr(line->next, '\n', line->left) : NULL;
    size_t length = end ? (size_t) (end - line->next) : line->left;
    char *rest = line->text;

    if (line->left == 0 || length > LINE_MAX_LENGTH)
        return false;
    memcpy(line->text, line->next, length);
    line->text[length] = '\0';
    line->next += length + (end != NULL);
    line->left -= length + (end != NULL);
    line->count = 0;
    for (char *word; (word = strtok_r(rest, " \t\r", &rest));)
        if (line->count++ < ELEMENTS(line->words))
            line->words[line->count - 1] = word;
    return true;
}

static bool read_aead(const char *word, NtsAead *ret)
{
    int64_t number;

    if (!text_to_int(word, &number) || number < 0 || number > UINT16_MAX ||
        aead_nonce_length((NtsAead) number) == 0)
        return false;
    *ret = (NtsAead) number;
    return true;
}

/* The two lines of the head; *ret_aead: of all keys, NTS_AEAD_NONE: each key says its own. */
static bool read_head(Line *line, NtsAead *ret_aead, double *ret_age)
{
    if (!read_line(line) || line->count != 1)
        return false;
    bool old = strcmp(line->words[0], "NKS0") == 0;
    if ((!old && strcmp(line->words[0], "NKS1") != 0) || !read_line(line) || line->count != (old ? 2 : 1) ||
        !text_to_double(line->words[line->count - 1], ret_age))
        return false;
    *ret_aead = NTS_AEAD_NONE;
    return *ret_age >= 0 && (!old || read_aead(line->words[0], ret_aead));
}

/* A key of that AEAD; NTS_AEAD_NONE: the line says which. */
static bool read_key(Line *line, NtsAead aead, ServerKey *ret)
{
    uint8_t id[ID_SIZE], bytes[NTS_KEY_MAX];

    if (!read_line(line) || line->count != (aead == NTS_AEAD_NONE ? 3 : 2) ||
        (aead == NTS_AEAD_NONE && !read_aead(line->words[2], &aead)))
        return false;
    size_t digits = 2 * nts_aead_key_length(aead);
    if (strlen(line->words[0]) != 2 * ID_SIZE || !hex_decode(line->words[0], 2 * ID_SIZE, id) ||
        strlen(line->words[1]) != digits || !hex_decode(line->words[1], digits, bytes))
        return false;
    ByteReader reader = byte_reader(id, sizeof(id));
    ret->id = byte_reader_u32(&reader);
    aead_key_init(&ret->key, aead, bytes);
    explicit_bzero(bytes, sizeof(bytes));
    return true;
}

/* Keys stand in their order: each one's place is the one behind the last one's. */
static bool read_keys(Line *line, NtsAead aead, ServerKeys *ret)
{
    for (size_t i = 0; i < KEYS; i++) {
        ServerKey key;
        if (!read_key(line, aead, &key))
            return false;
        if (i == 0)
            ret->current = (key.id + 2) % KEYS;
        if (key.id % KEYS != place_of(ret, i))
            return false;
        ret->items[key.id % KEYS] = key;
        explicit_bzero(&key, sizeof(key));
    }
    ret->valid = true;
    return true;
}

bool cookie_ring_parse(CookieRing *ring, const char *text, size_t length, double *ret_age)
{
    Line line = {.next = text, .left = length};
    ServerKeys keys = {0};
    double age;
    NtsAead aead;

    bool good = read_head(&line, &aead, &age) && read_keys(&line, aead, &keys) && line.left == 0;
    if (good) {
        replace(ring, &keys);
        *ret_age = age;
    }
    explicit_bzero(&keys, sizeof(keys));
    explicit_bzero(&line, sizeof(line));
    return good;
}

/* --- cookies --- */

/* The AEAD of a client is told by the length of its keys. */
static bool read_keys_of_client(const uint8_t *bytes, size_t length, NtsKeys *ret)
{
    static const NtsAead all[] = {NTS_AEAD_AES_SIV_CMAC_256, NTS_AEAD_AES_128_GCM_SIV};

    for (size_t i = 0; i < ELEMENTS(all); i++) {
        size_t key = nts_aead_key_length(all[i]);
        if (length != 2 * key)
            continue;
        ret->aead = all[i];
        ret->length = (uint8_t) key;
        memcpy(ret->c2s, bytes, key);
        memcpy(ret->s2c, bytes + key, key);
        return true;
    }
    return false;
}

static bool open_with(const ServerKeys *keys, const uint8_t *cookie, size_t length, NtsKeys *ret)
{
    ByteReader reader = byte_reader(cookie, length);
    uint32_t id = byte_reader_u32(&reader);
    const ServerKey *item = &keys->items[id % KEYS];
    uint8_t plain[2 * NTS_KEY_MAX];
    size_t plain_length;

    if (reader.failed || !keys->valid || item->id != id)
        return false;
    AeadText nonce = {.length = aead_nonce_length(item->key.aead)};
    nonce.bytes = byte_reader_skip(&reader, nonce.length);
    bool good = nonce.bytes &&
                aead_key_open(&item->key, nonce, (AeadText) {0}, (AeadText) {reader.next, reader.left}, plain,
                              sizeof(plain), &plain_length) &&
                read_keys_of_client(plain, plain_length, ret);
    explicit_bzero(plain, sizeof(plain));
    return good;
}

static bool open_cookie(void *userdata, const uint8_t *cookie, size_t length, NtsKeys *ret)
{
    CookieRing *ring = userdata;

    (void) pthread_rwlock_rdlock(&ring->lock);
    bool good = open_with(&ring->keys, cookie, length, ret);
    (void) pthread_rwlock_unlock(&ring->lock);
    return good;
}

static void make_nonce(CookieRing *ring, uint8_t ret[static AEAD_NONCE_MAX])
{
    uint64_t first = atomic_fetch_add_explicit(&ring->nonces, 2, memory_order_relaxed);
    const uint64_t words[] = {siphash_word(&ring->nonce_key, first),
                              siphash_word(&ring->nonce_key, first + 1)};

    static_assert(sizeof(words) == AEAD_NONCE_MAX, "a nonce");
    memcpy(ret, words, sizeof(words));
}

static size_t seal_with(CookieRing *ring, const ServerKey *item, AeadText plain,
                        uint8_t ret[static NTS_COOKIE_MAX])
{
    ByteWriter writer = byte_writer(ret, ID_SIZE);
    const AeadText nonce = {ret + ID_SIZE, aead_nonce_length(item->key.aead)};
    size_t before = ID_SIZE + nonce.length;

    static_assert(ID_SIZE + AEAD_NONCE_MAX + 2 * NTS_KEY_MAX + AEAD_OVERHEAD_MAX <= NTS_COOKIE_MAX, "room");
    byte_writer_u32(&writer, item->id);
    make_nonce(ring, ret + ID_SIZE);
    size_t sealed =
        aead_key_seal(&item->key, nonce, (AeadText) {0}, plain, ret + before, NTS_COOKIE_MAX - before);
    return sealed > 0 ? before + sealed : 0;
}

static size_t seal_cookie(void *userdata, const NtsKeys *keys, uint8_t ret[static NTS_COOKIE_MAX])
{
    CookieRing *ring = userdata;
    uint8_t plain[2 * NTS_KEY_MAX];
    size_t length = 0, each = nts_aead_key_length(keys->aead);

    if (each == 0 || keys->length != each)
        return 0;
    memcpy(plain, keys->c2s, each);
    memcpy(plain + each, keys->s2c, each);
    (void) pthread_rwlock_rdlock(&ring->lock);
    if (ring->keys.valid)
        length = seal_with(ring, &ring->keys.items[ring->keys.current], (AeadText) {plain, 2 * each}, ret);
    (void) pthread_rwlock_unlock(&ring->lock);
    explicit_bzero(plain, sizeof(plain));
    return length;
}

CookieJar cookie_ring_jar(CookieRing *ring)
{
    return (CookieJar) {.open = open_cookie, .seal = seal_cookie, .userdata = ring};
}
