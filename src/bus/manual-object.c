// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* The interface Manual of /org/timeball1: the time as people entered it. Entering it is Clock.SetTime. */

#include <string.h>

#include "bus/bus-internal.h"
#include "core/api/bus-names.h"

static int set_enabled(sd_bus_message *message, void *view, bool enabled, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_SET_MANUAL, .enabled = enabled};

    return bus_run_command(((ManualView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

static int on_on(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return set_enabled(message, view, true, error);
}

static int on_off(sd_bus_message *message, void *view, sd_bus_error *error)
{
    return set_enabled(message, view, false, error);
}

static int on_reset(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_RESET_MANUAL};

    return bus_run_command(((ManualView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

static int on_delete(sd_bus_message *message, void *view, sd_bus_error *error)
{
    Command command = {.kind = COMMAND_DELETE_MANUAL};
    int r = sd_bus_message_read(message, "u", &command.entry);

    return r < 0 ? r : bus_run_command(((ManualView *) view)->bus, message, &command, REPLY_NOTHING, error);
}

static int get_entries(unused_ sd_bus *connection, unused_ const char *path, unused_ const char *interface,
                       unused_ const char *property, sd_bus_message *reply, void *userdata,
                       unused_ sd_bus_error *error)
{
    const ManualReport *report = &((ManualView *) userdata)->report;
    int r = sd_bus_message_open_container(reply, 'a', "(tddd)");

    for (size_t i = 0; r >= 0 && i < report->count; i++) {
        const ManualEntryReport *entry = &report->entries[i];
        uint64_t usec = entry->time.ns > 0 ? (uint64_t) (entry->time.ns / NSEC_PER_USEC) : 0;
        r = sd_bus_message_append(reply, "(tddd)", usec, entry->slewed, entry->original, entry->residual);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

void manual_view(Bus *bus, ManualView *ret)
{
    *ret = (ManualView) {.bus = bus};
    bus->service.methods->manual(bus->service.userdata, &ret->report);
    ret->enabled = ret->report.enabled;
}

const sd_bus_vtable manual_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Enabled", "b", NULL, offsetof(ManualView, enabled), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Entries", "a(tddd)", get_entries, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD("On", NULL, NULL, on_on, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Off", NULL, NULL, on_off, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Reset", NULL, NULL, on_reset, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Delete", SD_BUS_ARGS("u", entry), SD_BUS_NO_RESULT, on_delete,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

int manual_object_find(unused_ sd_bus *connection, const char *path, unused_ const char *interface,
                       void *userdata, void **ret, unused_ sd_bus_error *error)
{
    Bus *bus = userdata;

    if (strcmp(path, BUS_ROOT_PATH) != 0)
        return 0;
    manual_view(bus, &bus->view.manual);
    *ret = &bus->view.manual;
    return 1;
}
