// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What comes over the clock goes to the engine, which looks at the clocks and decides. */

#include <string.h>

#include "daemon-internal.h"

void daemon_on_sleep(void *userdata, bool begins)
{
    Daemon *daemon = userdata;

    engine_on_sleep(daemon->engine, begins, kernel_clock_now());
}

static void on_set(void *userdata)
{
    Daemon *daemon = userdata;

    engine_on_timer(daemon->engine, kernel_clock_now());
}

static void on_restored(void *userdata)
{
    Daemon *daemon = userdata;

    engine_on_restored(daemon->engine, kernel_clock_now());
}

void daemon_watch_clock(Daemon *daemon)
{
    static const ClockWatchHandlers handlers = {.on_set = on_set, .on_restored = on_restored};
    int r = clock_watch_new(daemon->event, CLOCK_WATCH_DEVICE, &handlers, daemon, &daemon->clock_watch);

    if (r < 0)
        journal_print(daemon->journal, LOG_LEVEL_WARNING, "Could not watch for changes of the clock: %s",
                      strerror(-r));
}
