// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* How far the clock is from true time, in scenarios with simulated oscillators and paths.
 *
 *     bench-accuracy [--seeds N] [--scenario NAME] [--shortest]
 *
 * Prints one table for the scenarios in which chronyd was measured, and one for others, as markdown. The
 * error is that of the client's kernel clock against true time, once a second over the second part of the
 * run: RMS and maximum, medians over the seeds. */

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kalman.h"
#include "scenario.h"

#define SEEDS_MAX      1001
#define SYNCHRONIZED   1e-3 /* s: in sync from when the error stays below that */
#define CHECK_INTERVAL 4.0  /* s between looks at the bound */
#define BOUND_SLACK    1e-9

typedef struct Outcome {
    double rms, max; /* s */
    double kalman;   /* s, RMS of the yardstick */
    double sync;     /* s */
    double interval; /* s between requests to each server */
    double beyond;   /* share of seconds in which the error was larger than the bound */
} Outcome;

typedef struct Options {
    uint64_t seeds;
    const char *scenario; /* NULL: all */
    bool shortest;        /* always ask at the shortest interval that the scenario allows */
} Options;

typedef struct Observer {
    Kalman kalman;
    Sim *sim;
} Observer;

static void on_answer(void *userdata, double time, size_t server, double error, double delay)
{
    Observer *observer = userdata;

    (void) server;
    (void) delay;
    kalman_take(&observer->kalman, time, error - sim_oscillator_offset(observer->sim));
}

/* Standard deviation of the offset that one exchange shows. */
static double noise_of(const SimPath *path)
{
    double way = path->jitter * path->jitter + path->noise * path->noise * 1.5 +
                 2 * path->heavy_chance * path->heavy * path->heavy;

    return sqrt(way / 2);
}

static Outcome run_once(const Scenario *scenario, uint64_t seed, bool shortest)
{
    cleanup_(sim_freep) Sim *sim = scenario_build(scenario, seed, shortest);
    Observer observer = {.kalman = kalman_new(scenario->oscillator.wander, noise_of(&scenario->path)),
                         .sim = sim};
    Outcome o = {.sync = 0};
    double squares = 0, kalman_squares = 0, beyond = 0, seconds = scenario->run - scenario->from;

    sim_witness(sim, on_answer, &observer);
    sim_start(sim);
    for (double t = 1; t <= scenario->run; t++) {
        double error, ideal;
        ClockReport clock;

        sim_run(sim, 1);
        error = fabs(sim_error(sim));
        if (error >= SYNCHRONIZED)
            o.sync = t + 1;
        if (t <= scenario->from)
            continue;
        ideal = kalman_offset(&observer.kalman, t) + sim_oscillator_offset(sim);
        squares += error * error;
        kalman_squares += ideal * ideal;
        o.max = fmax(o.max, error);
        if (fmod(t, CHECK_INTERVAL) >= 1)
            continue;
        engine_clock_report(sim_engine(sim), sim_now(sim), &clock);
        if (error > clock.max_error + BOUND_SLACK)
            beyond += CHECK_INTERVAL;
    }
    o.rms = sqrt(squares / seconds);
    o.kalman = sqrt(kalman_squares / seconds);
    o.beyond = beyond / seconds;
    o.interval = scenario->run * (double) scenario->servers / (double) sim_counters(sim)->sent;
    return o;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

typedef struct Median {
    double value, error; /* two standard errors */
} Median;

/* The standard error of a median is that of its rank, carried over to the values at those ranks. */
static Median median_of(const Outcome *outcomes, size_t count, size_t field)
{
    double values[SEEDS_MAX], half = sqrt((double) count);
    double middle = (double) (count - 1) / 2;
    size_t low = (size_t) fmax(0, floor(middle - half)), high = (size_t) ceil(middle + half);

    for (size_t i = 0; i < count; i++)
        memcpy(&values[i], (const char *) &outcomes[i] + field, sizeof(double));
    qsort(values, count, sizeof(double), compare);
    high = MIN(high, count - 1);
    return (Median) {values[(size_t) middle], (values[high] - values[low]) / 2};
}

#define MEDIAN(outcomes, count, field) median_of((outcomes), (count), offsetof(Outcome, field))

/* The mean, so that no single seed is hidden. */
static double mean_beyond(const Outcome *outcomes, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += outcomes[i].beyond;
    return sum / (double) count;
}

static void run_all(const Scenario *scenario, const Options *options, Outcome *outcomes)
{
    for (uint64_t seed = 0; seed < options->seeds; seed++)
        outcomes[seed] = run_once(scenario, seed + 1, options->shortest);
}

static bool is_wanted(const Scenario *scenario, const Options *options)
{
    return !options->scenario || strcmp(options->scenario, scenario->name) == 0;
}

static void print_row(const Scenario *scenario, const Outcome *outcomes, size_t n)
{
    Median rms = MEDIAN(outcomes, n, rms), interval = MEDIAN(outcomes, n, interval);
    Median sync = MEDIAN(outcomes, n, sync);

    printf("| %-11s | %9.2f | %9.2f | %8.2f | %7.1f |", scenario->name, rms.value * 1e6,
           MEDIAN(outcomes, n, max).value * 1e6, MEDIAN(outcomes, n, kalman).value * 1e6, interval.value);
    if (scenario->chronyd_interval > 0)
        printf(" %8.1f |", scenario->chronyd_interval);
    else if (scenario->chronyd_rms > 0)
        printf("        - |");
    if (scenario->chronyd_rms > 0)
        printf(" %.3f ± %.3f |", rms.value / scenario->chronyd_rms, rms.error / scenario->chronyd_rms);
    else
        printf(" %.3f ± %.3f |", rms.value / MEDIAN(outcomes, n, kalman).value,
               rms.error / MEDIAN(outcomes, n, kalman).value);
    if (sync.value > scenario->from)
        printf(" not for good |");
    else
        printf(" %5.0f |", sync.value);
    printf(" %.5f |\n", mean_beyond(outcomes, n));
    fflush(stdout);
}

static void print_chronyd_table(const Options *options)
{
    static Outcome outcomes[SEEDS_MAX];
    double logarithms = 0;
    size_t count = 0;

    fputs("| scenario | RMS (us) | max (us) | filter (us) | interval (s) | chronyd's (s) | ratio to chronyd "
          "| sync (s) "
          "| beyond bound |\n|---|---|---|---|---|---|---|---|---|\n",
          stdout);
    for (size_t i = 0; i < chronyd_scenario_count; i++) {
        const Scenario *s = &chronyd_scenarios[i];

        if (!is_wanted(s, options))
            continue;
        run_all(s, options, outcomes);
        print_row(s, outcomes, options->seeds);
        logarithms += log(MEDIAN(outcomes, options->seeds, rms).value / s->chronyd_rms);
        count++;
    }
    if (count > 0)
        printf("\nGeometric mean of the ratios: %.3f (%zu scenarios, %llu seeds)\n\n",
               exp(logarithms / (double) count), count, (unsigned long long) options->seeds);
}

static void print_own_table(const Options *options)
{
    static Outcome outcomes[SEEDS_MAX];

    fputs("| scenario | RMS (us) | max (us) | filter (us) | interval (s) | ratio to filter | sync (s) | "
          "beyond bound "
          "|\n|---|---|---|---|---|---|---|---|\n",
          stdout);
    for (size_t i = 0; i < own_scenario_count; i++) {
        const Scenario *s = &own_scenarios[i];

        if (!is_wanted(s, options))
            continue;
        run_all(s, options, outcomes);
        print_row(s, outcomes, options->seeds);
    }
}

static bool parse(int argc, char **argv, Options *options)
{
    static const struct option longs[] = {{"seeds", required_argument, NULL, 'n'},
                                          {"scenario", required_argument, NULL, 's'},
                                          {"shortest", no_argument, NULL, 'p'},
                                          {0}};
    int64_t value;
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 's') {
            options->scenario = optarg;
        } else if (c == 'n' && text_to_int(optarg, &value) && value >= 1 && value <= SEEDS_MAX) {
            options->seeds = (uint64_t) value;
        } else if (c == 'p') {
            options->shortest = true;
        } else {
            fprintf(stderr, "usage: bench-accuracy [--seeds N] [--scenario NAME] [--shortest]\n");
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    Options options = {.seeds = 21};

    if (!parse(argc, argv, &options))
        return EXIT_FAILURE;
    print_chronyd_table(&options);
    print_own_table(&options);
    return EXIT_SUCCESS;
}
