// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* When to ask a source next: the polling interval and its adaptation, bursts, the reach register. Pure: it is
 * told what happened and gives an interval. */

#include <stdbool.h>
#include <stdint.h>

#include "core/config/config.h"

typedef struct Poll {
    int8_t poll;         /* log2 s, between minpoll and maxpoll */
    double score;        /* adaptation: at 1 the interval doubles, below 0 it halves */
    uint8_t reach;       /* the last eight polls, newest in bit 0 */
    uint8_t reach_count; /* how many of them there were, up to 8 */
    uint32_t missed_run; /* polls without an answer, since the last one with */
    int32_t burst_good;  /* good samples still wanted by the burst */
    int32_t burst_total; /* requests that it may still send; 0: no burst */
    int32_t kiss_polls;  /* intervals to stay silent for, after a kiss-o'-death */
} Poll;

Poll poll_start(const SourceConfig *config);

/* What led to the present interval counts no more; reachability does. */
void poll_begin_anew(Poll *poll, const SourceConfig *config);

/* Begins a burst, or ends it with 0, 0. */
void poll_burst(Poll *poll, int32_t good, int32_t total);
static inline bool poll_in_burst(const Poll *poll)
{
    return poll->burst_total > 0;
}

/* A request goes out. */
void poll_on_sent(Poll *poll);

/* What a good sample has brought. */
typedef struct PollGood {
    double coherence; /* s, in which the wander makes up for a measurement; NaN: unknown */
    double error;     /* s, how far the sample was from what had been expected; NaN: nothing was expected */
    double expected;  /* s, by how much it may be off: its peer distance */
} PollGood;
void poll_on_good(Poll *poll, const SourceConfig *config, const PollGood *good);

/* The answer was valid (the source is reachable), but no sample came of it. */
void poll_on_refused(Poll *poll, const SourceConfig *config, bool loop);

/* No valid answer came. */
void poll_on_missed(Poll *poll, const SourceConfig *config, bool selected);

/* Kiss-o'-death RATE. */
void poll_on_kiss(Poll *poll);

/* The limits were changed. */
void poll_on_limits(Poll *poll, const SourceConfig *config);

/* Seconds from a request to the next. exponent: log2 s, poll's own unless there is a reason for another one.
 * peer_delay: of the last sample, s; negative: unknown. Uses up the silence after a kiss-o'-death. */
double poll_interval(Poll *poll, int8_t exponent, double peer_delay);

/* Seconds that the requests to different sources are kept apart at this interval. */
double poll_separation(const Poll *poll);
