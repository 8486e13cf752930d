// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The named outcomes that are expected in normal operation: of a packet, of selection, of a command.
 * Counters, log, D-Bus and the command line all use these, so that all four say the same thing. The texts are
 * in one table each. */

#include <stdbool.h>
#include <stdint.h>

/* Leap indicator of RFC 5905, figure 9; the numbers are those on the wire. */
typedef enum LeapStatus { LEAP_NORMAL = 0, LEAP_INSERT, LEAP_DELETE, LEAP_UNSYNCHRONIZED } LeapStatus;

typedef enum SourceKind { SOURCE_SERVER = 0, SOURCE_POOL, SOURCE_PEER, SOURCE_REFCLOCK } SourceKind;

/* Who has named a source. */
typedef enum SourceOrigin {
    ORIGIN_CONFIGURATION = 0,
    ORIGIN_FILE,    /* a .sources file of a sourcedir */
    ORIGIN_COMMAND, /* somebody on the bus */
    ORIGIN_NETWORK_MANAGER,
    ORIGIN_NETWORKD,
    ORIGIN_COUNT,
} SourceOrigin;

/* Where a timestamp was taken. */
typedef enum TimestampOrigin { TIMESTAMP_DAEMON = 0, TIMESTAMP_KERNEL, TIMESTAMP_HARDWARE } TimestampOrigin;

/* What became of a received packet. The tests are those of the NTP reference implementation (1 to 7) and
 * chrony's own (A to D); a packet is judged by the first that fails, the report keeps a bit for each. */
typedef enum PacketVerdict {
    PACKET_GOOD = 0,        /* a sample was made of it */
    PACKET_MALFORMED,       /* too short, bad extension field, trailing rubbish */
    PACKET_BAD_VERSION,     /* not 1 to 4, or not the one that we sent */
    PACKET_BAD_MODE,        /* not an answer to what we are to that address */
    PACKET_WRONG_ADDRESS,   /* not from whom we asked */
    PACKET_UNEXPECTED,      /* nothing was asked, or it was answered before */
    PACKET_DUPLICATE,       /* test 1: transmit timestamp seen before */
    PACKET_BOGUS_ORIGIN,    /* test 2: origin timestamp is not ours */
    PACKET_NO_TIMESTAMP,    /* test 3: receive or transmit timestamp is zero */
    PACKET_UNAUTHENTICATED, /* test 5 */
    PACKET_NTS_NAK,         /* test 5: somebody says that the server cannot open our cookie */
    PACKET_UNSYNCHRONIZED,  /* test 6: leap 3, or stratum 0 or above 15 */
    PACKET_ROOT_DISTANCE,   /* test 7: 16 s or more, or timestamps that contradict each other */
    PACKET_KISS_RATE,       /* kiss-o'-death RATE */
    PACKET_KISS_OTHER,      /* another kiss code: noted and ignored */
    PACKET_DELAY,           /* test A: maxdelay, precision, response time */
    PACKET_DELAY_RATIO,     /* test B: maxdelayratio */
    PACKET_DELAY_DEVIATION, /* test C: maxdelaydevratio or maxdelayquant */
    PACKET_LOOP,            /* test D: the server is synchronised to us */
    PACKET_LEAP_GUARD,      /* within 5 s of a leap second */
    PACKET_VERDICT_COUNT,
} PacketVerdict;

/* Bits of NtpReport.tests: set when passed. */
enum {
    TEST_1 = 1 << 9,
    TEST_2 = 1 << 8,
    TEST_3 = 1 << 7,
    TEST_5 = 1 << 6,
    TEST_6 = 1 << 5,
    TEST_7 = 1 << 4,
    TEST_A = 1 << 3,
    TEST_B = 1 << 2,
    TEST_C = 1 << 1,
    TEST_D = 1 << 0,
};

/* How selection sees a source, in the order in which it is decided. letter: selectdata's; see verdict.c. */
typedef enum SourceState {
    STATE_NOSELECT = 0,    /* N  configured with noselect */
    STATE_UNSYNCHRONIZED,  /* s  the source itself is not synchronised */
    STATE_MISSING_SAMPLES, /* M  fewer samples than needed (unresolved and offline ones among them) */
    STATE_BAD_STRATUM,     /* r  outside minstratum..maxstratum */
    STATE_TOO_DISTANT,     /* d  root distance above maxdistance */
    STATE_JITTERY,         /* ~  standard deviation above maxjitter */
    STATE_CONTRADICTORY,   /* x  its time is outside the dates of its own certificates (NTS) */
    STATE_WAITING_START,   /* w  others have not had their first samples yet */
    STATE_STALE,           /* S  unreachable, and older than what the reachable ones have */
    STATE_ORPHAN,          /* O  at or above the local orphan stratum */
    STATE_UNTRUSTED,       /* T  disagrees with the trusted sources */
    STATE_FALSETICKER,     /* x  disagrees with the majority */
    STATE_UNCONFIRMED,   /* W  our clock does not fit its certificates, and too few others confirm its time */
    STATE_WAITING,       /* W  minsources or require is not met */
    STATE_NOT_PREFERRED, /* P  another one is preferred */
    STATE_WAITING_UPDATE, /* U  waits for its next sample before it may be selected */
    STATE_DISTANT,        /* D  good, but too distant to be combined */
    STATE_COMBINED,       /* + */
    STATE_SELECTED,       /* * */
    STATE_COUNT,
} SourceState;

/* Why a source is not asked; OFFLINE_NOT is "it is". */
typedef enum OfflineReason {
    OFFLINE_NOT = 0,
    OFFLINE_BY_HAND,     /* a command or the configuration wants it so */
    OFFLINE_NO_WAY,      /* the kernel has no way to it: no route, no address, no carrier */
    OFFLINE_SEND_FAILED, /* auto_offline: a request could not leave */
    OFFLINE_REASON_COUNT,
} OfflineReason;

/* Why the clock is not synchronised; CLOCK_SYNCHRONIZED is "it is". */
typedef enum ClockReason {
    CLOCK_SYNCHRONIZED = 0,
    CLOCK_STARTING,      /* no source had time to answer yet */
    CLOCK_NO_SOURCES,    /* nothing is configured */
    CLOCK_NO_KEYS,       /* no source's keys could be established (NTS) */
    CLOCK_NO_RESPONSE,   /* sources are configured; none has answered */
    CLOCK_ALL_OFFLINE,   /* every source is offline */
    CLOCK_UNRESOLVED,    /* no source's name could be resolved */
    CLOCK_NO_SELECTABLE, /* they answered, but none may be selected (distance, jitter, stratum, noselect...)
                          */
    CLOCK_NO_MAJORITY,   /* they answered, and no majority agrees */
    CLOCK_NOT_ENOUGH,    /* fewer agree than minsources asks, or a required one is missing */
    CLOCK_UNCONFIRMED,   /* it does not fit the dates of certificates, and too few sources say what fits */
    CLOCK_DISRUPTED,     /* somebody set the clock; all samples were dropped */
    CLOCK_SLEPT,         /* the machine slept; as above */
    CLOCK_RESTORED,      /* the machine was restored or copied; as above */
    CLOCK_EXCESSIVE,     /* maxchange: the correction is refused */
    CLOCK_INITSTEPSLEW,  /* the hosts of initstepslew are asked, the sources are not yet */
    CLOCK_REASON_COUNT,
} ClockReason;

typedef enum CommandResult {
    COMMAND_OK = 0,
    COMMAND_FAILED,           /* the world refused: see the log */
    COMMAND_INVALID,          /* argument out of range or malformed */
    COMMAND_NO_SOURCE,        /* no such source */
    COMMAND_EXISTS,           /* source already present */
    COMMAND_TOO_MANY,         /* no room for more sources */
    COMMAND_BAD_FAMILY,       /* an address of the other family than asked for */
    COMMAND_BAD_NAME,         /* not a name or address */
    COMMAND_NOT_ENABLED,      /* facility not enabled by the configuration */
    COMMAND_NO_CLOCK,         /* no right to set the clock */
    COMMAND_NOT_SYNCHRONIZED, /* there is no correction to apply */
    COMMAND_CONFIG,           /* the configuration has errors: nothing was changed */
    COMMAND_NO_ENTRY,         /* no such manual entry */
    COMMAND_RESULT_COUNT,
} CommandResult;

/* What is wrong with a server that a network offers. */
typedef enum OfferRefusal {
    OFFER_NOT_REFUSED = 0,
    OFFER_NO_NAME,   /* neither the name of a host nor an address */
    OFFER_NO_SERVER, /* an address at which nobody else can answer */
    OFFER_TOO_MANY,
    OFFER_TOO_LONG, /* the text as a whole */
    OFFER_REFUSAL_COUNT,
} OfferRefusal;

/* Stable lower-case identifiers with dashes ("missing-samples"), for D-Bus and --json. Never NULL. */
const char *leap_status_name(LeapStatus leap);
const char *source_kind_name(SourceKind kind);
const char *source_origin_name(SourceOrigin origin);
const char *timestamp_origin_name(TimestampOrigin origin);
const char *packet_verdict_name(PacketVerdict verdict);
const char *source_state_name(SourceState state);
const char *offline_reason_name(OfflineReason reason); /* "" for OFFLINE_NOT */
const char *clock_reason_name(ClockReason reason);
const char *command_result_name(CommandResult result);
const char *offer_refusal_name(OfferRefusal refusal);

/* One sentence for people, without full stop. */
const char *packet_verdict_text(PacketVerdict verdict);
const char *source_state_text(SourceState state);
const char *clock_reason_text(ClockReason reason);
const char *command_result_text(CommandResult result);
const char *offer_refusal_text(OfferRefusal refusal);

/* The letter of `selectdata`, and the coarser one of `sources` (one of *+-x~?). */
char source_state_letter(SourceState state);
char source_state_mark(SourceState state);
