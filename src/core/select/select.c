// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The states are decided in the order of SourceState: each step takes the candidates that are still in the
 * running (STATE_COMBINED until something is said against them) and marks those that fail it. */

#include "core/select/select.h"

#include <math.h>

#include "base/text.h"
#include "core/select/combine.h"
#include "core/select/intersection.h"

/* More sources than this are not asked for their opinion at once. */
#define CANDIDATES_MAX 256

/* A challenger has to be this much better, over many updates, than the selected one. */
#define SCORE_SWITCH    10.0
/* Updates that a source stays out of the combination after it was too distant. */
#define DISTANT_PENALTY 32
/* ... but one that is still collecting its first samples may well be near in the next. */
#define SAMPLES_SETTLED 8

typedef struct Run {
    const SelectionConfig *config;
    SelectCandidate *candidates;
    size_t count;
    LocalTime at;
    CookedTime reference;
    SelectOutcome *outcomes;
    SelectResult *result;
} Run;

static bool in_the_running(const Run *run, size_t i)
{
    return run->outcomes[i].state == STATE_COMBINED;
}

static size_t count_running(const Run *run)
{
    size_t n = 0;

    for (size_t i = 0; i < run->count; i++)
        n += in_the_running(run, i);
    return n;
}

static void mark(SelectOutcome *o, SourceState state, double value, double limit)
{
    o->state = state;
    o->value = value;
    o->limit = limit;
}

static double frequency_uncertainty(const Estimate *e)
{
    return e->has_frequency ? e->frequency_sd : INFINITY;
}

/* What a source is by itself, without the others. */
static void judge_alone(const Run *run, const SelectCandidate *c, SelectOutcome *o)
{
    const SelectionConfig *config = run->config;

    mark(o, STATE_COMBINED, NAN, NAN);
    o->root_distance = o->low = o->high = NAN;
    if (c->has_samples && !c->options.noselect) {
        double offset = cooked_diff(c->estimate.truth, run->reference);

        o->root_distance = c->root_delay / 2 + c->root_dispersion;
        o->low = offset - o->root_distance;
        o->high = offset + o->root_distance;
    }
    if (c->options.noselect)
        mark(o, STATE_NOSELECT, NAN, NAN);
    else if (!c->has_samples || c->samples < c->samples_needed)
        mark(o, STATE_MISSING_SAMPLES, c->has_samples ? c->samples : 0, c->samples_needed);
    else if (c->leap == LEAP_UNSYNCHRONIZED)
        mark(o, STATE_UNSYNCHRONIZED, NAN, NAN);
    else if (c->stratum < config->min_stratum)
        mark(o, STATE_BAD_STRATUM, c->stratum, config->min_stratum);
    else if (c->stratum > config->max_stratum)
        mark(o, STATE_BAD_STRATUM, c->stratum, config->max_stratum);
    else if (!(o->root_distance <= config->max_distance))
        mark(o, STATE_TOO_DISTANT, o->root_distance, config->max_distance);
    else if (!(c->standard_deviation <= config->max_jitter))
        mark(o, STATE_JITTERY, c->standard_deviation, config->max_jitter);
    else if (c->contradictory)
        mark(o, STATE_CONTRADICTORY, NAN, NAN);
}

/* An unreachable source stays as long as it has something newer than the reachable ones remember. */
static void judge_stale(const Run *run)
{
    LocalTime oldest = LOCAL_UNSET;

    for (size_t i = 0; i < run->count; i++) {
        const SelectCandidate *c = &run->candidates[i];

        if (in_the_running(run, i) && c->reachable && (oldest.ns == TIME_UNSET || c->oldest.ns < oldest.ns))
            oldest = c->oldest;
    }
    for (size_t i = 0; i < run->count; i++) {
        const SelectCandidate *c = &run->candidates[i];
        SelectOutcome *o = &run->outcomes[i];

        if (!in_the_running(run, i) || c->reachable)
            continue;
        if (c->unreachable_run > (uint32_t) MAX(c->max_unreach, 0))
            mark(o, STATE_STALE, c->unreachable_run, c->max_unreach);
        else if (oldest.ns != TIME_UNSET && c->newest.ns < oldest.ns)
            mark(o, STATE_STALE, local_diff(run->at, c->newest), local_diff(run->at, oldest));
    }
}

/* A source that is about to give its first samples is worth waiting for: the first that answers may be wrong.
 */
static bool waits_for_start(const Run *run)
{
    bool waiting = false;

    for (size_t i = 0; i < run->count; i++)
        waiting |= run->outcomes[i].state == STATE_MISSING_SAMPLES && run->candidates[i].may_still_start;
    if (!waiting)
        return false;
    for (size_t i = 0; i < run->count; i++)
        if (in_the_running(run, i))
            mark(&run->outcomes[i], STATE_WAITING_START, NAN, NAN);
    return true;
}

/* Sources that may have their time from one of us only: servers that all have the same local reference. They
 * are left alone as long as there is another one. Else the one of them leads that has the smallest reference
 * ID; those that follow it, a stratum higher, are never followed, so that no ring of them can arise. */
static void judge_orphans(const Run *run)
{
    int32_t orphan = run->config->orphan_stratum;
    size_t leader = run->count;

    for (size_t i = 0; orphan > 0 && i < run->count; i++) {
        const SelectCandidate *c = &run->candidates[i];

        if (!in_the_running(run, i) || c->kind == SOURCE_REFCLOCK || c->stratum < orphan)
            continue;
        mark(&run->outcomes[i], STATE_ORPHAN, c->stratum, orphan);
        if (c->stratum == orphan && c->reference_id < c->own_reference_id &&
            (leader == run->count || c->reference_id < run->candidates[leader].reference_id))
            leader = i;
    }
    if (leader < run->count && count_running(run) == 0)
        mark(&run->outcomes[leader], STATE_COMBINED, NAN, NAN);
}

/* Intervals of those that vote. */
static size_t gather(const Run *run, bool trusted_only, Interval *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < run->count && n < CANDIDATES_MAX; i++)
        if (in_the_running(run, i) && (!trusted_only || run->candidates[i].options.trust))
            ret[n++] = (Interval) {run->outcomes[i].low, run->outcomes[i].high};
    return n;
}

/* Untrusted sources have not voted: those that only touch what the trusted ones agree on are kept out, too.
 */
static bool is_nested(const Interval *a, const Interval *b)
{
    return (a->low <= b->low && a->high >= b->high) || (a->low >= b->low && a->high <= b->high);
}

static void judge_interval(const Run *run, size_t i, const Interval *majority, bool voted)
{
    SelectOutcome *o = &run->outcomes[i];
    Interval own = {o->low, o->high};

    if (!interval_overlaps(&own, majority))
        mark(o, STATE_FALSETICKER, MAX(own.low - majority->high, majority->low - own.high), 0);
    else if (!voted && !is_nested(&own, majority))
        mark(o, STATE_UNTRUSTED, NAN, NAN);
}

/* Marks those that disagree; false: there is no majority. */
static bool judge_agreement(const Run *run)
{
    Interval intervals[CANDIDATES_MAX], majority = {0};
    size_t voters = gather(run, true, intervals);
    bool trusted_only = voters > 0, found;

    if (!trusted_only)
        voters = gather(run, false, intervals);
    run->result->agreeing = intersection_find(intervals, voters, &majority);
    run->result->candidates = (uint32_t) voters;
    found = 2 * (size_t) run->result->agreeing > voters;
    if (found) {
        run->result->majority_low = majority.low;
        run->result->majority_high = majority.high;
    }
    for (size_t i = 0; i < run->count; i++) {
        if (!in_the_running(run, i))
            continue;
        if (found)
            judge_interval(run, i, &majority, !trusted_only || run->candidates[i].options.trust);
        else /* how many agree, of how many that would make a majority */
            mark(&run->outcomes[i], STATE_FALSETICKER, run->result->agreeing, floor((double) voters / 2) + 1);
    }
    return found;
}

/* Who holds the key of one certificate, however old, holds all the addresses behind its names as well. */
static bool is_same_witness(const SelectCandidate *a, const SelectCandidate *b)
{
    return ip_address_equal(&a->address, &b->address) || text_equal_ignore_case(a->name, b->name) ||
           nts_host_key_is_same(&a->host_key, &b->host_key);
}

/* How many authenticated sources there are, each witness once. */
static size_t count_witnesses(const Run *run, bool running_only)
{
    const SelectCandidate *found[CANDIDATES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < run->count && n < CANDIDATES_MAX; i++) {
        const SelectCandidate *c = &run->candidates[i];
        bool counts = c->authenticated && !c->options.noselect && (!running_only || in_the_running(run, i));

        for (size_t k = 0; counts && k < n; k++)
            counts = !is_same_witness(c, found[k]);
        if (counts)
            found[n++] = c;
    }
    return n;
}

/* When a clock does not fit the dates of certificates, these or the clock may be too old. Sources that agree
 * in spite of it count when they are at least two; against a time that was known once, when they are most of
 * all that are configured. Returns whether any of them does not count. */
static bool judge_witnesses(const Run *run)
{
    size_t witnesses = 0, least = (size_t) MAX(run->config->min_sources, 2), most = 0;
    bool left_out = false;

    for (size_t i = 0; i < run->count; i++) {
        const SelectCandidate *c = &run->candidates[i];
        size_t needed = least;

        if (!in_the_running(run, i) || (!c->provisional && !c->outdated))
            continue;
        if (witnesses == 0) {
            witnesses = count_witnesses(run, true);
            most = count_witnesses(run, false) / 2 + 1;
        }
        if (c->outdated)
            needed = MAX(needed, most);
        if (witnesses >= needed)
            continue;
        mark(&run->outcomes[i], STATE_UNCONFIRMED, (double) witnesses, (double) needed);
        left_out = true;
    }
    return left_out;
}

/* minsources and require; false: not met. */
static bool judge_quorum(const Run *run)
{
    size_t running = count_running(run), least = (size_t) MAX(run->config->min_sources, 1);
    bool required = false, satisfied = false;

    for (size_t i = 0; i < run->count; i++) {
        if (!run->candidates[i].options.require || run->candidates[i].options.noselect)
            continue;
        required = true;
        satisfied |= in_the_running(run, i);
    }
    if (running >= least && (!required || satisfied))
        return true;
    for (size_t i = 0; i < run->count; i++) {
        if (!in_the_running(run, i))
            continue;
        if (running < least)
            mark(&run->outcomes[i], STATE_WAITING, (double) running, (double) least);
        else
            mark(&run->outcomes[i], STATE_WAITING, NAN, NAN);
    }
    return false;
}

static void judge_preference(const Run *run)
{
    bool preferred = false;

    for (size_t i = 0; i < run->count; i++)
        preferred |= in_the_running(run, i) && run->candidates[i].options.prefer;
    for (size_t i = 0; preferred && i < run->count; i++)
        if (in_the_running(run, i) && !run->candidates[i].options.prefer)
            mark(&run->outcomes[i], STATE_NOT_PREFERRED, NAN, NAN);
}

/* Root distance and the price of each stratum above the lowest one in the running. */
static double ranking_distance(const Run *run, size_t i)
{
    uint8_t lowest = UINT8_MAX;

    for (size_t k = 0; k < run->count; k++)
        if (in_the_running(run, k))
            lowest = MIN(lowest, run->candidates[k].stratum);
    return run->outcomes[i].root_distance +
           run->config->stratum_weight * (run->candidates[i].stratum - lowest);
}

static size_t find_selected(const Run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (in_the_running(run, i) && run->candidates[i].memory->was_selected)
            return i;
    return run->count;
}

static size_t find_nearest(const Run *run)
{
    size_t best = run->count;

    for (size_t i = 0; i < run->count; i++)
        if (in_the_running(run, i) &&
            (best == run->count || ranking_distance(run, i) < ranking_distance(run, best)))
            best = i;
    return best;
}

/* The selected one stays until another is so much better, for so long, that the product of the ratios at its
 * updates exceeds the limit. A winner without a fresh sample waits for it (U). */
static size_t challenge(const Run *run, size_t selected)
{
    size_t best = selected;
    double best_score = SCORE_SWITCH;

    for (size_t i = 0; i < run->count; i++) {
        const SelectCandidate *c = &run->candidates[i];
        double handicap = c->kind == SOURCE_REFCLOCK ? 0 : run->config->reselect_distance;

        if (!in_the_running(run, i) || i == selected)
            continue;
        if (c->updated || run->candidates[selected].updated)
            c->memory->score *= ranking_distance(run, selected) / (ranking_distance(run, i) + handicap);
        c->memory->score = MAX(c->memory->score, 1.0);
        if (c->memory->score <= best_score)
            continue;
        if (!c->updated) {
            mark(&run->outcomes[i], STATE_WAITING_UPDATE, c->memory->score, SCORE_SWITCH);
            continue;
        }
        best = i;
        best_score = c->memory->score;
    }
    return best;
}

static void remember(const Run *run, size_t best)
{
    bool changed = best == run->count || !run->candidates[best].memory->was_selected;

    for (size_t i = 0; i < run->count; i++) {
        SelectMemory *memory = run->candidates[i].memory;
        SourceState state = run->outcomes[i].state;
        bool good = i == best || state == STATE_COMBINED || state == STATE_WAITING_UPDATE;

        if (changed || !good)
            memory->score = 1;
        memory->was_selected = i == best;
    }
}

/* A source far behind the best one, or that sees another frequency, adds more error than knowledge. */
static bool is_distant(const Run *run, size_t i, size_t best, double *ret_value, double *ret_limit)
{
    const Estimate *a = &run->candidates[i].estimate, *b = &run->candidates[best].estimate;
    double limit = run->config->combine_limit;
    double distance = run->outcomes[i].root_distance;
    double most = limit * (run->outcomes[best].root_distance + run->config->reselect_distance);
    double difference = fabs(a->frequency - b->frequency);
    double tolerated = limit * (frequency_uncertainty(a) + frequency_uncertainty(b));

    *ret_value = distance;
    *ret_limit = most;
    if (distance >= most)
        return true;
    *ret_value = difference;
    *ret_limit = tolerated;
    return difference > tolerated;
}

static void judge_distant(const Run *run, size_t best)
{
    for (size_t i = 0; i < run->count; i++) {
        SelectMemory *memory = run->candidates[i].memory;
        double value, limit;

        if (!in_the_running(run, i) || i == best)
            continue;
        if (is_distant(run, i, best, &value, &limit))
            memory->distant_updates = run->candidates[i].samples < SAMPLES_SETTLED ? 1 : DISTANT_PENALTY;
        else if (memory->distant_updates > 0 && run->candidates[i].updated)
            memory->distant_updates--;
        if (memory->distant_updates > 0)
            mark(&run->outcomes[i], STATE_DISTANT, value, limit);
    }
}

static void combine(const Run *run, size_t best)
{
    const Estimate *estimates[CANDIDATES_MAX];
    SelectResult *result = run->result;
    size_t n = 0;

    estimates[n++] = &run->candidates[best].estimate;
    for (size_t i = 0; i < run->count && n < CANDIDATES_MAX; i++)
        if (in_the_running(run, i) && i != best)
            estimates[n++] = &run->candidates[i].estimate;
    combine_estimates(estimates, n, &result->estimate);
    result->combined = n;
    result->root_delay = run->candidates[best].root_delay;
    result->root_dispersion = run->candidates[best].root_dispersion;
}

/* A leap second takes a majority of all that agree on the time, preferred or not. */
static LeapStatus vote_leap(const Run *run)
{
    uint32_t votes = 0, insert = 0, delete = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (!in_the_running(run, i))
            continue;
        votes++;
        insert += run->candidates[i].leap == LEAP_INSERT;
        delete += run->candidates[i].leap == LEAP_DELETE;
    }
    if (2 * insert > votes)
        return LEAP_INSERT;
    return 2 * delete > votes ? LEAP_DELETE : LEAP_NORMAL;
}

/* Nobody is left to agree or disagree. */
static ClockReason reason_for_none(const Run *run)
{
    bool answered = false;

    for (size_t i = 0; i < run->count; i++)
        answered |= run->candidates[i].has_samples;
    if (run->count == 0)
        return CLOCK_NO_SOURCES;
    return answered ? CLOCK_NO_SELECTABLE : CLOCK_NO_RESPONSE;
}

/* CLOCK_SYNCHRONIZED: those in the running may be followed. */
static ClockReason judge_all(const Run *run)
{
    for (size_t i = 0; i < run->count; i++)
        judge_alone(run, &run->candidates[i], &run->outcomes[i]);
    judge_stale(run);
    if (waits_for_start(run))
        return CLOCK_STARTING;
    judge_orphans(run);
    if (count_running(run) == 0)
        return reason_for_none(run);
    if (!judge_agreement(run))
        return CLOCK_NO_MAJORITY;
    bool left_out = judge_witnesses(run);
    if (judge_quorum(run))
        return CLOCK_SYNCHRONIZED;
    return left_out ? CLOCK_UNCONFIRMED : CLOCK_NOT_ENOUGH;
}

void select_run(const SelectionConfig *config, SelectCandidate *candidates, size_t count, LocalTime at,
                CookedTime reference, SelectOutcome *outcomes, SelectResult *ret)
{
    Run run = {config, candidates, count, at, reference, outcomes, ret};
    size_t best;

    *ret = (SelectResult) {.majority_low = NAN, .majority_high = NAN};
    ret->reason = judge_all(&run);
    if (ret->reason != CLOCK_SYNCHRONIZED) {
        remember(&run, count);
        return;
    }
    ret->leap = vote_leap(&run);
    judge_preference(&run);
    best = find_selected(&run);
    best = best == count ? find_nearest(&run) : challenge(&run, best);
    judge_distant(&run, best);
    combine(&run, best);
    remember(&run, best);
    outcomes[best].state = STATE_SELECTED;
    ret->best = best;
    ret->selected = true;
}
