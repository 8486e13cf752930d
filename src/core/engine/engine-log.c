// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Rows for the log files of measurements, made only when the configuration asks for them. */

#include <math.h>

#include "base/reference-id.h"
#include "core/engine/engine-internal.h"

/* Rows that one source may cause between two fetches: of itself, and in selections, in which each appears
 * when any has answered. */
#define ROWS_OF_ANSWER    3
#define ROWS_OF_SELECTION 8

/* What a frequency is compared with that is the first of its source. */
#define SKEW_FIRST 2000e-6

int engine_log_reserve(Engine *engine)
{
    const LogConfig *log = &engine->config->log;
    size_t each = log->selection ? ROWS_OF_SELECTION : ROWS_OF_ANSWER;

    if (!log->measurements && !log->raw_measurements && !log->statistics && !log->selection && !log->tracking)
        return 0;
    return log_queue_reserve(&engine->logs, engine->source_capacity, each);
}

static LogRecord *push(Engine *engine, LogKind kind, const Source *source)
{
    LogRecord *record = log_queue_push(&engine->logs, kind);

    if (!record)
        return NULL;
    record->time = clock_to_cooked(&engine->clock, clock_to_local(&engine->clock, engine->now.raw));
    if (source) {
        record->source = source->id;
        record->address = source->remote.address;
    }
    return record;
}

void engine_log_measurement(Engine *engine, const Source *source, const ClientResult *result)
{
    const LogConfig *config = &engine->config->log;
    const NtpReport *report = &source->client.report;
    const NtpPacket *packet = &result->packet;

    if (!config->raw_measurements && !(config->measurements && result->reached))
        return;
    LogRecord *record = push(engine, LOG_MEASUREMENTS, source);
    if (!record)
        return;
    record->measurement = (LogMeasurement) {
        .leap = packet->leap,
        .stratum = packet->stratum,
        .mode = packet->mode,
        .local_poll = source_poll(engine, source),
        .remote_poll = packet->poll,
        .tests = result->tests,
        .score = source->poll.score,
        .root_delay = packet->root_delay,
        .root_dispersion = packet->root_dispersion,
        .reference_id = packet->reference_id,
        .interleaved = report->interleaved,
        .transmit_origin = source->client.sent_origin,
        .receive_origin = report->receive_origin,
    };
    if (!result->measured)
        return;
    record->time = result->sample.truth;
    record->measurement.offset =
        cooked_diff(result->sample.truth, clock_to_cooked(&engine->clock, result->sample.time));
    record->measurement.peer_delay = result->sample.peer_delay;
    record->measurement.peer_dispersion = result->sample.peer_dispersion;
}

void engine_log_statistics(Engine *engine, Source *source)
{
    const Sample *newest = source_stats_newest(source->stats);
    SourceStatsReport stats;
    Estimate estimate;

    source_stats_report(source->stats, &stats);
    if (!engine->config->log.statistics || stats.runs == 0 ||
        !source_stats_estimate(source->stats, newest->time, &estimate))
        return;
    LogRecord *record = push(engine, LOG_STATISTICS, source);
    if (!record)
        return;
    double before = source->logged.skew > 0 ? source->logged.frequency : engine->discipline.frequency;
    double skew = source->logged.skew > 0 ? source->logged.skew : SKEW_FIRST;
    record->time = clock_to_cooked(&engine->clock, newest->time);
    record->statistics = (LogStatistics) {
        .standard_deviation = stats.standard_deviation,
        .offset = cooked_diff(estimate.truth, record->time),
        .offset_sd = estimate.offset_sd,
        .residual_frequency = stats.frequency - engine->discipline.frequency,
        .skew = stats.skew,
        .stress = fabs(stats.frequency - before) / skew,
        .samples = stats.samples,
        .discarded = stats.discarded,
        .runs = stats.runs,
        .asymmetry = stats.jitter_asymmetry,
    };
    source->logged.frequency = stats.frequency;
    source->logged.skew = stats.skew;
}

void engine_log_selection(Engine *engine)
{
    if (!engine->config->log.selection)
        return;
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *source = engine->sources[i];
        const SelectOutcome *outcome = &source->outcome;
        LogRecord *record = push(engine, LOG_SELECTION, source);
        if (!record)
            return;
        record->selection = (LogSelection) {
            .state = outcome->state,
            .options = source->select,
            .reachability = source->poll.reach,
            .score = source->memory.score,
        };
        if (mono_is_set(source->last_good))
            record->selection.since_sample = mono_diff(engine->now.mono, source->last_good);
        if (!isnan(outcome->low) && !isnan(outcome->high)) {
            record->selection.low = outcome->low;
            record->selection.high = outcome->high;
        }
    }
}

void engine_log_tracking(Engine *engine, const LogTracking *tracking, uint32_t reference_id)
{
    const Reference *reference = &engine->reference;
    LogRecord *record = NULL;

    if (engine->config->log.tracking)
        record = push(engine, LOG_TRACKING, NULL);
    if (!record)
        return;
    record->tracking = *tracking;
    record->reference_id = reference_id;
    if (tracking->stratum == 0 || reference_id != 0)
        return;
    record->time = reference->last.cooked;
    record->source = reference->last.source;
    record->address = reference->last.address;
    record->reference_id = reference->last.reference_id;
}

bool engine_next_log(Engine *engine, LogRecord *ret)
{
    return log_queue_pop(&engine->logs, ret);
}
