// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Method calls whose answer comes later: held as long as the caller is on the bus, and not too many of them:
 * so many for each connection, so many for each user but root, whom nobody else's calls may keep out.
 *
 * sd_bus_track would do the first half, but it asks the bus driver with a blocking call. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/macros.h"

#define HELD_CALLS_PER_SENDER 8
#define HELD_CALLS_PER_USER   16
#define HELD_CALLS_MAX        256

typedef struct HeldCall HeldCall;

/* All that are held for one purpose. Zeroed at the start; empty when its owner goes. */
typedef struct HeldCalls {
    HeldCall *calls[HELD_CALLS_MAX];
    size_t count;
} HeldCalls;

typedef enum HeldCallEnd {
    HELD_CALL_GONE = 0, /* the caller has left the bus */
    HELD_CALL_TOO_MANY, /* his user has more than his share: the handler tells him so */
} HeldCallEnd;

/* The handler frees the HeldCall. */
typedef void (*HeldCallEnded)(void *userdata, HeldCallEnd end);

/* Whose calls there are is known a moment after they came: this is about the connection and the sum. */
bool held_calls_have_room(const HeldCalls *calls, sd_bus_message *message);

/* Takes a reference on message. There must be room. */
int held_call_new(HeldCalls *calls, sd_bus_message *message, HeldCallEnded on_end, void *userdata,
                  HeldCall **ret) must_check_;
HeldCall *held_call_free(HeldCall *call);

sd_bus_message *held_call_message(const HeldCall *call);
