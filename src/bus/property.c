// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* The vtable that sd-bus serves an interface from is also the table by which two views of it are compared. */

#include "bus/property.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define PROPERTIES_MAX 40 /* of one interface */

int property_get_text(unused_ sd_bus *connection, unused_ const char *path, unused_ const char *interface,
                      unused_ const char *property, sd_bus_message *reply, void *text,
                      unused_ sd_bus_error *error)
{
    return sd_bus_message_append_basic(reply, SD_BUS_TYPE_STRING, text);
}

int property_get_path(unused_ sd_bus *connection, unused_ const char *path, unused_ const char *interface,
                      unused_ const char *property, sd_bus_message *reply, void *text,
                      unused_ sd_bus_error *error)
{
    return sd_bus_message_append_basic(reply, SD_BUS_TYPE_OBJECT_PATH, text);
}

/* Text is an array in the view with a getter of ours, or a pointer that sd-bus reads itself. */
static const char *text_of(const sd_bus_vtable *member, const char *field)
{
    return member->x.property.get ? field : *(const char *const *) field;
}

static bool differs(const sd_bus_vtable *member, const void *before, const void *after)
{
    const char *a = (const char *) before + member->x.property.offset;
    const char *b = (const char *) after + member->x.property.offset;

    if (member->x.property.signature[1] != '\0')
        return false; /* a container */
    switch (member->x.property.signature[0]) {
    case SD_BUS_TYPE_STRING:
    case SD_BUS_TYPE_OBJECT_PATH: return strcmp(text_of(member, a), text_of(member, b)) != 0;
    case SD_BUS_TYPE_UINT16: return memcmp(a, b, sizeof(uint16_t)) != 0;
    case SD_BUS_TYPE_BOOLEAN:
    case SD_BUS_TYPE_INT32:
    case SD_BUS_TYPE_UINT32: return memcmp(a, b, sizeof(uint32_t)) != 0;
    case SD_BUS_TYPE_INT64:
    case SD_BUS_TYPE_UINT64:
    case SD_BUS_TYPE_DOUBLE: return memcmp(a, b, sizeof(uint64_t)) != 0;
    default: assert(!"no property has this type"); return false;
    }
}

/* sd-bus wants names that it could change, and does not. */
static void emit(sd_bus *connection, const char *path, const char *interface, const char **names,
                 size_t count)
{
    names[count] = NULL;
    if (count > 0)
        (void) sd_bus_emit_properties_changed_strv(connection, path, interface, (char **) names);
}

void property_emit_differences(sd_bus *connection, const char *path, const char *interface,
                               const sd_bus_vtable *vtable, const void *before, const void *after,
                               const char *also)
{
    const char *names[PROPERTIES_MAX + 1];
    size_t count = 0;

    if (also)
        names[count++] = also;

    for (const sd_bus_vtable *member = vtable; member->type != _SD_BUS_VTABLE_END; member++)
        if (member->type == _SD_BUS_VTABLE_PROPERTY &&
            (member->flags & SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE) && differs(member, before, after)) {
            assert(count < PROPERTIES_MAX);
            names[count++] = member->x.property.member;
        }
    emit(connection, path, interface, names, count);
}

void property_emit_invalidated(sd_bus *connection, const char *path, const char *interface,
                               const sd_bus_vtable *vtable)
{
    const char *names[PROPERTIES_MAX + 1];
    size_t count = 0;

    for (const sd_bus_vtable *member = vtable; member->type != _SD_BUS_VTABLE_END; member++)
        if (member->type == _SD_BUS_VTABLE_PROPERTY &&
            (member->flags & SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION)) {
            assert(count < PROPERTIES_MAX);
            names[count++] = member->x.property.member;
        }
    emit(connection, path, interface, names, count);
}
