// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See thread.h. Capabilities belong to a thread, and the system call changes those of the one that calls it:
 * libcap and libc would do no more. */

#include "net/thread.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct Start {
    void *(*work)(void *userdata);
    void *userdata;
} Start;

/* For good: without CAP_SETPCAP nothing comes back, and nothing of ours has that. A sandbox of somebody else
 * may forbid the call; the work is done all the same, as the rest of the process does it. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

    (void) syscall(SYS_capset, &header, none);
}

static void *begin(void *userdata)
{
    const Start start = *(Start *) userdata;

    free(userdata);
    drop_capabilities();
    return start.work(start.userdata);
}

int thread_start(const ThreadSetup *setup, pthread_t *ret)
{
    Start *start = malloc(sizeof *start);
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    if (!start)
        return -ENOMEM;
    *start = (Start) {setup->work, setup->userdata};
    int r = pthread_attr_init(&attributes);
    if (r != 0) {
        free(start);
        return -r;
    }
    (void) pthread_attr_setstacksize(&attributes, setup->stack_size);
    sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread, &attributes, begin, start);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (r != 0) {
        free(start);
        return -r;
    }
    (void) pthread_setname_np(thread, setup->name);
    *ret = thread;
    return 0;
}
