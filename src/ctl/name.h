// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What a source is called in a table, and which one a word on the command line means. */

#include "ctl/client.h"

/* Longest name with every character escaped. */
#define DISPLAY_NAME_MAX 1100

/* Columns of a name that was looked up: what is longer is cut and marked with '>', as chronyc does. Addresses
 * and configured names are never cut when they were asked for (-n, -N, -c). */
#define NAME_COLUMNS 25

/* The name as -n, -N and -c want it; without them the name that the address has in the DNS. */
const char *source_display_name(const Options *options, const SourceReport *source,
                                char buffer[static DISPLAY_NAME_MAX]);

/* The same for the reference of `tracking`. "" when there is none. */
const char *reference_display_name(const Options *options, const ClockReport *clock,
                                   char buffer[static DISPLAY_NAME_MAX]);

/* The name as it was configured: without the "#2" of a pool's member. Copies what fits. */
const char *source_configured_name(const SourceReport *source, char *buffer, size_t size);

/* Whether a table shows it: without an address only with -a. */
bool source_is_shown(const Options *options, const SourceReport *source);

/* The source that text means: object path, name as configured ("ntp.example.net", "pool.example.net#2"),
 * address, ID#0000000001, reference ID in hexadecimal, or a name of the DNS whose address one of them has.
 * NULL: none. */
const SourceEntry *source_list_find(const SourceList *list, const char *text);
