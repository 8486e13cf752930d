// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The scales of time and how they hang together. Two mappings:
 *
 *   RawTime -> LocalTime    what the kernel clock shows -> what the bare oscillator would show: every
 * frequency change, slew and step of ours taken out. A chain of straight pieces; several past ones are kept,
 * so that a timestamp from just before the last adjustment still converts right. LocalTime -> CookedTime our
 * model of true time: one phase and one frequency, moved by each update.
 *
 * The kernel clock chases the model: what is still to be slewed is cooked - raw at the same instant. */

#include "base/instant.h"
#include "base/macros.h"

/* Pieces that are kept. An adjustment comes at most about once a second, a packet's timestamp is at most some
 * seconds old. */
#define CLOCK_PIECES 16

typedef struct ClockPiece {
    RawTime raw;      /* from here on */
    LocalTime local;  /* the same instant */
    double frequency; /* raw gains that much on local; dimensionless */
} ClockPiece;

/* Looked at and changed by the functions below only. */
typedef struct Clock {
    ClockPiece pieces[CLOCK_PIECES]; /* newest first */
    size_t piece_count;
    LocalTime model_local; /* where the model was fixed last */
    CookedTime model_cooked;
    double model_frequency;   /* cooked gains that much on local */
    int64_t corrected;        /* ns by which it was set, not steered, since the epoch began */
    uint32_t epoch;           /* counts how often that has begun anew */
    RawTime stepped;          /* the kernel clock just after the last step of anybody; unset: none */
    int64_t boot_offset;      /* ns, CLOCK_REALTIME - CLOCK_BOOTTIME: changes by steps only */
    int64_t asleep_ns;        /* Now.asleep_ns: changes by sleeping only */
    bool suspects;            /* others were seen once: */
    int64_t suspected_offset; /* boot_offset */
    int64_t suspected_sleep;  /* asleep_ns */
} Clock;

/* What the kernel clock did that no oscillator does. */
typedef struct ClockDisruption {
    int64_t jump_ns;  /* somebody else set it: by so much */
    int64_t slept_ns; /* the machine slept, and the kernel has added for how long, as it believes */
} ClockDisruption;

/* kernel_frequency: what the kernel applies at the moment. The model starts as the kernel clock itself. */
Clock clock_start(Now now, double kernel_frequency);

LocalTime clock_to_local(const Clock *clock, RawTime raw);
CookedTime clock_to_cooked(const Clock *clock, LocalTime local);

/* What is still to be added to the kernel clock at an instant, ns. */
int64_t clock_remaining_ns(const Clock *clock, RawTime raw);

/* What the kernel applies now. */
double clock_applied_frequency(const Clock *clock);

/* The kernel's frequency became this at that instant. */
void clock_on_frequency(Clock *clock, RawTime when, double frequency);

/* offset_ns was added to the kernel clock, which shows `after` now. */
void clock_on_step(Clock *clock, RawTime after, int64_t offset_ns);

/* True time itself has made a step (a leap second), or nobody knows what it did: what was corrected before
 * says nothing about what follows. A step of the kernel clock does the same. */
void clock_begin_epoch(Clock *clock);

/* True time is `cooked` at `local` and goes on with that frequency. */
void clock_set_model(Clock *clock, LocalTime local, CookedTime cooked, double frequency);

/* Looks whether somebody else stepped the clock since the last call, or the machine slept. CLOCK_MONOTONIC
 * and CLOCK_BOOTTIME are slewed with CLOCK_REALTIME but never stepped, and of a sleep CLOCK_MONOTONIC knows
 * nothing: so all differences are constant but for the noise of reading one clock after the other. False:
 * neither happened. After it the local scale goes on as if nothing had happened, and the model agrees with
 * the kernel clock again. */
bool clock_check_disruption(Clock *clock, Now now, ClockDisruption *ret) must_check_;

/* How far the kernel clock has been stepped by others, as this reading has it; with all its noise. */
int64_t clock_jump_ns(const Clock *clock, Now now);

/* A difference is being suspected: call again soon with a fresh reading. */
static inline bool clock_suspects_disruption(const Clock *clock)
{
    return clock->suspects;
}
