// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Properties that are members of a view, and the signal that some of them have changed. */

#include <systemd/sd-bus.h>

#include "base/macros.h"

/* Getters for a char array in the view: of an 's' and of an 'o' property. sd-bus itself reads the others. */
int property_get_text(sd_bus *connection, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *text, sd_bus_error *error);
int property_get_path(sd_bus *connection, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *text, sd_bus_error *error);

/* Emits PropertiesChanged for those members of vtable that are flagged EMITS_CHANGE, are of a basic type and
 * differ between two views of that interface, and for also, a container that has changed (NULL: none).
 * Nothing is sent when there is nothing to tell. A signal that cannot be sent
 * is lost. */
void property_emit_differences(sd_bus *connection, const char *path, const char *interface,
                               const sd_bus_vtable *vtable, const void *before, const void *after,
                               const char *also);

/* Emits PropertiesChanged for all members that are flagged EMITS_INVALIDATION. */
void property_emit_invalidated(sd_bus *connection, const char *path, const char *interface,
                               const sd_bus_vtable *vtable);
