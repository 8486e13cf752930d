// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Selection: sources -> candidates -> states and one estimate, and what is told about it.
 *
 * It runs after each exchange. The clock is updated whenever one of the sources that are combined has a new
 * sample. */

#include <math.h>

#include "base/reference-id.h"
#include "core/engine/engine-internal.h"

/* Until a source has that many samples, it is not selected, unless it may not keep that many. */
#define SAMPLES_NEEDED 3
/* A source that was asked so often in vain, or so often at all, is not waited for at the start. */
#define START_MISSED   2
#define START_ATTEMPTS 8
/* Requests of a start follow one another by at most 2 s: of a source that answers, the last one is not older
 * than this, s. */
#define START_SPACING  2.5
/* A source that has never answered is given so long for its first answer, s. */
#define START_PATIENCE 1.0

uint32_t source_samples_needed(const Source *source)
{
    return (uint32_t) CLAMP(source->config.max_samples, 1, SAMPLES_NEEDED);
}

/* --- options --- */

static bool counts_for_authentication(const Engine *engine, const Source *source, bool authenticated)
{
    return engine_asks(engine, source) && !source->config.select.noselect &&
           source_is_authenticated(source) == authenticated;
}

static bool any_counts(const Engine *engine, bool authenticated)
{
    for (size_t i = 0; i < engine->source_count; i++)
        if (counts_for_authentication(engine, engine->sources[i], authenticated))
            return true;
    return false;
}

/* authselectmode: what authentication, here and elsewhere, adds to the options that were configured. */
static void derive_options(Engine *engine)
{
    AuthSelectMode mode = engine->config->selection.auth_mode;
    bool with = any_counts(engine, true), without = any_counts(engine, false);
    bool only = mode == AUTH_SELECT_REQUIRE || (mode == AUTH_SELECT_PREFER && with);
    bool confirm = mode == AUTH_SELECT_MIX && with && without;

    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        source->select = source->config.select;
        if (only && !source_is_authenticated(source))
            source->select.noselect = true;
        if (confirm && counts_for_authentication(engine, source, true))
            source->select.trust = source->select.require = true;
    }
}

/* --- candidates --- */

static bool may_still_start(const Source *source)
{
    uint32_t filter = (uint32_t) MAX(source->config.filter, 1);

    if (source->nts && (source_nts_is_stuck(source) || source->nts->held))
        return false;
    return source->online && source_is_resolved(source) && source->poll.missed_run < START_MISSED &&
           source->attempts < START_ATTEMPTS * filter &&
           source_stats_count(source->stats) < source_samples_needed(source);
}

/* Whether the others may wait for it, all of them if need be. A source that is asked once a minute, or that
 * does not answer, has its samples when it has them: a clock that could be right is not kept wrong for it. */
static bool is_waited_for(const Engine *engine, const Source *source, bool all)
{
    if (engine->reference.synchronized || !may_still_start(source))
        return false;
    if (source->nts && source_nts_is_starting(source))
        return !mono_is_set(source->nts->begun) ||
               mono_diff(engine->now.mono, source->nts->begun) < START_PATIENCE || all;
    if (source->attempts == 0)
        return true;
    double since = mono_diff(engine->now.mono, source->last_request);
    return source->client.report.valid ? since < START_SPACING
                                       : source->poll.missed_run == 0 && since < START_PATIENCE;
}

static LeapStatus leap_of(const Source *source)
{
    const NtpReport *report = &source->client.report;

    /* One that has its time from us has none of its own: without this, two that lost their source at the same
     * time would go on following one another by what they had before. */
    if (!report->valid || report->stratum == 0 || report->stratum > 15 || report->last_verdict == PACKET_LOOP)
        return LEAP_UNSYNCHRONIZED;
    return report->leap;
}

static void fill_roots(const Engine *engine, const Source *source, LocalTime at, SelectCandidate *c)
{
    SourceStatsReport stats;
    double age = fmax(0, local_diff(at, source->last.time));
    double rate = engine->config->clock.max_clock_error;

    source_stats_report(source->stats, &stats);
    c->oldest = local_add(c->newest, -stats.span);
    if (!c->estimate.has_frequency)
        rate += engine->discipline.skew;
    /* One or two samples scatter by as much as they are uncertain, as far as anybody knows. */
    c->standard_deviation = stats.runs > 0 ? stats.standard_deviation : c->estimate.offset_sd;
    c->root_delay = source->last.root_delay + fmin(source->last.peer_delay, stats.min_delay);
    c->root_dispersion = source->last.root_dispersion + source->last.peer_dispersion +
                         ENGINE_BOUND_SIGMAS * c->estimate.offset_sd + rate * age;
}

static void fill_candidate(const Engine *engine, Source *source, LocalTime at, bool all, SelectCandidate *c)
{
    *c = (SelectCandidate) {
        .id = source->id,
        .options = source->select,
        .kind = source->config.kind,
        .stratum = (uint8_t) MAX(source->last.stratum, source->config.min_stratum),
        .leap = leap_of(source),
        .samples = source_stats_count(source->stats),
        .samples_needed = source_samples_needed(source),
        .reachable = source->poll.reach != 0,
        /* ... which holds back the first selection only. */
        .may_still_start = is_waited_for(engine, source, all),
        .unreachable_run = source->poll.missed_run,
        .max_unreach = source->config.max_unreach,
        .updated = source->updated,
        .authenticated = source_is_authenticated(source),
        .name = source->config.name,
        .address = source->remote.address,
        .memory = &source->memory,
    };
    if (source->nts)
        c->host_key = source->nts->host_key;
    if (engine->local.config.orphan) {
        c->reference_id = reference_id_of(&source->remote.address);
        c->own_reference_id = reference_id_of(&source->client.report.local);
    }
    if (!engine_asks(engine, source)) {
        c->options = (SelectOptions) {.noselect = true};
        return;
    }
    if (!source->has_last || !source_stats_estimate(source->stats, at, &c->estimate))
        return;
    c->has_samples = true;
    c->newest = source_stats_newest(source->stats)->time;
    fill_roots(engine, source, at, c);
    source_judge_dates(engine, source, c);
}

/* --- what selection has changed --- */

static bool is_bad(SourceState state)
{
    return state == STATE_FALSETICKER || state == STATE_TOO_DISTANT || state == STATE_BAD_STRATUM ||
           state == STATE_JITTERY;
}

static void note_outcomes(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        SourceState before = source->outcome.state;

        source->outcome = engine->outcomes[i];
        if (!engine_asks(engine, source))
            source->outcome.state = STATE_WAITING_START;
        if (source->updated)
            source->bad_updates = is_bad(source->outcome.state) ? source->bad_updates + 1 : 0;
        if (source->outcome.state == before)
            continue;
        Event *event = engine_emit(engine, EVENT_STATE_CHANGED, source);
        event->value = source->outcome.value;
        event->limit = source->outcome.limit;
        event->agreeing = engine->selection.agreeing;
        event->candidates = engine->selection.candidates;
    }
}

/* Why nothing is selected, from the sources' side where selection cannot know it. */
static ClockReason reason_of_failure(const Engine *engine)
{
    size_t resolved = 0, online = 0, answered = 0, heard = 0, starting = 0, stuck = 0;

    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        resolved += source_is_resolved(source);
        online += source->online;
        answered += source->client.report.valid;
        heard += source->has_last;
        stuck += source->online && source_nts_is_stuck(source);
        starting += may_still_start(source) || (source->online && source->lookup.asked);
    }
    if (engine->source_count == 0)
        return CLOCK_NO_SOURCES;
    if (online == 0)
        return CLOCK_ALL_OFFLINE;
    if (engine->refused)
        return CLOCK_EXCESSIVE;
    if (engine->disruption != CLOCK_SYNCHRONIZED && (heard == 0 || starting > 0))
        return engine->disruption;
    if (answered == 0 && starting > 0)
        return CLOCK_STARTING;
    if (answered == 0 && stuck == online)
        return CLOCK_NO_KEYS;
    if (resolved == 0)
        return CLOCK_UNRESOLVED;
    if (answered == 0)
        return CLOCK_NO_RESPONSE;
    return engine->selection.reason == CLOCK_SYNCHRONIZED ? CLOCK_NO_SELECTABLE : engine->selection.reason;
}

/* --- selection --- */

static void note_selected(Engine *engine)
{
    const Source *best = engine->sources[engine->selection.best];

    if (source_id_equal(best->id, engine->selected))
        return;
    engine->selected = best->id;
    engine_emit(engine, EVENT_SELECTED, best);
}

static bool selection_is_news(const Engine *engine)
{
    if (!engine->reference.synchronized)
        return true;
    for (size_t i = 0; i < engine->source_count; i++) {
        SourceState state = engine->outcomes[i].state;
        if (engine->candidates[i].updated && (state == STATE_SELECTED || state == STATE_COMBINED))
            return true;
    }
    return false;
}

/* No source can bring the samples any more that -q or -Q wait for. */
static bool once_is_hopeless(const Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        uint32_t missing = source_samples_needed(source) -
                           MIN(source_stats_count(source->stats), source_samples_needed(source));
        if (!source->online || (source->nts && source_nts_is_stuck(source)))
            continue;
        if (!source_is_resolved(source) && source->lookup.failures == 0)
            return false;
        if (source_is_resolved(source) && source->attempts + missing <= START_ATTEMPTS)
            return false;
    }
    return true;
}

static SelectionConfig present_config(const Engine *engine)
{
    SelectionConfig config = engine->config->selection;

    if (engine_in_prelude(engine)) /* these are about the sources */
        config.min_sources = 1;
    else if (engine->local.config.enabled && engine->local.config.orphan)
        config.orphan_stratum = engine->local.config.stratum;
    return config;
}

static void run_selection(Engine *engine, LocalTime at, CookedTime cooked)
{
    const SelectionConfig config = present_config(engine);

    derive_options(engine);
    bool all = engine_hears_all(engine);
    for (size_t i = 0; i < engine->source_count; i++)
        fill_candidate(engine, engine->sources[i], at, all, &engine->candidates[i]);
    select_run(&config, engine->candidates, engine->source_count, at, cooked, engine->outcomes,
               &engine->selection);
    note_outcomes(engine);
    engine_log_selection(engine);
    for (size_t i = 0; i < engine->source_count; i++)
        engine->sources[i]->updated = false;
}

bool engine_select_hosts(Engine *engine)
{
    LocalTime at = clock_to_local(&engine->clock, engine->now.raw);

    run_selection(engine, at, clock_to_cooked(&engine->clock, at));
    return engine->selection.selected;
}

/* Those that are followed say another time than the one that our clock shows. */
static bool follows_against_clock(const Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        SourceState state = engine->outcomes[i].state;
        if (engine->candidates[i].provisional && (state == STATE_SELECTED || state == STATE_COMBINED))
            return true;
    }
    return false;
}

static void update_clock(Engine *engine, LocalTime at, CookedTime cooked)
{
    bool doubted = follows_against_clock(engine);

    engine_update_clock(engine, at, cooked);
    if (engine->reference.synchronized && !engine->ended)
        engine_learn_time(engine, doubted);
}

void engine_select(Engine *engine)
{
    LocalTime at = clock_to_local(&engine->clock, engine->now.raw);
    CookedTime cooked = clock_to_cooked(&engine->clock, at);

    if (engine->step_pending || engine->ended || engine_in_prelude(engine))
        return;
    run_selection(engine, at, cooked);
    if (engine->selection.selected) {
        note_selected(engine);
        if (selection_is_news(engine))
            update_clock(engine, at, cooked);
        return;
    }
    engine->selected = (SourceId) {0};
    engine_lose_reference(engine, reason_of_failure(engine));
    if (engine_runs_once(engine) && once_is_hopeless(engine)) {
        action_queue_push(&engine->actions, ACTION_EXIT)->exit_status = 1;
        engine->ended = true;
    }
}
