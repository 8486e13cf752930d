// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The daemon on the system bus: org.timeball1 with its objects, signals and authorization.
 *
 * Nothing here blocks, and nothing depends on the bus being there: it is waited for, it may go and come back,
 * its name may be refused. The objects show what the Service says at the moment of the question. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/macros.h"
#include "core/api/name-lookup.h"
#include "core/api/network.h"
#include "core/api/service.h"

typedef struct Bus Bus;

/* What the daemon may want to log. Each is told once until the state changes. */
typedef enum BusNotice {
    BUS_CONNECTED = 0, /* and the name is ours */
    BUS_UNAVAILABLE,   /* no connection; it is tried again. error: negative errno */
    BUS_LOST,          /* the connection broke; it is tried again */
    BUS_NAME_REFUSED,  /* connected, but another process has the name, or the bus forbids it to us. error */
} BusNotice;

/* Whom we hear on the bus besides our own clients. All are called from the event loop; values are valid
 * during the call only. */
typedef struct BusHandlers {
    void (*on_notice)(void *userdata, BusNotice notice, int error); /* may be NULL */

    /* What managers of the network tell: all of these, or NULL for all of them. */
    void (*on_network_state)(void *userdata, const NetworkState *state);
    void (*on_offered)(void *userdata, const OfferedServers *offered);
    /* complete: it has told all that it has; otherwise it has gone, and may come back with the same. */
    void (*on_provider)(void *userdata, OfferProvider provider, bool complete);
    /* A way may have opened or closed, or others be asked about names. */
    void (*on_network_changed)(void *userdata);

    /* Logind says that the machine is about to sleep, or has woken up; may be NULL. */
    void (*on_sleep)(void *userdata, bool begins);

    /* The one answer to a question of bus_ask_name(). NULL: resolved or the bus has gone, and somebody else
     * is to be asked. With it, on_network_changed is there, too. */
    void (*on_name)(void *userdata, uint64_t ticket, const LookupAnswer *answer);
} BusHandlers;

/* Starts connecting to DBUS_SYSTEM_BUS_ADDRESS or the standard address, and serves as long as it lives.
 * event: referenced. service: copied; what its methods need must outlive the Bus. handlers: copied.
 * Returns a negative errno for lack of memory only, never for lack of a bus. */
int bus_new(sd_event *event, const Service *service, const BusHandlers *handlers, void *userdata,
            Bus **ret) must_check_;
Bus *bus_free(Bus *bus);
DEFINE_CLEANUP(Bus, bus_free);

/* Asks systemd-resolved. False: it is not there; on_name is not called. The question is no literal address.
 */
bool bus_ask_name(Bus *bus, uint64_t ticket, const LookupQuestion *question) must_check_;

/* To be called after each event of the engine: emits signals, marks what has changed. PropertiesChanged is
 * sent when the loop comes round, once for each object. */
void bus_on_event(Bus *bus, const Event *event);

/* The list of configuration files may be another one (SIGHUP). Reload by the bus needs no such call. */
void bus_on_configuration_changed(Bus *bus);
