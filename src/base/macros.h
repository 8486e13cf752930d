// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The few macros that the house style stands on: ownership, checked results, sizes. */

#include <stddef.h>
#include <stdlib.h>

#define cleanup_(f)        __attribute__((cleanup(f)))
#define must_check_        __attribute__((warn_unused_result))
#define printf_like_(f, a) __attribute__((format(printf, f, a)))
#define unused_            __attribute__((unused))

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                                                                            \
    __extension__({                                                                                          \
        typeof(a) _a = (a);                                                                                  \
        typeof(b) _b = (b);                                                                                  \
        _a < _b ? _a : _b;                                                                                   \
    })
#define MAX(a, b)                                                                                            \
    __extension__({                                                                                          \
        typeof(a) _a2 = (a);                                                                                 \
        typeof(b) _b2 = (b);                                                                                 \
        _a2 > _b2 ? _a2 : _b2;                                                                               \
    })
#define CLAMP(x, low, high) MIN(MAX((x), (low)), (high))
/* The next multiple of a power of 2. */
#define ROUND_UP(x, power)  (((x) + (power) -1) & ~((power) -1))

/* Hands a pointer over: the variable is NULL afterwards, so that its cleanup does nothing. */
#define TAKE_PTR(p)                                                                                          \
    __extension__({                                                                                          \
        typeof(p) *_pp = &(p);                                                                               \
        typeof(p) _taken = *_pp;                                                                             \
        *_pp = NULL;                                                                                         \
        _taken;                                                                                              \
    })

/* The same for a file descriptor; -1 stays behind. */
#define TAKE_FD(fd)                                                                                          \
    __extension__({                                                                                          \
        int *_fdp = &(fd);                                                                                   \
        int _taken_fd = *_fdp;                                                                               \
        *_fdp = -1;                                                                                          \
        _taken_fd;                                                                                           \
    })

/* DEFINE_CLEANUP(Engine, engine_free) makes engine_freep() for `cleanup_(engine_freep) Engine *engine =
 * NULL;`. */
#define DEFINE_CLEANUP(Type, free_function)                                                                  \
    unused_ static inline void free_function##p(Type **p)                                                    \
    {                                                                                                        \
        *p = free_function(*p);                                                                              \
    }

unused_ static inline void freep(void *p)
{
    free(*(void **) p);
}
