// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `serverstats` and `clients`. What this daemon does not serve (chrony's commands) is counted as what it is:
 * none. */

#include <inttypes.h>

#include "base/text.h"
#include "core/api/bus-names.h"
#include "core/api/server-report.h"
#include "ctl/fields.h"
#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/name.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

/* --- serverstats --- */

/* In the order in which chronyc prints them. */
typedef struct Statistics {
    uint64_t received, dropped;
    uint64_t commands_received, commands_dropped;
    uint64_t log_dropped;
    uint64_t keys_accepted, keys_dropped;
    uint64_t authenticated, interleaved;
    uint64_t timestamps_held, timestamps_span;
    double span; /* s */
    uint64_t daemon_rx, daemon_tx, kernel_rx, kernel_tx, hardware_rx, hardware_tx;
} Statistics;

static const Field statistics_fields[] = {
    {"Received", FIELD_COUNTER, offsetof(Statistics, received)},
    {"Dropped", FIELD_COUNTER, offsetof(Statistics, dropped)},
    {"NTSConnections", FIELD_COUNTER, offsetof(Statistics, keys_accepted)},
    {"NTSConnectionsDropped", FIELD_COUNTER, offsetof(Statistics, keys_dropped)},
    {"Authenticated", FIELD_COUNTER, offsetof(Statistics, authenticated)},
    {"ClientsDropped", FIELD_COUNTER, offsetof(Statistics, log_dropped)},
    {"Interleaved", FIELD_COUNTER, offsetof(Statistics, interleaved)},
    {"TimestampsHeld", FIELD_COUNTER, offsetof(Statistics, timestamps_held)},
    {"TimestampsSpan", FIELD_SECONDS, offsetof(Statistics, span)},
    {"DaemonReceiveTimestamps", FIELD_COUNTER, offsetof(Statistics, daemon_rx)},
    {"DaemonTransmitTimestamps", FIELD_COUNTER, offsetof(Statistics, daemon_tx)},
    {"KernelReceiveTimestamps", FIELD_COUNTER, offsetof(Statistics, kernel_rx)},
    {"KernelTransmitTimestamps", FIELD_COUNTER, offsetof(Statistics, kernel_tx)},
    {"HardwareReceiveTimestamps", FIELD_COUNTER, offsetof(Statistics, hardware_rx)},
    {"HardwareTransmitTimestamps", FIELD_COUNTER, offsetof(Statistics, hardware_tx)},
};

static const struct {
    const char *label;
    size_t offset;
} statistics_rows[] = {
    {"NTP packets received", offsetof(Statistics, received)},
    {"NTP packets dropped", offsetof(Statistics, dropped)},
    {"Command packets received", offsetof(Statistics, commands_received)},
    {"Command packets dropped", offsetof(Statistics, commands_dropped)},
    {"Client log records dropped", offsetof(Statistics, log_dropped)},
    {"NTS-KE connections accepted", offsetof(Statistics, keys_accepted)},
    {"NTS-KE connections dropped", offsetof(Statistics, keys_dropped)},
    {"Authenticated NTP packets", offsetof(Statistics, authenticated)},
    {"Interleaved NTP packets", offsetof(Statistics, interleaved)},
    {"NTP timestamps held", offsetof(Statistics, timestamps_held)},
    {"NTP timestamp span", offsetof(Statistics, timestamps_span)},
    {"NTP daemon RX timestamps", offsetof(Statistics, daemon_rx)},
    {"NTP daemon TX timestamps", offsetof(Statistics, daemon_tx)},
    {"NTP kernel RX timestamps", offsetof(Statistics, kernel_rx)},
    {"NTP kernel TX timestamps", offsetof(Statistics, kernel_tx)},
    {"NTP hardware RX timestamps", offsetof(Statistics, hardware_rx)},
    {"NTP hardware TX timestamps", offsetof(Statistics, hardware_tx)},
};

int verb_serverstats(Client *client, int argc, char **argv)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    Statistics statistics = {0};

    (void) argc, (void) argv;
    if (client->options.json != JSON_OFF)
        return report_json(client, BUS_INTERFACE_SERVER);
    int r = client_properties(client, BUS_ROOT_PATH, BUS_INTERFACE_SERVER, &reply);
    if (r >= 0)
        r = fields_decode(statistics_fields, ELEMENTS(statistics_fields), reply, &statistics);
    if (r < 0)
        return r;
    statistics.timestamps_span = statistics.span > 0 ? (uint64_t) (statistics.span + 0.5) : 0;
    for (size_t i = 0; i < ELEMENTS(statistics_rows); i++) {
        uint64_t count = *(const uint64_t *) ((const char *) &statistics + statistics_rows[i].offset);
        if (client->options.csv)
            printf("%s%" PRIu64, i > 0 ? "," : "", count);
        else
            printf("%-27s: %" PRIu64 "\n", statistics_rows[i].label, count);
    }
    if (client->options.csv)
        printf("\n");
    return 0;
}

/* --- clients --- */

static const Field client_fields[] = {
    {"Address", FIELD_ADDRESS, offsetof(ClientReport, address)},
    {"Received", FIELD_COUNT, offsetof(ClientReport, received)},
    {"Dropped", FIELD_COUNT, offsetof(ClientReport, dropped)},
    {"Interval", FIELD_POWER, offsetof(ClientReport, interval)},
    {"LimitedInterval", FIELD_POWER, offsetof(ClientReport, limited_interval)},
    {"SinceLast", FIELD_SECONDS, offsetof(ClientReport, since_last)},
    {"NTSConnections", FIELD_COUNT, offsetof(ClientReport, keys_received)},
    {"NTSConnectionsDropped", FIELD_COUNT, offsetof(ClientReport, keys_dropped)},
    {"NTSInterval", FIELD_POWER, offsetof(ClientReport, keys_interval)},
    {"NTSSinceLast", FIELD_SECONDS, offsetof(ClientReport, keys_since_last)},
};

static const char header_commands[] =
    "Hostname                      NTP   Drop Int IntL Last     Cmd   Drop Int  Last";
static const char header_keys[] =
    "Hostname                      NTP   Drop Int IntL Last  NTS-KE   Drop Int  Last";

/* A power of 2, two wide. */
static const char *format_power(int8_t power, Cell cell)
{
    Text text = text_init(cell, CELL_MAX);

    if (power == CLIENT_INTERVAL_UNKNOWN)
        text_append(&text, " -");
    else
        text_append_format(&text, "%2d", power);
    return cell;
}

/* The last columns are about commands, of which there are none, or about keys. */
static void print_client(const Options *options, const ClientReport *client, bool keys)
{
    SourceReport named = {.remote.address = client->address};
    char name[DISPLAY_NAME_MAX];
    Cell interval, limited, last, keys_interval, keys_last;
    uint32_t age = interval_from_age(client->since_last),
             keys_age = keys ? interval_from_age(client->keys_since_last) : INTERVAL_NONE;
    uint32_t received = keys ? client->keys_received : 0, dropped = keys ? client->keys_dropped : 0;
    int8_t power = keys ? client->keys_interval : CLIENT_INTERVAL_UNKNOWN;

    ip_address_format(&client->address, named.name);
    source_display_name(options, &named, name);
    if (options->csv)
        printf("%s,%" PRIu32 ",%" PRIu32 ",%d,%d,%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%d,%" PRIu32 "\n", name,
               client->received, client->dropped, client->interval, client->limited_interval, age, received,
               dropped, power, keys_age);
    else
        printf("%-25s  %6" PRIu32 "  %5" PRIu32 "  %s  %s  %s  %6" PRIu32 "  %5" PRIu32 "  %s  %s\n", name,
               client->received, client->dropped, format_power(client->interval, interval),
               format_power(client->limited_interval, limited), format_interval(age, last), received, dropped,
               format_power(power, keys_interval), format_interval(keys_age, keys_last));
}

/* Prints the clients of one answer. json: NULL for a table. */
static int print_clients(Client *client, sd_bus_message *reply, bool keys, Json *json)
{
    int r = sd_bus_message_enter_container(reply, 'a', "a{sv}");

    while (r >= 0 && (r = sd_bus_message_at_end(reply, 0)) == 0) {
        ClientReport report = {.interval = CLIENT_INTERVAL_UNKNOWN,
                               .limited_interval = CLIENT_INTERVAL_UNKNOWN,
                               .since_last = -1,
                               .keys_interval = CLIENT_INTERVAL_UNKNOWN,
                               .keys_since_last = -1};
        if (json) {
            json_element(json);
            json_begin(json, '{');
            r = json_members(json, reply);
            json_end(json, '}');
            continue;
        }
        r = fields_decode(client_fields, ELEMENTS(client_fields), reply, &report);
        if (r >= 0)
            print_client(&client->options, &report, keys);
    }
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

typedef struct ClientsOptions {
    uint32_t min_packets;
    bool keys, reset;
} ClientsOptions;

static bool parse_clients(int argc, char **argv, ClientsOptions *ret)
{
    ClientsOptions options = {0};
    int64_t packets;

    for (int i = 1; i < argc; i++) {
        if (text_equal(argv[i], "-k")) {
            options.keys = true;
        } else if (text_equal(argv[i], "-r")) {
            options.reset = true;
        } else if (text_equal(argv[i], "-p") && i + 1 < argc) {
            if (!text_to_int(argv[++i], &packets) || packets < 0 || packets > UINT32_MAX)
                return false;
            options.min_packets = (uint32_t) packets;
        } else {
            return false;
        }
    }
    *ret = options;
    return true;
}

/* Asks until all were given. json: NULL for a table, whose header comes with the first answer. */
static int print_all_clients(Client *client, const ClientsOptions *options, Json *json)
{
    uint64_t position = 0;

    do {
        cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        bool first = position == 0;
        int r = client_command(client, &reply, BUS_ROOT_PATH, BUS_INTERFACE_SERVER, "GetClients", "tuu",
                               position, (uint32_t) 0, options->min_packets);
        if (r < 0)
            return r;
        if (first && !json && !client->options.csv)
            table_header(options->keys ? header_keys : header_commands);
        r = print_clients(client, reply, options->keys, json);
        if (r >= 0)
            r = sd_bus_message_read(reply, "t", &position);
        if (r < 0)
            return r;
    } while (position != 0);
    return 0;
}

static int print_as_json(Client *client, const ClientsOptions *options)
{
    Json json = json_init(stdout, client->options.json);

    json_begin(&json, '[');
    int r = print_all_clients(client, options, &json);
    json_end(&json, ']');
    json_finish(&json);
    return r;
}

int verb_clients(Client *client, int argc, char **argv)
{
    ClientsOptions options;

    if (!parse_clients(argc, argv, &options))
        return syntax_error(argv[0]);
    int r = client->options.json != JSON_OFF ? print_as_json(client, &options)
                                             : print_all_clients(client, &options, NULL);
    if (r >= 0 && options.reset)
        r = client_command(client, NULL, BUS_ROOT_PATH, BUS_INTERFACE_SERVER, "ResetClients", NULL);
    if (r < 0 && sd_bus_error_has_name(&client->error, BUS_ERROR_NOT_ENABLED)) {
        puts("519 Client logging is not active in the daemon");
        return 1;
    }
    return r < 0 ? r : 0;
}
