// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The running daemon: creates what it is made of, connects it, runs the event loop until the end. */

#include "core/api/service.h"
#include "core/config/config.h"
#include "options.h"

typedef struct Daemon Daemon;

/* Everything up to the point where the loop can run; the process itself (user, priority, memory, pid file) is
 * prepared by the caller. Takes config over, also when it fails; options and journal must outlive the daemon.
 */
int daemon_new(const Options *options, Config *config, Journal *journal, Daemon **ret) must_check_;
Daemon *daemon_free(Daemon *daemon);
DEFINE_CLEANUP(Daemon, daemon_free);

/* Runs until a signal, the engine or the time limit ends it. ret_status: of the process. */
int daemon_run(Daemon *daemon, int *ret_status) must_check_;
