// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The scales of time; see clock.h.
 *
 * All absolute times stay integers. A product of a span and a frequency is the only thing that passes through
 * a double: for a span of a year and 100 ppm that is exact to a nanosecond, and spans are hours.
 *
 * Noise of Now: a process that has to wait between reading two clocks sees their difference off by that time,
 * once. A real step stays, and so does what a sleep adds. So a small difference (below CERTAIN) counts only
 * when the next reading confirms it; below NOISE nothing counts: such a step shows as an offset of the
 * sources. */

#include "core/clock/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOISE   (NSEC_PER_SEC / 2000)
#define CERTAIN NSEC_PER_SEC

static int64_t scaled(int64_t ns, double factor)
{
    return (int64_t) llrint((double) ns * factor);
}

/* CLOCK_REALTIME - CLOCK_BOOTTIME, ns. */
static int64_t boot_offset(Now now)
{
    return now.raw.ns - now.mono.ns - now.asleep_ns;
}

Clock clock_start(Now now, double kernel_frequency)
{
    return (Clock) {
        .pieces = {{.raw = now.raw, .local = {now.raw.ns}, .frequency = kernel_frequency}},
        .piece_count = 1,
        .model_local = {now.raw.ns},
        .model_cooked = {now.raw.ns},
        .model_frequency = kernel_frequency,
        .stepped = RAW_UNSET,
        .boot_offset = boot_offset(now),
        .asleep_ns = now.asleep_ns,
    };
}

static LocalTime piece_to_local(const ClockPiece *piece, RawTime raw)
{
    int64_t span = raw.ns - piece->raw.ns;

    return (LocalTime) {piece->local.ns + span - scaled(span, piece->frequency / (1.0 + piece->frequency))};
}

LocalTime clock_to_local(const Clock *clock, RawTime raw)
{
    size_t i = 0;

    while (i + 1 < clock->piece_count && raw.ns < clock->pieces[i].raw.ns)
        i++;
    return piece_to_local(&clock->pieces[i], raw);
}

CookedTime clock_to_cooked(const Clock *clock, LocalTime local)
{
    int64_t span = local.ns - clock->model_local.ns;

    return (CookedTime) {clock->model_cooked.ns + span + scaled(span, clock->model_frequency)};
}

int64_t clock_remaining_ns(const Clock *clock, RawTime raw)
{
    return clock_to_cooked(clock, clock_to_local(clock, raw)).ns - raw.ns;
}

double clock_applied_frequency(const Clock *clock)
{
    return clock->pieces[0].frequency;
}

static void push_piece(Clock *clock, ClockPiece piece)
{
    size_t kept = clock->piece_count < CLOCK_PIECES ? clock->piece_count : CLOCK_PIECES - 1;

    memmove(clock->pieces + 1, clock->pieces, kept * sizeof(clock->pieces[0]));
    clock->pieces[0] = piece;
    clock->piece_count = kept + 1;
}

void clock_on_frequency(Clock *clock, RawTime when, double frequency)
{
    push_piece(clock, (ClockPiece) {
                          .raw = when,
                          .local = piece_to_local(&clock->pieces[0], when),
                          .frequency = frequency,
                      });
}

void clock_begin_epoch(Clock *clock)
{
    clock->corrected = 0;
    clock->epoch++;
}

void clock_on_step(Clock *clock, RawTime after, int64_t offset_ns)
{
    RawTime before = {after.ns - offset_ns};

    push_piece(clock, (ClockPiece) {
                          .raw = after,
                          .local = piece_to_local(&clock->pieces[0], before),
                          .frequency = clock->pieces[0].frequency,
                      });
    clock_begin_epoch(clock);
    clock->stepped = after;
    clock->boot_offset += offset_ns;
    clock->suspects = false;
}

void clock_set_model(Clock *clock, LocalTime local, CookedTime cooked, double frequency)
{
    clock->corrected += cooked.ns - clock_to_cooked(clock, local).ns;
    clock->model_local = local;
    clock->model_cooked = cooked;
    clock->model_frequency = frequency;
}

int64_t clock_jump_ns(const Clock *clock, Now now)
{
    return boot_offset(now) - clock->boot_offset;
}

static bool is_more_than(int64_t limit, ClockDisruption d)
{
    return llabs(d.jump_ns) > limit || llabs(d.slept_ns) > limit;
}

static bool is_confirmed(const Clock *clock, Now now)
{
    ClockDisruption since = {boot_offset(now) - clock->suspected_offset,
                             now.asleep_ns - clock->suspected_sleep};

    return clock->suspects && !is_more_than(NOISE, since);
}

bool clock_check_disruption(Clock *clock, Now now, ClockDisruption *ret)
{
    ClockDisruption found = {clock_jump_ns(clock, now), now.asleep_ns - clock->asleep_ns};

    if (!is_more_than(NOISE, found)) {
        clock->suspects = false;
        return false;
    }
    if (!is_more_than(CERTAIN - 1, found) && !is_confirmed(clock, now)) {
        clock->suspects = true;
        clock->suspected_offset = boot_offset(now);
        clock->suspected_sleep = now.asleep_ns;
        return false;
    }

    clock_on_step(clock, now.raw, found.jump_ns + found.slept_ns);
    clock->boot_offset = boot_offset(now);
    clock->asleep_ns = now.asleep_ns;
    clock_set_model(clock, clock->pieces[0].local, (CookedTime) {now.raw.ns}, clock->model_frequency);
    /* What is noise in one of the two did not happen. */
    ret->jump_ns = llabs(found.jump_ns) > NOISE ? found.jump_ns : 0;
    ret->slept_ns = llabs(found.slept_ns) > NOISE ? found.slept_ns : 0;
    return true;
}
