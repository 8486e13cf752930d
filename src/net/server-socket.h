// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The sockets on which requests come in. The event loop serves them, or each thread has its own for each
 * address. */

#include "net/server-hands.h"
#include "net/server-listen.h"

typedef struct ServerSockets ServerSockets;

typedef struct ServerSocketsSetup {
    sd_event *event;      /* referenced */
    ServerHands *hands;   /* borrowed */
    PortSharing *sharing; /* borrowed */
    uint32_t secret;      /* unpredictable: which client meets which thread */
    /* One of the addresses to listen on cannot be had: error is a positive errno. */
    void (*on_failed)(void *userdata, const IpEndpoint *endpoint, int error);
    void *userdata;
} ServerSocketsSetup;

int server_sockets_new(const ServerSocketsSetup *setup, ServerSockets **ret) must_check_;
ServerSockets *server_sockets_free(ServerSockets *sockets);
DEFINE_CLEANUP(ServerSockets, server_sockets_free);

/* Closes what is open and opens what is asked for. What cannot be had is told to on_failed, the rest is
 * served. Returns on how many addresses we listen. */
size_t server_sockets_open(ServerSockets *sockets, const ServerListen *listen);

/* Closes what is open: before the number of threads is changed. */
void server_sockets_close(ServerSockets *sockets);

/* Addresses on which we listen, and one of them; IP_UNSPEC when unknown. */
size_t server_sockets_count(const ServerSockets *sockets);
IpEndpoint server_sockets_local(const ServerSockets *sockets, size_t i);
