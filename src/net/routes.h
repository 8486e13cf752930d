// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* News of the kernel about links, addresses, routes and rules of both families (rtnetlink(7)): that something
 * is different now, not what. */

#include <systemd/sd-event.h>

#include "base/macros.h"

typedef struct Routes Routes;

/* Something may be different: told once for all that happens until there is nothing new for 100 to 200 ms,
 * but no later than 500 ms after the first. */
typedef void (*RoutesHandler)(void *userdata);

/* A negative errno: the kernel, or a sandbox, does not let us listen. */
int routes_new(sd_event *event, RoutesHandler handler, void *userdata, Routes **ret) must_check_;
Routes *routes_free(Routes *routes);
DEFINE_CLEANUP(Routes, routes_free);
