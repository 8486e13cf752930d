// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A value that one thread writes and any others read, without a lock. Nobody waits: there are two copies, and
 * while one is written the other one is read. The value is copied word by word, so it has no pointers that
 * own and no meaning for half of it: a reader gets one that was written as a whole. */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SHARED_WORDS_MAX 64

/* Zeros at first. */
typedef struct SharedWords {
    _Atomic uint64_t sequence; /* even: the first copy is whole; odd: the second one */
    _Atomic uint64_t copies[2][SHARED_WORDS_MAX];
} SharedWords;

/* size: bytes, a multiple of 8, at most 8 * SHARED_WORDS_MAX, always the same. By one thread only. */
void shared_words_write(SharedWords *shared, const void *value, size_t size);
void shared_words_read(const SharedWords *shared, void *ret, size_t size);
