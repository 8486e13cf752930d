// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What comes over the clock from outside: somebody sets it, the machine sleeps, a copy of the machine is
 * woken up elsewhere. Whatever it was, from now on
 *
 *   - nothing is known of the clock's error, and everybody who asks is told so at once;
 *   - no old sample means anything, so all sources are asked in a burst;
 *   - the machine is where it was at its start, so makestep's limit counts anew. That gives nothing to
 * anybody on the network: none of this can be brought about by packets. maxchange still counts what it has
 * counted.
 *
 * What is known of the oscillator's frequency stays.
 *
 * And one thing that no clock tells: the machine stood still as a whole, and true time went on. The first
 * sign of it is an answer that contradicts our clock. It may as well be that source that is wrong; so nothing
 * is believed sooner than it would be otherwise, but everybody is asked at once. */

#include <math.h>

#include "core/engine/engine-internal.h"

#define BURSTS         8
#define BURST_INTERVAL 64.0

/* A source that says something else all of a sudden is asked again, and so are the others, but not because of
 * the same source more often than this, s. */
#define SURPRISE_INTERVAL 1024.0
#define SURPRISE_SAMPLES  2

static void tell(Engine *engine, ClockReason reason, int64_t ns)
{
    Event *event = engine_emit(engine, EVENT_DISRUPTED, NULL);

    event->reason = reason;
    event->value = (double) ns * 1e-9;
}

/* A clock that somebody else sets all the time must not make us a burden for servers: after BURSTS of them
 * there is one more in each BURST_INTERVAL. */
static bool may_burst(Engine *engine)
{
    double since = mono_diff(engine->now.mono, engine->last_burst);
    uint32_t regained = (uint32_t) fmin(since / BURST_INTERVAL, BURSTS);

    engine->bursts -= MIN(engine->bursts, regained);
    if (engine->bursts >= BURSTS)
        return false;
    if (engine->bursts == 0 || regained > 0)
        engine->last_burst = engine->now.mono;
    engine->bursts++;
    return true;
}

static void ask_all(Engine *engine)
{
    bool burst = may_burst(engine);

    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source->online && source_is_resolved(source))
            source_ask_anew(engine, source, burst);
    }
}

static void begin_anew(Engine *engine, ClockReason reason)
{
    engine->disruption = reason;
    engine->refused = false;
    engine_forget_time(engine);
    reference_doubt(&engine->reference);
    discipline_on_disruption(&engine->discipline);
    if (mono_is_set(engine->slew_deadline))
        engine_set_frequency(engine, engine->discipline.frequency);
    engine->slew_deadline = MONO_UNSET;
    engine->manual.count = 0;
    for (size_t i = 0; i < engine->source_count; i++)
        source_drop_samples(engine, engine->sources[i]);
    ask_all(engine);
    engine_select(engine);
    engine_set_status(engine);
    engine_emit(engine, EVENT_CLOCK_UPDATED, NULL)->reason = engine->reference.reason;
}

void engine_on_disruption(Engine *engine, const ClockDisruption *disruption)
{
    if (disruption->slept_ns != 0)
        tell(engine, CLOCK_SLEPT, disruption->slept_ns);
    if (disruption->jump_ns != 0)
        tell(engine, CLOCK_DISRUPTED, disruption->jump_ns);
    begin_anew(engine, disruption->slept_ns != 0 ? CLOCK_SLEPT : CLOCK_DISRUPTED);
}

/* Our clock says that it is right within a bound, and so does the source. */
static bool contradicts(const Engine *engine, const Sample *sample)
{
    double offset = cooked_diff(sample->truth, clock_to_cooked(&engine->clock, sample->time));
    double distance =
        (sample->root_delay + sample->peer_delay) / 2 + sample->root_dispersion + sample->peer_dispersion;

    return engine->reference.synchronized &&
           fabs(offset) > distance + reference_max_error(&engine->reference, sample->time, 0);
}

void engine_on_sample(Engine *engine, Source *source, const Sample *sample)
{
    bool before = source->contradicts;

    source->contradicts = contradicts(engine, sample);
    if (!source->contradicts || before ||
        (mono_is_set(source->last_surprise) &&
         mono_diff(engine->now.mono, source->last_surprise) < SURPRISE_INTERVAL))
        return;
    source->last_surprise = engine->now.mono;
    source_ask_soon(engine, source, SURPRISE_SAMPLES);
    for (size_t i = 0; i < engine->source_count; i++)
        if (engine->sources[i] != source && engine->sources[i]->online &&
            mono_is_set(engine->sources[i]->poll_deadline))
            source_ask_soon(engine, engine->sources[i], 1);
}

void engine_on_restored(Engine *engine, Now now)
{
    engine_enter(engine, now);
    if (engine->ended)
        return;
    tell(engine, CLOCK_RESTORED, 0);
    begin_anew(engine, CLOCK_RESTORED);
}

void engine_on_sleep(Engine *engine, bool begins, Now now)
{
    engine_enter(engine, now);
    if (engine->ended)
        return;
    if (begins) {
        /* Not the keys: we go on with their cookies, and none may be sent twice, also not after a crash. */
        engine_save_drift(engine);
        engine_save_stamp(engine);
        return;
    }
    /* The clocks have told it already, and that was more. */
    if (engine->disruption == CLOCK_SYNCHRONIZED)
        ask_all(engine);
}
