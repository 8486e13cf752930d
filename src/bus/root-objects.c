// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* /org/timeball1: the interfaces Manager, Clock and Sources. man/org.timeball1.5.scd tells what each member
 * means; a test holds the two together.
 *
 * They are registered as fallbacks because only then sd-bus asks for the object at each request, which is
 * when the view is filled: one report for one request, so that what GetAll shows is of one moment. */

#include <math.h>
#include <string.h>

#include "base/host-name.h"
#include "base/text.h"
#include "bus/bus-internal.h"
#include "bus/property.h"
#include "core/api/bus-names.h"
#include "core/api/explain.h"

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define CONST   SD_BUS_VTABLE_PROPERTY_CONST
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

/* --- Manager --- */

static int run_plain(sd_bus_message *message, Bus *bus, CommandKind kind, sd_bus_error *error)
{
    return bus_run_command(bus, message, &(Command) {.kind = kind}, REPLY_NOTHING, error);
}

static int on_reload(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((ManagerView *) view)->bus, COMMAND_RELOAD, error);
}

static int on_reload_sources(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((ManagerView *) view)->bus, COMMAND_RELOAD_SOURCES, error);
}

static int on_dump(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((ManagerView *) view)->bus, COMMAND_DUMP, error);
}

static int on_rekey(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((ManagerView *) view)->bus, COMMAND_REKEY, error);
}

static int on_cycle_logs(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((ManagerView *) view)->bus, COMMAND_CYCLE_LOGS, error);
}

#define P(name, type, get, member, flags)                                                                    \
    SD_BUS_PROPERTY(name, type, get, offsetof(ManagerView, member), flags)
const sd_bus_vtable manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    P("Version", "s", NULL, version, CONST),
    P("Features", "as", NULL, features, CONST),
    P("ConfigurationFiles", "as", NULL, configuration_files, CHANGES),
    P("StartUSec", "t", NULL, start_usec, CONST),
    P("OnlineSources", "u", NULL, online, CHANGES),
    P("OfflineSources", "u", NULL, offline, CHANGES),
    P("BurstOnlineSources", "u", NULL, burst_online, CHANGES),
    P("BurstOfflineSources", "u", NULL, burst_offline, CHANGES),
    P("UnresolvedSources", "u", NULL, unresolved, CHANGES),
    SD_BUS_METHOD("Reload", NULL, NULL, on_reload, ANYBODY),
    SD_BUS_METHOD("ReloadSources", NULL, NULL, on_reload_sources, ANYBODY),
    SD_BUS_METHOD("Dump", NULL, NULL, on_dump, ANYBODY),
    SD_BUS_METHOD("Rekey", NULL, NULL, on_rekey, ANYBODY),
    SD_BUS_METHOD("CycleLogs", NULL, NULL, on_cycle_logs, ANYBODY),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- Clock --- */

static int on_make_step(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((ClockView *) view)->bus, COMMAND_MAKE_STEP, error);
}

static int on_set_time(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_SET_TIME};
    uint64_t usec, monotonic;
    int r = sd_bus_message_read(message, "tt", &usec, &monotonic);

    if (r < 0)
        return r;
    command.set_time.time.ns = usec <= INT64_MAX / NSEC_PER_USEC ? (int64_t) usec * NSEC_PER_USEC : INT64_MAX;
    command.set_time.at = MONO_UNSET;
    if (monotonic > INT64_MAX / NSEC_PER_USEC)
        return bus_refuse(COMMAND_INVALID, "the clock has never shown that", error);
    if (monotonic > 0)
        command.set_time.at.ns = (int64_t) monotonic * NSEC_PER_USEC;
    return bus_run_command(((ClockView *) view)->bus, message, &command, REPLY_TIME, error);
}

static int on_set_step_policy(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_SET_STEP_POLICY};
    int r = sd_bus_message_read(message, "di", &command.step.threshold, &command.step.limit);

    return r < 0 ? r : bus_run_command(((ClockView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

static int on_set_max_update_skew(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_SET_MAX_UPDATE_SKEW};
    double ppm;
    int r = sd_bus_message_read(message, "d", &ppm);

    if (r < 0)
        return r;
    command.skew = ppm * 1e-6;
    return bus_run_command(((ClockView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

static int on_wait_synchronized(sd_bus_message *message, void *view, sd_bus_error *error)
{
    WaitLimits limits;
    uint64_t timeout;
    int r = sd_bus_message_read(message, "ddt", &limits.correction, &limits.skew, &timeout);

    if (r < 0)
        return r;
    if (!(limits.correction >= 0) || !isfinite(limits.correction))
        return bus_refuse(COMMAND_INVALID, "the largest correction must be 0 or more seconds", error);
    if (!(limits.skew >= 0) || !isfinite(limits.skew))
        return bus_refuse(COMMAND_INVALID, "the largest skew must be 0 or more ppm", error);
    limits.skew *= 1e-6;
    return wait_synchronized_add(((ClockView *) view)->bus->waits, message, &limits, timeout, error);
}

static int append_clock_fields(sd_bus_message *reply, const ClockView *clock, const ManagerView *manager)
{
    int r = sd_bus_message_append(reply, "a{sv}", 12,                                 //
                                  "State", "s", clock->state,                         //
                                  "Synchronized", "b", clock->synchronized,           //
                                  "MaySetClock", "b", clock->may_set_clock,           //
                                  "Stratum", "u", clock->stratum,                     //
                                  "SystemOffset", "d", clock->system_offset,          //
                                  "MaxError", "d", clock->max_error,                  //
                                  "CombinedSources", "u", clock->combined_sources,    //
                                  "OnlineSources", "u", manager->online,              //
                                  "OfflineSources", "u", manager->offline,            //
                                  "BurstOnlineSources", "u", manager->burst_online,   //
                                  "BurstOfflineSources", "u", manager->burst_offline, //
                                  "UnresolvedSources", "u", manager->unresolved);
    return r;
}

static int on_explain_clock(sd_bus_message *message, void *view, unused_ sd_bus_error *error)
{
    ClockView *clock = view;
    Bus *bus = clock->bus;
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(message, &reply);

    if (r < 0)
        return r;
    manager_view(&bus->service, &bus->view.manager);
    r = sd_bus_message_append(reply, "s", clock->unsynchronized_reason);
    if (r < 0)
        return r;
    r = append_clock_fields(reply, clock, &bus->view.manager);
    return r < 0 ? r : sd_bus_message_send(reply);
}

#define P(name, type, get, member, flags) SD_BUS_PROPERTY(name, type, get, offsetof(ClockView, member), flags)
const sd_bus_vtable clock_vtable[] = {
    SD_BUS_VTABLE_START(0),
    P("Synchronized", "b", NULL, synchronized, CHANGES),
    P("State", "s", NULL, state, CHANGES),
    P("UnsynchronizedReason", "s", property_get_text, unsynchronized_reason, CHANGES),
    P("MaySetClock", "b", NULL, may_set_clock, CHANGES),
    P("LeapStatus", "s", NULL, leap, CHANGES),
    P("Stratum", "u", NULL, stratum, CHANGES),
    P("ReferenceID", "u", NULL, reference_id, CHANGES),
    P("ReferenceName", "s", property_get_text, reference_name, CHANGES),
    P("ReferenceAddress", "s", property_get_text, reference_address, CHANGES),
    P("ReferenceSource", "o", property_get_path, reference_source, CHANGES),
    P("ReferenceUSec", "t", NULL, reference_usec, CHANGES),
    P("SystemOffset", "d", NULL, system_offset, 0),
    P("LastOffset", "d", NULL, last_offset, CHANGES),
    P("RMSOffset", "d", NULL, rms_offset, CHANGES),
    P("Frequency", "d", NULL, frequency, CHANGES),
    P("ResidualFrequency", "d", NULL, residual_frequency, CHANGES),
    P("Skew", "d", NULL, skew, CHANGES),
    P("RootDelay", "d", NULL, root_delay, CHANGES),
    P("RootDispersion", "d", NULL, root_dispersion, 0),
    P("MaxError", "d", NULL, max_error, 0),
    P("UpdateInterval", "d", NULL, update_interval, CHANGES),
    P("CombinedSources", "u", NULL, combined_sources, CHANGES),
    P("StepCount", "u", NULL, step_count, CHANGES),
    SD_BUS_METHOD("MakeStep", NULL, NULL, on_make_step, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("SetTime", SD_BUS_ARGS("t", usec, "t", monotonic_usec),
                            SD_BUS_RESULT("d", offset, "d", frequency_change, "d", frequency), on_set_time,
                            ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("SetStepPolicy", SD_BUS_ARGS("d", threshold, "i", limit), SD_BUS_NO_RESULT,
                            on_set_step_policy, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("SetMaxUpdateSkew", SD_BUS_ARGS("d", ppm), SD_BUS_NO_RESULT,
                            on_set_max_update_skew, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("WaitSynchronized",
                            SD_BUS_ARGS("d", max_correction, "d", max_skew, "t", timeout_usec),
                            SD_BUS_NO_RESULT, on_wait_synchronized, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", sentence, "a{sv}", fields),
                            on_explain_clock, ANYBODY),
    SD_BUS_SIGNAL_WITH_ARGS("Stepped", SD_BUS_ARGS("x", nsec), 0),
    SD_BUS_SIGNAL_WITH_ARGS("LeapPending", SD_BUS_ARGS("s", leap), 0),
    SD_BUS_SIGNAL_WITH_ARGS("Disrupted", SD_BUS_ARGS("x", nsec), 0),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- Sources --- */

static bool read_kind(const char *text, SourceKind *ret)
{
    for (SourceKind kind = SOURCE_SERVER; kind <= SOURCE_REFCLOCK; kind++)
        if (strcmp(text, source_kind_name(kind)) == 0) {
            *ret = kind;
            return true;
        }
    return false;
}

static int on_add(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_ADD_SOURCE};
    const char *kind, *name, *options;
    int r = sd_bus_message_read(message, "sss", &kind, &name, &options);

    if (r < 0)
        return r;
    if (!read_kind(kind, &command.add.kind))
        return bus_refuse(COMMAND_INVALID, "the kind must be server, pool or peer", error);
    if (!text_copy(command.add.name, sizeof(command.add.name), name))
        return bus_refuse(COMMAND_BAD_NAME, "the name is too long", error);
    if (!text_copy(command.add.options, sizeof(command.add.options), options))
        return bus_refuse(COMMAND_INVALID, "the options are too long", error);
    return bus_run_command(((SourcesView *) view)->bus, message, &command, REPLY_SOURCE, error);
}

static int on_remove(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Bus *bus = ((SourcesView *) view)->bus;
    Command command = {.kind = COMMAND_REMOVE_SOURCE};
    const char *source;
    int r = sd_bus_message_read(message, "s", &source);

    if (r < 0)
        return r;
    r = bus_read_source(bus, source, &command.sources.id, error);
    return r < 0 ? r : bus_run_command(bus, message, &command, REPLY_NOTHING, error);
}

static int on_set_online(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Bus *bus = ((SourcesView *) view)->bus;
    Command command = {.kind = COMMAND_SET_ONLINE};
    const char *mask;
    int online;
    int r = sd_bus_message_read(message, "sb", &mask, &online);

    if (r < 0)
        return r;
    command.online = online;
    r = bus_read_mask(bus, mask, &command.sources, error);
    return r < 0 ? r : bus_run_command(bus, message, &command, REPLY_COUNT, error);
}

static int on_burst(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Bus *bus = ((SourcesView *) view)->bus;
    Command command = {.kind = COMMAND_BURST};
    const char *mask;
    int r = sd_bus_message_read(message, "iis", &command.burst.good, &command.burst.total, &mask);

    if (r < 0)
        return r;
    r = bus_read_mask(bus, mask, &command.sources, error);
    return r < 0 ? r : bus_run_command(bus, message, &command, REPLY_COUNT, error);
}

/* Whose address is asked is for who may add sources to say. The name itself is looked at when it is taken for
 * a source's. */
static int on_check_nts(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Bus *bus = ((SourcesView *) view)->bus;
    NtsCheckRequest request = {0};
    const char *name;
    int r = sd_bus_message_read(message, "squ", &name, &request.port, &request.cert_set);

    if (r < 0)
        return r;
    if (!host_name_is_valid(name) || !text_copy(request.name, sizeof(request.name), name))
        return bus_refuse(COMMAND_BAD_NAME, "", error);
    r = bus_authorize(bus, message, command_info(COMMAND_ADD_SOURCE)->action, error);
    return r != 0 ? r : nts_checks_add(bus->checks, message, &request, error);
}

static int on_onoffline(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((SourcesView *) view)->bus, COMMAND_ONOFFLINE, error);
}

static int on_refresh(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((SourcesView *) view)->bus, COMMAND_REFRESH, error);
}

static int on_reselect(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((SourcesView *) view)->bus, COMMAND_RESELECT, error);
}

static int on_reset(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return run_plain(message, ((SourcesView *) view)->bus, COMMAND_RESET_SOURCES, error);
}

static int on_set_reselect_distance(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_SET_RESELECT_DISTANCE};
    int r = sd_bus_message_read(message, "d", &command.seconds);

    return r < 0 ? r : bus_run_command(((SourcesView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

static int get_list(unused_ sd_bus *connection, unused_ const char *path, unused_ const char *interface,
                    unused_ const char *property, sd_bus_message *reply, void *view,
                    unused_ sd_bus_error *error)
{
    Bus *bus = ((SourcesView *) view)->bus;
    cleanup_(freep) SourceId *ids = NULL;
    size_t count;
    int r = bus_list_sources(bus, &ids, &count);

    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "o");
    for (size_t i = 0; r >= 0 && i < count; i++) {
        ExportedSource *source = exported_source_by_id(bus, ids[i]);
        if (source)
            r = sd_bus_message_append_basic(reply, 'o', source->path);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

void sources_view(Bus *bus, SourcesView *ret)
{
    ClockReport clock;
    SourceReport source;
    SourcesView view = {.bus = bus};

    bus->service.methods->clock(bus->service.userdata, &clock);
    view.combined = clock.source_count;
    for (size_t i = 0; i < bus->source_count; i++)
        if (bus->service.methods->source(bus->service.userdata, bus->sources[i]->id, &source)) {
            view.count++;
            view.reachable += source.reachability != 0;
        }
    *ret = view;
}

#define P(name, type, get, member, flags)                                                                    \
    SD_BUS_PROPERTY(name, type, get, offsetof(SourcesView, member), flags)
const sd_bus_vtable sources_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("List", "ao", get_list, 0, CHANGES),
    P("Count", "u", NULL, count, CHANGES),
    P("Reachable", "u", NULL, reachable, CHANGES),
    P("Combined", "u", NULL, combined, CHANGES),
    SD_BUS_METHOD_WITH_ARGS("Add", SD_BUS_ARGS("s", kind, "s", name, "s", options),
                            SD_BUS_RESULT("o", source), on_add, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Remove", SD_BUS_ARGS("s", source), SD_BUS_NO_RESULT, on_remove, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("SetOnline", SD_BUS_ARGS("s", mask, "b", online), SD_BUS_RESULT("u", count),
                            on_set_online, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Burst", SD_BUS_ARGS("i", good, "i", total, "s", mask), SD_BUS_RESULT("u", count),
                            on_burst, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("CheckNTS", SD_BUS_ARGS("s", name, "q", port, "u", certset),
                            SD_BUS_RESULT("a{sv}", report), on_check_nts, ANYBODY),
    SD_BUS_METHOD("OnOffline", NULL, NULL, on_onoffline, ANYBODY),
    SD_BUS_METHOD("Refresh", NULL, NULL, on_refresh, ANYBODY),
    SD_BUS_METHOD("Reselect", NULL, NULL, on_reselect, ANYBODY),
    SD_BUS_METHOD("Reset", NULL, NULL, on_reset, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("SetReselectDistance", SD_BUS_ARGS("d", seconds), SD_BUS_NO_RESULT,
                            on_set_reselect_distance, ANYBODY),
    SD_BUS_VTABLE_END,
};
#undef P

/* --- Looking up --- */

static int find_manager(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                        void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;

    if (strcmp(path, BUS_ROOT_PATH) != 0)
        return 0;
    bus->view.manager.bus = bus;
    manager_view(&bus->service, &bus->view.manager);
    *ret = &bus->view.manager;
    return 1;
}

static int find_clock(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                      void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;

    if (strcmp(path, BUS_ROOT_PATH) != 0)
        return 0;
    bus->view.clock.bus = bus;
    clock_view(&bus->service, &bus->view.clock);
    *ret = &bus->view.clock;
    return 1;
}

static int find_sources(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                        void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;

    if (strcmp(path, BUS_ROOT_PATH) != 0)
        return 0;
    sources_view(bus, &bus->view.sources);
    *ret = &bus->view.sources;
    return 1;
}

int root_objects_add(Bus *bus)
{
    static const struct {
        const char *interface;
        const sd_bus_vtable *vtable;
        sd_bus_object_find_t find;
    } interfaces[] = {
        {BUS_INTERFACE_MANAGER, manager_vtable, find_manager},
        {BUS_INTERFACE_CLOCK, clock_vtable, find_clock},
        {BUS_INTERFACE_SOURCES, sources_vtable, find_sources},
        {BUS_INTERFACE_MANUAL, manual_vtable, manual_object_find},
    };

    for (size_t i = 0; i < ELEMENTS(interfaces); i++) {
        int r = sd_bus_add_fallback_vtable(bus->connection, NULL, BUS_ROOT_PATH, interfaces[i].interface,
                                           interfaces[i].vtable, interfaces[i].find, bus);
        if (r < 0)
            return r;
    }
    return sd_bus_add_object_manager(bus->connection, NULL, BUS_ROOT_PATH);
}
