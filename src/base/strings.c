// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See strings.h. */

#include "base/strings.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

size_t strings_count(char *const *strings)
{
    size_t n = 0;

    while (strings && strings[n])
        n++;
    return n;
}

int strings_add(char ***strings, const char *string)
{
    size_t n = strings_count(*strings);
    char **grown = reallocarray(*strings, n + 2, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    *strings = grown;
    grown[n + 1] = NULL;
    grown[n] = strdup(string);
    return grown[n] ? 0 : -ENOMEM;
}

int strings_add_all(char ***strings, char *const *more)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && more && more[i]; i++)
        r = strings_add(strings, more[i]);
    return r;
}

void strings_clear(char ***strings)
{
    for (char **string = *strings; string && *string; string++)
        free(*string);
    free(*strings);
    *strings = NULL;
}

bool strings_equal(char *const *a, char *const *b)
{
    size_t count = strings_count(a);

    if (count != strings_count(b))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!text_equal(a[i], b[i]))
            return false;
    return true;
}
