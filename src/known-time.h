// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A time that was known once, kept while the daemon does not run: it cannot be earlier than that, whatever
 * the clock and an old certificate say. One line with the seconds since 1970, in a file of this name in the
 * directory of ntsdumpdir. */
#define KNOWN_TIME_FILE "known-time"

#include <stdint.h>

#include "base/text.h"

typedef enum KnownTimeState {
    KNOWN_TIME_LOADED = 0,
    KNOWN_TIME_ABSENT, /* there is none: a first start */
    KNOWN_TIME_BAD,    /* there is something else: `problem` says what, and what has become of it */
} KnownTimeState;

/* Follows no symbolic link and opens nothing but a small regular file, so that it never waits. A bad one is
 * set aside, as "known-time.bad".
 * ret is written when loaded, problem (a sentence for people, without the name of the file) when bad. */
KnownTimeState known_time_read(const char *directory, int64_t *ret, Text *problem);

/* Replaces the file as a whole or not at all, mode 0600. */
int known_time_write(const char *directory, int64_t seconds) must_check_;
