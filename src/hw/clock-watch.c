// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Setting the clock, waking up: a timer on CLOCK_REALTIME that never comes due is cancelled by the kernel
 * whenever CLOCK_REALTIME makes a step against CLOCK_MONOTONIC (TFD_TIMER_CANCEL_ON_SET), by our own steps
 * too. It stays armed after that.
 *
 * Being restored: the hypervisor shows a page of memory with a number that becomes another one (vmclock, a
 * struct of Linux's user interface that older headers do not have). The driver of Linux 7.0 can also tell
 * that by poll(); that is not used, since nothing but such a machine could show that it works. vmgenid, the
 * older way, tells the kernel only, and nobody in user space. Where there is no such page, the sources say
 * it. */

#include "hw/clock-watch.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Later than any clock gets: the kernel's own times end in 2262. */
#define NEVER_S INT64_C(9223372036)

#define VMCLOCK_MAGIC   UINT32_C(0x4b4c4356) /* "VCLK" */
#define VMCLOCK_VERSION 1

/* All numbers are little-endian. More follows in the page. */
typedef struct VmClock {
    uint32_t magic, size;
    uint16_t version;
    uint8_t counter_id, time_type;
    uint32_t sequence; /* odd: what follows is being changed */
    uint64_t disruption_marker;
    uint64_t flags;
} VmClock;

static_assert(sizeof(VmClock) == 32 && __builtin_offsetof(VmClock, disruption_marker) == 16,
              "as include/uapi/linux/vmclock-abi.h of Linux has it");

struct ClockWatch {
    const ClockWatchHandlers *handlers;
    void *userdata;
    int timer; /* -1: none */
    sd_event_source *source;
    const VmClock *page; /* NULL: there is none */
    size_t page_size;
    uint64_t marker;
};

/* False: it is being changed just now. */
static bool read_marker(const VmClock *page, uint64_t *ret)
{
    uint32_t before = le32toh(__atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE));
    uint64_t marker = le64toh(__atomic_load_n(&page->disruption_marker, __ATOMIC_RELAXED));

    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (before % 2 != 0 || le32toh(__atomic_load_n(&page->sequence, __ATOMIC_RELAXED)) != before)
        return false;
    *ret = marker;
    return true;
}

void clock_watch_look(ClockWatch *watch)
{
    uint64_t marker;

    if (!watch->page || !read_marker(watch->page, &marker) || marker == watch->marker)
        return;
    watch->marker = marker;
    watch->handlers->on_restored(watch->userdata);
}

static int on_timer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    ClockWatch *watch = userdata;
    uint64_t count;

    (void) source;
    (void) events;
    /* ECANCELED is the news; anything else is none, and harmless. */
    (void) !read(fd, &count, sizeof(count));
    watch->handlers->on_set(watch->userdata);
    return 0;
}

static int arm_timer(ClockWatch *watch, sd_event *event)
{
    const struct itimerspec never = {.it_value.tv_sec = NEVER_S};

    watch->timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (watch->timer < 0)
        return -errno;
    /* It may be cancelled at once, and is armed all the same. */
    if (timerfd_settime(watch->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0 &&
        errno != ECANCELED)
        return -errno;
    return sd_event_add_io(event, &watch->source, watch->timer, EPOLLIN, on_timer, watch);
}

/* A file that ends within the page would end us as well. */
static bool is_mappable(int fd, size_t page_size)
{
    struct stat status;

    return fstat(fd, &status) >= 0 &&
           (S_ISCHR(status.st_mode) ||
            (S_ISREG(status.st_mode) && status.st_size >= 0 && (size_t) status.st_size >= page_size));
}

static void map_device(ClockWatch *watch, const char *path)
{
    size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    void *page = MAP_FAILED;

    if (fd < 0)
        return;
    if (is_mappable(fd, page_size))
        page = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return;
    watch->page = page;
    watch->page_size = page_size;
    if (le32toh(watch->page->magic) != VMCLOCK_MAGIC || le16toh(watch->page->version) != VMCLOCK_VERSION ||
        le32toh(watch->page->size) < sizeof(VmClock)) {
        (void) munmap(page, page_size);
        watch->page = NULL;
        return;
    }
    /* Whatever it is: the machine starts with it. One that is being changed is found changed. */
    if (!read_marker(watch->page, &watch->marker))
        watch->marker = le64toh(watch->page->disruption_marker);
}

int clock_watch_new(sd_event *event, const char *device, const ClockWatchHandlers *handlers, void *userdata,
                    ClockWatch **ret)
{
    cleanup_(clock_watch_freep) ClockWatch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return -ENOMEM;
    watch->handlers = handlers;
    watch->userdata = userdata;
    watch->timer = -1;
    int r = arm_timer(watch, event);
    if (r < 0)
        return r;
    map_device(watch, device);
    *ret = TAKE_PTR(watch);
    return 0;
}

ClockWatch *clock_watch_free(ClockWatch *watch)
{
    if (!watch)
        return NULL;
    sd_event_source_disable_unref(watch->source);
    if (watch->timer >= 0)
        close(watch->timer);
    if (watch->page)
        (void) munmap((void *) watch->page, watch->page_size);
    free(watch);
    return NULL;
}
