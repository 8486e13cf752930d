// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The configuration that the command line asks for, with every problem of it in the log. */

#include "base/journal.h"
#include "base/text.h"
#include "core/config/config.h"
#include "options.h"

/* Reads it all. *ret is NULL when there was an error in it: then detail, unless NULL, tells the first one. */
int configuration_load(const Options *options, Journal *journal, Text *detail, Config **ret) must_check_;

/* The same configuration with its .sources files read anew. told: problems that were logged before, in place
 * of which it is those of now afterwards; they are not logged again. journal NULL: none is. */
int configuration_reload_sources(const Config *config, Journal *journal, char ***told,
                                 Config **ret) must_check_;

/* Whether their sources are others. */
bool configuration_differs_in_sources(const Config *from, const Config *to);

/* Tells the log what a reload changes, and what of it waits for a restart. */
void configuration_log_changes(const Config *from, const Config *to, Journal *journal);

/* Prints the directives to standard output (-p). Returns the status of the process. */
int configuration_print(const Options *options, Journal *journal);
