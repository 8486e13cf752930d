// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* From events of the engine to signals of the bus.
 *
 * What happened (stepped, selected, added) is told at once. What is different now is told by
 * PropertiesChanged when the loop comes round, so that the dozen events that one sample may cause become one
 * signal for each object. A source whose own report changed is compared as a whole; of the others only the
 * state can have changed for good: their remaining numbers follow the clock, and are told with their own next
 * sample.
 *
 * A signal that cannot be sent is not missed: either the connection has broken, and whoever comes back reads
 * all anew, or memory is short, and the next one tells. */

#include <string.h>

#include "bus/bus-internal.h"
#include "bus/property.h"
#include "core/api/bus-names.h"

/* After all that core has to say in this round of the loop. */
#define PUBLISH_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 20)

static void publish_root(Bus *bus)
{
    ManagerView manager = {.bus = bus};
    ClockView clock = {.bus = bus};
    SourcesView sources;
    LocalView local = {.bus = bus};
    ManualView manual;

    manager_view(&bus->service, &manager);
    clock_view(&bus->service, &clock);
    sources_view(bus, &sources);
    local_view(&bus->service, &local);
    manual_view(bus, &manual);
    bus->entries_dirty |= manual.report.count != bus->published.manual.report.count;
    if (bus->ready) {
        property_emit_differences(bus->connection, BUS_ROOT_PATH, BUS_INTERFACE_LOCAL, local_vtable,
                                  &bus->published.local, &local, NULL);
        property_emit_differences(bus->connection, BUS_ROOT_PATH, BUS_INTERFACE_MANAGER, manager_vtable,
                                  &bus->published.manager, &manager,
                                  bus->configuration_dirty ? "ConfigurationFiles" : NULL);
        property_emit_differences(bus->connection, BUS_ROOT_PATH, BUS_INTERFACE_CLOCK, clock_vtable,
                                  &bus->published.clock, &clock, NULL);
        property_emit_differences(bus->connection, BUS_ROOT_PATH, BUS_INTERFACE_SOURCES, sources_vtable,
                                  &bus->published.sources, &sources, bus->list_dirty ? "List" : NULL);
        property_emit_differences(bus->connection, BUS_ROOT_PATH, BUS_INTERFACE_MANUAL, manual_vtable,
                                  &bus->published.manual, &manual, bus->entries_dirty ? "Entries" : NULL);
    }
    bus->configuration_dirty = bus->list_dirty = bus->entries_dirty = false;
    bus->published.manager = manager;
    bus->published.clock = clock;
    bus->published.sources = sources;
    bus->published.local = local;
    bus->published.manual = manual;
}

static bool state_differs(Bus *bus, const ExportedSource *source)
{
    SourceReport report;

    return bus->service.methods->source(bus->service.userdata, source->id, &report) &&
           strcmp(source_state_name(report.state), source->published.state) != 0;
}

static void publish_source(Bus *bus, ExportedSource *source)
{
    SourceView view = {.bus = bus};

    if ((!source->dirty && !state_differs(bus, source)) || !source_view(&bus->service, source->id, &view))
        return;
    if (bus->ready) {
        property_emit_differences(bus->connection, source->path, BUS_INTERFACE_SOURCE, source_vtable,
                                  &source->published, &view, NULL);
        if (source->dirty)
            property_emit_invalidated(bus->connection, source->path, BUS_INTERFACE_NTP, ntp_vtable);
        property_emit_invalidated(bus->connection, source->path, BUS_INTERFACE_SELECTION, selection_vtable);
        property_emit_invalidated(bus->connection, source->path, BUS_INTERFACE_AUTHENTICATION,
                                  authentication_vtable);
    }
    source->published = view;
    source->dirty = false;
}

static int on_publish(unused_ sd_event_source *source, void *userdata)
{
    Bus *bus = userdata;

    publish_root(bus);
    for (size_t i = 0; i < bus->source_count; i++)
        publish_source(bus, bus->sources[i]);
    if (bus->waits)
        wait_synchronized_on_clock(bus->waits);
    return 0;
}

int publish_new(Bus *bus)
{
    int r = sd_event_add_defer(bus->event, &bus->publish, on_publish, bus);

    if (r >= 0)
        r = sd_event_source_set_enabled(bus->publish, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_source_set_priority(bus->publish, PUBLISH_PRIORITY);
    if (r >= 0)
        publish_root(bus);
    return r;
}

static void publish_later(Bus *bus)
{
    (void) sd_event_source_set_enabled(bus->publish, SD_EVENT_ONESHOT);
}

void bus_on_configuration_changed(Bus *bus)
{
    bus->configuration_dirty = true;
    publish_later(bus);
}

static void emit_selected(Bus *bus, SourceId id)
{
    ExportedSource *source = exported_source_by_id(bus, id);

    if (source && bus->ready)
        (void) sd_bus_emit_signal(bus->connection, source->path, BUS_INTERFACE_SOURCE, "Selected", NULL);
}

static void emit_jump(Bus *bus, const char *member, double seconds)
{
    if (bus->ready)
        (void) sd_bus_emit_signal(bus->connection, BUS_ROOT_PATH, BUS_INTERFACE_CLOCK, member, "x",
                                  ns_from_seconds(seconds));
}

static void emit_leap(Bus *bus, LeapStatus leap)
{
    if (bus->ready)
        (void) sd_bus_emit_signal(bus->connection, BUS_ROOT_PATH, BUS_INTERFACE_CLOCK, "LeapPending", "s",
                                  leap_status_name(leap));
}

static void mark_source(Bus *bus, SourceId id)
{
    ExportedSource *source = exported_source_by_id(bus, id);

    if (source)
        source->dirty = true;
}

void bus_on_event(Bus *bus, const Event *event)
{
    publish_later(bus);
    if (bus->export_failed)
        bus->export_failed = bus_export_sources(bus) < 0;
    else if (event->kind == EVENT_SOURCE_ADDED)
        bus->export_failed = bus_export_source(bus, event->source) < 0;
    switch (event->kind) {
    case EVENT_SOURCE_ADDED: bus->list_dirty = true; break;
    case EVENT_SOURCE_REMOVED:
        bus_unexport_source(bus, event->source);
        bus->list_dirty = true;
        break;
    case EVENT_SELECTED:
        mark_source(bus, event->source);
        emit_selected(bus, event->source);
        break;
    case EVENT_SOURCE_CHANGED:
    case EVENT_SOURCE_ONLINE:
    case EVENT_SOURCE_OFFLINE:
    case EVENT_SOURCE_RESOLVED:
    case EVENT_SOURCE_REPLACED:
    case EVENT_RESOLVE_FAILED:
    case EVENT_RESOLVE_BOGUS:
    case EVENT_KISS_RATE:
    case EVENT_KEY_MISSING:
    case EVENT_KEY_WEAK:
    case EVENT_KEYS_ESTABLISHED:
    case EVENT_KEYS_RESTORED:
    case EVENT_KEYS_FAILED:
    case EVENT_STATE_CHANGED: mark_source(bus, event->source); break;
    case EVENT_STEPPED: emit_jump(bus, "Stepped", event->value); break;
    case EVENT_DISRUPTED: emit_jump(bus, "Disrupted", event->value); break;
    case EVENT_TIME_ENTERED: bus->entries_dirty = true; break;
    case EVENT_LEAP_PENDING: emit_leap(bus, event->leap); break;
    case EVENT_SELECTION_FAILED:
    case EVENT_CLOCK_UPDATED:
    case EVENT_SYNCHRONIZED:
    case EVENT_UNSYNCHRONIZED:
    case EVENT_CLOCK_WRONG:
    case EVENT_STEP_FAILED:
    case EVENT_INTERFERENCE:
    case EVENT_CHANGE_REFUSED:
    case EVENT_FREQUENCY_LIMITED:
    case EVENT_DRIFT_LOADED:
    case EVENT_INITIAL_OFFSET:
    case EVENT_INITSTEPSLEW:
    case EVENT_NO_INITSTEPSLEW:
    case EVENT_SOURCE_NOT_ADDED:
    case EVENT_TIME_CONFIRMED:
    case EVENT_STAMP_OVERRULED:
    case EVENT_OFFER_REFUSED:
    case EVENT_PORTAL:
    case EVENT_PORTAL_PASSED:
    case EVENT_METERED:
    case EVENT_UNMETERED:
    case EVENT_KIND_COUNT: break;
    }
}
