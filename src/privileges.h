// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the process may do: becoming an unprivileged user that can still set the clock, real-time priority,
 * locked memory. */

#include <stdbool.h>
#include <sys/types.h>

#include "base/macros.h"

typedef struct UserAccount {
    uid_t uid;
    gid_t gid;
} UserAccount;

/* Looks a user up. Returns -ESRCH when there is none of that name. */
int user_account_find(const char *name, UserAccount *ret) must_check_;

/* Root becomes `name` for good, in its groups, and keeps CAP_SYS_TIME (when keep_clock) and
 * CAP_NET_BIND_SERVICE. Nothing happens to a process that is that user already; another one gets -EPERM. */
int privileges_become(const char *name, bool keep_clock) must_check_;

/* SCHED_FIFO with this priority, 1..100 (the kernel's highest is 99). */
int privileges_set_priority(int priority) must_check_;

/* Keeps all memory, present and future, from being paged out. */
int privileges_lock_memory(void) must_check_;
