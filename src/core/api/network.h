// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the network's own managers know and the kernel does not: values that bus and net hand to the engine.
 */

#include <stdbool.h>

/* Room for the name of an interface, IFNAMSIZ. */
#define INTERFACE_NAME_MAX 16

/* How far one gets from here, as NetworkManager has found out. A machine without it stays at "unknown", which
 * keeps nobody from trying. */
typedef enum Connectivity {
    CONNECTIVITY_UNKNOWN = 0,
    CONNECTIVITY_NONE,
    CONNECTIVITY_PORTAL, /* somebody in between wants a login first, and may answer in the name of others */
    CONNECTIVITY_LIMITED,
    CONNECTIVITY_FULL,
    CONNECTIVITY_COUNT,
} Connectivity;

typedef struct NetworkState {
    Connectivity connectivity;
    bool metered; /* what is sent costs money */
} NetworkState;

/* Who tells of servers that a network offers. */
typedef enum OfferProvider {
    OFFER_NETWORK_MANAGER = 0,
    OFFER_NETWORKD,
    OFFER_PROVIDER_COUNT,
} OfferProvider;

/* All servers that the network behind one interface offers now (DHCP, DHCPv6, by hand): those of an earlier
 * offer that are not in it are withdrawn. The text is the network's: anything may be in it. */
typedef struct OfferedServers {
    OfferProvider provider;
    char interface[INTERFACE_NAME_MAX];
    const char *servers; /* names and addresses with blanks between them, ""; borrowed during the call */
} OfferedServers;
