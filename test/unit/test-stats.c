// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>

#include "core/select/combine.h"
#include "core/stats/quantile.h"
#include "core/stats/regression.h"
#include "core/stats/source-stats.h"
#include "unit.h"

#define START INT64_C(1795000000000000000)

static uint64_t seed = 1;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double) (seed >> 11) + 0.5) * 0x1p-53;
}

static const SourceStatsConfig defaults = {.min_samples = 6, .max_samples = 64, .precision = 1e-7};

/* A sample of an oscillator that is `offset` slow at START and needs `frequency`, with what the two ways took
 * beyond 1 ms each. */
static Sample sample_at(double time, double offset, double frequency, double there, double back)
{
    LocalTime local = {START + ns_from_seconds(time)};
    double measured = offset + frequency * time + (there - back) / 2;

    return (Sample) {
        .time = local,
        .truth = {local.ns + ns_from_seconds(measured)},
        .peer_delay = 0.002 + there + back,
        .peer_dispersion = 1e-7,
        .stratum = 1,
    };
}

static void test_exact_line(void **state)
{
    cleanup_(source_stats_freep) SourceStats *stats = NULL;
    SourceStatsReport report;
    Estimate estimate;

    (void) state;
    assert_int_equal(source_stats_new(&defaults, &stats), 0);
    assert_false(source_stats_estimate(stats, (LocalTime) {START}, &estimate));
    assert_null(source_stats_newest(stats));
    for (int i = 0; i < 10; i++) {
        Sample s = sample_at(64 * i, 0.5, 20e-6, 0, 0);
        assert_true(source_stats_add(stats, &s));
        assert_false(source_stats_add(stats, &s)); /* not newer */
    }
    assert_true(source_stats_estimate(stats, (LocalTime) {START + 1000 * NSEC_PER_SEC}, &estimate));
    assert_true(estimate.has_frequency);
    assert_true(fabs(estimate.frequency - 20e-6) < 1e-8);
    assert_true(fabs((double) (estimate.truth.ns - START - 1000 * NSEC_PER_SEC) * 1e-9 - 0.52) < 1e-5);
    source_stats_report(stats, &report);
    assert_int_equal(report.samples, 10);
    assert_true(fabs(report.span - 9 * 64) < 1e-6);
    assert_true(fabs(report.frequency - 20e-6) < 1e-9);
    assert_true(fabs(report.min_delay - 0.002) < 1e-12);
    source_stats_reset(stats);
    assert_int_equal(source_stats_count(stats), 0);
}

/* Errors over their standard deviations: neither much better nor much worse than promised. */
static void test_uncertainty_is_honest(void **state)
{
    const double jitter = 1e-4, wander = 1e-9;
    double squares = 0;
    int rounds = 200;

    (void) state;
    for (int round = 0; round < rounds; round++) {
        cleanup_(source_stats_freep) SourceStats *stats = NULL;
        double offset = 0, frequency = 1e-5, error;
        Estimate estimate;
        LocalTime end = {START + 40 * 256 * NSEC_PER_SEC};

        assert_int_equal(source_stats_new(&defaults, &stats), 0);
        for (int t = 0; t < 40 * 256; t++) {
            if (t % 256 == 0) {
                Sample s = sample_at(t, offset, 0, -jitter * log(uniform()), -jitter * log(uniform()));
                assert_true(source_stats_add(stats, &s));
            }
            offset += frequency;
            frequency += wander * sqrt(12) * (uniform() - 0.5);
        }
        assert_true(source_stats_estimate(stats, end, &estimate));
        error = ((double) (estimate.truth.ns - end.ns) * 1e-9 - offset) / estimate.offset_sd;
        squares += error * error;
    }
    assert_true(sqrt(squares / rounds) < 1.6);
    assert_true(sqrt(squares / rounds) > 0.5);
}

/* The line for people forgets what came before the frequency changed. */
static void test_runs_test_drops_old_samples(void **state)
{
    cleanup_(source_stats_freep) SourceStats *stats = NULL;
    SourceStatsReport report;

    (void) state;
    assert_int_equal(source_stats_new(&defaults, &stats), 0);
    for (int i = 0; i < 40; i++) {
        double offset = i < 30 ? 0 : 1e-5 * 64 * (i - 30);
        Sample s = sample_at(64 * i, offset, 0, 1e-5 * uniform(), 1e-5 * uniform());
        assert_true(source_stats_add(stats, &s));
    }
    source_stats_report(stats, &report);
    assert_in_range(report.samples, 6, 13);
    assert_true(fabs(report.frequency - 1e-5) < 3e-6);
}

static void test_max_samples(void **state)
{
    SourceStatsConfig config = defaults;
    cleanup_(source_stats_freep) SourceStats *stats = NULL;
    SourceStatsReport report;
    Estimate estimate;

    (void) state;
    config.max_samples = 1;
    assert_int_equal(source_stats_new(&config, &stats), 0);
    for (int i = 0; i < 3; i++) {
        Sample s = sample_at(i, 0.1, 0, 0, 0);
        assert_true(source_stats_add(stats, &s));
    }
    /* What moves is followed at once. */
    Sample moved = sample_at(3, 2, 0, 0, 0);
    assert_true(source_stats_add(stats, &moved));
    assert_int_equal(source_stats_count(stats), 1);
    assert_true(source_stats_estimate(stats, (LocalTime) {START + 3 * NSEC_PER_SEC}, &estimate));
    assert_false(estimate.has_frequency);
    source_stats_report(stats, &report);
    assert_int_equal(report.samples, 1);
}

static void test_delay_limits(void **state)
{
    cleanup_(source_stats_freep) SourceStats *stats = NULL;

    (void) state;
    assert_int_equal(source_stats_new(&defaults, &stats), 0);
    assert_true(isinf(source_stats_delay_limit_ratio(stats, 2)));
    assert_true(isinf(source_stats_delay_limit_quantile(stats, 0.5)));
    for (int i = 0; i < 11; i++) {
        Sample s = sample_at(64 * i, 0, 0, 1e-3 * (i % 2), 1e-3 * (i % 2));
        source_stats_on_delay(stats, s.peer_delay);
        assert_true(source_stats_add(stats, &s));
    }
    assert_true(fabs(source_stats_delay_limit_ratio(stats, 2) - 0.004) < 1e-9);
    assert_true(fabs(source_stats_delay_limit_quantile(stats, 0.05) - 0.002) < 1e-9);
    assert_true(fabs(source_stats_delay_limit_quantile(stats, 0.95) - 0.004) < 1e-9);
    /* Refusals move the quantile, too, and many in a row the minimum: the path has changed. */
    double limit = source_stats_delay_limit_deviation(stats, 1, 0);
    for (int i = 0; i < 8; i++)
        source_stats_on_delay(stats, 0.012);
    assert_true(source_stats_delay_limit_quantile(stats, 0.95) > 0.011);
    assert_true(source_stats_delay_limit_deviation(stats, 1, 0) - limit > 0.009);
    /* An offset that no delay explains lets a longer delay pass. */
    assert_true(source_stats_delay_limit_deviation(stats, 10, 0.5) >
                source_stats_delay_limit_deviation(stats, 10, 0));
}

/* Delay on one way only, in every second sample by more: with the asymmetry known the offset is right from
 * the first sample on. */
static void test_known_asymmetry(void **state)
{
    for (int there = 0; there <= 1; there++) {
        SourceStatsConfig config = defaults;
        cleanup_(source_stats_freep) SourceStats *stats = NULL;
        SourceStatsReport report;
        Estimate estimate;

        (void) state;
        config.min_delay = 0.002;
        config.has_asymmetry = true;
        config.asymmetry = there ? 0.5 : -0.5;
        assert_int_equal(source_stats_new(&config, &stats), 0);
        for (int i = 0; i < 10; i++) {
            double extra = i % 2 == 0 ? 0.003 : 0.008;
            Sample s = sample_at(64 * i, 0.5, 0, there ? extra : 0, there ? 0 : extra);

            assert_true(source_stats_add(stats, &s));
            assert_true(source_stats_estimate(stats, s.time, &estimate));
            assert_true(fabs((double) (estimate.truth.ns - s.time.ns) * 1e-9 - 0.5) < 1e-6);
        }
        source_stats_report(stats, &report);
        assert_true(report.jitter_asymmetry == config.asymmetry);
        source_stats_reset(stats);
        source_stats_report(stats, &report);
        assert_true(report.jitter_asymmetry == config.asymmetry);
    }
}

/* A minimum that is given needs no samples before it is an opinion, and counts for weights. */
static void test_known_min_delay(void **state)
{
    SourceStatsConfig config = defaults;
    cleanup_(source_stats_freep) SourceStats *measured = NULL;
    cleanup_(source_stats_freep) SourceStats *known = NULL;
    SourceStatsReport report;
    Estimate before, after;

    (void) state;
    assert_int_equal(source_stats_new(&config, &measured), 0);
    config.min_delay = 0.002;
    assert_int_equal(source_stats_new(&config, &known), 0);
    assert_true(isinf(source_stats_delay_limit_ratio(measured, 2)));
    assert_true(fabs(source_stats_delay_limit_ratio(known, 2) - 0.004) < 1e-12);
    for (int i = 0; i < 10; i++) {
        Sample s = sample_at(64 * i, 0, 0, 0.005, 0.005);
        assert_true(source_stats_add(measured, &s));
        assert_true(source_stats_add(known, &s));
    }
    source_stats_report(known, &report);
    assert_true(report.min_delay == 0.002);
    assert_true(source_stats_delay_limit_deviation(measured, 1, 0) > 0.0119);
    assert_true(source_stats_delay_limit_deviation(known, 1, 0) < 0.0021);
    LocalTime at = {START + 600 * NSEC_PER_SEC};
    assert_true(source_stats_estimate(measured, at, &before));
    assert_true(source_stats_estimate(known, at, &after));
    assert_true(after.offset_sd > 2 * before.offset_sd);
}

/* A path that became longer is measured by its own minimum, not by that of the old one. */
static void test_longer_path(void **state)
{
    cleanup_(source_stats_freep) SourceStats *stats = NULL;
    SourceStatsReport report;
    Estimate before, after;

    (void) state;
    assert_int_equal(source_stats_new(&defaults, &stats), 0);
    for (int i = 0; i < 50; i++) {
        double longer = i < 40 ? 0 : 5e-3;
        Sample s = sample_at(64 * i, 0, 0, longer - 1e-4 * log(uniform()), longer - 1e-4 * log(uniform()));

        source_stats_on_delay(stats, s.peer_delay);
        assert_true(source_stats_add(stats, &s));
        if (i == 39)
            assert_true(source_stats_estimate(stats, s.time, &before));
        if (i == 49)
            assert_true(source_stats_estimate(stats, s.time, &after));
    }
    source_stats_report(stats, &report);
    assert_true(report.min_delay > 0.0119 && report.min_delay < 0.0125);
    assert_true(after.offset_sd < 3 * before.offset_sd);
    assert_true(fabs((double) (after.truth.ns - after.time.ns) * 1e-9) < 1e-4);
}

/* Delays on one way only: found, and taken out. */
static void test_one_sided_jitter(void **state)
{
    cleanup_(source_stats_freep) SourceStats *stats = NULL;
    SourceStatsReport report;
    Estimate estimate;

    (void) state;
    assert_int_equal(source_stats_new(&defaults, &stats), 0);
    for (int i = 0; i < 60; i++) {
        Sample s = sample_at(64 * i, 0, 0, -1e-3 * log(uniform()), 0);

        assert_true(source_stats_add(stats, &s));
    }
    source_stats_report(stats, &report);
    assert_true(report.jitter_asymmetry > 0.45);
    assert_true(source_stats_estimate(stats, (LocalTime) {START + 60 * 64 * NSEC_PER_SEC}, &estimate));
    assert_true(fabs((double) (estimate.truth.ns - estimate.time.ns) * 1e-9) < 5e-5);
}

/* A register with `count` samples of an oscillator that needs 20 ppm, one every 64 s, some jitter. */
static SourceStats *settled(size_t count)
{
    SourceStats *stats;

    assert_int_equal(source_stats_new(&defaults, &stats), 0);
    for (size_t i = 0; i < count; i++) {
        Sample s = sample_at(64.0 * (double) i, 0, 20e-6, 1e-5 * uniform(), 1e-5 * uniform());
        assert_true(source_stats_add(stats, &s));
    }
    return stats;
}

static Estimate estimate_at(const SourceStats *stats, double time)
{
    Estimate estimate;

    assert_true(source_stats_estimate(stats, (LocalTime) {START + ns_from_seconds(time)}, &estimate));
    return estimate;
}

/* By how much the estimate at a time is off from an oscillator as above of which the source is `moved` ahead.
 */
static double error_at(const SourceStats *stats, double time, double moved)
{
    Estimate estimate = estimate_at(stats, time);

    return (double) (estimate.truth.ns - estimate.time.ns - ns_from_seconds(moved + 20e-6 * time)) * 1e-9;
}

/* A source sets its clock: with the second sample its offset is the new one, and the frequency the old one.
 */
static void test_source_that_moves(void **state)
{
    static const size_t counts[] = {3, 10, 63, 64, 200};
    static const double moves[] = {0.05, -0.05, 2, -2, 1e3, -1e8};

    (void) state;
    for (size_t k = 0; k < ELEMENTS(counts) * ELEMENTS(moves); k++) {
        size_t count = counts[k / ELEMENTS(moves)];
        double moved = moves[k % ELEMENTS(moves)], time = 64.0 * (double) count;
        cleanup_(source_stats_freep) SourceStats *stats = settled(count);
        Sample first = sample_at(time, moved, 20e-6, 5e-6, 0);
        Sample second = sample_at(time + 64, moved, 20e-6, 0, 5e-6);
        Estimate before = estimate_at(stats, time + 64), after;
        SourceStatsReport report;

        assert_false(source_stats_add(stats, &first));
        assert_true(fabs(error_at(stats, time, 0)) < 1e-3);
        assert_true(source_stats_add(stats, &second));
        after = estimate_at(stats, time + 64);
        source_stats_report(stats, &report);
        if (fabs(error_at(stats, time + 64, moved)) > 1e-5 ||
            after.frequency_sd > 1.5 * before.frequency_sd ||
            fabs(after.frequency - 20e-6) > 3 * before.frequency_sd || report.samples < MIN(count + 2, 6u) ||
            report.standard_deviation > 1e-4)
            fail_msg("%zu samples, %g s: %g s off, frequency %g (sd %g, was %g), %u samples, residuals %g s",
                     count, moved, error_at(stats, time + 64, moved), after.frequency, after.frequency_sd,
                     before.frequency_sd, report.samples, report.standard_deviation);
    }
}

/* The first sample at the new time was delayed: what is wrong with it is not handed on by the many before. */
static void test_move_begins_the_offset_anew(void **state)
{
    cleanup_(source_stats_freep) SourceStats *stats = settled(64);
    Estimate before = estimate_at(stats, 63 * 64);
    Sample first = sample_at(64 * 64, 2, 20e-6, 1e-3, 0), second = sample_at(65 * 64, 2, 20e-6, 0, 5e-6);

    (void) state;
    assert_false(source_stats_add(stats, &first));
    assert_true(source_stats_add(stats, &second));
    assert_true(fabs(error_at(stats, 65 * 64, 2)) < 2e-5);
    assert_true(estimate_at(stats, 65 * 64).offset_sd > before.offset_sd);
    assert_true(estimate_at(stats, 65 * 64).frequency_sd < 1.5 * before.frequency_sd);
    /* Later it is all as if nothing had happened. */
    for (int i = 66; i < 130; i++) {
        Sample s = sample_at(64.0 * i, 2, 20e-6, 1e-5 * uniform(), 1e-5 * uniform());
        assert_true(source_stats_add(stats, &s));
    }
    assert_true(estimate_at(stats, 129 * 64).offset_sd < 1.5 * before.offset_sd);
}

/* What no delay tells of is noise when it is always there. */
static void test_noise_is_no_move(void **state)
{
    cleanup_(source_stats_freep) SourceStats *stats = NULL;
    int taken = 0;

    (void) state;
    assert_int_equal(source_stats_new(&defaults, &stats), 0);
    for (int i = 0; i < 60; i++) {
        Sample s = sample_at(64.0 * i, 0.2 * uniform(), 20e-6, 0, 0);
        taken += source_stats_add(stats, &s);
    }
    assert_true(taken >= 50);
}

/* What one sample says, and the next one does not, is as if it had never been said. */
static void test_one_sample_moves_nothing(void **state)
{
    static const double lies[] = {0.02, 0.05, -0.05, 2, -1e6};

    (void) state;
    for (size_t k = 0; k < ELEMENTS(lies); k++) {
        uint64_t again = seed;
        cleanup_(source_stats_freep) SourceStats *stats = settled(20);
        seed = again;
        cleanup_(source_stats_freep) SourceStats *twin = settled(20);

        for (int i = 20; i < 40; i++) {
            Sample lie = sample_at(64.0 * i - 54, i % 4 == 0 ? lies[k] : -lies[k], 20e-6, 0, 0);
            Sample s = sample_at(64.0 * i, 0, 20e-6, 5e-6, 0);

            if (i % 2 == 0)
                assert_false(source_stats_add(stats, &lie));
            else
                assert_true(source_stats_add(stats, &s) && source_stats_add(twin, &s));
        }
        Estimate one = estimate_at(stats, 40 * 64), other = estimate_at(twin, 40 * 64);
        assert_int_equal(one.truth.ns, other.truth.ns);
        assert_true(one.frequency == other.frequency && one.frequency_sd == other.frequency_sd);
    }
}

/* Whatever a path delays, and however often, it does not look like a move. */
static void test_delay_is_no_move(void **state)
{
    (void) state;
    for (double delay = 1e-3; delay < 5; delay *= 3) {
        cleanup_(source_stats_freep) SourceStats *stats = settled(20);

        for (int i = 20; i < 60; i++) {
            bool late = uniform() < 0.3, back = uniform() < 0.5;
            Sample s = sample_at(64.0 * i, 0, 20e-6, late && !back ? delay : 0, late && back ? delay : 0);
            assert_true(source_stats_add(stats, &s));
        }
    }
}

/* A source that slews to its new time is followed when it has arrived. */
static void test_slow_move(void **state)
{
    static const double path[] = {0, 0.7, 1.4, 2, 2, 2};
    cleanup_(source_stats_freep) SourceStats *stats = settled(20);

    (void) state;
    for (int i = 0; i < (int) ELEMENTS(path); i++) {
        Sample s = sample_at(64.0 * (20 + i), path[i], 20e-6, 0, 0);
        bool kept_aside = i >= 1 && i <= 3;

        assert_int_equal(source_stats_add(stats, &s), !kept_aside);
    }
    assert_true(fabs(error_at(stats, 25 * 64, 2)) < 1e-5);
    assert_true(fabs(estimate_at(stats, 25 * 64).frequency - 20e-6) < 1e-6);
}

/* A leap second, or a move of which the source has told, between a sample and its confirmation. */
static void test_shift_of_the_doubtful(void **state)
{
    cleanup_(source_stats_freep) SourceStats *stats = settled(20);
    Sample first = sample_at(20 * 64, 2, 20e-6, 0, 0), second = sample_at(21 * 64, 1, 20e-6, 0, 0);

    (void) state;
    assert_false(source_stats_add(stats, &first));
    source_stats_shift(stats, -NSEC_PER_SEC);
    assert_true(source_stats_add(stats, &second));
    assert_true(fabs(error_at(stats, 21 * 64, 1)) < 1e-5);
}

/* An oscillator that is worse than oscillators are is no source that moves: its samples are taken, if not
 * all. */
static void test_worst_oscillators(void **state)
{
    static const struct {
        int quiet; /* samples before it starts to run */
        double frequency;
    } rows[] = {{0, 1e-3}, {0, -5e-3}, {0, 0.1}, {1, 1e-3}, {3, 5e-3}, {20, 1e-3}, {64, -1e-2}};

    (void) state;
    for (size_t k = 0; k < ELEMENTS(rows); k++) {
        cleanup_(source_stats_freep) SourceStats *stats = NULL;
        uint32_t taken = 0;
        Estimate estimate;

        assert_int_equal(source_stats_new(&defaults, &stats), 0);
        for (int i = 0; i < rows[k].quiet + 100; i++) {
            double time = 64.0 * i, runs = fmax(0, time - 64.0 * rows[k].quiet);
            Sample s = sample_at(time, rows[k].frequency * runs, 0, 1e-5 * uniform(), 1e-5 * uniform());
            taken += source_stats_add(stats, &s) && i >= rows[k].quiet;
        }
        estimate = estimate_at(stats, 64.0 * (rows[k].quiet + 99));
        if (taken < 60 || fabs(estimate.frequency - rows[k].frequency) > 0.1 * fabs(rows[k].frequency))
            fail_msg("%d quiet, then %g: %u of 100 taken, frequency %g", rows[k].quiet, rows[k].frequency,
                     taken, estimate.frequency);
    }
}

/* Sources with asymmetric paths get equal weights: the quietest does not win. */
static void test_combination_of_biased(void **state)
{
    Estimate a = {.truth = {START}, .offset_sd = 1e-6, .frequency_sd = 1e-8};
    Estimate b = {.truth = {START + 2000000}, .offset_sd = 1e-4, .frequency_sd = 1e-8};
    const Estimate *both[] = {&a, &b}, *same[] = {&a, &a};
    Estimate combined;

    (void) state;
    combine_estimates(both, 2, &combined);
    assert_true(fabs((double) (combined.truth.ns - START) * 1e-9 - 1e-3) < 1e-4);
    assert_true(combined.offset_sd > 5e-4);
    /* Sources that agree are better together, but less than if they did not share the oscillator. */
    combine_estimates(same, 2, &combined);
    assert_true(combined.offset_sd > 1e-6 * M_SQRT1_2 && combined.offset_sd < 1e-6);
}

static void test_critical_runs(void **state)
{
    (void) state;
    /* Of 8 residuals all 7 places without a change: 1/128; at most one change: 8/128 > 5 %. */
    assert_int_equal(regression_critical_runs(8), 2);
    assert_int_equal(regression_critical_runs(2), 1);
    assert_in_range(regression_critical_runs(64), 24, 28);
}

static void test_quantile(void **state)
{
    double values[] = {5, 1, 4, 2, 3};

    (void) state;
    assert_true(fabs(quantile_of(values, 5, 0.5) - 3) < 1e-12);
    assert_true(fabs(quantile_of(values, 5, 0.875) - 4.5) < 1e-12);
    assert_true(fabs(quantile_of(values, 5, 1) - 5) < 1e-12);
    assert_true(fabs(quantile_of(values, 1, 0.3) - 1) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_line),
        cmocka_unit_test(test_uncertainty_is_honest),
        cmocka_unit_test(test_runs_test_drops_old_samples),
        cmocka_unit_test(test_max_samples),
        cmocka_unit_test(test_delay_limits),
        cmocka_unit_test(test_known_asymmetry),
        cmocka_unit_test(test_known_min_delay),
        cmocka_unit_test(test_longer_path),
        cmocka_unit_test(test_one_sided_jitter),
        cmocka_unit_test(test_source_that_moves),
        cmocka_unit_test(test_move_begins_the_offset_anew),
        cmocka_unit_test(test_one_sample_moves_nothing),
        cmocka_unit_test(test_delay_is_no_move),
        cmocka_unit_test(test_noise_is_no_move),
        cmocka_unit_test(test_slow_move),
        cmocka_unit_test(test_shift_of_the_doubtful),
        cmocka_unit_test(test_worst_oscillators),
        cmocka_unit_test(test_combination_of_biased),
        cmocka_unit_test(test_critical_runs),
        cmocka_unit_test(test_quantile),
    };

    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
