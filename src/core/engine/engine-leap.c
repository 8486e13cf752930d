// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Leap seconds. The kernel was told by ACTION_SET_STATUS and inserts or deletes the second itself: to us it
 * looks like a step of one second at midnight. The oscillator knows nothing of it, but UTC has made the same
 * step, so the model and all samples are moved along, and nothing is lost. Where the kernel did not do it
 * (nobody may tell it) UTC has stepped all the same, and the kernel clock is wrong by a second from then on,
 * as any other correction. */

#include <stdlib.h>

#include "core/engine/engine-internal.h"

#define DAY_NS   (86400 * NSEC_PER_SEC)
/* Nobody knows that close to it who has applied it already. */
#define GUARD    5.0
#define GUARD_NS (5 * NSEC_PER_SEC)
/* How exactly the kernel's step is one second, as two clocks that are read one after the other show it. */
#define NOISE_NS (NSEC_PER_SEC / 100)
/* The kernel steps in the second after midnight, or it does not. */
#define LATE_NS  (2 * NSEC_PER_SEC)

bool engine_is_near_leap(const Engine *engine, CookedTime time)
{
    if (mono_is_set(engine->leap_guard) && engine->now.mono.ns < engine->leap_guard.ns)
        return true;
    return reference_leap_today(&engine->reference, time) != LEAP_NORMAL &&
           time.ns % DAY_NS > DAY_NS - GUARD_NS;
}

static void move_model(Engine *engine, int64_t ns)
{
    LocalTime at = clock_to_local(&engine->clock, engine->now.raw);
    CookedTime cooked = clock_to_cooked(&engine->clock, at);

    clock_set_model(&engine->clock, at, (CookedTime) {cooked.ns + ns}, engine->clock.model_frequency);
    clock_begin_epoch(&engine->clock);
    engine->reference.last.cooked.ns += ns;
    for (size_t i = 0; i < engine->manual.count; i++)
        engine->manual.entries[i].truth.ns += ns;
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        source_stats_shift(source->stats, ns);
        source->last.truth.ns += ns;
        if (source->filter)
            sample_filter_reset(source->filter);
    }
}

void engine_pass_leap(Engine *engine)
{
    int64_t leap = engine->leap_told == LEAP_INSERT ? -NSEC_PER_SEC : NSEC_PER_SEC;
    CookedTime cooked = clock_to_cooked(&engine->clock, clock_to_local(&engine->clock, engine->now.raw));
    CookedTime soon = {cooked.ns + LATE_NS}, ago = {cooked.ns - LATE_NS};
    bool stepped = llabs(clock_jump_ns(&engine->clock, engine->now) - leap) < NOISE_NS;

    if (engine->leap_told == LEAP_NORMAL || reference_is_leap_day(stepped ? soon : ago))
        return;
    if (stepped)
        clock_on_step(&engine->clock, engine->now.raw, leap);
    move_model(engine, leap);
    engine->leap_told = engine->reference.last.leap = LEAP_NORMAL;
    engine->leap_guard = mono_add(engine->now.mono, GUARD);
    engine_set_status(engine);
}
