// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See pid-file.h. */

#include "pid-file.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "number-file.h"

/* 0 when the file names nobody. */
static pid_t named(const char *path)
{
    int64_t pid;

    return number_file_read(path, &pid) && pid > 1 && pid <= INT32_MAX ? (pid_t) pid : 0;
}

pid_t pid_file_owner(const char *path)
{
    pid_t pid = named(path);

    if (pid == 0 || pid == getpid())
        return 0;
    return kill(pid, 0) == 0 || errno == EPERM ? pid : 0;
}

int pid_file_write(const char *path)
{
    return number_file_write(path, getpid());
}

void pid_file_remove(const char *path)
{
    if (named(path) == getpid())
        (void) unlink(path);
}
