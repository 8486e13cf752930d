// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Reads configuration files, directories and the command line for the parser of core/config. */

#include <stdio.h>

#include "core/config/config.h"
#include "core/config/problem.h"

/* Where the configuration comes from: directives given as arguments, each one line, replace the file. */
typedef struct ConfigInput {
    const char *file;
    char *const *arguments;
    size_t argument_count;
} ConfigInput;

/* Reads everything: file or arguments, what they include, the .sources files. Problems are added to the list,
 * all of them. Returns 0 with *ret the configuration, or NULL when there was an error among them; -ENOMEM. */
int config_load(const ConfigInput *input, ConfigProblems *problems, Config **ret) must_check_;

/* The same configuration with its .sources files read anew. There are only warnings: a bad line is skipped.
 */
int config_reload_sources(const Config *config, ConfigProblems *problems, Config **ret) must_check_;

/* Prints every directive without superfluous blanks, the content of includes in their place (`timeballd -p`).
 * Lines with errors are not printed. Returns 0 or -ENOMEM; whether all is well is seen from the problems. */
int config_print(const ConfigInput *input, FILE *out, ConfigProblems *problems) must_check_;
