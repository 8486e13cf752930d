// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Lines into words; see words.h. */

#include "core/config/words.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_control(char c)
{
    return (unsigned char) c < ' ' || c == 0x7f;
}

static bool is_comment_mark(char c)
{
    return c == '!' || c == ';' || c == '#' || c == '%';
}

WordsVerdict words_split(const char *line, size_t length, Words *words, uint32_t *ret_column)
{
    size_t i = 0;

    words->count = 0;
    words->end_column = 1;
    while (i < length && is_blank(line[i]))
        i++;
    if (i == length || is_comment_mark(line[i]))
        return WORDS_GOOD;
    if (length > CONFIG_LINE_MAX) {
        *ret_column = CONFIG_LINE_MAX + 1;
        return WORDS_LINE_TOO_LONG;
    }

    memcpy(words->buffer, line, length);
    words->buffer[length] = '\0';
    while (i < length) {
        uint32_t column = (uint32_t) i + 1;

        if (words->count == CONFIG_WORDS_MAX) {
            *ret_column = column;
            return WORDS_TOO_MANY;
        }
        words->list[words->count++] = (Word) {words->buffer + i, column};
        for (; i < length && !is_blank(line[i]); i++)
            if (is_control(line[i])) {
                *ret_column = (uint32_t) i + 1;
                return WORDS_BAD_CHARACTER;
            }
        words->end_column = (uint32_t) i + 1;
        while (i < length && is_blank(line[i]))
            words->buffer[i++] = '\0';
    }
    return WORDS_GOOD;
}
