// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What the managers of the network tell goes to the engine, which decides. */

#include "daemon-internal.h"

void daemon_on_network_state(void *userdata, const NetworkState *state)
{
    Daemon *daemon = userdata;

    engine_on_network_state(daemon->engine, state, kernel_clock_now());
}

void daemon_on_offered(void *userdata, const OfferedServers *offered)
{
    Daemon *daemon = userdata;

    engine_on_offered(daemon->engine, offered, kernel_clock_now());
}

void daemon_on_provider(void *userdata, OfferProvider provider, bool complete)
{
    Daemon *daemon = userdata;

    engine_on_provider(daemon->engine, provider, complete, kernel_clock_now());
}

void daemon_on_network_changed(void *userdata)
{
    Daemon *daemon = userdata;

    engine_on_network_changed(daemon->engine, kernel_clock_now());
}
