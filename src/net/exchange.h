// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Requests to time servers: for each one a UDP socket of its own, connected to whom is asked, with the
 * kernel's timestamps of what leaves and what comes. */

#include <systemd/sd-event.h>

#include "core/config/config.h"
#include "core/engine/engine.h"
#include "net/port-sharing.h"

typedef struct Exchanges Exchanges;

/* What the network tells; the arguments are those of the engine_on_*() calls of the same names. Called from
 * the event loop, and from exchanges_send() for what is known at once. Handlers may close and send. */
typedef struct ExchangeHandlers {
    void (*on_packet)(void *userdata, const Incoming *packet);
    void (*on_sent)(void *userdata, ExchangeId exchange, Timestamp sent, IpAddress local);
    void (*on_failed)(void *userdata, ExchangeId exchange, int error);
} ExchangeHandlers;

/* Open requests at a time; one more fails with EMFILE. */
#define EXCHANGES_MAX 512

typedef struct ExchangesSetup {
    sd_event *event;                  /* referenced */
    IpFamily family;                  /* the only one that is used; IP_UNSPEC: both */
    PortSharing *sharing;             /* borrowed, like what follows: must live as long as the object */
    const ExchangeHandlers *handlers; /* */
    void *userdata;
} ExchangesSetup;

int exchanges_new(const ExchangesSetup *setup, const NetConfig *config, Exchanges **ret) must_check_;
Exchanges *exchanges_free(Exchanges *exchanges);
DEFINE_CLEANUP(Exchanges, exchanges_free);

/* From the next request on. */
void exchanges_configure(Exchanges *exchanges, const NetConfig *config);

/* Sends bytes to remote from `local` (IP_UNSPEC, port 0: as configured; a port is shared with our other
 * sockets), by the socket that the exchange has already, unless that was for another `local`. Tells on_sent()
 * or on_failed() before it returns, and perhaps on_sent() again later with a better timestamp. */
void exchanges_send(Exchanges *exchanges, ExchangeId id, const IpEndpoint *remote, const IpEndpoint *local,
                    const uint8_t *bytes, size_t length);

/* Whether a request to remote could leave from `local` (as of exchanges_send()) now: 0, or the positive errno
 * of what is in the way: no route, no such address of ours, no carrier on the link... Sends nothing. */
int exchanges_test_way(const Exchanges *exchanges, const IpEndpoint *remote, const IpAddress *local);

/* Unknown ids are ignored. */
void exchanges_close(Exchanges *exchanges, ExchangeId id);
