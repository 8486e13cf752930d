// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Reports: what the engine holds, as values. Nothing here changes anything. */

#include <math.h>
#include <string.h>

#include "base/reference-id.h"
#include "base/text.h"
#include "core/engine/engine-internal.h"

/* What a source without samples says of itself, as chronyc shows it. */
#define EMPTY_SKEW  2000e-6
#define EMPTY_ERROR 4.0

static LocalTime local_of(const Engine *engine, Now now)
{
    return clock_to_local(&engine->clock, now.raw);
}

void engine_clock_report(const Engine *engine, Now now, ClockReport *ret)
{
    const Reference *reference = &engine->reference;
    double remaining = (double) clock_remaining_ns(&engine->clock, now.raw) * 1e-9;
    LocalTime at = local_of(engine, now);

    *ret = (ClockReport) {
        .synchronized = reference->synchronized,
        .reason = reference->reason,
        .may_set_clock = engine_steers(engine),
        .leap = LEAP_UNSYNCHRONIZED,
        .reference_time = COOKED_UNSET,
        .system_offset = remaining,
        .rms_offset = reference->rms_offset,
        .frequency = engine->discipline.frequency,
        .skew = engine->discipline.skew,
        .root_dispersion = reference_root_dispersion(reference, at),
        .max_error = reference_max_error(reference, at, remaining),
        .update_interval = reference->update_interval,
        .step_count = reference->step_count,
    };
    if (reference->was_updated) {
        ret->reference_time = reference->last.cooked;
        ret->last_offset = reference->last.offset;
        ret->residual_frequency = reference->last.residual_frequency;
        ret->root_delay = reference->last.root_delay;
    }
    if (engine_is_local(engine, now)) {
        ret->leap = LEAP_NORMAL;
        ret->stratum = (uint8_t) engine->local.config.stratum;
        ret->reference_id = LOCAL_REFERENCE_ID;
        ret->reference_time = clock_to_cooked(&engine->clock, at);
        ret->root_delay = ret->root_dispersion = 0;
        return;
    }
    if (!reference->synchronized)
        return;
    ret->leap = reference->last.leap;
    ret->stratum = reference_stratum(reference);
    ret->reference_id = reference->last.reference_id;
    ret->reference_address = reference->last.address;
    ret->reference_source = reference->last.source;
    ret->source_count = reference->last.source_count;
    memcpy(ret->reference_name, reference->name, sizeof(ret->reference_name));
}

void engine_activity_report(const Engine *engine, ActivityReport *ret)
{
    *ret = (ActivityReport) {0};
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        bool bursting = poll_in_burst(&source->poll);
        if (source->owner == SOURCE_OF_PRELUDE)
            continue;
        if (!source_is_resolved(source))
            ret->unresolved++;
        else if (bursting && source->online)
            ret->burst_online++;
        else if (bursting)
            ret->burst_offline++;
        else if (source->online)
            ret->online++;
        else
            ret->offline++;
    }
}

size_t engine_sources(const Engine *engine, SourceId *ret, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < engine->source_count; i++) {
        if (engine->sources[i]->owner == SOURCE_OF_PRELUDE)
            continue;
        if (count < max)
            ret[count] = engine->sources[i]->id;
        count++;
    }
    return count;
}

static void report_statistics(const Engine *engine, const Source *source, LocalTime at, SourceReport *ret)
{
    SourceStatsReport stats;
    Estimate estimate;

    source_stats_report(source->stats, &stats);
    ret->samples = stats.samples;
    ret->runs = stats.runs;
    ret->span = stats.span;
    ret->standard_deviation = stats.samples > 0 ? stats.standard_deviation : EMPTY_ERROR;
    ret->skew = EMPTY_SKEW;
    ret->estimated_offset_error = EMPTY_ERROR;
    if (!source_stats_estimate(source->stats, at, &estimate))
        return;
    ret->estimated_offset = cooked_diff(estimate.truth, clock_to_cooked(&engine->clock, at));
    ret->estimated_offset_error = estimate.offset_sd;
    if (estimate.has_frequency) {
        ret->residual_frequency = stats.frequency - engine->discipline.frequency;
        ret->skew = stats.skew;
    }
}

bool engine_source_report(const Engine *engine, SourceId id, Now now, SourceReport *ret)
{
    const Source *source = engine_find(engine, id);

    if (!source)
        return false;
    *ret = (SourceReport) {
        .id = source->id,
        .kind = source->config.kind,
        .remote = source->remote,
        .reference_id =
            source_is_resolved(source) ? reference_id_of(&source->remote.address) : source->id.value,
        .state = source->outcome.state,
        .origin = source_origin(source),
        .online = source->online,
        .offline_reason = source_offline_reason(source),
        .way_error = source_offline_error(source),
        .resolving = !source_is_resolved(source),
        .reachability = source->poll.reach,
        .stratum = source->client.report.valid ? source->client.report.stratum : 0,
        .poll = source_poll(engine, source),
        .since_sample = mono_is_set(source->last_good) ? mono_diff(now.mono, source->last_good) : -1,
        .last_receive = source->last_receive,
    };
    memcpy(ret->name, source->name, sizeof(ret->name));
    (void) text_copy(ret->origin_name, sizeof(ret->origin_name),
                     source->owner == SOURCE_OF_OFFER ? source->offer.interface : source->line.origin);
    if (source->has_last) {
        const Sample *last = &source->last;
        ret->offset = cooked_diff(last->truth, clock_to_cooked(&engine->clock, last->time));
        ret->measured_offset = source->measured_offset;
        ret->offset_error =
            (last->peer_delay + last->root_delay) / 2 + last->peer_dispersion + last->root_dispersion;
    }
    report_statistics(engine, source, local_of(engine, now), ret);
    return true;
}

bool engine_selection_report(const Engine *engine, SourceId id, Now now, SelectionReport *ret)
{
    const Source *source = engine_find(engine, id);

    if (!source)
        return false;
    *ret = (SelectionReport) {
        .id = source->id,
        .state = source->outcome.state,
        .authenticated = source_is_authenticated(source),
        .configured = source->config.select,
        .effective = source->select,
        .since_sample = mono_is_set(source->last_good) ? mono_diff(now.mono, source->last_good) : -1,
        .score = source->memory.score,
        .low_limit = isnan(source->outcome.low) ? 0 : source->outcome.low,
        .high_limit = isnan(source->outcome.high) ? 0 : source->outcome.high,
        .leap = source->client.report.valid ? source->client.report.leap : LEAP_UNSYNCHRONIZED,
        .root_distance = isnan(source->outcome.root_distance) ? 0 : source->outcome.root_distance,
    };
    return true;
}

bool engine_ntp_report(const Engine *engine, SourceId id, NtpReport *ret)
{
    const Source *source = engine_find(engine, id);
    SourceStatsReport stats;

    if (!source)
        return false;
    source_stats_report(source->stats, &stats);
    *ret = source->client.report;
    ret->id = source->id;
    ret->remote = source->remote;
    ret->jitter_asymmetry = stats.jitter_asymmetry != 0 ? -stats.jitter_asymmetry : 0;
    return true;
}

bool engine_authentication_report(const Engine *engine, SourceId id, AuthenticationReport *ret)
{
    const Source *source = engine_find(engine, id);

    if (!source)
        return false;
    *ret = (AuthenticationReport) {.since_establishment = -1};
    if (source->nts)
        source_nts_report(engine, source, ret);
    else if (source->config.key != 0) {
        ret->mode = AUTHENTICATION_SYMMETRIC;
        ret->key = source->config.key;
        ret->has_key = authenticator_find(&engine->setup.authenticator, ret->key, &ret->info);
    }
    return true;
}

bool engine_explain(const Engine *engine, SourceId id, Now now, Explanation *ret)
{
    const Source *source = engine_find(engine, id);

    if (!source)
        return false;
    *ret = (Explanation) {
        .last_verdict = source->client.report.last_verdict,
        .limit = source->outcome.limit,
        .value = source->outcome.value,
        .agreeing = engine->selection.agreeing,
        .candidates = engine->selection.candidates,
        .majority_low = engine->selection.majority_low,
        .majority_high = engine->selection.majority_high,
        .network = engine->network,
        .refused_name = (source->lookup.told & (1U << LOOKUP_BOGUS)) != 0,
        .doubtful_name = source->doubtful,
        .keys_held = source->nts && source->nts->held,
    };
    return engine_source_report(engine, id, now, &ret->source) &&
           engine_authentication_report(engine, id, &ret->authentication) &&
           engine_selection_report(engine, id, now, &ret->selection);
}
