// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Certificates are valid at certain times only, and a clock that was never set does not know what time it is:
 * which of the two is wrong when they do not fit? (doc/nts.md has the whole of it.)
 *
 * Until selection has found our clock right, chains of certificates are accepted that are right in all but
 * their dates. Their sources are asked for the time, and what they say is held against the dates: it has to
 * lie within those of their own chain, and when our clock does not, other authenticated sources have to
 * confirm it. Once the clock is right, the truth is held against each chain again; who fails has its keys
 * taken away. From then on, certificates have to be valid by our clock.
 *
 * Two things are known of the time in advance. It is later than this program was made: no chain that ended
 * before is accepted, and nothing that was said before is believed. And it was known once, by authenticated
 * sources, and written down (the stamp). That may be overruled by most of all authenticated sources together,
 * or somebody who got us to write down a time of the far future would have shut out the truth for ever. */

#include "core/engine/engine-internal.h"

/* Between two stamps, s. */
#define STAMP_INTERVAL  3600.0
/* It may be so much later than what is said now without anything being wrong, s. */
#define STAMP_TOLERANCE 60

/* Wire timestamps are taken to be near the present, but a clock that starts in 1970 does not know the
 * present: it is not before this (2026-01-01). ns since 1970. */
#define ERA_PIVOT_MIN (INT64_C(1767225600) * NSEC_PER_SEC)
/* Half of an era, s. */
#define ERA_HALF_S    (INT64_C(1) << 31)

typedef struct Seconds {
    int64_t low, high; /* since 1970 */
} Seconds;

static int64_t seconds_of(CookedTime time)
{
    return time.ns / NSEC_PER_SEC - (time.ns % NSEC_PER_SEC < 0);
}

static CookedTime present(const Engine *engine)
{
    return clock_to_cooked(&engine->clock, clock_to_local(&engine->clock, engine->now.raw));
}

int64_t engine_now_s(const Engine *engine)
{
    return seconds_of(present(engine));
}

/* A clock of the year 2100 must not take what is said in 2026 for 2162: half an era after what is certain,
 * all times that are possible are within reach. */
int64_t engine_era_pivot(const Engine *engine)
{
    int64_t bound = engine->setup.lower_bound_s, pivot = MAX(engine->now.raw.ns, ERA_PIVOT_MIN);

    return bound > 0 ? MIN(pivot, (bound + ERA_HALF_S) * NSEC_PER_SEC) : pivot;
}

/* All of the one is before, or after, all of the other. */
static bool is_outside(const NtsValidity *validity, Seconds when)
{
    return when.high < validity->from || when.low > validity->to;
}

static bool is_outside_now(const Engine *engine, const NtsValidity *validity)
{
    int64_t now = engine_now_s(engine);

    return is_outside(validity, (Seconds) {now, now});
}

/* Certificates that our clock is outside of, and no truth yet to tell who is wrong. */
static bool is_in_doubt(const Engine *engine, const Source *source)
{
    return source->nts && source->nts->unproven && is_outside_now(engine, &source->nts->validity);
}

static bool any_in_doubt(const Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++)
        if (is_in_doubt(engine, engine->sources[i]))
            return true;
    return false;
}

bool engine_hears_all(const Engine *engine)
{
    bool wrong = !engine->knows_time && engine_now_s(engine) < engine->setup.lower_bound_s;

    return wrong || any_in_doubt(engine);
}

NtsDates engine_dates(const Engine *engine)
{
    if (engine->discipline.updates < (uint32_t) engine->config->nts.no_time_check)
        return NTS_DATES_IGNORED;
    return engine->knows_time ? NTS_DATES_CHECKED : NTS_DATES_PROVISIONAL;
}

static NtsFailure outside_failure(const NtsValidity *validity, int64_t truth)
{
    return truth < validity->from ? NTS_CERT_NOT_YET : NTS_CERT_EXPIRED;
}

NtsFailure source_take_dates(Engine *engine, Source *source, const NtsValidity *validity)
{
    source->nts->validity = *validity;
    source->nts->unproven = engine_dates(engine) == NTS_DATES_PROVISIONAL;
    /* The truth may have become known while the keys were established. */
    if (engine_dates(engine) == NTS_DATES_CHECKED && is_outside_now(engine, validity))
        return outside_failure(validity, engine_now_s(engine));
    return NTS_OK;
}

void source_judge_dates(const Engine *engine, const Source *source, SelectCandidate *c)
{
    double distance = c->root_delay / 2 + c->root_dispersion;
    NtsValidity validity;
    Seconds said;

    if (!source->nts || !source->nts->unproven || !c->has_samples)
        return;
    validity = source->nts->validity;
    validity.from = MAX(validity.from, engine->setup.lower_bound_s);
    said.low = seconds_of(cooked_add(c->estimate.truth, -distance));
    said.high = seconds_of(cooked_add(c->estimate.truth, distance));
    c->contradictory = is_outside(&validity, said);
    c->provisional = is_in_doubt(engine, source);
    c->outdated = said.high < engine->stamp_s;
}

/* --- the truth --- */

static bool is_followed(const Source *source)
{
    return source->outcome.state == STATE_SELECTED || source->outcome.state == STATE_COMBINED;
}

/* No stamp is later than the certificates vouch for: whoever holds the sources for a day cannot put us beyond
 * the end of his own. */
static int64_t vouched_until(const Engine *engine)
{
    int64_t until = INT64_MIN;

    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        if (is_followed(source) && source_is_authenticated(source))
            until = MAX(until, source->nts ? source->nts->validity.to : INT64_MAX);
    }
    return until;
}

void engine_save_stamp(Engine *engine)
{
    int64_t truth = engine_now_s(engine), until = vouched_until(engine);

    if (!engine->reference.synchronized || engine_runs_once(engine) || until == INT64_MIN)
        return;
    if (engine->stamp_s > truth + STAMP_TOLERANCE)
        engine_emit(engine, EVENT_STAMP_OVERRULED, NULL)->value = (double) (engine->stamp_s - truth);
    engine->stamp_s = MIN(truth, until);
    engine->last_stamp = engine->now.mono;
    action_queue_push(&engine->actions, ACTION_SAVE_STAMP)->stamp_s = engine->stamp_s;
}

static bool stamp_is_due(const Engine *engine)
{
    return !mono_is_set(engine->last_stamp) ||
           mono_diff(engine->now.mono, engine->last_stamp) >= STAMP_INTERVAL;
}

static void prove_dates(Engine *engine, int64_t truth)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (!source->nts || !source->nts->unproven)
            continue;
        source->nts->unproven = false;
        if (is_outside(&source->nts->validity, (Seconds) {truth, truth}))
            source_nts_revoke(engine, source, outside_failure(&source->nts->validity, truth));
    }
}

void engine_learn_time(Engine *engine, bool doubted)
{
    int64_t truth = engine_now_s(engine);

    if (doubted && !engine->knows_time) {
        Event *event = engine_emit(engine, EVENT_TIME_CONFIRMED, NULL);
        event->agreeing = engine->selection.agreeing;
    }
    engine->knows_time = true;
    if (stamp_is_due(engine))
        engine_save_stamp(engine);
    prove_dates(engine, truth);
}

void engine_forget_time(Engine *engine)
{
    engine->knows_time = false;
}
