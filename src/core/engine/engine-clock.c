// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What follows from selection for the clock: one estimate -> a decision of the discipline -> actions and
 * reference. And what the world tells about the clock. makestep and maxchange count only updates in which the
 * selected source had a new sample. */

#include <math.h>

#include "base/reference-id.h"
#include "core/engine/engine-internal.h"

/* Errors below this are left to the next update when a slew ends, as part of its uncertainty. */
#define SLEW_REST           0.1
/* "MANU" */
#define MANUAL_REFERENCE_ID UINT32_C(0x4d414e55)

static void log_lost(Engine *engine)
{
    const LogTracking row = {
        .frequency = engine->discipline.frequency,
        .skew = engine->discipline.skew,
        .remaining = (double) clock_remaining_ns(&engine->clock, engine->now.raw) * 1e-9,
        .root_delay = INFINITY,
        .root_dispersion = INFINITY,
        .max_error = INFINITY,
        .leap = LEAP_UNSYNCHRONIZED,
    };

    engine_log_tracking(engine, &row, 0);
}

void engine_lose_reference(Engine *engine, ClockReason reason)
{
    ClockReason before = engine->reference.reason;
    bool lost = reference_lose(&engine->reference, reason);
    bool news = lost || before != reason;

    if (news && (reason == CLOCK_NO_SELECTABLE || reason == CLOCK_NO_MAJORITY || reason == CLOCK_NOT_ENOUGH ||
                 reason == CLOCK_UNCONFIRMED)) {
        Event *event = engine_emit(engine, EVENT_SELECTION_FAILED, NULL);
        event->reason = reason;
        event->agreeing = engine->selection.agreeing;
        event->candidates = engine->selection.candidates;
    }
    if (lost || !engine->told_start)
        log_lost(engine);
    engine->told_start = true;
    if (lost) {
        local_reference_on_lost(&engine->local, clock_to_local(&engine->clock, engine->now.raw));
        engine_emit(engine, EVENT_UNSYNCHRONIZED, NULL)->reason = reason;
        engine_set_status(engine);
    }
    if (news)
        engine_emit(engine, EVENT_CLOCK_UPDATED, NULL)->reason = reason;
}

/* --- actions on the clock --- */

void engine_set_frequency(Engine *engine, double frequency)
{
    if (!engine_steers(engine))
        return;
    action_queue_push(&engine->actions, ACTION_SET_FREQUENCY)->frequency.frequency =
        CLAMP(frequency, -KERNEL_FREQUENCY_MAX, KERNEL_FREQUENCY_MAX);
}

void engine_step(Engine *engine, int64_t offset_ns)
{
    engine->step_pending = true;
    engine->step_offset = (double) offset_ns * 1e-9;
    engine->slew_deadline = MONO_UNSET;
    engine_set_frequency(engine, engine->discipline.frequency);
    action_queue_push(&engine->actions, ACTION_STEP)->step.offset_ns = offset_ns;
}

void engine_set_status(Engine *engine)
{
    LocalTime at = clock_to_local(&engine->clock, engine->now.raw);
    double remaining = (double) clock_remaining_ns(&engine->clock, engine->now.raw) * 1e-9;

    if (!engine_steers(engine) || engine->ended)
        return;
    QueuedAction *action = action_queue_push(&engine->actions, ACTION_SET_STATUS);
    action->status.synchronized = engine->reference.synchronized;
    action->status.leap = reference_leap_today(&engine->reference, clock_to_cooked(&engine->clock, at));
    action->status.max_error = reference_max_error(&engine->reference, at, remaining);
    action->status.est_error = engine->reference.was_updated ? fabs(remaining) + engine->slew_sd : INFINITY;
    engine->last_status = engine->now.mono;
}

static void save_drift(Engine *engine)
{
    QueuedAction *action = action_queue_push(&engine->actions, ACTION_SAVE_DRIFT);
    action->drift.frequency_ppm = -engine->discipline.frequency * 1e6;
    action->drift.skew_ppm = engine->discipline.skew * 1e6;
    engine->last_drift = engine->now.mono;
}

void engine_save_drift(Engine *engine)
{
    if (engine_steers(engine) && engine->discipline.has_frequency)
        save_drift(engine);
}

/* Seconds until a request is due anyway. */
static double until_request(const Engine *engine)
{
    MonoTime due = MONO_UNSET;

    for (size_t i = 0; i < engine->source_count; i++)
        due = mono_earliest(due, engine->sources[i]->poll_deadline);
    return mono_is_set(due) ? fmax(0, mono_diff(due, engine->now.mono)) : 0;
}

static void begin_slew(Engine *engine)
{
    SlewInput input = {
        .remaining = (double) clock_remaining_ns(&engine->clock, engine->now.raw) * 1e-9,
        .frequency = engine->discipline.frequency,
        .offset_sd = engine->slew_sd,
        .interval = engine->reference.update_interval,
        .until_due = until_request(engine),
    };
    Slew slew = discipline_slew(&engine->config->clock, &input);

    engine_set_frequency(engine, slew.frequency);
    /* The kernel's own seconds pass at the slewed rate, and CLOCK_MONOTONIC with them. */
    engine->slew_deadline =
        slew.duration > 0 ? mono_add(engine->now.mono, slew.duration * (1.0 + slew.frequency)) : MONO_UNSET;
}

/* A slew ends. When the timer was late, or the kernel's rounding has added up, a rest is left to be slewed.
 */
void engine_slew_due(Engine *engine)
{
    double rest = fabs((double) clock_remaining_ns(&engine->clock, engine->now.raw) * 1e-9);

    engine->slew_deadline = MONO_UNSET;
    if (rest > SLEW_REST * engine->slew_sd)
        begin_slew(engine);
    else
        engine_set_frequency(engine, engine->discipline.frequency);
}

/* --- an update --- */

static void tell_decision(Engine *engine, const DisciplineDecision *decision)
{
    if (decision->limited) {
        Event *event = engine_emit(engine, EVENT_FREQUENCY_LIMITED, NULL);
        event->value = decision->frequency;
        event->limit = engine->config->clock.max_drift;
    }
    if (decision->wrong)
        engine_emit(engine, EVENT_CLOCK_WRONG, NULL)->value = decision->offset;
}

/* Before the step that it may be for: whoever can make us crash does not get another one for it. */
static void save_updates(Engine *engine)
{
    if (engine_steers(engine) && discipline_counts_updates(&engine->discipline, &engine->config->clock))
        action_queue_push(&engine->actions, ACTION_SAVE_UPDATES)->updates = engine->discipline.updates;
}

static void refuse_change(Engine *engine, const DisciplineDecision *decision)
{
    bool fatal = decision->verdict == DISCIPLINE_END;
    Event *event = engine_emit(engine, EVENT_CHANGE_REFUSED, NULL);

    event->value = decision->offset;
    event->limit = engine->config->clock.max_change_offset;
    event->fatal = fatal;
    engine->refused = true;
    reference_doubt(&engine->reference); /* those who are believed say so */
    engine_lose_reference(engine, CLOCK_EXCESSIVE);
    if (fatal) {
        action_queue_push(&engine->actions, ACTION_EXIT)->exit_status = 1;
        engine->ended = true;
    }
}

/* How fast the bound grows: the frequency may be wrong already, and it wanders until the next update. */
static double dispersion_rate(const Engine *engine, double skew)
{
    double interval = exp2(source_poll(engine, engine->sources[engine->selection.best]));

    return engine->config->clock.max_clock_error +
           ENGINE_BOUND_SIGMAS * sqrt(skew * skew + engine->selection.estimate.wander * interval);
}

/* The last sample of those that are combined. */
static const Sample *freshest_sample(const Engine *engine)
{
    const Sample *freshest = &engine->sources[engine->selection.best]->last;

    for (size_t i = 0; i < engine->source_count; i++)
        if (engine->outcomes[i].state == STATE_COMBINED &&
            engine->sources[i]->last.time.ns > freshest->time.ns)
            freshest = &engine->sources[i]->last;
    return freshest;
}

/* Selection takes what an exchange took longer than the shortest for chance, which is to both sides, and less
 * in the mean of many. Whoever delays our packets delays them the same way always. The one thing that is sure
 * is that the time which an answer tells lies within its own round trip. */
static double sure_dispersion(const Engine *engine, double rate)
{
    const SelectResult *selection = &engine->selection;
    const Estimate *estimate = &selection->estimate;
    const Sample *last = freshest_sample(engine);
    double age = local_diff(estimate->time, last->time);
    double residual = cooked_diff(last->truth, estimate->truth) + age * (1.0 + estimate->frequency);
    double distance = (last->root_delay + last->peer_delay) / 2 + last->root_dispersion +
                      last->peer_dispersion + fabs(residual) + rate * fabs(age);

    return fmax(selection->root_dispersion, distance - selection->root_delay / 2);
}

/* `copy`: we are the same as the source to whoever asks us. */
static void copy_source(const Source *source, ReferenceUpdate *update)
{
    if (!source->config.copy)
        return;
    update->reference_id = source->client.report.reference_id;
    update->stratum = update->stratum > 0 ? update->stratum - 1 : 0;
}

static void update_reference(Engine *engine, const DisciplineDecision *decision)
{
    const SelectResult *selection = &engine->selection;
    const Source *best = engine->sources[selection->best];
    bool was_synchronized = engine->reference.synchronized;
    double rate = dispersion_rate(engine, decision->skew);
    ReferenceUpdate update = {
        .source = best->id,
        .name = best->name,
        .address = best->remote.address,
        .reference_id = reference_id_of(&best->remote.address),
        .stratum = engine->candidates[selection->best].stratum,
        .leap = selection->leap,
        .root_delay = selection->root_delay,
        .root_dispersion = sure_dispersion(engine, rate),
        .offset = decision->offset,
        .residual_frequency = decision->residual_frequency,
        .skew = decision->skew,
        .dispersion_rate = rate,
        .local = selection->estimate.time,
        .cooked = selection->estimate.truth,
        .source_count = (uint32_t) selection->combined,
    };

    copy_source(best, &update);
    reference_update(&engine->reference, &update);
    local_reference_on_update(&engine->local, update.root_delay / 2 + update.root_dispersion);
    engine->disruption = CLOCK_SYNCHRONIZED;
    engine->refused = false;
    if (!was_synchronized)
        engine_emit(engine, EVENT_SYNCHRONIZED, NULL);
    engine_emit(engine, EVENT_CLOCK_UPDATED, NULL);

    LeapStatus leap = reference_leap_today(&engine->reference, update.cooked);
    if (leap != engine->leap_told && leap != LEAP_NORMAL)
        engine_emit(engine, EVENT_LEAP_PENDING, NULL)->leap = leap;
    engine->leap_told = leap;
}

/* row: with what was known before the update. */
static void log_update(Engine *engine, LogTracking *row)
{
    const ReferenceUpdate *last = &engine->reference.last;

    row->stratum = reference_stratum(&engine->reference);
    row->frequency = engine->discipline.frequency;
    row->skew = engine->discipline.skew;
    row->offset = last->offset;
    row->root_delay = last->root_delay;
    row->root_dispersion = last->root_dispersion;
    row->leap = last->leap;
    row->combined = last->source_count;
    engine_log_tracking(engine, row, 0);
}

static void carry_out(Engine *engine, const DisciplineDecision *decision)
{
    if (decision->verdict == DISCIPLINE_STEP)
        engine_step(engine, decision->remaining_ns);
    else
        begin_slew(engine);
    engine_set_status(engine);
}

/* -q and -Q: the first update is the last. */
static void finish_once(Engine *engine, const DisciplineDecision *decision)
{
    Event *event = engine_emit(engine, EVENT_INITIAL_OFFSET, NULL);

    event->value = (double) decision->remaining_ns * 1e-9;
    event->stepped = engine->setup.mode == ENGINE_SET_ONCE;
    if (event->stepped)
        return; /* ends when the step is done */
    action_queue_push(&engine->actions, ACTION_EXIT)->exit_status = 0;
    engine->ended = true;
}

void engine_update_clock(Engine *engine, LocalTime at, CookedTime cooked)
{
    const Estimate *estimate = &engine->selection.estimate;
    DisciplineInput input = {
        .estimate = *estimate,
        .cooked = cooked,
        .raw = engine->now.raw,
        .counts = engine->candidates[engine->selection.best].updated,
        .step_always = engine->setup.mode == ENGINE_SET_ONCE,
    };
    DisciplineDecision decision;

    discipline_update(&engine->discipline, &engine->config->clock, &input, &decision);
    if (decision.verdict == DISCIPLINE_REFUSE || decision.verdict == DISCIPLINE_END) {
        refuse_change(engine, &decision);
        return;
    }
    if (input.counts)
        save_updates(engine);
    LogTracking row = {
        .remaining = (double) clock_remaining_ns(&engine->clock, engine->now.raw) * 1e-9,
        .offset_sd = estimate->offset_sd,
    };
    row.max_error = reference_max_error(&engine->reference, at, row.remaining);
    clock_set_model(&engine->clock, at, estimate->truth, decision.frequency);
    engine->slew_sd = estimate->offset_sd;
    tell_decision(engine, &decision);
    update_reference(engine, &decision);
    log_update(engine, &row);
    if (engine_runs_once(engine))
        finish_once(engine, &decision);
    if (!engine_steers(engine) || engine->ended)
        return;
    carry_out(engine, &decision);
    if (mono_diff(engine->now.mono, engine->last_drift) >= engine->config->daemon.drift_interval)
        engine_save_drift(engine);
}

/* --- initstepslew --- */

/* Only the offset is taken over: some seconds say nothing about the frequency. And whoever asks is still told
 * that the clock is not synchronised, which is for the sources to change. */
void engine_correct_start(Engine *engine)
{
    const Estimate *estimate = &engine->selection.estimate;
    DisciplineInput input = {
        .estimate = *estimate,
        .cooked = clock_to_cooked(&engine->clock, estimate->time),
        .raw = engine->now.raw,
        .at_start = true,
        .threshold = engine->config->initstepslew.threshold,
    };
    DisciplineDecision decision;

    input.estimate.has_frequency = false;
    discipline_update(&engine->discipline, &engine->config->clock, &input, &decision);
    if (decision.verdict == DISCIPLINE_REFUSE || decision.verdict == DISCIPLINE_END) {
        refuse_change(engine, &decision);
        return;
    }
    clock_set_model(&engine->clock, estimate->time, estimate->truth, decision.frequency);
    engine->slew_sd = estimate->offset_sd;
    Event *event = engine_emit(engine, EVENT_INITSTEPSLEW, NULL);
    event->value = (double) decision.remaining_ns * 1e-9;
    event->stepped = decision.verdict == DISCIPLINE_STEP;
    if (!engine_steers(engine))
        return;
    /* After a crash the hosts are not asked again. */
    action_queue_push(&engine->actions, ACTION_SAVE_UPDATES)->updates = MAX(engine->discipline.updates, 1U);
    carry_out(engine, &decision);
}

/* --- by hand --- */

static void log_by_hand(Engine *engine, const DisciplineDecision *decision, double offset_sd,
                        double remaining)
{
    const LogTracking row = {
        .stratum = 1,
        .frequency = decision->frequency,
        .skew = decision->skew,
        .offset = decision->offset,
        .offset_sd = offset_sd,
        .remaining = remaining,
        .root_dispersion = offset_sd,
        .max_error = INFINITY,
        .leap = LEAP_UNSYNCHRONIZED,
        .combined = 1,
    };

    engine_log_tracking(engine, &row, MANUAL_REFERENCE_ID);
}

/* The clock follows, but nobody is told that it is synchronised: what people say is not traceable to
 * anything. */
void engine_update_by_hand(Engine *engine, CommandReply *ret)
{
    LocalTime at = clock_to_local(&engine->clock, engine->now.raw);
    double remaining = (double) clock_remaining_ns(&engine->clock, engine->now.raw) * 1e-9;
    double before = engine->discipline.frequency;
    DisciplineInput input = {
        .cooked = clock_to_cooked(&engine->clock, at),
        .raw = engine->now.raw,
        .by_hand = true,
    };
    DisciplineDecision decision;

    if (!manual_estimate(&engine->manual, at, &input.estimate))
        return;
    input.estimate.has_frequency &= !engine->reference.synchronized;
    discipline_update(&engine->discipline, &engine->config->clock, &input, &decision);
    clock_set_model(&engine->clock, at, input.estimate.truth, decision.frequency);
    engine->slew_sd = input.estimate.offset_sd;
    ret->offset = decision.offset;
    ret->frequency = decision.frequency;
    ret->frequency_change = decision.frequency - before;
    engine_emit(engine, EVENT_TIME_ENTERED, NULL)->value = decision.offset;
    tell_decision(engine, &decision);
    log_by_hand(engine, &decision, input.estimate.offset_sd, remaining);
    if (engine_steers(engine) && !engine->ended) {
        carry_out(engine, &decision);
        save_drift(engine);
    }
    engine_emit(engine, EVENT_CLOCK_UPDATED, NULL);
}

/* --- what the world tells about the clock --- */

void engine_on_frequency_set(Engine *engine, bool ok, RawTime when, double frequency)
{
    if (ok)
        clock_on_frequency(&engine->clock, when, frequency);
}

void engine_on_stepped(Engine *engine, bool ok, int64_t offset_ns, Now now)
{
    engine->now = now;
    engine->step_pending = false;
    if (ok) {
        clock_on_step(&engine->clock, now.raw, offset_ns);
        engine->reference.step_count++;
        engine_emit(engine, EVENT_STEPPED, NULL)->value = (double) offset_ns * 1e-9;
    } else {
        engine_emit(engine, EVENT_STEP_FAILED, NULL)->value = (double) offset_ns * 1e-9;
    }
    if (engine->setup.mode == ENGINE_SET_ONCE && !engine->ended) {
        action_queue_push(&engine->actions, ACTION_EXIT)->exit_status = ok ? 0 : 1;
        engine->ended = true;
        return;
    }
    begin_slew(engine);
    engine_set_status(engine);
    engine_emit(engine, EVENT_CLOCK_UPDATED, NULL);
}

/* Somebody else has changed the frequency: account for it, and set ours again. */
void engine_on_interference(Engine *engine, double frequency, Now now)
{
    engine->now = now;
    clock_on_frequency(&engine->clock, now.raw, frequency);
    engine_emit(engine, EVENT_INTERFERENCE, NULL)->value = frequency;
    if (engine_steers(engine) && !engine->ended)
        begin_slew(engine);
}
