// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>

#include "core/ntp/poll.h"
#include "unit.h"

static SourceConfig config_of(int minpoll, int maxpoll)
{
    SourceConfig config = source_config_default(SOURCE_SERVER, "a");

    config.minpoll = minpoll;
    config.maxpoll = maxpoll;
    return config;
}

static void test_reach(void **state)
{
    SourceConfig config = config_of(6, 10);
    Poll poll = poll_start(&config);
    PollGood good = {.coherence = NAN, .error = NAN};

    (void) state;
    poll_on_good(&poll, &config, &good);
    poll_on_missed(&poll, &config, false);
    poll_on_refused(&poll, &config, false);
    assert_int_equal(poll.reach, 5);
    assert_int_equal(poll.reach_count, 3);
    for (int i = 0; i < 8; i++)
        poll_on_missed(&poll, &config, false);
    assert_int_equal(poll.reach, 0);
    assert_int_equal(poll.missed_run, 8);
    poll_on_refused(&poll, &config, false);
    assert_int_equal(poll.reach, 1);
    assert_int_equal(poll.missed_run, 0);
}

static void test_interval(void **state)
{
    static const struct {
        const char *name;
        int minpoll;
        uint8_t reach;
        double delay;
        double expected;
    } rows[] = {
        {"a minute", 6, 0, -1, 64},
        {"a second", 0, 0, -1, 1},
        {"eight a second, near", -3, 1, 0.005, 0.125},
        {"128 a second, near", -7, 255, 0.0001, 1 / 128.0},
        {"far", -3, 1, 0.02, 1},
        {"unreachable", -3, 0, 0.005, 1},
        {"delay unknown", -3, 1, -1, 1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        SourceConfig config = config_of(rows[i].minpoll, rows[i].minpoll);
        Poll poll = poll_start(&config);
        poll.reach = rows[i].reach;
        if (poll_interval(&poll, poll.poll, rows[i].delay) != rows[i].expected)
            fail_msg("%s", rows[i].name);
    }
}

static void test_burst(void **state)
{
    SourceConfig config = config_of(6, 6);
    Poll poll = poll_start(&config);
    PollGood good = {.coherence = NAN, .error = NAN};
    int sent = 0;

    (void) state;
    /* Four good ones end it. */
    poll_burst(&poll, 4, 8);
    for (; poll_in_burst(&poll); sent++) {
        assert_true(poll_interval(&poll, poll.poll, 0.01) == 2);
        poll_on_sent(&poll);
        poll_on_good(&poll, &config, &good);
    }
    assert_int_equal(sent, 4);
    assert_true(poll_interval(&poll, poll.poll, 0.01) == 64);

    /* Eight in all, if they are lost. */
    poll_burst(&poll, 4, 8);
    for (sent = 0; poll_in_burst(&poll); sent++) {
        poll_on_sent(&poll);
        poll_on_missed(&poll, &config, false);
    }
    assert_int_equal(sent, 8);

    /* At short intervals a quarter of them. */
    config = config_of(1, 1);
    poll = poll_start(&config);
    poll_burst(&poll, 1, 2);
    assert_true(poll_interval(&poll, poll.poll, 0.01) == 0.5);
}

static void test_kiss(void **state)
{
    SourceConfig config = config_of(6, 10);
    Poll poll = poll_start(&config);

    (void) state;
    poll_burst(&poll, 4, 8);
    poll_on_kiss(&poll);
    assert_false(poll_in_burst(&poll));
    assert_true(poll_interval(&poll, poll.poll, 0.01) == 5 * 64);
    assert_true(poll_interval(&poll, poll.poll, 0.01) == 64);
}

static void test_limits(void **state)
{
    SourceConfig config = config_of(4, 6);
    Poll poll = poll_start(&config);

    (void) state;
    for (int i = 0; i < 1000; i++) {
        poll_on_missed(&poll, &config, false);
        assert_in_range(poll.poll, 4, 6);
    }
    config = config_of(8, 9);
    poll_on_limits(&poll, &config);
    assert_int_equal(poll.poll, 8);
    config = config_of(2, 3);
    poll_on_limits(&poll, &config);
    assert_int_equal(poll.poll, 3);
}

/* The interval moves to where the oscillator's coherence wants it, and stays there. */
static void test_adaptation(void **state)
{
    static const struct {
        const char *name;
        double coherence;
        int target, expected;
    } rows[] = {
        {"a wild oscillator", 10, 8, 6},     {"a usual one", 600, 8, 9},          {"a quiet one", 1e6, 8, 10},
        {"more samples wanted", 600, 32, 6}, {"fewer samples wanted", 250, 4, 9}, {"unknown", NAN, 8, 6},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        SourceConfig config = config_of(6, 10);
        Poll poll = poll_start(&config);
        PollGood good = {.coherence = rows[i].coherence, .error = NAN};

        config.poll_target = rows[i].target;
        for (int k = 0; k < 20; k++)
            poll_on_good(&poll, &config, &good);
        if (poll.poll != rows[i].expected)
            fail_msg("%s: %d", rows[i].name, poll.poll);
        /* A sample that is far off is answered at once. */
        good.error = 8e-3;
        good.expected = 1e-3;
        poll_on_good(&poll, &config, &good);
        assert_true(poll.poll <= MAX(rows[i].expected - 2, 6));
    }
}

static void test_separation(void **state)
{
    static const struct {
        int poll;
        double expected;
    } rows[] = {{10, 0.2}, {1, 0.2}, {0, 0.125}, {-3, 1 / 64.0}, {-7, 0.002}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        SourceConfig config = config_of(rows[i].poll, rows[i].poll);
        Poll poll = poll_start(&config);
        assert_true(poll_separation(&poll) == rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reach),      cmocka_unit_test(test_interval), cmocka_unit_test(test_burst),
        cmocka_unit_test(test_kiss),       cmocka_unit_test(test_limits),   cmocka_unit_test(test_separation),
        cmocka_unit_test(test_adaptation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
