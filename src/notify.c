// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See notify.h. A message that does not get through changes nothing: its result is not looked at. */

#include "notify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

/* The service manager answers within milliseconds. */
#define BARRIER_USEC UINT64_C(2000000)

#define SYNCHRONIZED_FILE "/run/systemd/timesync/synchronized"

void notify_ready(void)
{
    (void) sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
    struct timespec now = {};

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long) ns_from_timespec(now) / 1000);
}

void notify_stopping(void)
{
    (void) sd_notify(0, "STOPPING=1");
}

/* Memory that nobody can change any more; -1: none. */
static int sealed_memory(const char *name, const void *data, size_t length)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (write(fd, data, length) == (ssize_t) length &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) >= 0)
        return fd;
    close(fd);
    return -1;
}

void notify_forget(const char *name)
{
    (void) sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void notify_wait(void)
{
    (void) sd_notify_barrier(0, BARRIER_USEC);
}

void notify_store(const char *name, const void *data, size_t length)
{
    char buffer[100];
    Text state = TEXT(buffer);

    if (!secure_getenv("NOTIFY_SOCKET"))
        return;
    int fd = sealed_memory(name, data, length);
    if (fd < 0)
        return;
    notify_forget(name);
    text_append_format(&state, "FDSTORE=1\nFDNAME=%s", name);
    (void) sd_pid_notify_with_fds(0, 0, state.data, &fd, 1);
    close(fd);
}

void notify_status(const ClockReport *clock)
{
    char buffer[SOURCE_NAME_MAX + IP_ADDRESS_TEXT_MAX + 100], address[IP_ADDRESS_TEXT_MAX];
    Text text = TEXT(buffer);

    ip_address_format(&clock->reference_address, address);
    if (!clock->synchronized)
        text_append_format(&text, "Not synchronised: %s.", clock_reason_text(clock->reason));
    else if (text_equal(address, clock->reference_name))
        text_append_format(&text, "Synchronised to time server %s, stratum %u.", address, clock->stratum);
    else
        text_append_format(&text, "Synchronised to time server %s (%s), stratum %u.", address,
                           clock->reference_name, clock->stratum);
    (void) sd_notifyf(0, "STATUS=%s", text.data);
}

void notify_synchronized(void)
{
    int fd =
        open(SYNCHRONIZED_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);

    if (fd < 0)
        return;
    (void) futimens(fd, NULL);
    close(fd);
}
