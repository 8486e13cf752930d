// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* /org/timeball1/source/NAME: the interfaces Source, NTP, Selection and Authentication. As in root-objects.c,
 * the view is filled when sd-bus looks the object up. */

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "bus/bus-internal.h"
#include "bus/property.h"
#include "core/api/bus-names.h"
#include "core/api/explain.h"

#define CHANGES     SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define INVALIDATES SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION
#define CONST       SD_BUS_VTABLE_PROPERTY_CONST
#define ANYBODY     SD_BUS_VTABLE_UNPRIVILEGED

/* --- Source --- */

static int on_remove(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    SourceView *view = userdata;
    Command command = {.kind = COMMAND_REMOVE_SOURCE, .sources.id = view->id};

    return bus_run_command(view->bus, message, &command, REPLY_NOTHING, error);
}

static int on_set_online(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    SourceView *view = userdata;
    Command command = {.kind = COMMAND_SET_ONLINE, .sources.id = view->id};
    int online;
    int r = sd_bus_message_read(message, "b", &online);

    command.online = r >= 0 && online;
    return r < 0 ? r : bus_run_command(view->bus, message, &command, REPLY_NOTHING, error);
}

static int on_burst(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    SourceView *view = userdata;
    Command command = {.kind = COMMAND_BURST, .sources.id = view->id};
    int r = sd_bus_message_read(message, "ii", &command.burst.good, &command.burst.total);

    return r < 0 ? r : bus_run_command(view->bus, message, &command, REPLY_NOTHING, error);
}

static bool read_option(const char *name, SourceOption *ret)
{
    for (SourceOption option = 0; option < SOURCE_OPTION_COUNT; option++)
        if (strcmp(name, source_option_info(option)->name) == 0) {
            *ret = option;
            return true;
        }
    return false;
}

static int on_set_option(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    SourceView *view = userdata;
    Command command = {.kind = COMMAND_SET_SOURCE_OPTION, .sources.id = view->id};
    const char *name;
    int r = sd_bus_message_read(message, "sd", &name, &command.set.value);

    if (r < 0)
        return r;
    if (!read_option(name, &command.set.option))
        return bus_refuse(COMMAND_INVALID, "there is no such option", error);
    return bus_run_command(view->bus, message, &command, REPLY_NOTHING, error);
}

/* The names are those of the configuration; the letters of chrony's reports are N P T R. */
static bool *select_option(SelectOptions *options, const char *name)
{
    if (strcmp(name, "noselect") == 0)
        return &options->noselect;
    if (strcmp(name, "prefer") == 0)
        return &options->prefer;
    if (strcmp(name, "trust") == 0)
        return &options->trust;
    if (strcmp(name, "require") == 0)
        return &options->require;
    return NULL;
}

static int read_select_options(sd_bus_message *message, Command *command, sd_bus_error *error)
{
    const char *name;
    int value;
    int r = sd_bus_message_enter_container(message, 'a', "{sb}");

    while (r >= 0 && (r = sd_bus_message_read(message, "{sb}", &name, &value)) > 0) {
        bool *mask = select_option(&command->select.mask, name);
        if (!mask)
            return bus_refuse(COMMAND_INVALID, "the options are noselect, prefer, trust and require", error);
        *mask = true;
        *select_option(&command->select.value, name) = value;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int on_set_select_options(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    SourceView *view = userdata;
    Command command = {.kind = COMMAND_SET_SELECT_OPTIONS, .sources.id = view->id};
    int r = read_select_options(message, &command, error);

    return r < 0 ? r : bus_run_command(view->bus, message, &command, REPLY_NOTHING, error);
}

/* A number is left out when there is none. */
static int append_number(sd_bus_message *reply, const char *key, double value)
{
    return isnan(value) ? 0 : sd_bus_message_append(reply, "{sv}", key, "d", value);
}

static int append_numbers(sd_bus_message *reply, const Explanation *e)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"Value", e->value},
        {"Limit", e->limit},
        {"MajorityLow", e->majority_low},
        {"MajorityHigh", e->majority_high},
        {"LowLimit", e->selection.low_limit},
        {"HighLimit", e->selection.high_limit},
        {"Offset", e->source.offset},
        {"OffsetError", e->source.offset_error},
        {"StandardDeviation", e->source.standard_deviation},
        {"RootDistance", e->selection.root_distance},
        {"Score", e->selection.score},
        {"SampleAge", e->source.since_sample},
    };
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTS(numbers); i++)
        r = append_number(reply, numbers[i].key, numbers[i].value);
    return r;
}

static int append_fields(sd_bus_message *reply, const Explanation *e)
{
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r >= 0)
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", //
                                  "State", "s", source_state_name(e->source.state),          //
                                  "LastVerdict", "s", packet_verdict_name(e->last_verdict),  //
                                  "Origin", "s", source_origin_name(e->source.origin),       //
                                  "OriginName", "s", e->source.origin_name, "Online", "b",
                                  (int) e->source.online,                                              //
                                  "OfflineReason", "s", offline_reason_name(e->source.offline_reason), //
                                  "Resolving", "b", (int) e->source.resolving,                         //
                                  "NameRefused", "b", (int) e->refused_name,                           //
                                  "Reachability", "u", (uint32_t) e->source.reachability,              //
                                  "Samples", "u", e->source.samples,                                   //
                                  "Agreeing", "u", e->agreeing,                                        //
                                  "Candidates", "u", e->candidates);
    if (r >= 0)
        r = append_numbers(reply, e);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int on_explain(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    SourceView *view = userdata;
    Service *service = &view->bus->service;
    Explanation explanation;
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

    if (!service->methods->explain(service->userdata, view->id, &explanation))
        return bus_refuse(COMMAND_NO_SOURCE, "", error);
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0)
        r = sd_bus_message_append(reply, "s", view->state_reason);
    if (r >= 0)
        r = append_fields(reply, &explanation);
    return r < 0 ? r : sd_bus_message_send(reply);
}

#define P(name, type, get, member, flags)                                                                    \
    SD_BUS_PROPERTY(name, type, get, offsetof(SourceView, member), flags)
const sd_bus_vtable source_vtable[] = {
    SD_BUS_VTABLE_START(0),
    P("Kind", "s", NULL, kind, CONST),
    P("Name", "s", property_get_text, name, CONST),
    P("Address", "s", property_get_text, address, CHANGES),
    P("Port", "q", NULL, port, CHANGES),
    P("ReferenceID", "u", NULL, reference_id, CHANGES),
    P("State", "s", NULL, state, CHANGES),
    P("StateReason", "s", property_get_text, state_reason, CHANGES),
    P("Origin", "s", NULL, origin, CHANGES),
    P("OriginName", "s", property_get_text, origin_name, CHANGES),
    P("Online", "b", NULL, online, CHANGES),
    P("OfflineReason", "s", NULL, offline_reason, CHANGES),
    P("Resolving", "b", NULL, resolving, CHANGES),
    P("Reachability", "u", NULL, reachability, CHANGES),
    P("Stratum", "u", NULL, stratum, CHANGES),
    P("PollInterval", "d", NULL, poll_interval, CHANGES),
    P("SampleAge", "d", NULL, sample_age, 0),
    P("LastReceiveUSec", "t", NULL, last_receive_usec, CHANGES),
    P("Offset", "d", NULL, offset, 0),
    P("MeasuredOffset", "d", NULL, measured_offset, CHANGES),
    P("OffsetError", "d", NULL, offset_error, CHANGES),
    P("Samples", "u", NULL, samples, CHANGES),
    P("Runs", "u", NULL, runs, CHANGES),
    P("Span", "d", NULL, span, CHANGES),
    P("ResidualFrequency", "d", NULL, residual_frequency, CHANGES),
    P("Skew", "d", NULL, skew, CHANGES),
    P("EstimatedOffset", "d", NULL, estimated_offset, 0),
    P("EstimatedOffsetError", "d", NULL, estimated_offset_error, 0),
    P("StandardDeviation", "d", NULL, standard_deviation, CHANGES),
    SD_BUS_METHOD("Remove", NULL, NULL, on_remove, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("SetOnline", SD_BUS_ARGS("b", online), SD_BUS_NO_RESULT, on_set_online, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Burst", SD_BUS_ARGS("i", good, "i", total), SD_BUS_NO_RESULT, on_burst, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("SetOption", SD_BUS_ARGS("s", option, "d", value), SD_BUS_NO_RESULT,
                            on_set_option, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("SetSelectOptions", SD_BUS_ARGS("a{sb}", options), SD_BUS_NO_RESULT,
                            on_set_select_options, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", sentence, "a{sv}", fields),
                            on_explain, ANYBODY),
    SD_BUS_SIGNAL("Selected", NULL, 0),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- NTP --- */

static int get_tests(unused_ sd_bus *connection, unused_ const char *path, unused_ const char *interface,
                     unused_ const char *property, sd_bus_message *reply, void *field,
                     unused_ sd_bus_error *error)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } tests[] = {
        {"1", TEST_1}, {"2", TEST_2}, {"3", TEST_3}, {"5", TEST_5}, {"6", TEST_6},
        {"7", TEST_7}, {"A", TEST_A}, {"B", TEST_B}, {"C", TEST_C}, {"D", TEST_D},
    };
    uint32_t passed = *(const uint32_t *) field;
    int r = sd_bus_message_open_container(reply, 'a', "{sb}");

    for (size_t i = 0; r >= 0 && i < ELEMENTS(tests); i++)
        r = sd_bus_message_append(reply, "{sb}", tests[i].name, (passed & tests[i].bit) != 0);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_verdicts(unused_ sd_bus *connection, unused_ const char *path, unused_ const char *interface,
                        unused_ const char *property, sd_bus_message *reply, void *field,
                        unused_ sd_bus_error *error)
{
    const uint32_t *counts = field;
    int r = sd_bus_message_open_container(reply, 'a', "{su}");

    for (PacketVerdict verdict = 0; r >= 0 && verdict < PACKET_VERDICT_COUNT; verdict++)
        r = sd_bus_message_append(reply, "{su}", packet_verdict_name(verdict), counts[verdict]);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

#define P(name, type, get, member) SD_BUS_PROPERTY(name, type, get, offsetof(NtpView, member), INVALIDATES)
const sd_bus_vtable ntp_vtable[] = {
    SD_BUS_VTABLE_START(0),
    P("RemoteAddress", "s", property_get_text, remote_address),
    P("RemotePort", "q", NULL, remote_port),
    P("LocalAddress", "s", property_get_text, local_address),
    P("Valid", "b", NULL, valid),
    P("LeapStatus", "s", NULL, leap),
    P("Version", "u", NULL, version),
    P("Mode", "s", NULL, mode),
    P("Stratum", "u", NULL, stratum),
    P("PollInterval", "d", NULL, poll_interval),
    P("Precision", "d", NULL, precision),
    P("RootDelay", "d", NULL, root_delay),
    P("RootDispersion", "d", NULL, root_dispersion),
    P("ReferenceID", "u", NULL, reference_id),
    P("ReferenceUSec", "t", NULL, reference_usec),
    P("Offset", "d", NULL, offset),
    P("PeerDelay", "d", NULL, peer_delay),
    P("PeerDispersion", "d", NULL, peer_dispersion),
    P("ResponseTime", "d", NULL, response_time),
    P("JitterAsymmetry", "d", NULL, jitter_asymmetry),
    P("Tests", "a{sb}", get_tests, tests),
    P("LastVerdict", "s", NULL, last_verdict),
    P("Interleaved", "b", NULL, interleaved),
    P("Authenticated", "b", NULL, authenticated),
    P("TransmitTimestamping", "s", NULL, transmit_timestamping),
    P("ReceiveTimestamping", "s", NULL, receive_timestamping),
    P("Sent", "u", NULL, sent),
    P("Received", "u", NULL, received),
    P("ValidReceived", "u", NULL, valid_received),
    P("GoodReceived", "u", NULL, good_received),
    P("KernelSent", "u", NULL, kernel_sent),
    P("KernelReceived", "u", NULL, kernel_received),
    P("HardwareSent", "u", NULL, hardware_sent),
    P("HardwareReceived", "u", NULL, hardware_received),
    P("Verdicts", "a{su}", get_verdicts, verdicts),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- Selection --- */

static int get_options(unused_ sd_bus *connection, unused_ const char *path, unused_ const char *interface,
                       unused_ const char *property, sd_bus_message *reply, void *field,
                       unused_ sd_bus_error *error)
{
    static const char *const names[] = {"noselect", "prefer", "trust", "require"};
    int r = sd_bus_message_open_container(reply, 'a', "s");

    for (size_t i = 0; r >= 0 && i < ELEMENTS(names); i++)
        if (*select_option(field, names[i]))
            r = sd_bus_message_append_basic(reply, 's', names[i]);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

#define P(name, type, get, member, flags)                                                                    \
    SD_BUS_PROPERTY(name, type, get, offsetof(SelectionView, member), flags)
const sd_bus_vtable selection_vtable[] = {
    SD_BUS_VTABLE_START(0),
    P("State", "s", NULL, state, INVALIDATES),
    P("Authenticated", "b", NULL, authenticated, INVALIDATES),
    P("ConfiguredOptions", "as", get_options, configured, INVALIDATES),
    P("EffectiveOptions", "as", get_options, effective, INVALIDATES),
    P("SampleAge", "d", NULL, sample_age, 0),
    P("Score", "d", NULL, score, INVALIDATES),
    P("LowLimit", "d", NULL, low_limit, INVALIDATES),
    P("HighLimit", "d", NULL, high_limit, INVALIDATES),
    P("LeapStatus", "s", NULL, leap, INVALIDATES),
    P("RootDistance", "d", NULL, root_distance, INVALIDATES),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- Authentication --- */

#define P(name, type, get, member)                                                                           \
    SD_BUS_PROPERTY(name, type, get, offsetof(AuthenticationView, member), INVALIDATES)
const sd_bus_vtable authentication_vtable[] = {
    SD_BUS_VTABLE_START(0),
    P("Mode", "s", NULL, mode),
    P("KeyID", "u", NULL, key),
    P("KeyAvailable", "b", NULL, key_available),
    P("KeyType", "s", NULL, key_type),
    P("KeyLength", "u", NULL, key_length),
    P("AEAD", "u", NULL, aead),
    SD_BUS_PROPERTY("KeyAge", "d", NULL, offsetof(AuthenticationView, key_age), 0),
    P("Attempts", "u", NULL, attempts),
    P("NAKs", "u", NULL, naks),
    P("Cookies", "u", NULL, cookies),
    P("CookieLength", "u", NULL, cookie_length),
    P("Failure", "s", NULL, failure),
    P("FailureText", "s", NULL, failure_text),
    P("ValidFromUSec", "t", NULL, valid_from),
    P("ValidUntilUSec", "t", NULL, valid_until),
    P("Unproven", "b", NULL, unproven),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- Looking up. A source that is being removed answers no queries any more, but still has its interfaces
 * until InterfacesRemoved has told of them; its view then is what was published last. --- */

static int find_source(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                       void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;
    ExportedSource *source = exported_source_by_path(bus, path);

    if (!source)
        return 0;
    bus->view.source.bus = bus;
    if (!source_view(&bus->service, source->id, &bus->view.source))
        bus->view.source = source->published;
    *ret = &bus->view.source;
    return 1;
}

static int find_ntp(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                    void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;
    ExportedSource *source = exported_source_by_path(bus, path);

    if (!source)
        return 0;
    bus->view.ntp.bus = bus;
    if (!ntp_view(&bus->service, source->id, &bus->view.ntp)) {
        if (strcmp(source->published.kind, source_kind_name(SOURCE_REFCLOCK)) == 0)
            return 0;
        bus->view.ntp = (NtpView) {.bus = bus, .leap = "", .mode = "", .last_verdict = ""};
    }
    *ret = &bus->view.ntp;
    return 1;
}

static int find_selection(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                          void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;
    ExportedSource *source = exported_source_by_path(bus, path);

    if (!source)
        return 0;
    bus->view.selection.bus = bus;
    if (!selection_view(&bus->service, source->id, &bus->view.selection))
        bus->view.selection = (SelectionView) {.bus = bus, .state = source->published.state, .leap = ""};
    *ret = &bus->view.selection;
    return 1;
}

static int find_authentication(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                               void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;
    ExportedSource *source = exported_source_by_path(bus, path);

    if (!source)
        return 0;
    bus->view.authentication.bus = bus;
    if (!authentication_view(&bus->service, source->id, &bus->view.authentication))
        bus->view.authentication =
            (AuthenticationView) {.bus = bus, .mode = "", .key_type = "", .failure = "", .failure_text = ""};
    *ret = &bus->view.authentication;
    return 1;
}

static int enumerate(unused_ sd_bus *connection, unused_ const char *prefix, void *userdata, char ***ret,
                     unused_ sd_bus_error *error)
{
    Bus *bus = userdata;
    char **paths = calloc(bus->source_count + 1, sizeof(*paths));

    for (size_t i = 0; paths && i < bus->source_count; i++) {
        paths[i] = strdup(bus->sources[i]->path);
        if (!paths[i]) {
            while (i-- > 0)
                free(paths[i]);
            free(paths);
            return -ENOMEM;
        }
    }
    *ret = paths;
    return paths ? 0 : -ENOMEM;
}

int source_objects_add(Bus *bus)
{
    static const struct {
        const char *interface;
        const sd_bus_vtable *vtable;
        sd_bus_object_find_t find;
    } interfaces[] = {
        {BUS_INTERFACE_SOURCE, source_vtable, find_source},
        {BUS_INTERFACE_NTP, ntp_vtable, find_ntp},
        {BUS_INTERFACE_SELECTION, selection_vtable, find_selection},
        {BUS_INTERFACE_AUTHENTICATION, authentication_vtable, find_authentication},
    };

    for (size_t i = 0; i < ELEMENTS(interfaces); i++) {
        int r = sd_bus_add_fallback_vtable(bus->connection, NULL, BUS_SOURCE_PREFIX, interfaces[i].interface,
                                           interfaces[i].vtable, interfaces[i].find, bus);
        if (r < 0)
            return r;
    }
    return sd_bus_add_node_enumerator(bus->connection, NULL, BUS_SOURCE_PREFIX, enumerate, bus);
}
