// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See key-store.h. The text of the file is wiped before its memory is given back. */

#include "key-store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of a file. */
#define KEY_FILE_MAX ((size_t) 4 << 20)

typedef struct Context {
    Journal *journal;
    const char *path;
} Context;

static void on_problem(void *userdata, KeyProblem problem, uint32_t line, uint32_t id)
{
    const Context *context = userdata;

    if (id != 0)
        journal_print(context->journal, LOG_LEVEL_WARNING, "%s:%u: key %u: %s", context->path, line, id,
                      key_problem_text(problem));
    else
        journal_print(context->journal, LOG_LEVEL_WARNING, "%s:%u: %s", context->path, line,
                      key_problem_text(problem));
}

/* Whoever may read it can speak for our servers, whoever may write it too. */
static void check_mode(const Context *context, mode_t mode)
{
    if (mode & (S_IRWXO | S_IWGRP))
        journal_print(context->journal, LOG_LEVEL_WARNING,
                      "%s should not be accessible to everybody (mode %04o; 0640 is good)", context->path,
                      (unsigned) mode & 07777);
}

static int read_whole(int fd, char *text, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, text + done, size - done);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t) n;
    }
    return 0;
}

static int read_keys(Context *context, int fd, Keys *ret)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size > (off_t) KEY_FILE_MAX)
        return -EFBIG;
    check_mode(context, status.st_mode);

    size_t size = (size_t) status.st_size;
    char *text = malloc(size + 1);
    if (!text)
        return -ENOMEM;
    int r = read_whole(fd, text, size);
    if (r >= 0)
        r = keys_parse(text, size, on_problem, context, ret);
    explicit_bzero(text, size);
    free(text);
    return r;
}

bool key_store_load(Journal *journal, const char *path, KeyRing *ring, Text *detail)
{
    Context context = {.journal = journal, .path = path};
    Keys keys = {0};

    if (!path) {
        key_ring_replace(ring, &keys);
        return true;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not hold us up */
    int r = fd < 0 ? -errno : read_keys(&context, fd, &keys);
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        journal_print(journal, LOG_LEVEL_ERROR, "Could not read keys from %s: %s", path, strerror(-r));
        if (detail)
            text_append_format(detail, "%s: %s", path, strerror(-r));
        return false;
    }
    journal_print(journal, LOG_LEVEL_INFO, "Read %zu keys from %s", keys.count, path);
    key_ring_replace(ring, &keys);
    return true;
}
