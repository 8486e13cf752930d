// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What the server tells of our time, and the local reference that stands in for a source: made from the same
 * clock and reference as the reports. */

#include <math.h>

#include "core/engine/engine-internal.h"

/* What a server tells of itself that has no time to give, s. */
#define UNSYNCHRONIZED_ROOT 1.0
/* The time of our last update is told with up to that much taken off: it would tell when the next request to
 * our own source is due. */
#define REFERENCE_FUZZ_NS   NSEC_PER_SEC

static LocalTime now_local(const Engine *engine, Now now)
{
    return clock_to_local(&engine->clock, now.raw);
}

bool engine_is_local(const Engine *engine, Now now)
{
    /* Whoever believed us now could not tell us the time any more. */
    return !engine_in_prelude(engine) &&
           local_reference_is_active(&engine->local, &engine->reference, now_local(engine, now));
}

/* Unpredictable, but the same for the same word. */
static uint64_t mixed(const Engine *engine, uint64_t word)
{
    uint64_t z = (engine->setup.entropy ^ word) * UINT64_C(0xbf58476d1ce4e5b9);

    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The same for the same instant, so that asking often tells nothing more. */
static int64_t fuzz_of(const Engine *engine, int64_t instant)
{
    return (int64_t) (mixed(engine, (uint64_t) instant) % (uint64_t) REFERENCE_FUZZ_NS);
}

static uint64_t reference_time(const Engine *engine, CookedTime time)
{
    return ntp_time_from_ns(time.ns - fuzz_of(engine, time.ns)).value;
}

static void tell_source(const Engine *engine, LocalTime at, ServerSnapshot *ret)
{
    const Reference *reference = &engine->reference;
    CookedTime cooked = clock_to_cooked(&engine->clock, at);

    ret->root_delay = reference->last.root_delay;
    ret->root_dispersion = reference_root_dispersion(reference, at);
    ret->dispersion_rate = reference->last.dispersion_rate;
    ret->reference = reference_time(engine, reference->last.cooked);
    ret->reference_id = reference->last.reference_id;
    ret->stratum = MIN(reference_stratum(reference), 16);
    /* Within the leap second and around it nobody can know what we mean. */
    ret->leap = engine_is_near_leap(engine, cooked) && !reference_is_leap_day(cooked)
                    ? LEAP_UNSYNCHRONIZED
                    : reference_leap_today(reference, cooked);
}

static void tell_local(const Engine *engine, LocalTime at, ServerSnapshot *ret)
{
    CookedTime cooked = clock_to_cooked(&engine->clock, at);
    /* A whole second, or else the time of each request could be read from it. */
    CookedTime second = {cooked.ns - cooked.ns % NSEC_PER_SEC};

    ret->stratum = (uint64_t) engine->local.config.stratum;
    ret->leap = LEAP_NORMAL;
    ret->reference_id = LOCAL_REFERENCE_ID;
    ret->reference = reference_time(engine, second);
}

void engine_tell(const Engine *engine, Now now, ServerSnapshot *ret)
{
    LocalTime at = now_local(engine, now);
    double model = engine->clock.model_frequency, applied = clock_applied_frequency(&engine->clock);

    *ret = (ServerSnapshot) {
        .base = now.raw.ns,
        .valid_from = engine->clock.stepped.ns,
        .correction = clock_remaining_ns(&engine->clock, now.raw),
        .correction_rate = (1 + model) / (1 + applied) - 1,
        .root_delay = UNSYNCHRONIZED_ROOT,
        .root_dispersion = UNSYNCHRONIZED_ROOT,
        .stratum = 16,
        .leap = LEAP_UNSYNCHRONIZED,
        .precision = (int64_t) lround(log2(engine->setup.precision)),
        .corrected = engine->clock.corrected,
        .epoch = mixed(engine, engine->clock.epoch) >> 32,
    };
    if (engine_is_local(engine, now)) {
        ret->root_delay = ret->root_dispersion = 0;
        tell_local(engine, at, ret);
    } else if (engine->reference.synchronized) {
        tell_source(engine, at, ret);
    }
}

void engine_server_snapshot(Engine *engine, Now now, ServerSnapshot *ret)
{
    /* A clock that somebody has just stepped must not be served. */
    engine_enter(engine, now);
    engine_tell(engine, now, ret);
}

/* --- changes of the local reference --- */

void engine_check_local(Engine *engine)
{
    bool active = engine_is_local(engine, engine->now);

    if (active == engine->local_told)
        return;
    engine->local_told = active;
    engine_emit(engine, EVENT_CLOCK_UPDATED, NULL)->reason = engine->reference.reason;
}

MonoTime engine_local_deadline(const Engine *engine)
{
    LocalTime from = local_reference_activation(&engine->local, &engine->reference);

    if (engine->local_told || engine_in_prelude(engine) || from.ns == TIME_UNSET)
        return MONO_UNSET;
    /* A nanosecond later at least, or a rounding would keep it from being due. */
    double wait = fmax(0, local_diff(from, now_local(engine, engine->now))) + 1e-9;
    return mono_add(engine->now.mono, wait);
}

void engine_set_local(Engine *engine, const LocalConfig *config)
{
    engine->local.config = *config;
    engine_check_local(engine);
    engine_emit(engine, EVENT_CLOCK_UPDATED, NULL)->reason = engine->reference.reason;
}

void engine_local_report(const Engine *engine, Now now, LocalReport *ret)
{
    *ret = (LocalReport) {.config = engine->local.config, .active = engine_is_local(engine, now)};
}
