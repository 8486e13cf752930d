// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include "core/select/select.h"

#include <math.h>
#include <string.h>

#include "core/select/intersection.h"
#include "unit.h"

#define SOURCES_MAX 8
#define AT          ((LocalTime) {INT64_C(1000000) * NSEC_PER_SEC})
#define REFERENCE   ((CookedTime) {INT64_C(1000000) * NSEC_PER_SEC})

static SelectMemory memory[SOURCES_MAX];

static SelectionConfig default_config(void)
{
    return (SelectionConfig) {
        .combine_limit = 3,
        .max_distance = 3,
        .max_jitter = 1,
        .reselect_distance = 1e-4,
        .stratum_weight = 1e-3,
        .max_stratum = 15,
        .min_sources = 1,
    };
}

/* A good source, `offset` off, 10 ms away. */
static SelectCandidate good(size_t i, double offset)
{
    return (SelectCandidate) {
        .id = {(uint32_t) i + 1},
        .stratum = 2,
        .has_samples = true,
        .samples = 10,
        .samples_needed = 3,
        .estimate = {.time = AT,
                     .truth = cooked_add(REFERENCE, offset),
                     .offset_sd = 1e-4,
                     .frequency_sd = 1e-7,
                     .wander = 1e-18,
                     .has_frequency = true},
        .root_delay = 0.018,
        .root_dispersion = 0.001,
        .standard_deviation = 1e-4,
        .newest = local_add(AT, -10),
        .oldest = local_add(AT, -1000),
        .reachable = true,
        .max_unreach = 100000,
        .updated = true,
        .memory = &memory[i],
    };
}

typedef struct Row {
    const char *name;
    void (*arrange)(SelectionConfig *config, SelectCandidate *c);
    size_t count;
    SourceState states[SOURCES_MAX];
    ClockReason reason;
} Row;

/* Authenticated by certificates that our clock does not fit. */
static void provisional(SelectionConfig *config, SelectCandidate *c)
{
    static const char *const names[] = {"a.example", "b.example", "c.example", "d.example", "e.example"};

    (void) config;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        c[i].authenticated = c[i].provisional = true;
        c[i].name = names[i];
        c[i].address = (IpAddress) {.family = IP_V4, .bytes = {192, 0, 2, (uint8_t) (i + 1)}};
    }
}
static void provisional_liar(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[0].estimate.truth = cooked_add(REFERENCE, 1e9);
}
static void provisional_and_three_wanted(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    config->min_sources = 3;
}
static void provisional_pool(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[1].name = c[0].name;
}
static void provisional_twins(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[1].address = c[0].address;
}
static void provisional_key(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[0].host_key = c[1].host_key = (NtsHostKey) {.bytes = {1}};
}
static void provisional_two_keys(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[0].host_key = (NtsHostKey) {.bytes = {1}};
    c[1].host_key = (NtsHostKey) {.bytes = {[31] = 1}};
}
/* The third is one with each of the other two, but these are not one. */
static void provisional_chain(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[2].name = "A.example";
    c[2].address = c[1].address;
}
static void provisional_first(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[1].provisional = false;
}
static void provisional_beside_equals(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[1].authenticated = c[1].provisional = false;
}
static void provisional_beside_strangers(SelectionConfig *config, SelectCandidate *c)
{
    provisional_beside_equals(config, c);
    c[0].options.trust = c[0].options.require = true;
    c[1].estimate.truth = c[0].estimate.truth;
}
static void contradictory(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[0].contradictory = true;
}
static void contradictory_past(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    c[0].provisional = false;
    c[0].contradictory = true;
}
/* Of five that are configured, so many have samples, and contradict what was known once. */
static void outdated(SelectCandidate *c, size_t count)
{
    for (size_t i = 0; i < 5; i++) {
        c[i].outdated = true;
        c[i].has_samples = i < count;
    }
}
static void outdated_two(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    outdated(c, 2);
}
static void outdated_three(SelectionConfig *config, SelectCandidate *c)
{
    provisional(config, c);
    outdated(c, 3);
}
static void outdated_fitting(SelectionConfig *config, SelectCandidate *c)
{
    outdated_two(config, c);
    for (size_t i = 0; i < 5; i++)
        c[i].provisional = false;
}
static void nothing(SelectionConfig *config, SelectCandidate *c)
{
    (void) config, (void) c;
}
static void noselect(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].options.noselect = true;
}
static void unsynchronized(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].leap = LEAP_UNSYNCHRONIZED;
}
static void silent(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].has_samples = false;
    c[0].samples = 0;
}
static void few_samples(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].samples = 2;
}
static void starting(SelectionConfig *config, SelectCandidate *c)
{
    silent(config, c);
    c[0].may_still_start = true;
}
/* Three servers like us: we are 2, as the sources count. */
static void orphans(SelectionConfig *config, SelectCandidate *c)
{
    static const uint32_t ids[] = {3, 0, 1};

    config->orphan_stratum = 8;
    for (size_t i = 0; i < 3; i++) {
        c[i].stratum = 8;
        c[i].reference_id = ids[i];
        c[i].own_reference_id = 2;
    }
}
static void orphans_that_follow(SelectionConfig *config, SelectCandidate *c)
{
    orphans(config, c);
    c[1].stratum = c[2].stratum = 9;
}
static void orphans_without_leader(SelectionConfig *config, SelectCandidate *c)
{
    orphans(config, c);
    c[1].reachable = false;
    c[1].newest = local_add(AT, -2000);
}
static void orphans_of_unknown_us(SelectionConfig *config, SelectCandidate *c)
{
    orphans(config, c);
    for (size_t i = 0; i < 3; i++)
        c[i].own_reference_id = 0;
}
static void orphans_and_a_better_one(SelectionConfig *config, SelectCandidate *c)
{
    orphans(config, c);
    c[0].stratum = 7;
}
static void orphans_of_no_interest(SelectionConfig *config, SelectCandidate *c)
{
    orphans(config, c);
    config->orphan_stratum = 0;
}
static void high_stratum(SelectionConfig *config, SelectCandidate *c)
{
    config->max_stratum = 3;
    c[0].stratum = 4;
}
static void low_stratum(SelectionConfig *config, SelectCandidate *c)
{
    config->min_stratum = 2;
    c[0].stratum = 1;
}
static void far_away(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].root_dispersion = 3.1;
}
static void jittery(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].standard_deviation = 1.5;
}
static void stale(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].reachable = false;
    c[0].newest = local_add(AT, -2000);
}
static void unreachable_but_fresh(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].reachable = false;
}
static void unreachable_too_long(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].reachable = false;
    c[0].unreachable_run = 11;
    c[0].max_unreach = 10;
}
static void all_unreachable(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].reachable = c[1].reachable = false;
    c[0].newest = local_add(AT, -5000);
}
static void liar(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].estimate.truth = cooked_add(REFERENCE, 1);
}
static void trusted_first(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].estimate.truth = cooked_add(REFERENCE, 1);
    c[0].options.trust = true;
}
static void trusted_touched(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].options.trust = true;
    c[1].estimate.truth = cooked_add(REFERENCE, 0.015);
    c[2].root_dispersion = 0.05;
}
static void two_trusted_disagree(SelectionConfig *config, SelectCandidate *c)
{
    liar(config, c);
    c[0].options.trust = c[1].options.trust = true;
}
static void trusted_outvoted(SelectionConfig *config, SelectCandidate *c)
{
    liar(config, c);
    c[0].options.trust = c[1].options.trust = c[2].options.trust = true;
}
static void min_sources(SelectionConfig *config, SelectCandidate *c)
{
    (void) c;
    config->min_sources = 3;
}
static void required_is_silent(SelectionConfig *config, SelectCandidate *c)
{
    silent(config, c);
    c[0].options.require = true;
}
static void required_is_there(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].options.require = true;
}
static void prefer_second(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[1].options.prefer = true;
}
static void preferred_lies(SelectionConfig *config, SelectCandidate *c)
{
    liar(config, c);
    c[0].options.prefer = true;
}
static void better_waits(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].memory->was_selected = true;
    c[1].memory->score = 9;
    c[1].root_dispersion = 0;
    c[1].root_delay = 0.002;
    c[1].updated = false;
}
static void better_wins(SelectionConfig *config, SelectCandidate *c)
{
    better_waits(config, c);
    c[1].updated = true;
}
static void near_one_stays(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[1].memory->was_selected = true;
    c[0].root_dispersion = 0;
}
static void distant(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[1].root_delay = 0.2;
}
static void other_frequency(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[1].estimate.frequency = 1e-6;
    c[1].root_dispersion += 0.001;
}
static void no_combining(SelectionConfig *config, SelectCandidate *c)
{
    config->combine_limit = 0;
    c[1].root_dispersion += 0.001;
}
static void second_stratum(SelectionConfig *config, SelectCandidate *c)
{
    (void) config;
    c[0].stratum = 3;
    c[0].root_dispersion -= 0.0005;
}

static const Row rows[] = {
    {"one", nothing, 1, {STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"none", nothing, 0, {0}, CLOCK_NO_SOURCES},
    {"equal", nothing, 3, {STATE_SELECTED, STATE_COMBINED, STATE_COMBINED}, CLOCK_SYNCHRONIZED},
    {"noselect", noselect, 2, {STATE_NOSELECT, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"unsynchronised", unsynchronized, 2, {STATE_UNSYNCHRONIZED, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"silent", silent, 2, {STATE_MISSING_SAMPLES, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"all silent", silent, 1, {STATE_MISSING_SAMPLES}, CLOCK_NO_RESPONSE},
    {"few samples", few_samples, 1, {STATE_MISSING_SAMPLES}, CLOCK_NO_SELECTABLE},
    {"starting", starting, 2, {STATE_MISSING_SAMPLES, STATE_WAITING_START}, CLOCK_STARTING},
    {"high stratum", high_stratum, 2, {STATE_BAD_STRATUM, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"low stratum", low_stratum, 2, {STATE_BAD_STRATUM, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"far away", far_away, 2, {STATE_TOO_DISTANT, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"only one, far away", far_away, 1, {STATE_TOO_DISTANT}, CLOCK_NO_SELECTABLE},
    {"jittery", jittery, 2, {STATE_JITTERY, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"stale", stale, 2, {STATE_STALE, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"unreachable but fresh", unreachable_but_fresh, 2, {STATE_SELECTED, STATE_COMBINED}, CLOCK_SYNCHRONIZED},
    {"maxunreach", unreachable_too_long, 2, {STATE_STALE, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"all unreachable", all_unreachable, 2, {STATE_SELECTED, STATE_COMBINED}, CLOCK_SYNCHRONIZED},
    {"orphans", orphans, 3, {STATE_ORPHAN, STATE_SELECTED, STATE_ORPHAN}, CLOCK_SYNCHRONIZED},
    {"orphans whose leader is dead",
     orphans_without_leader,
     3,
     {STATE_ORPHAN, STATE_STALE, STATE_SELECTED},
     CLOCK_SYNCHRONIZED},
    {"orphans that follow us",
     orphans_that_follow,
     3,
     {STATE_ORPHAN, STATE_ORPHAN, STATE_ORPHAN},
     CLOCK_NO_SELECTABLE},
    {"orphans, and we do not know who we are",
     orphans_of_unknown_us,
     3,
     {STATE_ORPHAN, STATE_ORPHAN, STATE_ORPHAN},
     CLOCK_NO_SELECTABLE},
    {"orphans and a better one",
     orphans_and_a_better_one,
     3,
     {STATE_SELECTED, STATE_ORPHAN, STATE_ORPHAN},
     CLOCK_SYNCHRONIZED},
    {"no orphan mode",
     orphans_of_no_interest,
     3,
     {STATE_SELECTED, STATE_COMBINED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"one lies", liar, 3, {STATE_FALSETICKER, STATE_SELECTED, STATE_COMBINED}, CLOCK_SYNCHRONIZED},
    {"one of two lies", liar, 2, {STATE_FALSETICKER, STATE_FALSETICKER}, CLOCK_NO_MAJORITY},
    {"trusted one against all",
     trusted_first,
     3,
     {STATE_SELECTED, STATE_FALSETICKER, STATE_FALSETICKER},
     CLOCK_SYNCHRONIZED},
    {"trusted one touched by one, inside of another",
     trusted_touched,
     3,
     {STATE_SELECTED, STATE_UNTRUSTED, STATE_DISTANT},
     CLOCK_SYNCHRONIZED},
    {"trusted ones disagree",
     two_trusted_disagree,
     4,
     {STATE_FALSETICKER, STATE_FALSETICKER, STATE_FALSETICKER, STATE_FALSETICKER},
     CLOCK_NO_MAJORITY},
    {"trusted one outvoted",
     trusted_outvoted,
     4,
     {STATE_FALSETICKER, STATE_SELECTED, STATE_COMBINED, STATE_UNTRUSTED},
     CLOCK_SYNCHRONIZED},
    {"minsources", min_sources, 2, {STATE_WAITING, STATE_WAITING}, CLOCK_NOT_ENOUGH},
    {"minsources met", min_sources, 3, {STATE_SELECTED, STATE_COMBINED, STATE_COMBINED}, CLOCK_SYNCHRONIZED},
    {"required is silent", required_is_silent, 2, {STATE_MISSING_SAMPLES, STATE_WAITING}, CLOCK_NOT_ENOUGH},
    {"required is there", required_is_there, 2, {STATE_SELECTED, STATE_COMBINED}, CLOCK_SYNCHRONIZED},
    {"one against the clock", provisional, 1, {STATE_UNCONFIRMED}, CLOCK_UNCONFIRMED},
    {"two against the clock", provisional, 2, {STATE_SELECTED, STATE_COMBINED}, CLOCK_SYNCHRONIZED},
    {"three wanted, two against the clock",
     provisional_and_three_wanted,
     2,
     {STATE_UNCONFIRMED, STATE_UNCONFIRMED},
     CLOCK_UNCONFIRMED},
    {"a liar against two and the clock",
     provisional_liar,
     3,
     {STATE_FALSETICKER, STATE_SELECTED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"a liar against one and the clock",
     provisional_liar,
     2,
     {STATE_FALSETICKER, STATE_FALSETICKER},
     CLOCK_NO_MAJORITY},
    {"two of one name against the clock",
     provisional_pool,
     2,
     {STATE_UNCONFIRMED, STATE_UNCONFIRMED},
     CLOCK_UNCONFIRMED},
    {"two of one name and another one",
     provisional_pool,
     3,
     {STATE_SELECTED, STATE_COMBINED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"two with one key against the clock",
     provisional_key,
     2,
     {STATE_UNCONFIRMED, STATE_UNCONFIRMED},
     CLOCK_UNCONFIRMED},
    {"two with one key and another one",
     provisional_key,
     3,
     {STATE_SELECTED, STATE_COMBINED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"two with keys that differ in a bit",
     provisional_two_keys,
     2,
     {STATE_SELECTED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"two at one address against the clock",
     provisional_twins,
     2,
     {STATE_UNCONFIRMED, STATE_UNCONFIRMED},
     CLOCK_UNCONFIRMED},
    {"two, and one that is both",
     provisional_chain,
     3,
     {STATE_SELECTED, STATE_COMBINED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"one against the clock confirmed by one for it",
     provisional_first,
     2,
     {STATE_SELECTED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"one against the clock, confirmed by a stranger only",
     provisional_beside_strangers,
     2,
     {STATE_UNCONFIRMED, STATE_WAITING},
     CLOCK_UNCONFIRMED},
    {"one against the clock beside one that counts without",
     provisional_beside_equals,
     2,
     {STATE_UNCONFIRMED, STATE_SELECTED},
     CLOCK_SYNCHRONIZED},
    {"outside its own dates",
     contradictory,
     3,
     {STATE_CONTRADICTORY, STATE_SELECTED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"outside its own dates, though the clock is not",
     contradictory_past,
     1,
     {STATE_CONTRADICTORY},
     CLOCK_NO_SELECTABLE},
    {"two of five against what was known",
     outdated_two,
     5,
     {STATE_UNCONFIRMED, STATE_UNCONFIRMED, STATE_MISSING_SAMPLES, STATE_MISSING_SAMPLES,
      STATE_MISSING_SAMPLES},
     CLOCK_UNCONFIRMED},
    {"two of five against what was known, though the clock is for them",
     outdated_fitting,
     5,
     {STATE_UNCONFIRMED, STATE_UNCONFIRMED, STATE_MISSING_SAMPLES, STATE_MISSING_SAMPLES,
      STATE_MISSING_SAMPLES},
     CLOCK_UNCONFIRMED},
    {"three of five against what was known",
     outdated_three,
     5,
     {STATE_SELECTED, STATE_COMBINED, STATE_COMBINED, STATE_MISSING_SAMPLES, STATE_MISSING_SAMPLES},
     CLOCK_SYNCHRONIZED},
    {"preferred", prefer_second, 2, {STATE_NOT_PREFERRED, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"preferred lies",
     preferred_lies,
     3,
     {STATE_FALSETICKER, STATE_SELECTED, STATE_COMBINED},
     CLOCK_SYNCHRONIZED},
    {"better one waits for a sample",
     better_waits,
     2,
     {STATE_SELECTED, STATE_WAITING_UPDATE},
     CLOCK_SYNCHRONIZED},
    {"better one has its sample", better_wins, 2, {STATE_DISTANT, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"the selected one stays", near_one_stays, 2, {STATE_COMBINED, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
    {"distant", distant, 2, {STATE_SELECTED, STATE_DISTANT}, CLOCK_SYNCHRONIZED},
    {"other frequency", other_frequency, 2, {STATE_SELECTED, STATE_DISTANT}, CLOCK_SYNCHRONIZED},
    {"no combining", no_combining, 2, {STATE_SELECTED, STATE_DISTANT}, CLOCK_SYNCHRONIZED},
    {"a stratum more costs", second_stratum, 2, {STATE_COMBINED, STATE_SELECTED}, CLOCK_SYNCHRONIZED},
};

static void run_row(const Row *row, SelectOutcome *outcomes, SelectResult *result)
{
    SelectionConfig config = default_config();
    SelectCandidate candidates[SOURCES_MAX];

    memset(memory, 0, sizeof(memory));
    for (size_t i = 0; i < SOURCES_MAX; i++)
        candidates[i] = good(i, 0.001 * (double) i);
    row->arrange(&config, candidates);
    select_run(&config, candidates, row->count, AT, REFERENCE, outcomes, result);
}

static void test_states(void **state)
{
    (void) state;
    for (size_t r = 0; r < ELEMENTS(rows); r++) {
        SelectOutcome outcomes[SOURCES_MAX];
        SelectResult result;

        run_row(&rows[r], outcomes, &result);
        if (result.reason != rows[r].reason)
            fail_msg("%s: reason %d instead of %d", rows[r].name, (int) result.reason, (int) rows[r].reason);
        if (result.selected != (rows[r].reason == CLOCK_SYNCHRONIZED))
            fail_msg("%s: selected does not fit the reason", rows[r].name);
        for (size_t i = 0; i < rows[r].count; i++)
            if (outcomes[i].state != rows[r].states[i])
                fail_msg("%s: source %zu is %d instead of %d", rows[r].name, i, (int) outcomes[i].state,
                         (int) rows[r].states[i]);
    }
}

/* Each state is in the table. */
static void test_every_state_has_a_row(void **state)
{
    bool seen[STATE_COUNT] = {false};

    (void) state;
    for (size_t r = 0; r < ELEMENTS(rows); r++)
        for (size_t i = 0; i < rows[r].count; i++)
            seen[rows[r].states[i]] = true;
    for (int s = 0; s < STATE_COUNT; s++)
        if (!seen[s])
            fail_msg("no row for state %d", s);
}

static void test_values_explain(void **state)
{
    const Row lies = {"", liar, 3, {0}, 0}, jitters = {"", jittery, 2, {0}, 0};
    SelectOutcome outcomes[SOURCES_MAX];
    SelectResult result;

    (void) state;
    run_row(&lies, outcomes, &result);
    assert_int_equal(result.agreeing, 2);
    assert_int_equal(result.candidates, 3);
    assert_true(fabs(outcomes[0].value - (1 - 0.010 - 0.011)) < 1e-6); /* the gap between the intervals */
    assert_true(fabs(outcomes[0].low - 0.99) < 1e-9 && fabs(outcomes[0].high - 1.01) < 1e-9);
    run_row(&jitters, outcomes, &result);
    assert_true(fabs(outcomes[0].value - 1.5) < 1e-12 && fabs(outcomes[0].limit - 1) < 1e-12);
}

static void test_leap_by_majority(void **state)
{
    static const struct {
        const char *name;
        LeapStatus leaps[3];
        LeapStatus expected;
    } votes[] = {
        {"none", {LEAP_NORMAL, LEAP_NORMAL, LEAP_NORMAL}, LEAP_NORMAL},
        {"one of three", {LEAP_INSERT, LEAP_NORMAL, LEAP_NORMAL}, LEAP_NORMAL},
        {"two of three", {LEAP_INSERT, LEAP_NORMAL, LEAP_INSERT}, LEAP_INSERT},
        {"delete", {LEAP_DELETE, LEAP_DELETE, LEAP_INSERT}, LEAP_DELETE},
        {"split", {LEAP_DELETE, LEAP_NORMAL, LEAP_INSERT}, LEAP_NORMAL},
    };

    (void) state;
    for (size_t v = 0; v < ELEMENTS(votes); v++) {
        SelectionConfig config = default_config();
        SelectCandidate candidates[3];
        SelectOutcome outcomes[3];
        SelectResult result;

        memset(memory, 0, sizeof(memory));
        for (size_t i = 0; i < 3; i++) {
            candidates[i] = good(i, 0);
            candidates[i].leap = votes[v].leaps[i];
        }
        select_run(&config, candidates, 3, AT, REFERENCE, outcomes, &result);
        if (result.leap != votes[v].expected)
            fail_msg("%s: leap %d", votes[v].name, (int) result.leap);
    }
}

/* A challenger that is a little better at every update takes over in the end, not at once. */
static void test_score_takes_time(void **state)
{
    SelectionConfig config = default_config();
    SelectCandidate candidates[2] = {good(0, 0), good(1, 0)};
    SelectOutcome outcomes[2];
    SelectResult result;
    int runs = 0;

    (void) state;
    memset(memory, 0, sizeof(memory));
    memory[0].was_selected = true;
    candidates[1].root_delay = 0.012;
    do {
        select_run(&config, candidates, 2, AT, REFERENCE, outcomes, &result);
        runs++;
    } while (result.best == 0 && runs < 100);
    assert_in_range(runs, 4, 20);
}

static void test_combination(void **state)
{
    SelectionConfig config = default_config();
    SelectCandidate candidates[2] = {good(0, 0.001), good(1, 0.002)};
    SelectOutcome outcomes[2];
    SelectResult result;

    (void) state;
    memset(memory, 0, sizeof(memory));
    select_run(&config, candidates, 2, AT, REFERENCE, outcomes, &result);
    assert_int_equal(result.combined, 2);
    assert_true(fabs(cooked_diff(result.estimate.truth, REFERENCE) - 0.0015) < 1e-6);
    /* Ten times their own errors apart: the mean is known no better than that distance tells. */
    assert_true(result.estimate.offset_sd > 3e-4 && result.estimate.offset_sd < 1e-3);
    candidates[1] = good(1, 0.001);
    select_run(&config, candidates, 2, AT, REFERENCE, outcomes, &result);
    assert_true(result.estimate.offset_sd < 1e-4);
}

/* Whatever a minority says, the combined time stays within what the honest ones say. */
static void test_minority_never_wins(void **state)
{
    uint64_t seed = 1;

    (void) state;
    for (int round = 0; round < 1000; round++) {
        SelectionConfig config = default_config();
        SelectCandidate candidates[SOURCES_MAX];
        SelectOutcome outcomes[SOURCES_MAX];
        SelectResult result;
        size_t count = 3 + (size_t) round % 6, liars = (count - 1) / 2;

        memset(memory, 0, sizeof(memory));
        for (size_t i = 0; i < count; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            double u = (double) (seed >> 11) * 0x1p-53 - 0.5;

            candidates[i] = good(i, i < liars ? 0.03 + (u + 0.5) * (round % 3 ? 1 : 0) : 0.018 * u);
            candidates[i].memory->was_selected = i == 0;
        }
        select_run(&config, candidates, count, AT, REFERENCE, outcomes, &result);
        assert_true(result.selected);
        assert_true(result.best >= liars);
        assert_true(fabs(cooked_diff(result.estimate.truth, REFERENCE)) <= 0.009);
    }
}

static void test_intersection(void **state)
{
    const Interval three[] = {{0, 4}, {3, 6}, {2, 3.5}, {10, 11}};
    Interval found = {0};

    (void) state;
    assert_int_equal(intersection_find(three, 4, &found), 3);
    assert_true(fabs(found.low - 3) < 1e-12 && fabs(found.high - 3.5) < 1e-12);
    assert_int_equal(intersection_find(three, 0, &found), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_every_state_has_a_row),
        cmocka_unit_test(test_values_explain),
        cmocka_unit_test(test_leap_by_majority),
        cmocka_unit_test(test_score_takes_time),
        cmocka_unit_test(test_combination),
        cmocka_unit_test(test_minority_never_wins),
        cmocka_unit_test(test_intersection),
    };

    return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
