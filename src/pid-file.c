// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See pid-file.h. */

#include "pid-file.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define CONTENT_MAX 32

/* 0 when the file names nobody. */
static pid_t named(const char *path)
{
    char content[CONTENT_MAX];
    size_t length;
    int64_t pid;

    if (file_read_small(path, content, sizeof content, &length) < 0)
        return 0;
    while (length > 0 && content[length - 1] == '\n')
        content[--length] = '\0';
    return text_to_int(content, &pid) && pid > 1 && pid <= INT32_MAX ? (pid_t) pid : 0;
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
    char buffer[CONTENT_MAX];
    Text line = TEXT(buffer);

    text_append_format(&line, "%d\n", (int) getpid());
    return file_replace(path, line.data, line.length, 0644);
}

void pid_file_remove(const char *path)
{
    if (named(path) == getpid())
        (void) unlink(path);
}
