// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Long output a page at a time. */

#include <sys/types.h>

/* On a terminal, lets what is written to standard output go through $SYSTEMD_PAGER, $PAGER or less, which
 * shows a short text and ends at once. Returns its process, or 0 when there is none. */
pid_t pager_start(void);

/* Ends the output and waits until it was read; 0 is allowed. */
void pager_finish(pid_t pager);
