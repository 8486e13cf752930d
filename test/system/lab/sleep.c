// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Preloaded into the kernel of a lab machine: lets it sleep for as long as the file $LAB_SLEEP says.
 *
 * User-Mode Linux knows two kinds of sleep. "mem" comes back at once, and in "freeze" its clocks run on. But
 * on the way into "mem" there is a moment in which all clocks of the kernel are suspended and it looks at its
 * timer before it goes idle; the timer is not armed then. Real time that passes there is what a sleeping
 * machine misses, and when it wakes up it reads how much that was from its persistent clock, as any machine
 * does. */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int timer_gettime(timer_t timer, struct itimerspec *value)
{
    static int (*original)(timer_t, struct itimerspec *);
    const char *path = getenv("LAB_SLEEP");
    struct timespec end;
    char text[16] = "";

    if (!original)
        original = (int (*)(timer_t, struct itimerspec *)) dlsym(RTLD_NEXT, "timer_gettime");
    int r = original(timer, value);
    if (r < 0 || !path || value->it_value.tv_sec != 0 || value->it_value.tv_nsec != 0)
        return r;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return r;
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (read(fd, text, sizeof(text) - 1) > 0)
        end.tv_sec += strtol(text, NULL, 10);
    close(fd);
    unlink(path);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) != 0)
        ;
    return r;
}
