// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Two requests to the bus driver for each call: a match for the end of the caller's unique name, then whose
 * that name is, if it still is there. The bus handles them in this order, so that no departure is missed. A
 * unique name is never given to anybody else. */

#include "bus/held-call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/driver.h"

#define USER_UNKNOWN UINT32_MAX

struct HeldCall {
    HeldCalls *calls;
    sd_bus_message *message;
    sd_bus_slot *departure; /* match */
    sd_bus_slot *identity;  /* reply to GetConnectionUnixUser */
    uint32_t user;          /* USER_UNKNOWN: not told yet */
    HeldCallEnded on_end;
    void *userdata;
};

bool held_calls_have_room(const HeldCalls *calls, sd_bus_message *message)
{
    const char *sender = sd_bus_message_get_sender(message);
    size_t same = 0;

    if (!sender || calls->count >= HELD_CALLS_MAX)
        return false;
    for (size_t i = 0; i < calls->count; i++)
        same += strcmp(sd_bus_message_get_sender(calls->calls[i]->message), sender) == 0;
    return same < HELD_CALLS_PER_SENDER;
}

static int on_departure(sd_bus_message *signal, void *userdata, unused_ sd_bus_error *error)
{
    HeldCall *call = userdata;
    const char *name, *old_owner, *new_owner;

    if (is_from_driver(signal) && sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) > 0 &&
        new_owner[0] == '\0')
        call->on_end(call->userdata, HELD_CALL_GONE);
    return 0;
}

static size_t count_of_user(const HeldCalls *calls, uint32_t user)
{
    size_t count = 0;

    for (size_t i = 0; i < calls->count; i++)
        count += calls->calls[i]->user == user;
    return count;
}

static int on_identity(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    HeldCall *call = userdata;

    /* Any other error tells of the bus, not of the caller: the end of the connection is seen elsewhere. */
    if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
        call->on_end(call->userdata, HELD_CALL_GONE);
    else if (!sd_bus_message_is_method_error(reply, NULL) &&
             sd_bus_message_read(reply, "u", &call->user) > 0 && call->user != 0 &&
             count_of_user(call->calls, call->user) > HELD_CALLS_PER_USER)
        call->on_end(call->userdata, HELD_CALL_TOO_MANY);
    return 0;
}

static int watch_caller(HeldCall *call)
{
    sd_bus *bus = sd_bus_message_get_bus(call->message);
    const char *sender = sd_bus_message_get_sender(call->message);
    char match[512];
    int r = snprintf(match, sizeof(match),
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                     sender);

    assert(r > 0 && (size_t) r < sizeof(match)); /* bus names have at most 255 characters */
    r = sd_bus_add_match_async(bus, &call->departure, match, on_departure, NULL, call);
    if (r < 0)
        return r;
    return sd_bus_call_method_async(bus, &call->identity, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                    "org.freedesktop.DBus", "GetConnectionUnixUser", on_identity, call, "s",
                                    sender);
}

int held_call_new(HeldCalls *calls, sd_bus_message *message, HeldCallEnded on_end, void *userdata,
                  HeldCall **ret)
{
    HeldCall *call = calloc(1, sizeof(*call));

    if (!call)
        return -ENOMEM;
    assert(held_calls_have_room(calls, message));
    *call = (HeldCall) {.calls = calls,
                        .message = sd_bus_message_ref(message),
                        .user = USER_UNKNOWN,
                        .on_end = on_end,
                        .userdata = userdata};
    calls->calls[calls->count++] = call;

    int r = watch_caller(call);
    if (r < 0) {
        held_call_free(call);
        return r;
    }
    *ret = call;
    return 0;
}

HeldCall *held_call_free(HeldCall *call)
{
    if (!call)
        return NULL;

    HeldCalls *calls = call->calls;
    for (size_t i = 0; i < calls->count; i++)
        if (calls->calls[i] == call)
            calls->calls[i] = calls->calls[--calls->count];
    sd_bus_slot_unref(call->departure);
    sd_bus_slot_unref(call->identity);
    sd_bus_message_unref(call->message);
    free(call);
    return NULL;
}

sd_bus_message *held_call_message(const HeldCall *call)
{
    return call->message;
}
