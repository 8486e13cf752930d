// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The command line of timeballd: chronyd's letters with chronyd's meaning. */

#include "base/address.h"
#include "base/journal.h"
#include "base/text.h"
#include "core/engine/engine.h"

typedef enum OptionsResult {
    OPTIONS_RUN = 0,
    OPTIONS_HELP,         /* -h, --help */
    OPTIONS_VERSION,      /* -v, --version */
    OPTIONS_PRINT_CONFIG, /* -p */
    OPTIONS_WRONG,        /* the problem is told */
} OptionsResult;

/* Strings point into argv. */
typedef struct Options {
    EngineMode mode;         /* -x, -q, -Q */
    const char *config_file; /* -f */
    char *const *directives; /* the remaining arguments: lines instead of a file */
    size_t directive_count;  /* 0: read config_file */
    bool log_to_stderr;      /* -d, -q, -Q, -p */
    const char *log_file;    /* -l; NULL: none */
    LogLevel log_level;      /* -L, twice -d; least severe that is written */
    double run_time;         /* -t, s; 0: no limit */
    const char *user;        /* -u; NULL: as configured */
    bool lock_all;           /* -m */
    int32_t sched_priority;  /* -P, 1..100; 0: as configured */
    bool restarted;          /* -R */
    IpFamily family;         /* -4, -6 */
} Options;

/* Reads the command line. ret is complete for OPTIONS_RUN and OPTIONS_PRINT_CONFIG; problem gets a sentence
 * for OPTIONS_WRONG. Changes the order of argv. */
OptionsResult options_parse(int argc, char **argv, Options *ret, Text *problem);

/* What --help prints. */
extern const char options_help[];
