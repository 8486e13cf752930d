// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Text in a buffer of fixed size: what does not fit is cut and remembered, nothing overflows, nothing is
 * allocated. And numbers from text, whole or not at all. */

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

typedef struct Text {
    char *data;     /* always terminated; the caller's buffer */
    size_t size;    /* of the buffer, at least 1 */
    size_t length;  /* without the terminator */
    bool truncated; /* something did not fit */
} Text;

/* A Text over an array: Text t = TEXT(buffer); */
#define TEXT(array) text_init((array), sizeof(array))

Text text_init(char *buffer, size_t size);
void text_append(Text *text, const char *string);
void text_append_format(Text *text, const char *format, ...) printf_like_(2, 3);

bool text_equal(const char *a, const char *b);             /* both may be NULL */
bool text_equal_ignore_case(const char *a, const char *b); /* ASCII, whatever the locale */

/* The whole of text as a number; false, with ret untouched, for anything else, out of range, NaN or infinite.
 * Decimal point whatever the locale. */
bool text_to_int(const char *text, int64_t *ret) must_check_;
bool text_to_double(const char *text, double *ret) must_check_;

/* Copies what fits and terminates; returns false when something was cut. */
bool text_copy(char *buffer, size_t size, const char *string);
