// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Text on the terminal: headers of tables, colour, and nothing that the daemon says reaches it unescaped. */

#include <stdbool.h>
#include <stdio.h>

/* The header with a line of '=' of its length below it. */
void table_header(const char *header);

typedef enum Tone { TONE_PLAIN = 0, TONE_GOOD, TONE_BEST, TONE_DOUBTFUL, TONE_BAD, TONE_FAINT } Tone;

/* Escape sequences that begin and end a tone; "" for TONE_PLAIN and when color is false. */
const char *tone_begin(Tone tone, bool color);
const char *tone_end(Tone tone, bool color);

/* Bytes at text that are one character which steers a terminal or the order of what is shown: C0, DEL, C1
 * (U+0080 to U+009F), invisible and directional marks (U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F).
 * 0: another one. */
size_t text_control_length(const char *text);

/* Copies text with each such character as \xNN, so that a name cannot steer a terminal or
 * begin a new row. Cuts what does not fit. Returns buffer. */
const char *text_escape(const char *text, char *buffer, size_t size);

/* The same, of any length, to a stream. */
void table_write_escaped(FILE *f, const char *text);
