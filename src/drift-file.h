// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The drift file, in chrony's format: one line with two numbers, how many ppm the oscillator gains and the
 * error bound of that in ppm. It survives a move in either direction. */

#include "base/text.h"

typedef struct Drift {
    double frequency_ppm; /* positive when the oscillator gains; |f| <= 100000 */
    double skew_ppm;      /* above 0, at most 100000 */
} Drift;

typedef enum DriftFileState {
    DRIFT_FILE_LOADED = 0,
    DRIFT_FILE_ABSENT, /* there is none: a first start */
    DRIFT_FILE_BAD,    /* there is something else: `problem` says what */
} DriftFileState;

/* Follows no symbolic link and opens nothing but a small regular file, so that it never waits.
 * ret is written when loaded, problem (a sentence for people, without the path) when bad. */
DriftFileState drift_file_read(const char *path, Drift *ret, Text *problem);

/* Replaces the file as a whole or not at all (by rename from "<path>.tmp"), mode 0644. */
int drift_file_write(const char *path, const Drift *drift) must_check_;
