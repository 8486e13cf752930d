// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Names of the events; see event.h. */

#include "core/api/event.h"

#include <assert.h>

static const char *const event_names[] = {
    [EVENT_SOURCE_ADDED] = "source-added",
    [EVENT_SOURCE_REMOVED] = "source-removed",
    [EVENT_SOURCE_CHANGED] = "source-changed",
    [EVENT_SOURCE_ONLINE] = "source-online",
    [EVENT_SOURCE_OFFLINE] = "source-offline",
    [EVENT_SOURCE_RESOLVED] = "source-resolved",
    [EVENT_SOURCE_REPLACED] = "source-replaced",
    [EVENT_RESOLVE_FAILED] = "resolve-failed",
    [EVENT_RESOLVE_BOGUS] = "resolve-bogus",
    [EVENT_KISS_RATE] = "kiss-rate",
    [EVENT_SELECTED] = "selected",
    [EVENT_SELECTION_FAILED] = "selection-failed",
    [EVENT_STATE_CHANGED] = "state-changed",
    [EVENT_CLOCK_UPDATED] = "clock-updated",
    [EVENT_SYNCHRONIZED] = "synchronized",
    [EVENT_UNSYNCHRONIZED] = "unsynchronized",
    [EVENT_CLOCK_WRONG] = "clock-wrong",
    [EVENT_STEPPED] = "stepped",
    [EVENT_STEP_FAILED] = "step-failed",
    [EVENT_DISRUPTED] = "disrupted",
    [EVENT_INTERFERENCE] = "interference",
    [EVENT_CHANGE_REFUSED] = "change-refused",
    [EVENT_FREQUENCY_LIMITED] = "frequency-limited",
    [EVENT_LEAP_PENDING] = "leap-pending",
    [EVENT_DRIFT_LOADED] = "drift-loaded",
    [EVENT_INITIAL_OFFSET] = "initial-offset",
    [EVENT_SOURCE_NOT_ADDED] = "source-not-added",
    [EVENT_KEY_MISSING] = "key-missing",
    [EVENT_KEY_WEAK] = "key-weak",
    [EVENT_KEYS_ESTABLISHED] = "keys-established",
    [EVENT_KEYS_RESTORED] = "keys-restored",
    [EVENT_KEYS_FAILED] = "keys-failed",
    [EVENT_TIME_ENTERED] = "time-entered",
    [EVENT_INITSTEPSLEW] = "initstepslew",
    [EVENT_NO_INITSTEPSLEW] = "no-initstepslew",
    [EVENT_TIME_CONFIRMED] = "time-confirmed",
    [EVENT_STAMP_OVERRULED] = "stamp-overruled",
    [EVENT_OFFER_REFUSED] = "offer-refused",
    [EVENT_PORTAL] = "portal",
    [EVENT_PORTAL_PASSED] = "portal-passed",
    [EVENT_METERED] = "metered",
    [EVENT_UNMETERED] = "unmetered",
};
static_assert(ELEMENTS(event_names) == EVENT_KIND_COUNT, "one row for each member");

const char *event_name(EventKind kind)
{
    return (unsigned) kind < ELEMENTS(event_names) ? event_names[kind] : "invalid";
}
