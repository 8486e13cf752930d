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
        cmocka_unit_test(test_combination_of_biased),
        cmocka_unit_test(test_critical_runs),
        cmocka_unit_test(test_quantile),
    };

    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
