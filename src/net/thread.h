// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A thread of ours: signals are the event loop's, the stack is no larger than it has to be, and it has no
 * capability: who takes it over by what it reads from the network can neither set the clock nor bind a port.
 */

#include <pthread.h>
#include <stddef.h>

#include "base/macros.h"

typedef struct ThreadSetup {
    const char *name; /* as tools show it, at most 15 bytes */
    size_t stack_size;
    void *(*work)(void *userdata);
    void *userdata;
} ThreadSetup;

/* It has to be joined, or detached. */
int thread_start(const ThreadSetup *setup, pthread_t *ret) must_check_;
