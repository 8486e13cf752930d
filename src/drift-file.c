// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Reading with bounds, writing by rename; see drift-file.h. What stands in the file is somebody else's text.
 */

#include "drift-file.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/file.h"

/* Ours has 42 bytes. */
#define SIZE_MAX_READ 256
#define PPM_LIMIT     100000.0

static bool parse_number(char **rest, double *ret)
{
    char *word = strsep(rest, " ");

    while (word && *word == '\0') /* several spaces */
        word = strsep(rest, " ");
    return word && text_to_double(word, ret);
}

static bool parse(char *content, Drift *ret)
{
    Drift drift;
    char *rest = content;

    for (char *c = content; *c != '\0'; c++)
        if (*c == '\n' || *c == '\t' || *c == '\r')
            *c = ' ';
    if (!parse_number(&rest, &drift.frequency_ppm) || !parse_number(&rest, &drift.skew_ppm))
        return false;
    if (rest && rest[strspn(rest, " ")] != '\0')
        return false;
    if (fabs(drift.frequency_ppm) > PPM_LIMIT || drift.skew_ppm <= 0 || drift.skew_ppm > PPM_LIMIT)
        return false;
    *ret = drift;
    return true;
}

DriftFileState drift_file_read(const char *path, Drift *ret, Text *problem)
{
    char content[SIZE_MAX_READ];
    size_t length;

    int r = file_read_small(path, content, sizeof content, &length);
    if (r == -ENOENT)
        return DRIFT_FILE_ABSENT;
    if (r < 0) {
        text_append(problem, r == -ELOOP    ? "it is a symbolic link"
                             : r == -EFBIG  ? "it is too long"
                             : r == -EINVAL ? "it is not a regular file"
                                            : strerror(-r));
        return DRIFT_FILE_BAD;
    }
    if (memchr(content, '\0', length) || !parse(content, ret)) {
        text_append(problem, length == 0 ? "it is empty" : "it does not hold a frequency and its error");
        return DRIFT_FILE_BAD;
    }
    return DRIFT_FILE_LOADED;
}

int drift_file_write(const char *path, const Drift *drift)
{
    char buffer[SIZE_MAX_READ];
    Text line = TEXT(buffer);

    text_append_format(&line, "%20.6f %20.6f\n", drift->frequency_ppm, drift->skew_ppm);
    return file_replace(path, line.data, line.length, 0644);
}
