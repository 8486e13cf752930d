// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Which sources are objects on the bus, and under which paths. A name is unique among the sources of the
 * moment, so that a path is too. */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "core/api/bus-names.h"

ExportedSource *exported_source_by_path(Bus *bus, const char *path)
{
    for (size_t i = 0; i < bus->source_count; i++)
        if (strcmp(bus->sources[i]->path, path) == 0)
            return bus->sources[i];
    return NULL;
}

ExportedSource *exported_source_by_id(Bus *bus, SourceId id)
{
    for (size_t i = 0; i < bus->source_count; i++)
        if (source_id_equal(bus->sources[i]->id, id))
            return bus->sources[i];
    return NULL;
}

int bus_list_sources(Bus *bus, SourceId **ret, size_t *ret_count)
{
    size_t count = bus->service.methods->sources(bus->service.userdata, NULL, 0);
    SourceId *ids = calloc(count + 1, sizeof(*ids));

    if (!ids)
        return -ENOMEM;
    *ret_count = MIN(bus->service.methods->sources(bus->service.userdata, ids, count), count);
    *ret = ids;
    return 0;
}

static void exported_source_free(ExportedSource *source)
{
    free(source->path);
    free(source);
}

static int append(Bus *bus, ExportedSource *source)
{
    ExportedSource **grown = reallocarray(bus->sources, bus->source_count + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    bus->sources = grown;
    bus->sources[bus->source_count++] = source;
    return 0;
}

static int export(Bus *bus, SourceId id)
{
    char path[SOURCE_PATH_MAX];
    SourceView view = {.bus = bus};

    if (!source_view(&bus->service, id, &view) || !source_path(view.name, path))
        return 0; /* gone again */

    ExportedSource *source = calloc(1, sizeof(*source));
    if (!source)
        return -ENOMEM;
    *source = (ExportedSource) {.id = id, .path = strdup(path), .published = view};
    if (!source->path || append(bus, source) < 0) {
        exported_source_free(source);
        return -ENOMEM;
    }
    if (bus->ready)
        (void) sd_bus_emit_object_added(bus->connection, source->path);
    return 0;
}

int bus_export_source(Bus *bus, SourceId id)
{
    return exported_source_by_id(bus, id) ? 0 : export(bus, id);
}

int bus_export_sources(Bus *bus)
{
    cleanup_(freep) SourceId *ids = NULL;
    size_t count;
    int r = bus_list_sources(bus, &ids, &count);

    for (size_t i = 0; r >= 0 && i < count; i++)
        r = bus_export_source(bus, ids[i]);
    return r < 0 ? r : 0;
}

void bus_unexport_source(Bus *bus, SourceId id)
{
    ExportedSource *source = exported_source_by_id(bus, id);

    if (!source)
        return;
    /* While it is in the table, so that sd-bus finds which interfaces it had. */
    if (bus->ready)
        (void) sd_bus_emit_object_removed(bus->connection, source->path);
    for (size_t i = 0; i < bus->source_count; i++)
        if (bus->sources[i] == source) {
            memmove(&bus->sources[i], &bus->sources[i + 1],
                    (bus->source_count - i - 1) * sizeof(*bus->sources));
            bus->source_count--;
            break;
        }
    exported_source_free(source);
}

void bus_free_sources(Bus *bus)
{
    for (size_t i = 0; i < bus->source_count; i++)
        exported_source_free(bus->sources[i]);
    free(bus->sources);
    bus->sources = NULL;
    bus->source_count = 0;
}
