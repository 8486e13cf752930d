// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See privileges.h. Capabilities by the system call itself: two numbers do not need a library. */

#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int user_account_find(const char *name, UserAccount *ret)
{
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return errno > 0 ? -errno : -ESRCH;
    *ret = (UserAccount) {.uid = entry->pw_uid, .gid = entry->pw_gid};
    return 0;
}

/* Exactly these capabilities, in the permitted and the effective set. */
static int set_capabilities(uint64_t set)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = (uint32_t) set, .permitted = (uint32_t) set},
        {.effective = (uint32_t) (set >> 32), .permitted = (uint32_t) (set >> 32)},
    };

    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int privileges_become(const char *name, bool keep_clock)
{
    uint64_t keep = (UINT64_C(1) << CAP_NET_BIND_SERVICE) | (keep_clock ? UINT64_C(1) << CAP_SYS_TIME : 0);
    UserAccount account;

    int r = user_account_find(name, &account);
    if (r < 0)
        return r;
    if (geteuid() == account.uid)
        return 0;
    if (geteuid() != 0)
        return -EPERM;
    if (prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) < 0 || initgroups(name, account.gid) < 0 ||
        setresgid(account.gid, account.gid, account.gid) < 0 ||
        setresuid(account.uid, account.uid, account.uid) < 0)
        return -errno;
    if ((r = set_capabilities(keep)) < 0)
        return r;
    return prctl(PR_SET_KEEPCAPS, 0L, 0L, 0L, 0L) < 0 ? -errno : 0;
}

int privileges_set_priority(int priority)
{
    const struct sched_param parameter = {.sched_priority =
                                              MIN(priority, sched_get_priority_max(SCHED_FIFO))};

    return sched_setscheduler(0, SCHED_FIFO, &parameter) < 0 ? -errno : 0;
}

int privileges_lock_memory(void)
{
    const struct rlimit unlimited = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

    /* Without the right to raise it, the present limit may still be enough. */
    (void) setrlimit(RLIMIT_MEMLOCK, &unlimited);
    return mlockall(MCL_CURRENT | MCL_FUTURE) < 0 ? -errno : 0;
}
