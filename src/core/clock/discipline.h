// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What to do to the clock about an estimate: which frequency it gets, whether its offset is slewed or
 * stepped, or refused. Decides only; engine.c turns a decision into actions. */

#include "core/clock/clock.h"
#include "core/config/config.h"
#include "core/stats/source-stats.h"

/* Largest frequency, slew included, that the kernel can be told (tick and frequency together). */
#define KERNEL_FREQUENCY_MAX 0.1
/* A slew takes at least that long, s. */
#define SLEW_MIN             1.0
/* Uncertainty of a frequency of which nothing is known. */
#define SKEW_UNKNOWN         2000e-6

typedef struct Discipline {
    double frequency;       /* base: what the oscillator needs, by all that is known */
    double skew;            /* of it */
    bool has_frequency;     /* it was measured, or read from the drift file */
    double max_update_skew; /* the present limits; commands change them */
    double step_threshold;
    int32_t step_limit;      /* updates that may still step; negative: all */
    int32_t step_limit_full; /* of the policy */
    uint32_t updates;        /* since start, those of crashed daemons included */
    int32_t changes_ignored; /* by maxchange, in a row or not */
} Discipline;

/* frequency: what the kernel applies now, or what the drift file says. skew NaN: unknown. */
Discipline discipline_start(const ClockConfig *config, double frequency, double skew, bool restarted);

/* Goes on after so many updates of a daemon that crashed. */
void discipline_resume(Discipline *discipline, uint32_t updates);

/* Whether it still matters how many updates there were: makestep or maxchange is about to change its mind. */
bool discipline_counts_updates(const Discipline *discipline, const ClockConfig *config);

/* Takes over limits that were changed in the configuration. */
void discipline_reconfigure(Discipline *discipline, const ClockConfig *before, const ClockConfig *after);

/* makestep, as a command says. */
void discipline_set_step_policy(Discipline *discipline, double threshold, int32_t limit);

/* Something has come over the clock: makestep's limit counts anew. What maxchange counts, and what is saved
 * for the case of a crash, does not: after a crash there are no more steps than there would have been without
 * it. */
void discipline_on_disruption(Discipline *discipline);

typedef enum DisciplineVerdict {
    DISCIPLINE_SLEW = 0,
    DISCIPLINE_STEP,
    DISCIPLINE_REFUSE, /* maxchange */
    DISCIPLINE_END,    /* maxchange, and it has ignored enough */
} DisciplineVerdict;

typedef struct DisciplineInput {
    Estimate estimate;
    CookedTime cooked; /* our model at estimate.time */
    RawTime raw;       /* the kernel clock at estimate.time */
    bool counts;       /* an update of the selected source: makestep and maxchange count it */
    bool step_always;  /* -q */
    bool by_hand;      /* somebody said it: maxchange and maxupdateskew are not asked */
    bool at_start;     /* initstepslew: its threshold decides, not makestep's */
    double threshold;  /* s, of it; from there on the clock is stepped */
} DisciplineInput;

typedef struct DisciplineDecision {
    DisciplineVerdict verdict;
    double offset;        /* s, estimate against the model */
    int64_t remaining_ns; /* estimate against the kernel clock: to be slewed or stepped */
    double frequency, skew;
    double residual_frequency; /* estimate's frequency against the one that was in use */
    bool limited;              /* the frequency was cut to maxdrift */
    bool wrong;                /* the offset is above logchange */
} DisciplineDecision;

void discipline_update(Discipline *discipline, const ClockConfig *config, const DisciplineInput *input,
                       DisciplineDecision *ret);

typedef struct SlewInput {
    double remaining; /* s, to be added */
    double frequency; /* base */
    double offset_sd; /* s, uncertainty of the estimate behind it */
    double interval;  /* s, between updates */
    double until_due; /* s, until the engine is called anyway; a slew that ends then costs no wake-up */
} SlewInput;

typedef struct Slew {
    double frequency; /* to be set, base and slew */
    double duration;  /* s, after which the base is to be set again; 0: nothing to slew */
} Slew;

Slew discipline_slew(const ClockConfig *config, const SlewInput *input);
