// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Text on the terminal; see table.h. */

#include "ctl/table.h"

#include <string.h>

#include "base/text.h"

void table_header(const char *header)
{
    puts(header);
    for (size_t i = strlen(header); i > 0; i--)
        putchar('=');
    putchar('\n');
}

const char *tone_begin(Tone tone, bool color)
{
    if (!color)
        return "";
    switch (tone) {
    case TONE_GOOD: return "\033[32m";
    case TONE_BEST: return "\033[1;32m";
    case TONE_DOUBTFUL: return "\033[33m";
    case TONE_BAD: return "\033[31m";
    case TONE_FAINT: return "\033[2m";
    case TONE_PLAIN: break;
    }
    return "";
}

const char *tone_end(Tone tone, bool color)
{
    return color && tone != TONE_PLAIN ? "\033[0m" : "";
}

size_t text_control_length(const char *text)
{
    const unsigned char *p = (const unsigned char *) text;

    if ((p[0] > 0 && p[0] < 0x20) || p[0] == 0x7f)
        return 1;
    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
        return 2;
    if (p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae)))
        return 3;
    return p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf ? 3 : 0;
}

/* Writes what p begins with into piece and returns how many bytes of p it was. */
static size_t next_piece(const unsigned char *p, char piece[static 16])
{
    size_t length = text_control_length((const char *) p);
    Text text = text_init(piece, 16);

    if (length == 0) {
        piece[0] = (char) p[0];
        piece[1] = '\0';
        return 1;
    }
    for (size_t i = 0; i < length; i++)
        text_append_format(&text, "\\x%02x", p[i]);
    return length;
}

const char *text_escape(const char *text, char *buffer, size_t size)
{
    const unsigned char *p = (const unsigned char *) text;
    Text escaped = text_init(buffer, size);
    char piece[16];

    while (*p && !escaped.truncated) {
        p += next_piece(p, piece);
        text_append(&escaped, piece);
    }
    return buffer;
}

void table_write_escaped(FILE *f, const char *text)
{
    const unsigned char *p = (const unsigned char *) text;
    char piece[16];

    while (*p) {
        p += next_piece(p, piece);
        fputs(piece, f);
    }
}
