// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The scales of time; see clock.h.
 *
 * All absolute times stay integers. A product of a span and a frequency is the only thing that passes through
 * a double: for a span of a year and 100 ppm that is exact to a nanosecond, and spans are hours.
 *
 * Noise of Now: a process that is put to sleep between reading the two clocks sees their difference off by
 * that time, once. A real step stays. So a small difference (below JUMP_CERTAIN) counts only when the next
 * reading confirms it; below JUMP_NOISE nothing counts: such a step shows as an offset of the sources. */

#include "core/clock/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JUMP_NOISE   (NSEC_PER_SEC / 2000)
#define JUMP_CERTAIN NSEC_PER_SEC

static int64_t scaled(int64_t ns, double factor)
{
    return (int64_t) llrint((double) ns * factor);
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
        .realtime_offset = now.raw.ns - now.mono.ns,
        .suspected_offset = TIME_UNSET,
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
    clock->realtime_offset += offset_ns;
    clock->suspected_offset = TIME_UNSET;
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
    return now.raw.ns - now.mono.ns - clock->realtime_offset;
}

int64_t clock_check_jump(Clock *clock, Now now)
{
    int64_t offset = now.raw.ns - now.mono.ns;
    int64_t jump = clock_jump_ns(clock, now);

    if (llabs(jump) < JUMP_NOISE) {
        clock->suspected_offset = TIME_UNSET;
        return 0;
    }
    if (llabs(jump) < JUMP_CERTAIN &&
        (clock->suspected_offset == TIME_UNSET || llabs(offset - clock->suspected_offset) > JUMP_NOISE)) {
        clock->suspected_offset = offset;
        return 0;
    }

    clock_on_step(clock, now.raw, jump);
    clock_set_model(clock, clock->pieces[0].local, (CookedTime) {now.raw.ns}, clock->model_frequency);
    return jump;
}
