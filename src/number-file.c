// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See number-file.h. */

#include "number-file.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

#define CONTENT_MAX 32

bool number_file_read(const char *path, int64_t *ret)
{
    char content[CONTENT_MAX];
    size_t length;

    if (file_read_small(path, content, sizeof content, &length) < 0 || memchr(content, '\0', length))
        return false;
    while (length > 0 && content[length - 1] == '\n')
        content[--length] = '\0';
    return text_to_int(content, ret);
}

int number_file_write(const char *path, int64_t number)
{
    char buffer[CONTENT_MAX];
    Text line = TEXT(buffer);

    text_append_format(&line, "%" PRId64 "\n", number);
    return file_replace(path, line.data, line.length, 0644);
}
