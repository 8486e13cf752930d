// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Our own time's pedigree; see reference.h. */

#include "core/clock/reference.h"

#include <math.h>

#include "base/text.h"

#define RMS_WEIGHT  0.1
#define NSEC_OF_DAY (86400 * NSEC_PER_SEC)

Reference reference_start(void)
{
    return (Reference) {.reason = CLOCK_STARTING};
}

void reference_update(Reference *reference, const ReferenceUpdate *update)
{
    if (reference->was_updated) {
        double square = reference->rms_offset * reference->rms_offset;

        reference->rms_offset = sqrt(square + RMS_WEIGHT * (update->offset * update->offset - square));
        reference->update_interval = local_diff(update->local, reference->last.local);
    } else {
        reference->rms_offset = fabs(update->offset);
        reference->update_interval = 0;
    }
    reference->last = *update;
    (void) text_copy(reference->name, sizeof(reference->name), update->name);
    reference->last.name = NULL;
    reference->was_updated = true;
    reference->doubtful = false;
    reference->synchronized = true;
    reference->reason = CLOCK_SYNCHRONIZED;
}

bool reference_lose(Reference *reference, ClockReason reason)
{
    bool news = reference->synchronized;

    reference->synchronized = false;
    reference->reason = reason;
    return news;
}

void reference_doubt(Reference *reference)
{
    reference->doubtful = true;
}

double reference_root_dispersion(const Reference *reference, LocalTime at)
{
    if (!reference->was_updated || reference->doubtful)
        return INFINITY;
    return reference->last.root_dispersion +
           fmax(0, local_diff(at, reference->last.local)) * reference->last.dispersion_rate;
}

double reference_max_error(const Reference *reference, LocalTime at, double remaining)
{
    return fabs(remaining) + reference->last.root_delay / 2 + reference_root_dispersion(reference, at);
}

uint8_t reference_stratum(const Reference *reference)
{
    return reference->synchronized ? (uint8_t) (reference->last.stratum + 1) : 0;
}

/* Day of the year's end or middle, by the civil calendar (days since 1970 to month and day; the year starts
 * in March, so that the leap day is the last one). */
bool reference_is_leap_day(CookedTime time)
{
    int64_t days = time.ns / NSEC_OF_DAY - (time.ns % NSEC_OF_DAY < 0 ? 1 : 0);
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day = day_of_era - (365 * year + year / 4 - year / 100);

    /* Days since 1 March: 30 June is the 121st, 31 December the 305th, counted from 0. */
    return day == 121 || day == 305;
}

LeapStatus reference_leap_today(const Reference *reference, CookedTime now)
{
    LeapStatus leap = reference->last.leap;

    if (!reference->synchronized || (leap != LEAP_INSERT && leap != LEAP_DELETE))
        return LEAP_NORMAL;
    return reference_is_leap_day(now) ? leap : LEAP_NORMAL;
}
