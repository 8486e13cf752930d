// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The token bucket; see rate-limit.h. */

#include "core/ntp/rate-limit.h"

#include "base/macros.h"

/* 2^log2 s; exact down to 2^-9 s, a nanosecond short below. */
static int64_t interval_ns(int32_t log2)
{
    return log2 >= 0 ? NSEC_PER_SEC << log2 : NSEC_PER_SEC >> -log2;
}

RateVerdict rate_limit_check(const RateLimitConfig *limit, RateState *state, MonoTime now, uint32_t random)
{
    int64_t interval = interval_ns(limit->interval);
    int64_t full_at = MAX(state->full_at.ns, now.ns) + interval;

    if (!limit->enabled)
        return RATE_PASS;
    if (full_at - now.ns <= limit->burst * interval) {
        state->full_at.ns = full_at;
        return RATE_PASS;
    }
    if ((random & ((UINT32_C(1) << limit->leak) - 1)) == 0)
        return RATE_LEAK;
    /* Other bits than those of the leak, or the one would decide the other. */
    if (limit->kod > 0 && (random >> 16 & ((UINT32_C(1) << limit->kod) - 1)) == 0)
        return RATE_KISS;
    return RATE_DROP;
}
