// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Bounded text; see text.h. */

#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

Text text_init(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (Text) {.data = buffer, .size = size};
}

void text_append(Text *text, const char *string)
{
    size_t length = strlen(string), room = text->size - text->length - 1;

    if (length > room) {
        length = room;
        text->truncated = true;
    }
    memcpy(text->data + text->length, string, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_append_format(Text *text, const char *format, ...)
{
    size_t room = text->size - text->length;
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(text->data + text->length, room, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    if ((size_t) n >= room) {
        text->truncated = true;
        n = (int) room - 1;
    }
    text->length += (size_t) n;
}

bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static unsigned char ascii_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char) (c + 'a' - 'A') : c;
}

bool text_equal_ignore_case(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    for (; *a && *b; a++, b++)
        if (ascii_lower((unsigned char) *a) != ascii_lower((unsigned char) *b))
            return false;
    return *a == *b;
}

bool text_to_int(const char *text, int64_t *ret)
{
    char *end;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char) text[0]))
        return false;
    *ret = n;
    return true;
}

bool text_to_double(const char *text, double *ret)
{
    char *end;

    /* The program never calls setlocale(LC_NUMERIC), so that strtod reads a point everywhere. */
    errno = 0;
    double d = strtod(text, &end);
    if (end == text || *end != '\0' || isspace((unsigned char) text[0]) || !isfinite(d))
        return false;
    if (errno == ERANGE && fabs(d) > 1)
        return false;
    *ret = d;
    return true;
}

bool text_copy(char *buffer, size_t size, const char *string)
{
    size_t length = strlen(string);
    bool fits = length < size;

    if (!fits)
        length = size - 1;
    memcpy(buffer, string, length);
    buffer[length] = '\0';
    return fits;
}
