// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Asking for a password on the terminal: polkit's own agent, pkttyagent, for as long as timectl runs. */

#include <sys/types.h>

/* Starts it and waits until it is registered. Returns its process, or 0 when none is needed (root) or
 * possible (no terminal, not installed): polkit then finds another agent, or refuses. */
pid_t agent_start(void);

/* Ends it; 0 is allowed. */
void agent_stop(pid_t agent);
