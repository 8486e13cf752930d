// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* How often one client is answered: a token bucket, kept as the one instant at which it will be full again
 * (generic cell rate algorithm). An answer takes a token, a token comes back with each interval. */

#include "base/instant.h"

typedef struct RateLimit {
    bool enabled;
    int8_t interval; /* log2 s between answers in the long run, -19..12 */
    uint8_t burst;   /* answers that may come at once, 1..255 */
    uint8_t leak;    /* 1 of 2^leak requests beyond the limit is answered nevertheless: who forges the address
                        of a client cannot silence it. 1..4 */
    uint8_t kod;     /* 1 of 2^kod of the others is told to slow down, 1..4; 0: none */
} RateLimit;

/* Of one client; zeros at first. */
typedef struct RateState {
    MonoTime full_at;
} RateState;

typedef enum RateVerdict {
    RATE_PASS = 0, /* within the limit; a token was taken */
    RATE_LEAK,     /* beyond it, answered nevertheless */
    RATE_KISS,     /* beyond it, to be told so */
    RATE_DROP,
} RateVerdict;

/* random: 32 unpredictable bits. */
RateVerdict rate_limit_check(const RateLimit *limit, RateState *state, MonoTime now, uint32_t random);
