// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Clock.WaitSynchronized: calls that are answered when the clock is right. */

#include <systemd/sd-bus.h>

#include "base/macros.h"
#include "core/api/service.h"

/* 0: no limit. */
typedef struct WaitLimits {
    double correction; /* largest |system offset|, s */
    double skew;       /* largest, dimensionless */
} WaitLimits;

typedef struct WaitSynchronized WaitSynchronized;

/* One belongs to one connection. service is used as long as it lives. */
int wait_synchronized_new(sd_event *event, const Service *service, WaitSynchronized **ret) must_check_;
WaitSynchronized *wait_synchronized_free(WaitSynchronized *waits);

/* Replies at once, or holds the call until the limits are met, timeout_usec have passed (0: never) or the
 * caller has left the bus. What a method handler returns. */
int wait_synchronized_add(WaitSynchronized *waits, sd_bus_message *message, const WaitLimits *limits,
                          uint64_t timeout_usec, sd_bus_error *error);

/* The clock report has changed: answers those whose limits are met now. */
void wait_synchronized_on_clock(WaitSynchronized *waits);
