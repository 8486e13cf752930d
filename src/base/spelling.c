// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Distance of optimal string alignment, row by row; three rows are enough. */

#include "base/spelling.h"

#include <stdint.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + 'a' - 'A') : c;
}

size_t spelling_distance(const char *a, const char *b)
{
    size_t rows[3][SPELLING_WORD_MAX + 1];
    size_t la = strnlen(a, SPELLING_WORD_MAX + 1), lb = strnlen(b, SPELLING_WORD_MAX + 1);

    if (la > SPELLING_WORD_MAX || lb > SPELLING_WORD_MAX)
        return SIZE_MAX;

    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t substitution = above[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));

            row[j] = MIN(above[j], row[j - 1]) + 1;
            row[j] = MIN(row[j], substitution);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = MIN(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

size_t spelling_tolerance(const char *word)
{
    return MIN(strnlen(word, SPELLING_WORD_MAX) / 3, (size_t) 3);
}
