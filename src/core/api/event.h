// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What happened inside core, for whoever listens: journal, D-Bus signals, state files, tests. Values; an
 * event is emitted after the state that it tells of is in place, so that a query from the listener sees it.
 */

#include "core/api/network.h"
#include "core/api/nts.h"
#include "core/api/report.h"

typedef enum EventKind {
    EVENT_SOURCE_ADDED = 0,
    EVENT_SOURCE_REMOVED, /* the id answers no queries any more */
    EVENT_SOURCE_CHANGED, /* its report changed: a poll, a sample, an option, an address */
    EVENT_SOURCE_ONLINE,
    EVENT_SOURCE_OFFLINE,  /* offline: why; error */
    EVENT_SOURCE_RESOLVED, /* an address was found or changed: address (new), previous */
    EVENT_SOURCE_REPLACED, /* pool member replaced: address (new), previous */
    EVENT_RESOLVE_FAILED,  /* once for each name until it succeeds */
    EVENT_RESOLVE_BOGUS,   /* the same, but DNSSEC refuses an answer that there is */
    EVENT_KISS_RATE,
    EVENT_SELECTED,         /* this source is now the one that is followed */
    EVENT_SELECTION_FAILED, /* reason, agreeing, candidates */
    EVENT_STATE_CHANGED,    /* state of a source: falseticker, distance... value and limit say by how much */
    EVENT_CLOCK_UPDATED,    /* the clock report changed */
    EVENT_SYNCHRONIZED,     /* became so */
    EVENT_UNSYNCHRONIZED,   /* ceased to be; reason */
    EVENT_CLOCK_WRONG,      /* a correction above logchange: value (s) */
    EVENT_STEPPED,          /* value (s) was added at once */
    EVENT_STEP_FAILED,
    EVENT_DISRUPTED,    /* not by us; reason: CLOCK_DISRUPTED: the clock jumped by value (s), CLOCK_SLEPT: the
                           machine    slept for value (s), CLOCK_RESTORED: it was restored */
    EVENT_INTERFERENCE, /* somebody else changes the kernel clock's frequency */
    EVENT_CHANGE_REFUSED,    /* maxchange: value, limit; fatal: the daemon ends */
    EVENT_FREQUENCY_LIMITED, /* maxdrift or the kernel's range */
    EVENT_LEAP_PENDING,      /* leap */
    EVENT_DRIFT_LOADED,      /* value: frequency, limit: skew */
    EVENT_INITIAL_OFFSET,    /* -q, -Q: value; stepped tells which */
    EVENT_SOURCE_NOT_ADDED,  /* reload: name, result */
    EVENT_KEY_MISSING,       /* key: not in the key file, so the source is not asked */
    EVENT_KEY_WEAK,          /* key, value: bits of it */
    EVENT_TIME_ENTERED,      /* by hand; value: the correction (s) */
    EVENT_INITSTEPSLEW,      /* its hosts have told the time; value: the correction (s); stepped: or slewed */
    EVENT_NO_INITSTEPSLEW,   /* they have not */
    EVENT_KEYS_ESTABLISHED,  /* of NTS: validity */
    EVENT_KEYS_RESTORED,     /* those of the last run go on */
    EVENT_KEYS_FAILED, /* once for each failure in a row: failure, validity; address: of the host of keys */
    EVENT_TIME_CONFIRMED,  /* the clock did not fit the dates of certificates: agreeing sources say what does
                            */
    EVENT_STAMP_OVERRULED, /* value: s by which what was written down once is later than what sources say */
    EVENT_OFFER_REFUSED,   /* origin, interface: so many servers (count), the first (name), for that refusal
                            */
    EVENT_PORTAL,          /* the network wants a login before it lets anybody through */
    EVENT_PORTAL_PASSED,   /* count: how many sources are looked up anew */
    EVENT_METERED,         /* what is sent costs money: all are asked as rarely as they may be */
    EVENT_UNMETERED,
    EVENT_KIND_COUNT,
} EventKind;

typedef struct Event {
    EventKind kind;
    SourceId source;            /* 0: none */
    char name[SOURCE_NAME_MAX]; /* of the source; "": none */
    IpAddress address, previous;
    SourceOrigin origin;                /* of the source, or of the offer */
    char interface[INTERFACE_NAME_MAX]; /* with servers that a network offers; "": none */
    OfferRefusal refusal;
    uint32_t count;
    SourceState state;
    ClockReason reason;
    CommandResult result;
    LeapStatus leap;
    double value, limit;
    uint32_t agreeing, candidates;
    uint32_t key; /* identifier; 0: none */
    NtsFailure failure;
    NtsValidity validity; /* of the certificates; 0 and 0: unknown */
    OfflineReason offline;
    int error; /* errno that decided it; 0: none did */
    bool fatal, stepped;
} Event;

/* "source-added"... Never NULL. */
const char *event_name(EventKind kind);
