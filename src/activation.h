// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Sockets that the service manager opened for us (sd_listen_fds(3)): those with the name "ntp" are the
 * server's. */

#include "base/journal.h"
#include "net/server-listen.h"

#define ACTIVATION_SOCKETS_MAX 16

typedef struct Activation {
    PassedSocket sockets[ACTIVATION_SOCKETS_MAX]; /* stay open as long as the process runs */
    size_t count;
} Activation;

/* Takes what was passed. A socket that is not what its name says is closed, and the log says why. */
void activation_take(Journal *journal, Activation *ret);
