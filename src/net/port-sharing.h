// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Our own sockets that may be bound to one port: those of the server, those of peers, which are connected,
 * and those of requests when acquisitionport is set. In whatever order they come and go, they do not keep
 * each other from the port, and nobody else gets a share of it. */

#include "base/address.h"
#include "base/macros.h"

typedef struct PortSharing PortSharing;

int port_sharing_new(PortSharing **ret) must_check_;
PortSharing *port_sharing_free(PortSharing *sharing);
DEFINE_CLEANUP(PortSharing, port_sharing_free);

/* Binds a UDP socket; port 0: any. It is one of ours until port_sharing_leave(). -EADDRINUSE: somebody else
 * has the port. */
int port_sharing_bind(PortSharing *sharing, int fd, const IpEndpoint *local) must_check_;

/* Takes in a socket that was bound by somebody else. */
int port_sharing_join(PortSharing *sharing, int fd) must_check_;

/* Before it is closed. Nothing happens when it is not one of ours. */
void port_sharing_leave(PortSharing *sharing, int fd);
