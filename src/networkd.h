// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What systemd-networkd says of the interfaces that it manages: the files below /run/systemd/netif, which
 * others of its family read as well (systemd-timesyncd, systemd-resolved). Needs no bus, and waits for
 * nobody: the files may come later, or never. */

#include <systemd/sd-event.h>

#include "base/macros.h"
#include "core/api/network.h"

#define NETWORKD_DIRECTORY "/run/systemd/netif"

typedef struct Networkd Networkd;

/* Called from the event loop; values are valid during the call only. */
typedef struct NetworkdHandlers {
    void (*on_offered)(void *userdata, const OfferedServers *offered);
    void (*on_provider)(void *userdata, OfferProvider provider, bool complete);
    /* The state of an interface, or of all together, is another one. */
    void (*on_network_changed)(void *userdata);
} NetworkdHandlers;

/* directory: NETWORKD_DIRECTORY, or another one in tests; copied. event: referenced. handlers: copied. */
int networkd_new(sd_event *event, const char *directory, const NetworkdHandlers *handlers, void *userdata,
                 Networkd **ret) must_check_;
Networkd *networkd_free(Networkd *networkd);
DEFINE_CLEANUP(Networkd, networkd_free);
