// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See key-ring.h. */

#include "nts/key-ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "nts/mac.h"

struct KeyRing {
    pthread_rwlock_t lock;
    Keys keys;
};

int key_ring_new(KeyRing **ret)
{
    KeyRing *ring = calloc(1, sizeof(*ring));

    if (!ring)
        return -ENOMEM;
    int error = pthread_rwlock_init(&ring->lock, NULL);
    if (error != 0) {
        free(ring);
        return -error;
    }
    *ret = ring;
    return 0;
}

KeyRing *key_ring_free(KeyRing *ring)
{
    if (!ring)
        return NULL;
    keys_clear(&ring->keys);
    (void) pthread_rwlock_destroy(&ring->lock);
    free(ring);
    return NULL;
}

void key_ring_replace(KeyRing *ring, Keys *keys)
{
    (void) pthread_rwlock_wrlock(&ring->lock);
    Keys old = ring->keys;
    ring->keys = *keys;
    (void) pthread_rwlock_unlock(&ring->lock);
    keys_clear(&old);
    *keys = (Keys) {0};
}

static bool find(void *userdata, uint32_t id, KeyInfo *ret)
{
    KeyRing *ring = userdata;

    (void) pthread_rwlock_rdlock(&ring->lock);
    const Key *key = keys_find(&ring->keys, id);
    if (key)
        *ret = (KeyInfo) {
            .type = key->type,
            .bits = 8U * key->length,
            .mac_length = key_type_find(key_type_name(key->type))->mac_length,
        };
    (void) pthread_rwlock_unlock(&ring->lock);
    return key;
}

static size_t sign(void *userdata, uint32_t id, const uint8_t *bytes, size_t length,
                   uint8_t ret[static NTP_DIGEST_MAX])
{
    KeyRing *ring = userdata;
    size_t digest = 0;

    (void) pthread_rwlock_rdlock(&ring->lock);
    const Key *key = keys_find(&ring->keys, id);
    if (key)
        digest = mac_compute(key->type, ring->keys.secrets + key->offset, key->length, bytes, length, ret);
    (void) pthread_rwlock_unlock(&ring->lock);
    return digest;
}

Authenticator key_ring_authenticator(KeyRing *ring)
{
    return (Authenticator) {.find = find, .sign = sign, .userdata = ring};
}
