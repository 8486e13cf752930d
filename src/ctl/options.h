// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the command line said before and after the verb. */

#include <stdbool.h>

#include "base/macros.h"

typedef enum JsonMode { JSON_OFF = 0, JSON_PRETTY, JSON_SHORT } JsonMode;

typedef struct Options {
    const char *host; /* NULL: this machine */
    JsonMode json;
    bool csv;            /* -c */
    bool numeric;        /* -n: addresses instead of names */
    bool original_names; /* -N: names as configured */
    bool all;            /* -a: sources without an address too */
    bool verbose;        /* -v: explain the columns */
    bool many;           /* -m: each argument is a command */
    bool pager, ask_password, color;
    bool help, version;
    bool as_chronyc; /* called by that name: nothing is printed that it would not print */
} Options;

/* The defaults, with colour as the terminal and NO_COLOR want it. */
Options options_default(void);

/* Takes the options out of argv, wherever they stand, and leaves the words between them at argv[1]..., with a
 * NULL at the end. Returns the new argc, or -EINVAL after a message. A negative number is a word, and so is
 * what selectopts takes away ("-prefer") and what clients
 * has of its own (-p, -k, -r). */
int options_parse(Options *options, int argc, char **argv) must_check_;
