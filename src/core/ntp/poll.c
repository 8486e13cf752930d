// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Polling; see poll.h.
 *
 * The interval follows the oscillator: source_stats_coherence() is the time after which its wander has undone
 * what one measurement tells. Below a part of that, more packets tell little; above it, each finds the clock
 * further off than the last one left it. The interval moves towards that part of it by whole powers of two, a
 * few samples for each. A sample far from what was expected shrinks it at once by as many steps as the error
 * is out of scale. */

#include "core/ntp/poll.h"

#include <math.h>

#include "base/macros.h"

/* Sub-second polling is for sources that are near; farther or silent ones are asked once a second. */
#define SUBSECOND_DELAY 0.01
#define BURST_INTERVAL  2.0
/* The best interval in parts of the coherence, at the usual polltarget; a filter's memory is the coherence's
 * power of 3/4 in samples, so that a target of more of them makes it shorter by the power of 4/3. */
#define COHERENCE_PART  0.86
#define TARGET_USUAL    8
#define TARGET_POWER    (4.0 / 3.0)
/* Change of the score with a sample, for each power of two that the interval is too short or too long. */
#define GAIN_LONGER     0.5
#define GAIN_SHORTER    1.0
#define MISSED_SELECTED 0.1
#define MISSED_OTHER    0.25
#define REFUSED         0.02
#define REFUSED_LOOP    0.1
#define KISS_POLLS      4
#define SEPARATION_MIN  0.002
#define SEPARATION_MAX  0.2

static void adapt(Poll *poll, const SourceConfig *config, double change)
{
    poll->score += change;
    while (poll->score >= 1.0 && poll->poll < config->maxpoll) {
        poll->poll++;
        poll->score -= 1.0;
    }
    while (poll->score < 0.0 && poll->poll > config->minpoll) {
        poll->poll--;
        poll->score += 1.0;
    }
    if (poll->score >= 1.0)
        poll->score = 1.0;
    if (poll->score < 0.0)
        poll->score = 0.0;
}

static void register_reach(Poll *poll, bool answered)
{
    poll->reach = (uint8_t) (poll->reach << 1 | (answered ? 1 : 0));
    if (poll->reach_count < 8)
        poll->reach_count++;
    if (answered)
        poll->missed_run = 0;
    else if (poll->missed_run < UINT32_MAX)
        poll->missed_run++;
}

Poll poll_start(const SourceConfig *config)
{
    return (Poll) {.poll = (int8_t) config->minpoll};
}

void poll_begin_anew(Poll *poll, const SourceConfig *config)
{
    poll->poll = (int8_t) config->minpoll;
    poll->score = 0;
}

void poll_burst(Poll *poll, int32_t good, int32_t total)
{
    poll->burst_good = good;
    poll->burst_total = good > 0 ? total : 0;
}

void poll_on_sent(Poll *poll)
{
    if (poll->burst_total > 0)
        poll->burst_total--;
}

/* By how much the score changes for how far the interval is from the best one. */
static double change_towards_best(const Poll *poll, const SourceConfig *config, double coherence)
{
    double target = MAX(config->poll_target, 1) / (double) TARGET_USUAL;
    double best = COHERENCE_PART * coherence / pow(target, TARGET_POWER);
    double missing = log2(best) - poll->poll;

    if (isnan(missing))
        return 0;
    /* Half a step is as near as powers of two come. */
    if (fabs(missing) <= 0.5)
        return 0;
    return missing > 0 ? GAIN_LONGER * MIN(missing, 1.0) : GAIN_SHORTER * MAX(missing, -1.0);
}

void poll_on_good(Poll *poll, const SourceConfig *config, const PollGood *good)
{
    double change = change_towards_best(poll, config, good->coherence);

    register_reach(poll, true);
    if (poll->burst_good > 0 && --poll->burst_good == 0)
        poll->burst_total = 0;

    /* The samples of a burst say nothing about the wander over an interval. */
    if (poll_in_burst(poll))
        change = 0;
    if (good->error > good->expected && good->expected > 0)
        change = MIN(change, -log2(good->error / good->expected));
    adapt(poll, config, change);
}

void poll_on_refused(Poll *poll, const SourceConfig *config, bool loop)
{
    register_reach(poll, true);
    adapt(poll, config, loop ? REFUSED_LOOP : REFUSED);
}

void poll_on_missed(Poll *poll, const SourceConfig *config, bool selected)
{
    register_reach(poll, false);
    adapt(poll, config, selected ? MISSED_SELECTED : MISSED_OTHER);
}

void poll_on_kiss(Poll *poll)
{
    poll_burst(poll, 0, 0);
    poll->kiss_polls = KISS_POLLS;
}

void poll_on_limits(Poll *poll, const SourceConfig *config)
{
    poll->poll = (int8_t) CLAMP(poll->poll, config->minpoll, config->maxpoll);
    poll->score = 0;
}

double poll_interval(Poll *poll, int8_t exponent, double peer_delay)
{
    double interval = exp2(exponent);

    if (exponent < 0 && (poll->reach == 0 || peer_delay < 0 || peer_delay > SUBSECOND_DELAY))
        interval = 1.0;
    if (poll->kiss_polls > 0) {
        interval *= 1 + poll->kiss_polls;
        poll->kiss_polls = 0;
        return interval;
    }
    if (poll_in_burst(poll))
        return MIN(BURST_INTERVAL, interval / 4);
    return interval;
}

double poll_separation(const Poll *poll)
{
    return CLAMP(exp2(poll->poll - 3), SEPARATION_MIN, SEPARATION_MAX);
}
