// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* /org/timeball1: the interfaces Server and LocalReference; see root-objects.c for how they hang together.
 *
 * Counters follow the network, so no signal tells of them: who wants them asks. Who our clients are is the
 * only thing on this bus that not everybody may read. */

#include <errno.h>
#include <string.h>

#include "base/subnet.h"
#include "base/text.h"
#include "bus/bus-internal.h"
#include "bus/property.h"
#include "core/api/bus-names.h"

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

#define ACTION_VIEW_CLIENTS "org.timeball1.view-clients"

/* Clients in one answer: some hundred kilobytes. */
#define CLIENTS_MAX 1000

/* --- Server --- */

static int get_verdicts(unused_ sd_bus *connection, unused_ const char *path, unused_ const char *interface,
                        unused_ const char *property, sd_bus_message *reply, void *verdicts,
                        unused_ sd_bus_error *error)
{
    const uint64_t *counts = verdicts;
    int r = sd_bus_message_open_container(reply, 'a', "{st}");

    for (ServerVerdict verdict = 0; r >= 0 && verdict < SERVER_VERDICT_COUNT; verdict++)
        r = sd_bus_message_append(reply, "{st}", server_verdict_name(verdict), counts[verdict]);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_key_verdicts(unused_ sd_bus *connection, unused_ const char *path,
                            unused_ const char *interface, unused_ const char *property,
                            sd_bus_message *reply, void *verdicts, unused_ sd_bus_error *error)
{
    const uint64_t *counts = verdicts;
    int r = sd_bus_message_open_container(reply, 'a', "{st}");

    for (KeyVerdict verdict = 0; r >= 0 && verdict < KEY_VERDICT_COUNT; verdict++)
        r = sd_bus_message_append(reply, "{st}", key_verdict_name(verdict), counts[verdict]);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int on_access(sd_bus_message *message, Bus *bus, CommandKind kind, sd_bus_error *error)
{
    Command command = {.kind = kind};
    const char *network;
    int all;
    int r = sd_bus_message_read(message, "sb", &network, &all);

    if (r < 0)
        return r;
    command.access.all = all;
    if (network[0] != '\0' && !ip_subnet_parse(network, &command.access.network, &command.access.prefix))
        return bus_refuse(COMMAND_INVALID, "an address, a network ADDRESS/BITS, or nothing is wanted", error);
    return bus_run_command(bus, message, &command, REPLY_NOTHING, error);
}

static int on_allow(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return on_access(message, ((ServerView *) view)->bus, COMMAND_ALLOW, error);
}

static int on_deny(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return on_access(message, ((ServerView *) view)->bus, COMMAND_DENY, error);
}

static int on_check_access(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Bus *bus = ((ServerView *) view)->bus;
    const char *text;
    IpAddress address;
    int r = sd_bus_message_read(message, "s", &text);

    if (r < 0)
        return r;
    if (!ip_address_parse(text, &address))
        return bus_refuse(COMMAND_INVALID, "an address is wanted", error);
    return sd_bus_reply_method_return(message, "b",
                                      (int) bus->service.methods->allows(bus->service.userdata, &address));
}

static int on_reset_clients(sd_bus_message *message, void *view, sd_bus_error *error)
{
    const Command command = {.kind = COMMAND_RESET_CLIENTS};

    return bus_run_command(((ServerView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

/* What it did to get keys. */
static int append_keys_of_client(sd_bus_message *reply, const ClientReport *client)
{
    int r = sd_bus_message_append(reply, "{sv}{sv}{sv}",                              //
                                  "NTSConnections", "u", client->keys_received,       //
                                  "NTSConnectionsDropped", "u", client->keys_dropped, //
                                  "NTSSinceLast", "d", client->keys_since_last);

    if (r >= 0 && client->keys_interval != CLIENT_INTERVAL_UNKNOWN)
        r = sd_bus_message_append(reply, "{sv}", "NTSInterval", "i", (int32_t) client->keys_interval);
    return r;
}

static int append_client(sd_bus_message *reply, const ClientReport *client)
{
    char address[IP_ADDRESS_TEXT_MAX];
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r >= 0)
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}",                                        //
                                  "Address", "s", ip_address_format(&client->address, address), //
                                  "Received", "u", client->received,                            //
                                  "Dropped", "u", client->dropped);
    if (r >= 0 && client->since_last >= 0)
        r = sd_bus_message_append(reply, "{sv}", "SinceLast", "d", client->since_last);
    if (r >= 0 && client->interval != CLIENT_INTERVAL_UNKNOWN)
        r = sd_bus_message_append(reply, "{sv}", "Interval", "i", (int32_t) client->interval);
    if (r >= 0 && client->limited_interval != CLIENT_INTERVAL_UNKNOWN)
        r = sd_bus_message_append(reply, "{sv}", "LimitedInterval", "i", (int32_t) client->limited_interval);
    if (r >= 0 && client->keys_since_last >= 0)
        r = append_keys_of_client(reply, client);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Appends up to max clients from *position on; *position is 0 afterwards when there are no more. */
static int append_clients(const Bus *bus, sd_bus_message *reply, uint64_t *position, uint32_t max,
                          uint32_t min_packets)
{
    const ServiceMethods *methods = bus->service.methods;
    ClientReport client;
    int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

    for (uint32_t count = 0; r >= 0 && count < max;) {
        if (!methods->next_client(bus->service.userdata, position, &client)) {
            *position = 0;
            break;
        }
        if (MAX(client.received, client.keys_received) < min_packets)
            continue;
        r = append_client(reply, &client);
        count++;
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int on_get_clients(sd_bus_message *message, void *view, sd_bus_error *error)
{
    ServerView *server = view;
    Bus *bus = server->bus;
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    uint64_t position;
    uint32_t max, min_packets;
    int r = sd_bus_message_read(message, "tuu", &position, &max, &min_packets);

    if (r < 0)
        return r;
    if (!server->logs_clients)
        return bus_refuse(COMMAND_NOT_ENABLED, "", error);
    r = bus_authorize(bus, message, ACTION_VIEW_CLIENTS, error);
    if (r != 0)
        return r;
    r = sd_bus_message_new_method_return(message, &reply);
    if (r < 0)
        return r;
    max = max == 0 ? CLIENTS_MAX : MIN(max, (uint32_t) CLIENTS_MAX);
    r = append_clients(bus, reply, &position, max, min_packets);
    if (r >= 0)
        r = sd_bus_message_append(reply, "t", position);
    return r < 0 ? r : sd_bus_message_send(reply);
}

#define P(name, type, get, member) SD_BUS_PROPERTY(name, type, get, offsetof(ServerView, member), 0)
const sd_bus_vtable server_vtable[] = {
    SD_BUS_VTABLE_START(0),
    P("Listening", "b", NULL, listening),
    P("LogsClients", "b", NULL, logs_clients),
    P("Received", "t", NULL, report.received),
    P("Dropped", "t", NULL, report.dropped),
    P("Authenticated", "t", NULL, report.authenticated),
    P("SendFailures", "t", NULL, report.failed),
    P("Verdicts", "a{st}", get_verdicts, report.verdicts),
    P("NTSState", "s", NULL, keys_state),
    P("NTSConnections", "t", NULL, keys.accepted),
    P("NTSConnectionsDropped", "t", NULL, keys.dropped),
    P("NTSVerdicts", "a{st}", get_key_verdicts, keys.verdicts),
    P("NTSCertificateEndUSec", "t", NULL, certificate_end_usec),
    P("Clients", "t", NULL, report.clients),
    P("ClientsDropped", "t", NULL, report.log_dropped),
    P("Interleaved", "t", NULL, report.interleaved),
    P("TimestampsHeld", "t", NULL, report.exchanges),
    P("TimestampsSpan", "d", NULL, report.exchanges_span),
    P("DaemonReceiveTimestamps", "t", NULL, report.receive_stamps[TIMESTAMP_DAEMON]),
    P("DaemonTransmitTimestamps", "t", NULL, report.transmit_stamps[TIMESTAMP_DAEMON]),
    P("KernelReceiveTimestamps", "t", NULL, report.receive_stamps[TIMESTAMP_KERNEL]),
    P("KernelTransmitTimestamps", "t", NULL, report.transmit_stamps[TIMESTAMP_KERNEL]),
    P("HardwareReceiveTimestamps", "t", NULL, report.receive_stamps[TIMESTAMP_HARDWARE]),
    P("HardwareTransmitTimestamps", "t", NULL, report.transmit_stamps[TIMESTAMP_HARDWARE]),
    SD_BUS_METHOD_WITH_ARGS("GetClients", SD_BUS_ARGS("t", position, "u", max, "u", min_packets),
                            SD_BUS_RESULT("aa{sv}", clients, "t", next), on_get_clients, ANYBODY),
    SD_BUS_METHOD("ResetClients", NULL, NULL, on_reset_clients, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Allow", SD_BUS_ARGS("s", network, "b", all), SD_BUS_NO_RESULT, on_allow,
                            ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Deny", SD_BUS_ARGS("s", network, "b", all), SD_BUS_NO_RESULT, on_deny, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("CheckAccess", SD_BUS_ARGS("s", address), SD_BUS_RESULT("b", allowed),
                            on_check_access, ANYBODY),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- LocalReference --- */

static const LocalConfig local_defaults = {.enabled = true,
                                           .stratum = 10,
                                           .distance = 1,
                                           .wait_unsynced = LOCAL_WAIT_UNSAID};

/* Reads the value of one option; -EINVAL: there is no such option. */
static int read_local_option(sd_bus_message *message, const char *name, LocalConfig *local)
{
    const struct {
        const char *name;
        double *value;
    } options[] = {
        {"Distance", &local->distance},
        {"Activate", &local->activate},
        {"WaitSynced", &local->wait_synced},
        {"WaitUnsynced", &local->wait_unsynced},
    };
    uint32_t stratum;

    if (strcmp(name, "Stratum") == 0) {
        int r = sd_bus_message_read(message, "v", "u", &stratum);
        local->stratum = stratum <= INT32_MAX ? (int32_t) stratum : 0;
        return r;
    }
    if (strcmp(name, "Orphan") == 0) {
        int orphan, r = sd_bus_message_read(message, "v", "b", &orphan);
        local->orphan = r >= 0 && orphan;
        return r;
    }
    for (size_t i = 0; i < ELEMENTS(options); i++)
        if (strcmp(name, options[i].name) == 0) {
            int r = sd_bus_message_read(message, "v", "d", options[i].value);
            return r >= 0 && *options[i].value < 0 ? -EINVAL : r;
        }
    return -EINVAL;
}

static int read_local(sd_bus_message *message, LocalConfig *local)
{
    const char *name;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
            r = read_local_option(message, name, local);
        if (r >= 0)
            r = sd_bus_message_exit_container(message);
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int on_enable(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_SET_LOCAL, .local = local_defaults};
    int r = read_local(message, &command.local);

    if (r < 0)
        return bus_refuse(
            COMMAND_INVALID,
            "Stratum (u), Orphan (b), Distance, Activate, WaitSynced, WaitUnsynced (d, not negative) "
            "are known",
            error);
    local_config_resolve(&command.local);
    return bus_run_command(((LocalView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

static int on_disable(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_SET_LOCAL, .local = local_defaults};

    command.local.enabled = false;
    local_config_resolve(&command.local);
    return bus_run_command(((LocalView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

#define P(name, type, member) SD_BUS_PROPERTY(name, type, NULL, offsetof(LocalView, member), CHANGES)
const sd_bus_vtable local_vtable[] = {
    SD_BUS_VTABLE_START(0),
    P("Enabled", "b", enabled),
    P("Active", "b", active),
    P("Stratum", "u", stratum),
    P("Distance", "d", distance),
    P("Activate", "d", activate),
    P("WaitSynced", "d", wait_synced),
    P("WaitUnsynced", "d", wait_unsynced),
    P("Orphan", "b", orphan),
    SD_BUS_METHOD_WITH_ARGS("Enable", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, on_enable, ANYBODY),
    SD_BUS_METHOD("Disable", NULL, NULL, on_disable, ANYBODY),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- Looking up --- */

static int find_server(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                       void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;

    if (strcmp(path, BUS_ROOT_PATH) != 0)
        return 0;
    bus->view.server.bus = bus;
    server_view(&bus->service, &bus->view.server);
    *ret = &bus->view.server;
    return 1;
}

static int find_local(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                      void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;

    if (strcmp(path, BUS_ROOT_PATH) != 0)
        return 0;
    bus->view.local.bus = bus;
    local_view(&bus->service, &bus->view.local);
    *ret = &bus->view.local;
    return 1;
}

int server_objects_add(Bus *bus)
{
    int r = sd_bus_add_fallback_vtable(bus->connection, NULL, BUS_ROOT_PATH, BUS_INTERFACE_SERVER,
                                       server_vtable, find_server, bus);

    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus->connection, NULL, BUS_ROOT_PATH, BUS_INTERFACE_LOCAL,
                                       local_vtable, find_local, bus);
    return r;
}
