// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What tests of the time server share: a server that is the test's own, served by threads or by the event
 * loop, and sockets of clients. All functions end the test when something fails. */

#include "core/ntp/packet.h"
#include "net/server-socket.h"

typedef struct Serving {
    sd_event *event;
    ServerHands *hands;
    PortSharing *sharing;
    ServerSockets *sockets;
    AccessTable *everybody, *nobody;
} Serving;

/* Everybody may ask, nobody is limited. Where setup has no clock and no snapshot, it gets the ones below. */
void serving_start(Serving *serving, const ServerHandsSetup *setup, size_t threads, size_t memory);
void serving_stop(Serving *serving);

/* On that port of all IPv4 addresses, and on no other one. */
void serving_listen(const Serving *serving, uint16_t port);

Now serving_now(void);

/* Another one each time. Stratum and reference ID belong together, so that half a snapshot would be seen. */
void serving_snapshot(void *userdata, Now at, ServerSnapshot *ret);
void serving_assert_whole(const NtpPacket *answer);

/* A UDP socket that is bound there (port 0: to any); -1: that is not possible. */
int serving_socket(const char *address, uint16_t port, IpEndpoint *ret);
/* One that talks to the server only; what comes from elsewhere is not seen. from NULL: any address. */
int serving_client(const char *from, const char *server, uint16_t port);
/* A port that is free just now. */
uint16_t serving_free_port(void);
