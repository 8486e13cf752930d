// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See thread.h. */

#include "net/thread.h"

#include <signal.h>

int thread_start(const ThreadSetup *setup, pthread_t *ret)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    int r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    (void) pthread_attr_setstacksize(&attributes, setup->stack_size);
    sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread, &attributes, setup->work, setup->userdata);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (r != 0)
        return -r;
    (void) pthread_setname_np(thread, setup->name);
    *ret = thread;
    return 0;
}
