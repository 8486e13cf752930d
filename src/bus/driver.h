// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The bus itself, as one of those who speak on it. */

#include <systemd/sd-bus.h>

#include "base/text.h"

#define BUS_DRIVER      "org.freedesktop.DBus"
#define BUS_DRIVER_PATH "/org/freedesktop/DBus"

/* Whether a signal is the bus's own. Anybody may send us one that looks like it, to our own name: then the
 * rules for the bus do not count, and sd-bus takes the sender of a match, where that is a name, on trust. */
static inline bool is_from_driver(sd_bus_message *signal)
{
    return text_equal(sd_bus_message_get_sender(signal), BUS_DRIVER);
}
