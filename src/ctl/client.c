// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Calls to the daemon, and its interfaces as tables; see client.h. No call here starts the daemon: asking how
 * the clock is must not begin to steer it. */

#include "ctl/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/api/bus-names.h"
#include "ctl/agent.h"
#include "ctl/fields.h"
#include "ctl/table.h"

/* A person may have to find a password; otherwise sd-bus' 25 s. */
#define COMMAND_TIMEOUT_USEC (UINT64_C(120) * 1000000)

#define FIELD(type, property, kind, member)                                                                  \
    {                                                                                                        \
        property, kind, offsetof(type, member)                                                               \
    }

static const Field clock_fields[] = {
    FIELD(ClockReport, "Synchronized", FIELD_BOOL, synchronized),
    FIELD(ClockReport, "State", FIELD_REASON, reason),
    FIELD(ClockReport, "MaySetClock", FIELD_BOOL, may_set_clock),
    FIELD(ClockReport, "LeapStatus", FIELD_LEAP, leap),
    FIELD(ClockReport, "Stratum", FIELD_SMALL, stratum),
    FIELD(ClockReport, "ReferenceID", FIELD_COUNT, reference_id),
    FIELD(ClockReport, "ReferenceName", FIELD_NAME, reference_name),
    FIELD(ClockReport, "ReferenceAddress", FIELD_ADDRESS, reference_address),
    FIELD(ClockReport, "ReferenceUSec", FIELD_INSTANT, reference_time),
    FIELD(ClockReport, "SystemOffset", FIELD_SECONDS, system_offset),
    FIELD(ClockReport, "LastOffset", FIELD_SECONDS, last_offset),
    FIELD(ClockReport, "RMSOffset", FIELD_SECONDS, rms_offset),
    FIELD(ClockReport, "Frequency", FIELD_PPM, frequency),
    FIELD(ClockReport, "ResidualFrequency", FIELD_PPM, residual_frequency),
    FIELD(ClockReport, "Skew", FIELD_PPM, skew),
    FIELD(ClockReport, "RootDelay", FIELD_SECONDS, root_delay),
    FIELD(ClockReport, "RootDispersion", FIELD_SECONDS, root_dispersion),
    FIELD(ClockReport, "MaxError", FIELD_SECONDS, max_error),
    FIELD(ClockReport, "UpdateInterval", FIELD_SECONDS, update_interval),
    FIELD(ClockReport, "CombinedSources", FIELD_COUNT, source_count),
    FIELD(ClockReport, "StepCount", FIELD_COUNT, step_count),
};

static const Field activity_fields[] = {
    FIELD(ActivityReport, "OnlineSources", FIELD_COUNT, online),
    FIELD(ActivityReport, "OfflineSources", FIELD_COUNT, offline),
    FIELD(ActivityReport, "BurstOnlineSources", FIELD_COUNT, burst_online),
    FIELD(ActivityReport, "BurstOfflineSources", FIELD_COUNT, burst_offline),
    FIELD(ActivityReport, "UnresolvedSources", FIELD_COUNT, unresolved),
};

static const Field source_fields[] = {
    FIELD(SourceReport, "Kind", FIELD_KIND, kind),
    FIELD(SourceReport, "Name", FIELD_NAME, name),
    FIELD(SourceReport, "Address", FIELD_ADDRESS, remote.address),
    FIELD(SourceReport, "Port", FIELD_PORT, remote.port),
    FIELD(SourceReport, "ReferenceID", FIELD_COUNT, reference_id),
    FIELD(SourceReport, "State", FIELD_STATE, state),
    FIELD(SourceReport, "Origin", FIELD_SOURCE_ORIGIN, origin),
    FIELD(SourceReport, "OriginName", FIELD_ORIGIN_NAME, origin_name),
    FIELD(SourceReport, "Online", FIELD_BOOL, online),
    FIELD(SourceReport, "Resolving", FIELD_BOOL, resolving),
    FIELD(SourceReport, "Reachability", FIELD_SMALL, reachability),
    FIELD(SourceReport, "Stratum", FIELD_SMALL, stratum),
    FIELD(SourceReport, "PollInterval", FIELD_LOG2, poll),
    FIELD(SourceReport, "SampleAge", FIELD_SECONDS, since_sample),
    FIELD(SourceReport, "LastReceiveUSec", FIELD_INSTANT, last_receive),
    FIELD(SourceReport, "Offset", FIELD_SECONDS, offset),
    FIELD(SourceReport, "MeasuredOffset", FIELD_SECONDS, measured_offset),
    FIELD(SourceReport, "OffsetError", FIELD_SECONDS, offset_error),
    FIELD(SourceReport, "Samples", FIELD_COUNT, samples),
    FIELD(SourceReport, "Runs", FIELD_COUNT, runs),
    FIELD(SourceReport, "Span", FIELD_SECONDS, span),
    FIELD(SourceReport, "ResidualFrequency", FIELD_PPM, residual_frequency),
    FIELD(SourceReport, "Skew", FIELD_PPM, skew),
    FIELD(SourceReport, "EstimatedOffset", FIELD_SECONDS, estimated_offset),
    FIELD(SourceReport, "EstimatedOffsetError", FIELD_SECONDS, estimated_offset_error),
    FIELD(SourceReport, "StandardDeviation", FIELD_SECONDS, standard_deviation),
};

static const Field selection_fields[] = {
    FIELD(SelectionReport, "State", FIELD_STATE, state),
    FIELD(SelectionReport, "Authenticated", FIELD_BOOL, authenticated),
    FIELD(SelectionReport, "ConfiguredOptions", FIELD_OPTIONS, configured),
    FIELD(SelectionReport, "EffectiveOptions", FIELD_OPTIONS, effective),
    FIELD(SelectionReport, "SampleAge", FIELD_SECONDS, since_sample),
    FIELD(SelectionReport, "Score", FIELD_SECONDS, score),
    FIELD(SelectionReport, "LowLimit", FIELD_SECONDS, low_limit),
    FIELD(SelectionReport, "HighLimit", FIELD_SECONDS, high_limit),
    FIELD(SelectionReport, "LeapStatus", FIELD_LEAP, leap),
    FIELD(SelectionReport, "RootDistance", FIELD_SECONDS, root_distance),
};

static const Field ntp_fields[] = {
    FIELD(NtpReport, "RemoteAddress", FIELD_ADDRESS, remote.address),
    FIELD(NtpReport, "RemotePort", FIELD_PORT, remote.port),
    FIELD(NtpReport, "LocalAddress", FIELD_ADDRESS, local),
    FIELD(NtpReport, "Valid", FIELD_BOOL, valid),
    FIELD(NtpReport, "LeapStatus", FIELD_LEAP, leap),
    FIELD(NtpReport, "Version", FIELD_SMALL, version),
    FIELD(NtpReport, "Mode", FIELD_MODE, mode),
    FIELD(NtpReport, "Stratum", FIELD_SMALL, stratum),
    FIELD(NtpReport, "PollInterval", FIELD_LOG2, poll),
    FIELD(NtpReport, "Precision", FIELD_LOG2, precision),
    FIELD(NtpReport, "RootDelay", FIELD_SECONDS, root_delay),
    FIELD(NtpReport, "RootDispersion", FIELD_SECONDS, root_dispersion),
    FIELD(NtpReport, "ReferenceID", FIELD_COUNT, reference_id),
    FIELD(NtpReport, "ReferenceUSec", FIELD_INSTANT, reference_time),
    FIELD(NtpReport, "Offset", FIELD_SECONDS, offset),
    FIELD(NtpReport, "PeerDelay", FIELD_SECONDS, peer_delay),
    FIELD(NtpReport, "PeerDispersion", FIELD_SECONDS, peer_dispersion),
    FIELD(NtpReport, "ResponseTime", FIELD_SECONDS, response_time),
    FIELD(NtpReport, "JitterAsymmetry", FIELD_SECONDS, jitter_asymmetry),
    FIELD(NtpReport, "Tests", FIELD_TESTS, tests),
    FIELD(NtpReport, "LastVerdict", FIELD_VERDICT, last_verdict),
    FIELD(NtpReport, "Interleaved", FIELD_BOOL, interleaved),
    FIELD(NtpReport, "Authenticated", FIELD_BOOL, authenticated),
    FIELD(NtpReport, "TransmitTimestamping", FIELD_ORIGIN, transmit_origin),
    FIELD(NtpReport, "ReceiveTimestamping", FIELD_ORIGIN, receive_origin),
    FIELD(NtpReport, "Sent", FIELD_COUNT, sent),
    FIELD(NtpReport, "Received", FIELD_COUNT, received),
    FIELD(NtpReport, "ValidReceived", FIELD_COUNT, valid_received),
    FIELD(NtpReport, "GoodReceived", FIELD_COUNT, good_received),
    FIELD(NtpReport, "KernelSent", FIELD_COUNT, kernel_sent),
    FIELD(NtpReport, "KernelReceived", FIELD_COUNT, kernel_received),
    FIELD(NtpReport, "HardwareSent", FIELD_COUNT, hardware_sent),
    FIELD(NtpReport, "HardwareReceived", FIELD_COUNT, hardware_received),
};

static const Field authentication_fields[] = {
    FIELD(AuthenticationReport, "Mode", FIELD_AUTHENTICATION, mode),
    FIELD(AuthenticationReport, "KeyID", FIELD_COUNT, key),
    FIELD(AuthenticationReport, "KeyAvailable", FIELD_BOOL, has_key),
    FIELD(AuthenticationReport, "KeyType", FIELD_KEY_TYPE, info.type),
    FIELD(AuthenticationReport, "KeyLength", FIELD_COUNT, info.bits),
    FIELD(AuthenticationReport, "AEAD", FIELD_COUNT, aead),
    FIELD(AuthenticationReport, "KeyAge", FIELD_SECONDS, since_establishment),
    FIELD(AuthenticationReport, "Attempts", FIELD_COUNT, attempts),
    FIELD(AuthenticationReport, "NAKs", FIELD_COUNT, naks),
    FIELD(AuthenticationReport, "Cookies", FIELD_COUNT, cookies),
    FIELD(AuthenticationReport, "CookieLength", FIELD_COUNT, cookie_length),
};

int client_open(Client *client)
{
    if (client->options.host)
        return sd_bus_open_system_remote(&client->bus, client->options.host);
    return sd_bus_open_system(&client->bus);
}

void client_close(Client *client)
{
    agent_stop(client->agent);
    client->agent = 0;
    sd_bus_error_free(&client->error);
    client->bus = sd_bus_flush_close_unref(client->bus);
}

int client_is_running(Client *client, bool *ret)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int owned, r;

    sd_bus_error_free(&client->error);
    r = sd_bus_call_method(client->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "NameHasOwner", &client->error, &reply, "s", BUS_NAME);
    if (r >= 0)
        r = sd_bus_message_read(reply, "b", &owned);
    if (r >= 0)
        *ret = owned;
    return r;
}

static int new_call(Client *client, sd_bus_message **ret, const char *path, const char *interface,
                    const char *member)
{
    sd_bus_message *m = NULL;
    int r = sd_bus_message_new_method_call(client->bus, &m, BUS_NAME, path, interface, member);

    if (r >= 0)
        r = sd_bus_message_set_auto_start(m, false);
    if (r < 0) {
        sd_bus_message_unref(m);
        return r;
    }
    *ret = m;
    return 0;
}

static int send_call(Client *client, sd_bus_message *m, uint64_t timeout_usec, sd_bus_message **ret_reply)
{
    sd_bus_error_free(&client->error);
    return sd_bus_call(client->bus, m, timeout_usec, &client->error, ret_reply);
}

int client_call(Client *client, sd_bus_message **ret_reply, const char *path, const char *interface,
                const char *member, const char *types, ...)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = new_call(client, &m, path, interface, member);
    va_list ap;

    va_start(ap, types);
    if (r >= 0 && types)
        r = sd_bus_message_appendv(m, types, ap);
    va_end(ap);
    return r < 0 ? r : send_call(client, m, 0, ret_reply);
}

int client_command_new(Client *client, sd_bus_message **ret, const char *path, const char *interface,
                       const char *member)
{
    int r = new_call(client, ret, path, interface, member);

    return r < 0 ? r : sd_bus_message_set_allow_interactive_authorization(*ret, client->options.ask_password);
}

int client_command_send(Client *client, sd_bus_message *m, sd_bus_message **ret_reply)
{
    if (client->options.ask_password && !client->options.host && client->agent == 0)
        client->agent = agent_start();
    return send_call(client, m, COMMAND_TIMEOUT_USEC, ret_reply);
}

int client_command(Client *client, sd_bus_message **ret_reply, const char *path, const char *interface,
                   const char *member, const char *types, ...)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = client_command_new(client, &m, path, interface, member);
    va_list ap;

    va_start(ap, types);
    if (r >= 0 && types)
        r = sd_bus_message_appendv(m, types, ap);
    va_end(ap);
    return r < 0 ? r : client_command_send(client, m, ret_reply);
}

int client_properties(Client *client, const char *path, const char *interface, sd_bus_message **ret)
{
    return client_call(client, ret, path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface);
}

static int get(Client *client, const char *path, const char *interface, const Field *fields, size_t count,
               void *value)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = client_properties(client, path, interface, &reply);

    return r < 0 ? r : fields_decode(fields, count, reply, value);
}

int client_clock(Client *client, ClockReport *ret)
{
    ClockReport clock = {.reference_time = COOKED_UNSET};
    int r = get(client, BUS_ROOT_PATH, BUS_INTERFACE_CLOCK, clock_fields, ELEMENTS(clock_fields), &clock);

    if (r >= 0)
        *ret = clock;
    return r;
}

int client_activity(Client *client, ActivityReport *ret)
{
    ActivityReport activity = {0};
    int r = get(client, BUS_ROOT_PATH, BUS_INTERFACE_MANAGER, activity_fields, ELEMENTS(activity_fields),
                &activity);

    if (r >= 0)
        *ret = activity;
    return r;
}

/* The source went away between List and this call, or it has no such interface. */
static bool is_gone(const sd_bus_error *error)
{
    return sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
           sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_INTERFACE) ||
           sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD);
}

static int fill_entry(Client *client, bool selection, bool ntp, SourceEntry *entry)
{
    int r = get(client, entry->path, BUS_INTERFACE_SOURCE, source_fields, ELEMENTS(source_fields),
                &entry->source);

    if (r >= 0 && selection)
        r = get(client, entry->path, BUS_INTERFACE_SELECTION, selection_fields, ELEMENTS(selection_fields),
                &entry->selection);
    if (r < 0 || !ntp)
        return r;
    entry->ntp.reference_time = COOKED_UNSET;
    r = get(client, entry->path, BUS_INTERFACE_NTP, ntp_fields, ELEMENTS(ntp_fields), &entry->ntp);
    entry->has_ntp = r >= 0;
    return r < 0 && is_gone(&client->error) ? 0 : r;
}

int client_authentication(Client *client, const SourceEntry *entry, AuthenticationReport *ret)
{
    *ret = (AuthenticationReport) {.since_establishment = -1};
    int r = get(client, entry->path, BUS_INTERFACE_AUTHENTICATION, authentication_fields,
                ELEMENTS(authentication_fields), ret);

    return r < 0 && is_gone(&client->error) ? 0 : r;
}

static int append_entry(Client *client, SourceList *list, const char *path, bool selection, bool ntp)
{
    SourceEntry *grown = reallocarray(list->entries, list->count + 1, sizeof(SourceEntry));

    if (!grown)
        return -ENOMEM;
    list->entries = grown;
    SourceEntry *entry = &grown[list->count];
    *entry = (SourceEntry) {.path = strdup(path)};
    if (!entry->path)
        return -ENOMEM;
    int r = fill_entry(client, selection, ntp, entry);
    if (r < 0) {
        free(entry->path);
        return is_gone(&client->error) ? 0 : r;
    }
    list->count++;
    return 0;
}

static int read_list(Client *client, sd_bus_message *m, bool selection, bool ntp, SourceList *list)
{
    const char *path;
    int r = sd_bus_message_enter_container(m, 'v', "ao");

    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "o");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read_basic(m, 'o', &path)) > 0) {
        r = append_entry(client, list, path, selection, ntp);
        if (r < 0)
            return r;
    }
    return r;
}

int client_sources(Client *client, bool selection, bool ntp, SourceList *ret)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    SourceList list = {0};
    int r = client_call(client, &reply, BUS_ROOT_PATH, "org.freedesktop.DBus.Properties", "Get", "ss",
                        BUS_INTERFACE_SOURCES, "List");

    if (r >= 0)
        r = read_list(client, reply, selection, ntp, &list);
    if (r < 0) {
        source_list_clear(&list);
        return r;
    }
    *ret = list;
    return 0;
}

void source_list_clear(SourceList *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->entries[i].path);
    free(list->entries);
    *list = (SourceList) {0};
}

/* chronyc's reply for each error of the bus that has one. */
static const struct {
    const char *error, *reply;
} replies[] = {
    {BUS_ERROR_FAILED, "500 Failure"},
    {BUS_ERROR_NO_CLOCK, "500 Failure"},
    {BUS_ERROR_NOT_SYNCHRONIZED, "500 Failure"},
    {BUS_ERROR_CONFIGURATION, "500 Failure"},
    {BUS_ERROR_TIMEOUT, "500 Failure"},
    {SD_BUS_ERROR_ACCESS_DENIED, "501 Not authorised"},
    {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, "501 Not authorised"},
    {SD_BUS_ERROR_LIMITS_EXCEEDED, "500 Failure"},
    {BUS_ERROR_INVALID_ARGUMENT, "502 Invalid command"},
    {SD_BUS_ERROR_INVALID_ARGS, "502 Invalid command"},
    {SD_BUS_ERROR_UNKNOWN_METHOD, "502 Invalid command"},
    {BUS_ERROR_NO_SUCH_SOURCE, "503 No such source"},
    {SD_BUS_ERROR_UNKNOWN_OBJECT, "503 No such source"},
    {BUS_ERROR_NOT_ENABLED, "505 Facility not enabled in daemon"},
    {SD_BUS_ERROR_SERVICE_UNKNOWN, "506 Cannot talk to daemon"},
    {SD_BUS_ERROR_NAME_HAS_NO_OWNER, "506 Cannot talk to daemon"},
    {SD_BUS_ERROR_NO_REPLY, "506 Cannot talk to daemon"},
    {SD_BUS_ERROR_TIMEOUT, "506 Cannot talk to daemon"},
    {SD_BUS_ERROR_DISCONNECTED, "506 Cannot talk to daemon"},
    {"System.Error.ENOTCONN", "506 Cannot talk to daemon"},
    {"System.Error.ECONNRESET", "506 Cannot talk to daemon"},
    {BUS_ERROR_SOURCE_EXISTS, "511 Source already present"},
    {BUS_ERROR_TOO_MANY_SOURCES, "512 Too many sources present"},
    {BUS_ERROR_BAD_FAMILY, "515 Invalid address family"},
    {BUS_ERROR_NO_SUCH_ENTRY, "516 Sample index out of range"},
    {BUS_ERROR_BAD_NAME, "521 Invalid name"},
};

static const char *reply_line(const sd_bus_error *error, int number)
{
    if (!sd_bus_error_is_set(error))
        return number == -EBADMSG || number == -ENXIO ? "508 Bad reply from daemon"
                                                      : "506 Cannot talk to daemon";
    for (size_t i = 0; i < ELEMENTS(replies); i++)
        if (sd_bus_error_has_name(error, replies[i].error))
            return replies[i].reply;
    return "520 Got unexpected error from daemon";
}

/* A message that is only the name of its error adds nothing to the reply line. */
static bool adds_nothing(const char *message)
{
    for (unsigned i = 0; i < COMMAND_RESULT_COUNT; i++)
        if (text_equal(message, command_result_text((CommandResult) i)))
            return i != COMMAND_NO_CLOCK && i != COMMAND_NOT_SYNCHRONIZED && i != COMMAND_FAILED;
    return false;
}

int client_report(Client *client, int error)
{
    const sd_bus_error *e = &client->error;

    puts(reply_line(e, error));
    fflush(stdout);
    if (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
        sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
        fprintf(stderr, "timeball is not running. To start it: systemctl start timeball.service\n");
        return 1;
    }
    if (sd_bus_error_is_set(e) && adds_nothing(e->message))
        return 1;
    fputs("timectl: ", stderr);
    if (!sd_bus_error_is_set(e) && (error == -ENOENT || error == -ECONNREFUSED))
        fputs("no connection to the system bus: ", stderr);
    table_write_escaped(stderr, sd_bus_error_is_set(e) && e->message ? e->message : strerror(-error));
    fputc('\n', stderr);
    return 1;
}
