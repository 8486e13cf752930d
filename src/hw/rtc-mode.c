// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See rtc-mode.h. */

#include "hw/rtc-mode.h"

#include <string.h>

#include "base/file.h"
#include "base/text.h"

#define CONTENT_MAX 256

bool rtc_keeps_local_time(const char *adjtime_file)
{
    char content[CONTENT_MAX], *rest = content, *line = NULL;
    size_t length;

    if (file_read_small(adjtime_file, content, sizeof content, &length) < 0)
        return false;
    for (int i = 0; i < 3; i++)
        line = strsep(&rest, "\n");
    return text_equal(line, "LOCAL");
}
