// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the service manager passes to us (sd_listen_fds(3)): the time server's sockets have the name "ntp",
 * those of the server of keys "nts"; the others are what it has kept for us over a restart. */

#include "base/journal.h"
#include "net/server-listen.h"

#define ACTIVATION_SOCKETS_MAX 16

/* Sockets stay open as long as the process runs. */
typedef struct PassedSockets {
    PassedSocket list[ACTIVATION_SOCKETS_MAX];
    size_t count;
} PassedSockets;

typedef struct Activation {
    PassedSockets ntp, nts;
    int cookie_keys; /* kept; -1: none; the caller's to close */
    int client_keys; /* the same */
} Activation;

/* Takes what was passed. A socket that is not what its name says, or of no known name, is closed, and the log
 * says why. */
void activation_take(Journal *journal, Activation *ret);
