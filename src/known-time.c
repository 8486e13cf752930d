// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See known-time.h. What stands in the file is somebody else's text. */

#include "known-time.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define CONTENT_MAX 32
/* The end of the year 9999. */
#define LAST        INT64_C(253402300799)

static bool find_path(const char *directory, char ret[static PATH_MAX])
{
    Text path = text_init(ret, PATH_MAX);

    text_append_format(&path, "%s/" KNOWN_TIME_FILE, directory);
    return !path.truncated;
}

static bool parse(char *content, size_t length, int64_t *ret)
{
    int64_t seconds;

    if (length == 0 || memchr(content, '\0', length) || content[length - 1] != '\n')
        return false;
    content[length - 1] = '\0';
    if (!text_to_int(content, &seconds) || seconds < 0 || seconds > LAST)
        return false;
    *ret = seconds;
    return true;
}

static void set_aside(const char *path, Text *problem)
{
    char buffer[PATH_MAX];
    Text aside = TEXT(buffer);

    text_append_format(&aside, "%s.bad", path);
    if (aside.truncated || rename(path, buffer) < 0)
        text_append(problem, "; it stays where it is, remove it");
    else
        text_append_format(problem, "; it is now %s", buffer);
}

KnownTimeState known_time_read(const char *directory, int64_t *ret, Text *problem)
{
    char path[PATH_MAX], content[CONTENT_MAX];
    size_t length;

    int r = find_path(directory, path) ? file_read_small(path, content, sizeof content, &length) : -ENOENT;
    if (r == -ENOENT)
        return KNOWN_TIME_ABSENT;
    if (r >= 0 && parse(content, length, ret))
        return KNOWN_TIME_LOADED;
    text_append(problem, r >= 0         ? "it does not hold a number of seconds"
                         : r == -ELOOP  ? "it is a symbolic link"
                         : r == -EFBIG  ? "it is too long"
                         : r == -EINVAL ? "it is not a regular file"
                                        : strerror(-r));
    set_aside(path, problem);
    return KNOWN_TIME_BAD;
}

int known_time_write(const char *directory, int64_t seconds)
{
    char path[PATH_MAX], buffer[CONTENT_MAX];
    Text line = TEXT(buffer);

    if (!find_path(directory, path))
        return -ENAMETOOLONG;

    text_append_format(&line, "%" PRId64 "\n", seconds);
    return file_replace(path, line.data, line.length, 0600);
}
