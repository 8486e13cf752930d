// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The interpreter of core/api/action.h in the real world. The simulator has its own. */

#include "base/journal.h"
#include "core/engine/engine.h"
#include "hw/kernel-clock.h"
#include "key-establisher.h"
#include "net/exchange.h"
#include "resolver.h"

/* What actions act on. Nothing here is owned. */
typedef struct World {
    Journal *journal;
    KernelClock *clock;
    bool may_set_clock; /* otherwise an action on the clock is answered as refused */
    bool rtc_sync;      /* the kernel may hear that it is synchronised */
    Exchanges *exchanges;
    Resolver *resolver;
    ResolverHandler on_resolved;
    void *userdata; /* of on_resolved */
    KeyEstablisher *keys;
    const char *drift_file;    /* NULL: none */
    const char *updates_file;  /* NULL: none */
    const char *nts_directory; /* ntsdumpdir; NULL: none */
} World;

typedef enum ActionsOutcome {
    ACTIONS_DONE = 0,
    ACTIONS_EXIT, /* the engine wants to end; what it wanted before that is done */
} ActionsOutcome;

/* Carries out everything that the engine wants, in order, and tells it the outcomes. ret_status is written
 * for ACTIONS_EXIT. */
ActionsOutcome actions_run(const World *world, Engine *engine, int *ret_status);
