// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The kernel's CLOCK_REALTIME: reading it, and every system call that steers it. Nothing here decides. */

#include <stdbool.h>

#include "base/instant.h"
#include "base/macros.h"

typedef struct KernelClock KernelClock;

/* The clocks read together: as close to one instant as a few tries get. */
Now kernel_clock_now(void);

/* Smallest step that two readings of the clock in a row show, s; 1e-9..1. */
double kernel_clock_precision(void);

/* Opens the clock for reading only; nothing in the kernel changes. */
int kernel_clock_new(KernelClock **ret) must_check_;
KernelClock *kernel_clock_free(KernelClock *clock);
DEFINE_CLEANUP(KernelClock, kernel_clock_free);

/* Takes the clock over: what an earlier program left to be slewed is cancelled, the kernel's own loop is
 * switched off, its frequency stays, its status becomes "unsynchronised". Returns -EPERM when this process
 * may not set the clock: then only reading works. */
int kernel_clock_take_over(KernelClock *clock) must_check_;

/* Correction of the oscillator that the kernel applies now, dimensionless. */
int kernel_clock_get_frequency(const KernelClock *clock, double *ret) must_check_;

/* Sets the correction of the oscillator, dimensionless, limited to the kernel's range of +-0.1.
 * ret_when: middle of the call that did it. ret_frequency: what the kernel made of it. */
int kernel_clock_set_frequency(KernelClock *clock, double frequency, RawTime *ret_when,
                               double *ret_frequency) must_check_;

/* Adds offset_ns to the clock at once. The kernel forgets its status with it. */
int kernel_clock_step(KernelClock *clock, int64_t offset_ns) must_check_;

typedef struct KernelStatus {
    bool
        synchronized; /* false sets STA_UNSYNC: adjtimex() says TIME_ERROR, the kernel leaves the RTC alone */
    int leap;         /* +1: insert a second at the end of the UTC day, -1: delete one, 0: none */
    double max_error; /* s; limited to 16, from where timedated calls the clock unsynchronised */
    double est_error; /* s; as max_error */
    int tai_offset;   /* s; 0: leave as it is */
} KernelStatus;
int kernel_clock_set_status(KernelClock *clock, const KernelStatus *status) must_check_;

/* True when somebody else changed the frequency or switched the kernel's loop on since our last call that set
 * something; ret_frequency is what applies now. Says so once for each change. */
bool kernel_clock_was_changed(KernelClock *clock, double *ret_frequency) must_check_;
