// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Anybody on the bus may send us a signal that looks like logind's: only those of the owner of the name
 * count, and who that is is the bus driver's word. */

#include "bus/login.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "bus/driver.h"

#define SERVICE "org.freedesktop.login1"

struct Login {
    sd_bus *connection; /* not owned: the owner of the connection owns us */
    const BusHandlers *handlers;
    void *userdata;
    sd_bus_slot *owners, *sleeps, *call;
    char *owner; /* unique name; NULL: nobody */
};

/* For lack of memory nobody is listened to. */
static void set_owner(Login *login, const char *name)
{
    free(login->owner);
    login->owner = name && name[0] != '\0' ? strdup(name) : NULL;
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, unused_ sd_bus_error *error)
{
    const char *name, *before, *after;
    Login *login = userdata;

    if (is_from_driver(signal) && sd_bus_message_read(signal, "sss", &name, &before, &after) > 0 &&
        text_equal(name, SERVICE))
        set_owner(login, after);
    return 0;
}

/* An error means that nobody has the name; a signal tells when that changes. */
static int on_owner(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    Login *login = userdata;
    const char *name;

    if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "s", &name) > 0)
        set_owner(login, name);
    login->call = sd_bus_slot_unref(login->call);
    return 0;
}

static int on_prepare_for_sleep(sd_bus_message *signal, void *userdata, unused_ sd_bus_error *error)
{
    Login *login = userdata;
    int begins;

    if (login->owner && text_equal(sd_bus_message_get_sender(signal), login->owner) &&
        sd_bus_message_has_signature(signal, "b") && sd_bus_message_read(signal, "b", &begins) > 0)
        login->handlers->on_sleep(login->userdata, begins);
    return 0;
}

static int listen_to_it(Login *login)
{
    int r =
        sd_bus_match_signal_async(login->connection, &login->sleeps, SERVICE, "/org/freedesktop/login1",
                                  SERVICE ".Manager", "PrepareForSleep", on_prepare_for_sleep, NULL, login);

    if (r >= 0)
        r = sd_bus_add_match_async(login->connection, &login->owners,
                                   "type='signal',sender='" BUS_DRIVER "',path='" BUS_DRIVER_PATH "',"
                                   "interface='" BUS_DRIVER "',member='NameOwnerChanged',arg0='" SERVICE "'",
                                   on_owner_changed, NULL, login);
    /* Asked after the match is there: no change is missed. */
    if (r >= 0)
        r = sd_bus_call_method_async(login->connection, &login->call, BUS_DRIVER, BUS_DRIVER_PATH, BUS_DRIVER,
                                     "GetNameOwner", on_owner, login, "s", SERVICE);
    return r;
}

int login_new(sd_bus *connection, const BusHandlers *handlers, void *userdata, Login **ret)
{
    cleanup_(login_freep) Login *login = calloc(1, sizeof(*login));

    if (!login)
        return -ENOMEM;
    login->connection = connection;
    login->handlers = handlers;
    login->userdata = userdata;
    int r = listen_to_it(login);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(login);
    return 0;
}

Login *login_free(Login *login)
{
    if (!login)
        return NULL;
    sd_bus_slot_unref(login->owners);
    sd_bus_slot_unref(login->sleeps);
    sd_bus_slot_unref(login->call);
    free(login->owner);
    free(login);
    return NULL;
}
