// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* How often one client is answered: a token bucket, kept as the one instant at which it will be full again
 * (generic cell rate algorithm). An answer takes a token, a token comes back with each interval. */

#include "base/instant.h"
#include "core/config/server-config.h"

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
RateVerdict rate_limit_check(const RateLimitConfig *limit, RateState *state, MonoTime now, uint32_t random);
