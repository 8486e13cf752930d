// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The sockets on which requests come in, served from the event loop. */

#include <systemd/sd-event.h>

#include "core/config/config.h"
#include "net/request-batch.h"

typedef struct ServerSockets ServerSockets;

typedef struct ServerSocketsHandlers {
    RequestBatchHandlers requests;
    /* One of the addresses to listen on cannot be had: error is a positive errno. */
    void (*on_failed)(void *userdata, const IpEndpoint *endpoint, int error);
} ServerSocketsHandlers;

/* event is referenced; shard and handlers must live as long as the object. */
int server_sockets_new(sd_event *event, ServerShard *shard, const ServerSocketsHandlers *handlers,
                       void *userdata, ServerSockets **ret) must_check_;
ServerSockets *server_sockets_free(ServerSockets *sockets);
DEFINE_CLEANUP(ServerSockets, server_sockets_free);

/* Where to listen. */
typedef struct ServerListen {
    const ServerConfig *config; /* its port, addresses and device; borrowed during the call */
    bool v4, v6;                /* families that anybody is allowed to ask by */
    uint8_t dscp;
} ServerListen;

/* Closes what is open and opens what is asked for. What cannot be had is told to on_failed, the rest is
 * served. Returns how many sockets are open. */
size_t server_sockets_open(ServerSockets *sockets, const ServerListen *listen);

size_t server_sockets_count(const ServerSockets *sockets);
/* Local address and port of socket i; IP_UNSPEC when unknown. */
IpEndpoint server_sockets_local(const ServerSockets *sockets, size_t i);
