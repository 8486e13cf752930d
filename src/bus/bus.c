// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* The life of the connection.
 *
 *   connect -> (socket not there: sd-bus watches for it) -> Connected -> name requested -> serving
 *      ^                                                                                     |
 *      +--- back-off <--- Disconnected, from any of them <-----------------------------------+
 *
 * Each connection is a new sd_bus with the objects, the polkit checks and the waiting calls of its own;
 * nothing of an old one survives. The table of sources does. No call of this file waits for the bus. */

#include "bus/bus.h"

#include <errno.h>

#include "bus/bus-internal.h"
#include "core/api/bus-names.h"

#define STANDARD_ADDRESS "unix:path=/run/dbus/system_bus_socket"

/* Packets come first: their time counts. */
#define CONNECTION_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

#define RETRY_USEC_MIN  100000
#define RETRY_USEC_MAX  30000000
#define RETRY_USEC_NEWS 800000
/* For how long a bus that is not there is nothing to tell of: at boot it comes a little later. */
#define PATIENCE_USEC   10000000
#define TIMER_ACCURACY  50000 /* us */

static void connect_or_retry(Bus *bus);

static void tell(Bus *bus, BusNotice notice, int error)
{
    if (notice == BUS_UNAVAILABLE && bus->told_unavailable)
        return;
    bus->told_unavailable = notice == BUS_UNAVAILABLE;
    if (bus->handlers.on_notice)
        bus->handlers.on_notice(bus->handlers_userdata, notice, error);
}

/* What hangs on the connection goes first, while it can still be told of. */
static void drop_calls(Bus *bus)
{
    bus->ready = false;
    bus->polkit = polkit_free(bus->polkit);
    bus->waits = wait_synchronized_free(bus->waits);
    bus->checks = nts_checks_free(bus->checks);
    bus->network_manager = network_manager_free(bus->network_manager);
    bus->login = login_free(bus->login);
    bus->resolved = resolved_free(bus->resolved);
}

static void disconnect(Bus *bus)
{
    drop_calls(bus);
    bus->connection = sd_bus_close_unref(bus->connection);
}

static int on_retry(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    Bus *bus = userdata;

    if (bus->connection && !bus->ready && sd_bus_is_open(bus->connection) > 0)
        tell(bus, BUS_UNAVAILABLE, -ENOENT); /* it goes on being waited for */
    else
        connect_or_retry(bus);
    return 0;
}

static void arm_retry(Bus *bus, uint64_t usec)
{
    (void) sd_event_source_set_time_relative(bus->retry, usec);
    (void) sd_event_source_set_enabled(bus->retry, SD_EVENT_ONESHOT);
}

static void back_off(Bus *bus)
{
    arm_retry(bus, bus->retry_usec);
    bus->retry_usec = MIN(bus->retry_usec * 2, (uint64_t) RETRY_USEC_MAX);
}

/* Runs inside the connection that has ended: it is closed by the timer. One attempt in vain is no news: a bus
 * that starts may have its socket before it answers. */
static int on_disconnected(unused_ sd_bus_message *signal, void *userdata, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;

    if (bus->ready)
        tell(bus, BUS_LOST, 0);
    else if (bus->retry_usec >= RETRY_USEC_NEWS)
        tell(bus, BUS_UNAVAILABLE, -ECONNRESET);
    network_manager_on_disconnected(bus->network_manager);
    drop_calls(bus);
    back_off(bus);
    return 0;
}

static int on_name_requested(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    enum { PRIMARY_OWNER = 1, ALREADY_OWNER = 4 };
    Bus *bus = userdata;
    uint32_t answer;

    if (sd_bus_message_is_method_error(reply, NULL))
        tell(bus, BUS_NAME_REFUSED, -sd_bus_message_get_errno(reply));
    else if (sd_bus_message_read(reply, "u", &answer) <= 0)
        tell(bus, BUS_NAME_REFUSED, -EBADMSG);
    else if (answer != PRIMARY_OWNER && answer != ALREADY_OWNER)
        tell(bus, BUS_NAME_REFUSED, -EEXIST);
    else
        tell(bus, BUS_CONNECTED, 0);
    return 0;
}

static int on_connected(unused_ sd_bus_message *signal, void *userdata, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;

    bus->ready = true;
    bus->retry_usec = RETRY_USEC_MIN;
    (void) sd_event_source_set_enabled(bus->retry, SD_EVENT_OFF);
    /* Queued: when another process has the name, it is ours once that one goes. With a callback of ours: that
     * of sd-bus closes the connection when the name is refused. */
    return sd_bus_request_name_async(bus->connection, NULL, BUS_NAME, SD_BUS_NAME_QUEUE, on_name_requested,
                                     bus);
}

static int watch_connection(Bus *bus)
{
    int r = sd_bus_match_signal_async(bus->connection, NULL, "org.freedesktop.DBus.Local", NULL,
                                      "org.freedesktop.DBus.Local", "Connected", on_connected, NULL, bus);

    if (r >= 0)
        r = sd_bus_match_signal_async(bus->connection, NULL, "org.freedesktop.DBus.Local", NULL,
                                      "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL,
                                      bus);
    return r;
}

static int configure(Bus *bus)
{
    const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    int r = sd_bus_set_address(bus->connection, address ? address : STANDARD_ADDRESS);

    if (r >= 0)
        r = sd_bus_set_bus_client(bus->connection, true);
    if (r >= 0)
        r = sd_bus_set_watch_bind(bus->connection, true);
    if (r >= 0)
        r = sd_bus_set_connected_signal(bus->connection, true);
    if (r >= 0)
        r = sd_bus_set_close_on_exit(bus->connection, false); /* it would wait for the queue to be read */
    return r;
}

static int connect_once(Bus *bus)
{
    int r = sd_bus_new(&bus->connection);

    if (r >= 0)
        r = configure(bus);
    if (r >= 0)
        r = watch_connection(bus);
    if (r >= 0)
        r = root_objects_add(bus);
    if (r >= 0)
        r = server_objects_add(bus);
    if (r >= 0)
        r = source_objects_add(bus);
    if (r >= 0)
        r = sd_bus_attach_event(bus->connection, bus->event, CONNECTION_PRIORITY);
    if (r >= 0)
        r = polkit_new(bus->connection, &bus->polkit);
    if (r >= 0)
        r = wait_synchronized_new(bus->event, &bus->service, &bus->waits);
    if (r >= 0)
        r = nts_checks_new(&bus->service, &bus->checks);
    if (r >= 0)
        r = sd_bus_start(bus->connection);
    /* Those whom we hear, who may be asked something as soon as the connection has begun. */
    if (r >= 0 && bus->handlers.on_network_state)
        r = network_manager_new(bus->connection, &bus->handlers, bus->handlers_userdata,
                                &bus->network_manager);
    if (r >= 0 && bus->handlers.on_sleep)
        r = login_new(bus->connection, &bus->handlers, bus->handlers_userdata, &bus->login);
    if (r >= 0 && bus->handlers.on_name)
        r = resolved_new(bus->connection,
                         &(ResolvedHandlers) {bus->handlers.on_name, bus->handlers.on_network_changed},
                         bus->handlers_userdata, &bus->resolved);
    return r;
}

static void connect_or_retry(Bus *bus)
{
    disconnect(bus);
    int r = connect_once(bus);
    if (r >= 0) {
        arm_retry(bus, PATIENCE_USEC);
        return;
    }
    disconnect(bus);
    tell(bus, BUS_UNAVAILABLE, r);
    back_off(bus);
}

int bus_new(sd_event *event, const Service *service, const BusHandlers *handlers, void *userdata, Bus **ret)
{
    cleanup_(bus_freep) Bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return -ENOMEM;
    bus->event = sd_event_ref(event);
    bus->service = *service;
    bus->handlers = *handlers;
    bus->handlers_userdata = userdata;
    bus->retry_usec = RETRY_USEC_MIN;
    int r = sd_event_add_time_relative(event, &bus->retry, CLOCK_MONOTONIC, 0, TIMER_ACCURACY, on_retry, bus);
    if (r < 0)
        return r;
    r = bus_export_sources(bus);
    if (r < 0)
        return r;
    r = publish_new(bus);
    if (r < 0)
        return r;
    connect_or_retry(bus);
    *ret = TAKE_PTR(bus);
    return 0;
}

bool bus_ask_name(Bus *bus, uint64_t ticket, const LookupQuestion *question)
{
    return bus->resolved && resolved_ask(bus->resolved, ticket, question);
}

Bus *bus_free(Bus *bus)
{
    if (!bus)
        return NULL;
    disconnect(bus);
    sd_event_source_disable_unref(bus->retry);
    sd_event_source_disable_unref(bus->publish);
    bus_free_sources(bus);
    sd_event_unref(bus->event);
    free(bus);
    return NULL;
}
