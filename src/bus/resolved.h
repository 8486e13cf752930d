// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* systemd-resolved on the bus: names and services without a thread, and with a word about DNSSEC. It may come
 * and go, and is never started by us. */

#include <systemd/sd-bus.h>

#include "base/macros.h"
#include "core/api/name-lookup.h"

typedef struct Resolved Resolved;

typedef struct ResolvedHandlers {
    /* The one answer to a question; NULL: nobody answers it any more (resolved has gone, or speaks in a way
     * that we do not understand). */
    void (*on_name)(void *userdata, uint64_t ticket, const LookupAnswer *answer);
    /* Other servers may be asked from now on: what was not found may be. */
    void (*on_names_changed)(void *userdata);
} ResolvedHandlers;

/* connection: of a bus, not owned, must stay. handlers: copied. */
int resolved_new(sd_bus *connection, const ResolvedHandlers *handlers, void *userdata,
                 Resolved **ret) must_check_;
/* Questions that are open are answered with NULL. */
Resolved *resolved_free(Resolved *resolved);
DEFINE_CLEANUP(Resolved, resolved_free);

/* Asks. False: it is not there, or too much is asked of it already; on_name is not called. The question is no
 * literal address. */
bool resolved_ask(Resolved *resolved, uint64_t ticket, const LookupQuestion *question) must_check_;
