// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See file.h. */

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, char *buffer, size_t size, size_t *ret_length)
{
    struct stat status;
    size_t length = 0;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    while (length < size) {
        ssize_t n = read(fd, buffer + length, size - length);
        if (n < 0)
            return -errno;
        if (n == 0) {
            buffer[length] = '\0';
            *ret_length = length;
            return 0;
        }
        length += (size_t) n;
    }
    return -EFBIG;
}

int file_read_small(const char *path, char *buffer, size_t size, size_t *ret_length)
{
    /* O_NONBLOCK: a FIFO must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    int r = read_all(fd, buffer, size, ret_length);
    close(fd);
    return r;
}

static int write_new(const char *path, const void *data, size_t length, mode_t mode)
{
    /* A leftover of an interrupted write, or a trap: never written through. */
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, data, length);
    int r = n < 0 ? -errno : (size_t) n < length ? -ENOSPC : 0;
    if (r == 0 && fchmod(fd, mode) < 0) /* whatever the umask */
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

/* A name like /dev/null means "nowhere"; it is not to become a file. A link is replaced, never followed. */
static bool is_special(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode);
}

int file_replace(const char *path, const void *data, size_t length, mode_t mode)
{
    char temporary[PATH_MAX];

    if (is_special(path))
        return -EEXIST;
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (n < 0 || (size_t) n >= sizeof temporary)
        return -ENAMETOOLONG;
    int r = write_new(temporary, data, length, mode);
    if (r >= 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        (void) unlink(temporary);
    return r;
}
