// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* NetworkManager, as far as it concerns us: how far one gets, whether that costs money, which servers of time
 * DHCP offers, and that something may have changed. It may come and go; it is never started by us, and asked
 * for nothing but what it tells everybody. */

#include <systemd/sd-bus.h>

#include "bus/bus.h"

typedef struct NetworkManager NetworkManager;

/* One belongs to one connection, which has been started. handlers: used as long as it lives, all those of the
 * network. */
int network_manager_new(sd_bus *connection, const BusHandlers *handlers, void *userdata,
                        NetworkManager **ret) must_check_;
/* The connection is lost, and with it all that is known: tells so. */
void network_manager_on_disconnected(NetworkManager *manager);
/* Tells nothing. */
NetworkManager *network_manager_free(NetworkManager *manager);
DEFINE_CLEANUP(NetworkManager, network_manager_free);
