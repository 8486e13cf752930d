// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the service manager and its helpers are told. Silent where there is no service manager. */

#include <stdbool.h>
#include <stddef.h>

#include "core/api/report.h"

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* Gives the service manager something to keep over a restart, in place of what it has by that name: a
 * descriptor of that name is passed to us then. */
void notify_store(const char *name, const void *data, size_t length);

/* What it keeps by that name is of no use any more. */
void notify_forget(const char *name);
/* Waits, not for long, until it has what it was given: who has gone is not listened to. */
void notify_wait(void);

/* The line that `systemctl status` shows. */
void notify_status(const ClockReport *clock);

/* Creates the file by which systemd-time-wait-sync learns that the clock is right. Where its directory does
 * not exist or is not ours, nothing happens. */
void notify_synchronized(void);
