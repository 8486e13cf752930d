// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A line of the configuration language, cut into words. There is no quoting: blanks separate, and a line
 * whose first character is one of ! ; # % is a comment. */

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Bytes of a line that are accepted, and words of it. */
#define CONFIG_LINE_MAX  2047
#define CONFIG_WORDS_MAX 128

typedef struct Word {
    const char *text; /* terminated, inside of Words.buffer */
    uint32_t column;  /* from 1 */
} Word;

typedef struct Words {
    char buffer[CONFIG_LINE_MAX + 1];
    Word list[CONFIG_WORDS_MAX];
    size_t count;
    uint32_t end_column; /* just behind the last word */
} Words;

typedef enum WordsVerdict {
    WORDS_GOOD = 0,
    WORDS_LINE_TOO_LONG,
    WORDS_BAD_CHARACTER, /* a control character that is not white space */
    WORDS_TOO_MANY,
} WordsVerdict;

/* Cuts line (not terminated, without newline) into words; none for a blank line or a comment. What is bad
 * stands at ret_column. words->list points into *words, which therefore must not be copied. */
WordsVerdict words_split(const char *line, size_t length, Words *words, uint32_t *ret_column) must_check_;
