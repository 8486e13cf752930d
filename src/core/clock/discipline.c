// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The discipline; see discipline.h.
 *
 * Frequency. An estimate already weighs all the samples that it stands on, so once it is about as sure as
 * what is known it is simply taken. Before that (first samples after a start with a drift file, or after all
 * samples were dropped) the old frequency is the better one, and the two are mixed by their variances, the
 * new one counting three times, so that an old frequency that has become wrong is left within some updates.
 *
 * Slew. What remains between kernel clock and model is pure error, so it is best taken out fast; but the
 * estimate itself is noisy, and following its noise at a high rate makes the clock's frequency jump about.
 * corrtimeratio is the compromise: a correction of one standard deviation may take that many update
 * intervals, a larger one proportionally less. A slew that is not urgent ends when the next request is due,
 * which saves a wake-up. */

#include "core/clock/discipline.h"

#include <math.h>

#include "base/macros.h"

#define WEIGHT_NEW 3.0
/* An estimate with more than that many times the variance of what is known has just begun. */
#define UNSURE     4.0
/* corrtimeratio is felt as the area under the correction, of which a straight slew has half. */
#define SLEW_AREA  0.5

Discipline discipline_start(const ClockConfig *config, double frequency, double skew, bool restarted)
{
    return (Discipline) {
        .frequency = CLAMP(frequency, -config->max_drift, config->max_drift),
        .skew = isnan(skew) ? SKEW_UNKNOWN : skew,
        .has_frequency = !isnan(skew),
        .max_update_skew = config->max_update_skew,
        .step_threshold = config->step_threshold,
        .step_limit = restarted && config->step_limit > 0 ? 0 : config->step_limit,
        .step_limit_full = config->step_limit,
    };
}

void discipline_resume(Discipline *discipline, uint32_t updates)
{
    discipline->updates = updates;
    if (discipline->step_limit > 0)
        discipline->step_limit = (int32_t) MAX((int64_t) discipline->step_limit - updates, 0);
}

void discipline_reconfigure(Discipline *discipline, const ClockConfig *before, const ClockConfig *after)
{
    if (before->max_update_skew != after->max_update_skew)
        discipline->max_update_skew = after->max_update_skew;
    if (before->step_threshold != after->step_threshold || before->step_limit != after->step_limit) {
        discipline_set_step_policy(discipline, after->step_threshold, after->step_limit);
    }
}

void discipline_set_step_policy(Discipline *discipline, double threshold, int32_t limit)
{
    discipline->step_threshold = threshold;
    discipline->step_limit = discipline->step_limit_full = limit;
}

void discipline_on_disruption(Discipline *discipline)
{
    discipline->step_limit = discipline->step_limit_full;
}

bool discipline_counts_updates(const Discipline *discipline, const ClockConfig *config)
{
    return (int64_t) discipline->updates <= MAX(config->step_limit, config->max_change_start);
}

static bool change_refused(Discipline *discipline, const ClockConfig *config, double offset, bool *ret_end)
{
    bool armed = config->max_change_offset > 0 && (int64_t) discipline->updates >= config->max_change_start;

    *ret_end = false;
    if (!armed || fabs(offset) <= config->max_change_offset)
        return false;
    *ret_end = config->max_change_ignore >= 0 && discipline->changes_ignored >= config->max_change_ignore;
    if (discipline->changes_ignored < INT32_MAX)
        discipline->changes_ignored++;
    return true;
}

/* How much of the new frequency is taken over; 0: nothing of it. */
static double weight_of_new(const Discipline *discipline, const DisciplineInput *input)
{
    const Estimate *estimate = &input->estimate;
    double old_variance = discipline->skew * discipline->skew;
    double new_variance = estimate->frequency_sd * estimate->frequency_sd;

    if (input->by_hand) /* what was known before is in it */
        return estimate->has_frequency ? 1.0 : 0.0;
    if (!estimate->has_frequency || !(estimate->frequency_sd < discipline->max_update_skew))
        return 0.0;
    if (new_variance > UNSURE * old_variance)
        return WEIGHT_NEW * old_variance / (WEIGHT_NEW * old_variance + new_variance);
    return 1.0;
}

static void update_frequency(Discipline *discipline, const ClockConfig *config, const DisciplineInput *input,
                             DisciplineDecision *decision)
{
    const Estimate *estimate = &input->estimate;
    double old_variance = discipline->skew * discipline->skew;
    double new_variance = estimate->frequency_sd * estimate->frequency_sd;
    double weight = weight_of_new(discipline, input);

    if (!(weight > 0))
        return;
    double frequency = discipline->frequency + weight * (estimate->frequency - discipline->frequency);
    decision->residual_frequency = estimate->frequency - discipline->frequency;
    decision->limited = fabs(frequency) > config->max_drift;
    discipline->frequency = CLAMP(frequency, -config->max_drift, config->max_drift);
    discipline->skew = sqrt(weight * new_variance + (1.0 - weight) * old_variance);
    discipline->has_frequency = true;
}

static bool wants_step(const Discipline *discipline, const DisciplineInput *input, int64_t remaining_ns)
{
    if (input->step_always)
        return true;
    if (input->at_start)
        return fabs((double) remaining_ns * 1e-9) >= input->threshold;
    return discipline->step_limit != 0 && fabs((double) remaining_ns * 1e-9) > discipline->step_threshold;
}

void discipline_update(Discipline *discipline, const ClockConfig *config, const DisciplineInput *input,
                       DisciplineDecision *ret)
{
    bool end;

    *ret = (DisciplineDecision) {
        .verdict = DISCIPLINE_SLEW,
        .offset = cooked_diff(input->estimate.truth, input->cooked),
        .remaining_ns = input->estimate.truth.ns - input->raw.ns,
    };
    if (!input->by_hand && change_refused(discipline, config, ret->offset, &end)) {
        ret->verdict = end ? DISCIPLINE_END : DISCIPLINE_REFUSE;
        return;
    }
    ret->wrong = fabs(ret->offset) > config->log_change;
    update_frequency(discipline, config, input, ret);
    ret->frequency = discipline->frequency;
    ret->skew = discipline->skew;
    if (wants_step(discipline, input, ret->remaining_ns))
        ret->verdict = DISCIPLINE_STEP;
    if (input->counts) {
        if (discipline->step_limit > 0)
            discipline->step_limit--;
        discipline->updates++;
    }
}

Slew discipline_slew(const ClockConfig *config, const SlewInput *input)
{
    double rate_max = MIN(config->max_slew_rate, KERNEL_FREQUENCY_MAX - fabs(input->frequency));
    double size = fabs(input->remaining);

    if (size < 1e-9 || rate_max <= 0)
        return (Slew) {.frequency = input->frequency};

    double wanted = config->corr_time_ratio * SLEW_AREA * input->interval * input->offset_sd / size;
    /* Something small, or something that would take about that long anyway, ends with the next request. */
    double duration = CLAMP(wanted, SLEW_MIN, MAX(input->until_due, SLEW_MIN));
    duration = MAX(duration, size / rate_max);
    return (Slew) {
        .frequency = input->frequency + input->remaining / duration,
        .duration = duration,
    };
}
