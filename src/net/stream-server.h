// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Short conversations over TCP for as many clients as come: by the event loop, or by threads, each with a
 * hand of its own (net/stream-hand.h). */

#include <systemd/sd-event.h>

#include "net/server-listen.h"
#include "net/stream-hand.h"

/* More threads than that are not started. */
#define STREAM_THREADS_MAX 64

typedef struct StreamServer StreamServer;

typedef struct StreamServerSetup {
    sd_event *event;                /* referenced */
    const StreamHandlers *handlers; /* called by the threads: by several at once, but for one conversation
                                       always by the same one; must live as long as the server */
    void *userdata;
    Now (*now)(void);
    double lifetime;                  /* s, of a connection */
    uint8_t secret[SIPHASH_KEY_SIZE]; /* unpredictable */
    /* One of the addresses cannot be listened on; error: errno. */
    void (*on_failed)(void *userdata, const IpEndpoint *endpoint, int error);
} StreamServerSetup;

int stream_server_new(const StreamServerSetup *setup, StreamServer **ret) must_check_;
StreamServer *stream_server_free(StreamServer *server);
DEFINE_CLEANUP(StreamServer, stream_server_free);

/* Who serves, and how many connections each has at most; at least 1. */
typedef struct StreamHands {
    size_t threads; /* 0: the event loop */
    size_t limit;
} StreamHands;

/* Listens there, by TCP, and nowhere else from now on: conversations that are going on end. Returns 0 or a
 * reason why nobody serves. Without a family: does not listen. */
int stream_server_listen(StreamServer *server, const ServerListen *where,
                         const StreamHands *hands) must_check_;

/* Sockets that are listened on, and where. */
size_t stream_server_count(const StreamServer *server);
IpEndpoint stream_server_local(const StreamServer *server, size_t i);
