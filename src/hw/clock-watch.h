// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Hears at once of what comes over the clock. Nothing is asked at intervals: an idle daemon stays idle. */

#include <systemd/sd-event.h>

#include "base/macros.h"

typedef struct ClockWatch ClockWatch;

/* What a hypervisor says of the machine's own counter: it is not the one of before (a snapshot was restored,
 * the machine was moved). Linux 6.13 and later have it where the hypervisor does. */
#define CLOCK_WATCH_DEVICE "/dev/vmclock0"

/* Called from the event loop. */
typedef struct ClockWatchHandlers {
    void (*on_set)(
        void *userdata); /* somebody, perhaps we, set the clock, or the machine woke up: look at it */
    void (*on_restored)(void *userdata); /* from clock_watch_look() only */
} ClockWatchHandlers;

/* device: CLOCK_WATCH_DEVICE; one that is not there, or is something else, is done without. handlers:
 * borrowed. */
int clock_watch_new(sd_event *event, const char *device, const ClockWatchHandlers *handlers, void *userdata,
                    ClockWatch **ret) must_check_;
ClockWatch *clock_watch_free(ClockWatch *watch);
DEFINE_CLEANUP(ClockWatch, clock_watch_free);

/* Looks whether the machine was restored: to be called whenever the process is awake anyway. Costs a few
 * reads of memory. */
void clock_watch_look(ClockWatch *watch);
