// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The texts of the named outcomes: one table for each enum, in its order. A value that is not in the enum
 * gives "invalid", so that a corrupt number from elsewhere can be printed too. */

#include "core/api/verdict.h"

#include <assert.h>
#include <stddef.h>

#include "base/macros.h"

/* An identifier, and the sentence that says the same to people. */
typedef struct Wording {
    const char *name, *text;
} Wording;

static const char *const leap_names[] = {
    [LEAP_NORMAL] = "normal",
    [LEAP_INSERT] = "insert-second",
    [LEAP_DELETE] = "delete-second",
    [LEAP_UNSYNCHRONIZED] = "unsynchronized",
};
static_assert(ELEMENTS(leap_names) == LEAP_UNSYNCHRONIZED + 1, "one row for each member");

static const char *const kind_names[] = {
    [SOURCE_SERVER] = "server",
    [SOURCE_POOL] = "pool",
    [SOURCE_PEER] = "peer",
    [SOURCE_REFCLOCK] = "refclock",
};
static_assert(ELEMENTS(kind_names) == SOURCE_REFCLOCK + 1, "one row for each member");

static const char *const source_origin_names[] = {
    [ORIGIN_CONFIGURATION] = "configuration",    [ORIGIN_FILE] = "file",         [ORIGIN_COMMAND] = "command",
    [ORIGIN_NETWORK_MANAGER] = "networkmanager", [ORIGIN_NETWORKD] = "networkd",
};
static_assert(ELEMENTS(source_origin_names) == ORIGIN_COUNT, "one row for each member");

static const char *const origin_names[] = {
    [TIMESTAMP_DAEMON] = "daemon",
    [TIMESTAMP_KERNEL] = "kernel",
    [TIMESTAMP_HARDWARE] = "hardware",
};
static_assert(ELEMENTS(origin_names) == TIMESTAMP_HARDWARE + 1, "one row for each member");

static const Wording packet_wordings[] = {
    [PACKET_GOOD] = {"good", "The answer was good"},
    [PACKET_MALFORMED] = {"malformed", "The answer is too short or has a malformed extension field"},
    [PACKET_BAD_VERSION] = {"bad-version", "The answer has another protocol version than the request"},
    [PACKET_BAD_MODE] = {"bad-mode", "The packet is not an answer of a server"},
    [PACKET_WRONG_ADDRESS] = {"wrong-address", "The packet came from another address than the one asked"},
    [PACKET_UNEXPECTED] = {"unexpected", "The packet answers no open request"},
    [PACKET_DUPLICATE] = {"duplicate", "The answer is a duplicate (test 1)"},
    [PACKET_BOGUS_ORIGIN] = {"bogus-origin",
                             "The answer does not repeat the timestamp of our request (test 2)"},
    [PACKET_NO_TIMESTAMP] = {"no-timestamp", "The answer lacks a receive or transmit timestamp (test 3)"},
    [PACKET_UNAUTHENTICATED] = {"unauthenticated", "The answer is not authenticated as required (test 5)"},
    [PACKET_NTS_NAK] = {"nts-nak",
                        "The server cannot open our cookie, or somebody says so in its place (NTS NAK)"},
    [PACKET_UNSYNCHRONIZED] = {"unsynchronized",
                               "The server says that it is not synchronised itself (test 6)"},
    [PACKET_ROOT_DISTANCE] = {"root-distance",
                              "The server's root distance is 16 s or more, or its timestamps contradict each "
                              "other (test 7)"},
    [PACKET_KISS_RATE] = {"kiss-rate", "The server asks to be polled less often (kiss-o'-death RATE)"},
    [PACKET_KISS_OTHER] = {"kiss-other", "The server answered with a kiss code that asks for nothing we do"},
    [PACKET_DELAY] = {"delay", "The delay is above maxdelay, or the server took too long to answer (test A)"},
    [PACKET_DELAY_RATIO] = {"delay-ratio", "The delay is above maxdelayratio times the least (test B)"},
    [PACKET_DELAY_DEVIATION] = {"delay-deviation", "The delay is above what the earlier ones allow (test C)"},
    [PACKET_LOOP] = {"loop", "The server is synchronised to this machine (test D)"},
    [PACKET_LEAP_GUARD] = {"leap-guard", "The answer came within 5 s of a leap second"},
};
static_assert(ELEMENTS(packet_wordings) == PACKET_VERDICT_COUNT, "one row for each member");

/* letter: of selectdata. mark: the coarser one of sources; '?' for whatever may not be selected. */
static const struct StateWording {
    const char *name, *text;
    char letter, mark;
} state_wordings[] = {
    [STATE_NOSELECT] = {"noselect", "Never selected: it is configured with noselect", 'N', '?'},
    [STATE_UNSYNCHRONIZED] = {"unsynchronized", "The source is not synchronised itself", 's', '?'},
    [STATE_MISSING_SAMPLES] = {"missing-samples", "It has not given enough samples yet", 'M', '?'},
    [STATE_BAD_STRATUM] = {"bad-stratum", "Its stratum is outside minstratum and maxstratum", 'r', '?'},
    [STATE_TOO_DISTANT] = {"too-distant", "Its root distance is above maxdistance", 'd', '?'},
    [STATE_JITTERY] = {"jittery", "Its samples scatter by more than maxjitter", '~', '~'},
    [STATE_CONTRADICTORY] = {"contradictory", "Its time is outside the dates of its own certificates", 'x',
                             'x'},
    [STATE_WAITING_START] = {"waiting-start", "Other sources have not had time for their first samples", 'w',
                             '?'},
    [STATE_STALE] = {"stale", "It is unreachable and its samples are older than those of reachable sources",
                     'S', '?'},
    [STATE_ORPHAN] = {"orphan", "Its stratum is not below the orphan stratum of the local reference", 'O',
                      '?'},
    [STATE_UNTRUSTED] = {"untrusted", "It disagrees with the trusted sources", 'T', '?'},
    [STATE_FALSETICKER] = {"falseticker", "It disagrees with the majority of the sources", 'x', 'x'},
    [STATE_UNCONFIRMED] =
        {"unconfirmed",
         "The dates of its certificates do not fit our clock, and too few other sources confirm "
         "its time",
         'W', '?'},
    [STATE_WAITING] = {"waiting", "Fewer sources agree than minsources asks, or a required one does not", 'W',
                       '?'},
    [STATE_NOT_PREFERRED] = {"not-preferred", "Another source is preferred", 'P', '-'},
    [STATE_WAITING_UPDATE] = {"waiting-update", "It waits for a new sample before it may be selected", 'U',
                              '-'},
    [STATE_DISTANT] = {"distant", "It is good, but too distant to be combined with the selected source", 'D',
                       '-'},
    [STATE_COMBINED] = {"combined", "It is combined with the selected source", '+', '+'},
    [STATE_SELECTED] = {"selected", "It is selected", '*', '*'},
};
static_assert(ELEMENTS(state_wordings) == STATE_COUNT, "one row for each member");

static const char *const offline_names[] = {
    [OFFLINE_NOT] = "",
    [OFFLINE_BY_HAND] = "by-hand",
    [OFFLINE_NO_WAY] = "no-way",
    [OFFLINE_SEND_FAILED] = "send-failed",
};
static_assert(ELEMENTS(offline_names) == OFFLINE_REASON_COUNT, "one row for each member");

static const Wording clock_wordings[] = {
    [CLOCK_SYNCHRONIZED] = {"synchronized", "The clock is synchronised"},
    [CLOCK_STARTING] = {"starting", "No source has had time to answer yet"},
    [CLOCK_NO_SOURCES] = {"no-sources", "No sources are configured"},
    [CLOCK_NO_KEYS] = {"no-keys", "No source's keys could be established (NTS)"},
    [CLOCK_NO_RESPONSE] = {"no-response", "No source has answered"},
    [CLOCK_ALL_OFFLINE] = {"all-offline", "Every source is offline"},
    [CLOCK_UNRESOLVED] = {"unresolved", "No source's name could be resolved"},
    [CLOCK_NO_SELECTABLE] = {"no-selectable", "None of the sources may be selected"},
    [CLOCK_NO_MAJORITY] = {"no-majority", "No majority of the sources agrees"},
    [CLOCK_NOT_ENOUGH] = {"not-enough",
                          "Fewer sources agree than minsources asks, or a required one does not"},
    [CLOCK_UNCONFIRMED] = {"unconfirmed",
                           "The clock does not fit the dates of certificates, and too few sources confirm "
                           "another time"},
    [CLOCK_DISRUPTED] = {"disrupted", "The clock was changed by somebody else; measurements start anew"},
    [CLOCK_SLEPT] = {"slept", "The machine has slept; measurements start anew"},
    [CLOCK_RESTORED] = {"restored",
                        "The machine was restored from a snapshot, or moved; measurements start anew"},
    [CLOCK_EXCESSIVE] = {"excessive", "The correction is above the limit that maxchange sets"},
    [CLOCK_INITSTEPSLEW] = {"initstepslew", "The hosts of initstepslew are asked before the sources are"},
};
static_assert(ELEMENTS(clock_wordings) == CLOCK_REASON_COUNT, "one row for each member");

static const Wording command_wordings[] = {
    [COMMAND_OK] = {"ok", "Done"},
    [COMMAND_FAILED] = {"failed", "It could not be done: the log says why"},
    [COMMAND_INVALID] = {"invalid", "An argument is malformed or out of range"},
    [COMMAND_NO_SOURCE] = {"no-source", "There is no such source"},
    [COMMAND_EXISTS] = {"exists", "The source is already present"},
    [COMMAND_TOO_MANY] = {"too-many", "There is no room for more sources"},
    [COMMAND_BAD_FAMILY] = {"bad-family", "The address is of another family than the one asked for"},
    [COMMAND_BAD_NAME] = {"bad-name", "The name is neither a host name nor an address"},
    [COMMAND_NOT_ENABLED] = {"not-enabled", "The facility is not enabled by the configuration"},
    [COMMAND_NO_CLOCK] = {"no-clock", "The daemon may not set the clock"},
    [COMMAND_NOT_SYNCHRONIZED] = {"not-synchronized", "There is no correction to apply"},
    [COMMAND_NO_ENTRY] = {"no-entry", "No such entry"},
    [COMMAND_CONFIG] = {"config", "The configuration has errors: nothing was changed"},
};
static_assert(ELEMENTS(command_wordings) == COMMAND_RESULT_COUNT, "one row for each member");

static const Wording refusal_wordings[] = {
    [OFFER_NOT_REFUSED] = {"ok", "It was taken"},
    [OFFER_NO_NAME] = {"no-name", "It is neither a name nor an address"},
    [OFFER_NO_SERVER] = {"no-server", "Nobody else can answer at that address"},
    [OFFER_TOO_MANY] = {"too-many", "There are too many"},
    [OFFER_TOO_LONG] = {"too-long", "The list is too long"},
};
static_assert(ELEMENTS(refusal_wordings) == OFFER_REFUSAL_COUNT, "one row for each member");

/* One of the tables above, by any number. */
static const Wording *wording_at(const Wording *table, size_t count, unsigned index)
{
    static const Wording invalid = {"invalid", "An invalid value"};

    return index < count ? &table[index] : &invalid;
}

static const char *name_at(const char *const *table, size_t count, unsigned index)
{
    return index < count ? table[index] : "invalid";
}

static const struct StateWording *state_at(unsigned index)
{
    static const struct StateWording invalid = {"invalid", "An invalid value", '?', '?'};

    return index < STATE_COUNT ? &state_wordings[index] : &invalid;
}

const char *leap_status_name(LeapStatus leap)
{
    return name_at(leap_names, ELEMENTS(leap_names), leap);
}

const char *source_kind_name(SourceKind kind)
{
    return name_at(kind_names, ELEMENTS(kind_names), kind);
}

const char *source_origin_name(SourceOrigin origin)
{
    return name_at(source_origin_names, ELEMENTS(source_origin_names), origin);
}

const char *timestamp_origin_name(TimestampOrigin origin)
{
    return name_at(origin_names, ELEMENTS(origin_names), origin);
}

const char *packet_verdict_name(PacketVerdict verdict)
{
    return wording_at(packet_wordings, ELEMENTS(packet_wordings), verdict)->name;
}

const char *packet_verdict_text(PacketVerdict verdict)
{
    return wording_at(packet_wordings, ELEMENTS(packet_wordings), verdict)->text;
}

const char *source_state_name(SourceState state)
{
    return state_at(state)->name;
}

const char *source_state_text(SourceState state)
{
    return state_at(state)->text;
}

char source_state_letter(SourceState state)
{
    return state_at(state)->letter;
}

char source_state_mark(SourceState state)
{
    return state_at(state)->mark;
}

const char *offline_reason_name(OfflineReason reason)
{
    return name_at(offline_names, ELEMENTS(offline_names), reason);
}

const char *clock_reason_name(ClockReason reason)
{
    return wording_at(clock_wordings, ELEMENTS(clock_wordings), reason)->name;
}

const char *clock_reason_text(ClockReason reason)
{
    return wording_at(clock_wordings, ELEMENTS(clock_wordings), reason)->text;
}

const char *command_result_name(CommandResult result)
{
    return wording_at(command_wordings, ELEMENTS(command_wordings), result)->name;
}

const char *command_result_text(CommandResult result)
{
    return wording_at(command_wordings, ELEMENTS(command_wordings), result)->text;
}

const char *offer_refusal_name(OfferRefusal refusal)
{
    return wording_at(refusal_wordings, ELEMENTS(refusal_wordings), refusal)->name;
}

const char *offer_refusal_text(OfferRefusal refusal)
{
    return wording_at(refusal_wordings, ELEMENTS(refusal_wordings), refusal)->text;
}
