// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What we know and tell of our own time: whose it is, how far from the truth it may be, since when. */

#include "core/api/report.h"
#include "core/stats/source-stats.h"

/* One update, as it was when it was made. */
typedef struct ReferenceUpdate {
    SourceId source;
    const char *name;
    IpAddress address;
    uint32_t reference_id;
    uint8_t stratum; /* of the source */
    LeapStatus leap;
    double root_delay, root_dispersion; /* s, at `local` */
    double offset;                      /* s, correction that the update found */
    double residual_frequency, skew;
    double dispersion_rate; /* at which root_dispersion grows from here: skew and maxclockerror */
    LocalTime local;
    CookedTime cooked;
    uint32_t source_count;
} ReferenceUpdate;

typedef struct Reference {
    bool synchronized;
    ClockReason reason;   /* why not */
    bool was_updated;     /* `last` is valid */
    bool doubtful;        /* something has come over the clock since: nothing bounds its error */
    ReferenceUpdate last; /* its name points to `name` */
    char name[SOURCE_NAME_MAX];
    double rms_offset;      /* s */
    double update_interval; /* s */
    uint32_t step_count;
} Reference;

Reference reference_start(void);

/* Takes an update in; we are synchronised from now on. */
void reference_update(Reference *reference, const ReferenceUpdate *update);

/* No source may be followed any more. Returns whether that is news. */
bool reference_lose(Reference *reference, ClockReason reason);

/* Whatever was known of the error of the clock is so no more, until the next update. */
void reference_doubt(Reference *reference);

/* Root dispersion at an instant, s; infinite before the first update, and while the clock is in doubt. */
double reference_root_dispersion(const Reference *reference, LocalTime at);

/* Bound of the kernel clock's error at an instant, s, when remaining s are still to be added to it. */
double reference_max_error(const Reference *reference, LocalTime at, double remaining);

/* 0: not synchronised. */
uint8_t reference_stratum(const Reference *reference);

/* Is it 30 June or 31 December (UTC), the days at whose end there ever was a leap second? */
bool reference_is_leap_day(CookedTime time);

/* Which leap second may be announced at that instant: that of the sources, but only on the two days on which
 * there ever was one, 30 June and 31 December (UTC). */
LeapStatus reference_leap_today(const Reference *reference, CookedTime now);
