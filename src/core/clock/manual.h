// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The time as people tell it: entries, and what a line through them says of the oscillator. Kept on the
 * oscillator's own scale like the samples of a source, so that correcting the clock changes none of them. */

#include "core/api/report.h"
#include "core/clock/clock.h"
#include "core/stats/source-stats.h"

/* Two entries are at least so many seconds apart. */
#define MANUAL_APART 1.0

typedef struct ManualEntry {
    LocalTime time;   /* when it was entered */
    CookedTime truth; /* what was entered */
    double original;  /* s, correction that it meant then */
} ManualEntry;

typedef struct Manual {
    bool enabled;
    double
        known_frequency; /* correction that the oscillator needs, by all that was known without the entries */
    double known_sd;     /* of it */
    size_t count;
    ManualEntry entries[MANUAL_ENTRIES_MAX]; /* in order of time */
} Manual;

/* What is known of the frequency without the entries; sd: as it is said, NaN: nothing is known. */
void manual_set_known(Manual *manual, double frequency, double sd);

/* Takes an entry in, the oldest goes when there are too many. False: too soon after the last one, nothing was
 * changed. */
bool manual_add(Manual *manual, const ManualEntry *entry);

/* False: there is none of that number (from 0, the oldest). */
bool manual_delete(Manual *manual, size_t index);

/* What the entries say at an instant; false: there are none. From two entries on they say a frequency, as far
 * as they know it better than what was known without them: people name the time with an error. */
bool manual_estimate(const Manual *manual, LocalTime at, Estimate *ret);

void manual_report(const Manual *manual, const Clock *clock, ManualReport *ret);
