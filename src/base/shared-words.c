// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A sequence lock with two copies; see shared-words.h.
 *
 * Every word is released by the writer and acquired by the reader: whoever sees a word of a later value sees
 * the later sequence too, and reads again. */

#include "base/shared-words.h"

#include <assert.h>
#include <string.h>

static void write_copy(_Atomic uint64_t *copy, const void *value, size_t size)
{
    const char *bytes = value;

    for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
        uint64_t word;
        memcpy(&word, bytes + i * sizeof(word), sizeof(word));
        atomic_store_explicit(&copy[i], word, memory_order_release);
    }
}

void shared_words_write(SharedWords *shared, const void *value, size_t size)
{
    uint64_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);

    assert(size % sizeof(uint64_t) == 0 && size <= sizeof(shared->copies[0]));
    atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_release);
    write_copy(shared->copies[0], value, size);
    atomic_store_explicit(&shared->sequence, sequence + 2, memory_order_release);
    write_copy(shared->copies[1], value, size);
}

void shared_words_read(const SharedWords *shared, void *ret, size_t size)
{
    char *bytes = ret;
    uint64_t before, after;

    assert(size % sizeof(uint64_t) == 0 && size <= sizeof(shared->copies[0]));
    do {
        before = atomic_load_explicit(&shared->sequence, memory_order_acquire);
        const _Atomic uint64_t *copy = shared->copies[before & 1];
        for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
            uint64_t word = atomic_load_explicit(&copy[i], memory_order_acquire);
            memcpy(bytes + i * sizeof(word), &word, sizeof(word));
        }
        after = atomic_load_explicit(&shared->sequence, memory_order_relaxed);
    } while (before != after);
}
