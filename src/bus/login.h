// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Logind, which says when the machine is about to sleep, and when it has woken up (PrepareForSleep). It is
 * listened to, never started and never held up: what is worth saving is written down all the time, so that a
 * sleep that comes sooner than our handler costs nothing. */

#include "bus/bus.h"

#include <systemd/sd-bus.h>

typedef struct Login Login;

/* connection: started; it has to outlive the Login. handlers: of which on_sleep is called; borrowed. */
int login_new(sd_bus *connection, const BusHandlers *handlers, void *userdata, Login **ret) must_check_;
Login *login_free(Login *login);
DEFINE_CLEANUP(Login, login_free);
