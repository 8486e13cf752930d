// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The token bucket, and the log of clients that carries one for each. */

#include <stdio.h>
#include <string.h>

#include "core/ntp/client-log.h"
#include "unit.h"

static MonoTime at(double seconds)
{
    return (MonoTime) {1000 * NSEC_PER_SEC + ns_from_seconds(seconds)};
}

static IpAddress numbered(uint32_t number)
{
    return (IpAddress) {.family = IP_V4,
                        .bytes = {(uint8_t) (number >> 24), (uint8_t) (number >> 16), (uint8_t) (number >> 8),
                                  (uint8_t) number}};
}

/* Limits. */

typedef struct LimitCase {
    const char *name;
    int8_t interval;
    uint8_t burst;
    double every; /* s between requests */
    int requests;
    int passed; /* with bits that never leak */
} LimitCase;

static const LimitCase limit_cases[] = {
    {"a burst passes", 3, 8, 0, 8, 8},
    {"what is beyond it does not", 3, 8, 0, 20, 8},
    {"at the interval all pass", 3, 1, 8, 100, 100},
    {"at half of it each second", 3, 1, 4, 100, 50},
    {"a token comes back with each interval", 0, 4, 0.25, 100, 28},
    {"sub-second", -4, 1, 0.03125, 64, 32},
    {"the shortest", -19, 1, 2e-6, 100, 100},
    {"the longest", 12, 255, 1, 4097, 256},
};

static void test_limit(void **state)
{
    (void) state;
    for (size_t i = 0; i < ELEMENTS(limit_cases); i++) {
        const LimitCase *c = &limit_cases[i];
        RateLimitConfig limit = {.enabled = true, .interval = c->interval, .burst = c->burst, .leak = 2};
        RateState bucket = {0};
        int passed = 0;

        print_message("# %s\n", c->name);
        for (int n = 0; n < c->requests; n++)
            passed += rate_limit_check(&limit, &bucket, at(n * c->every), UINT32_MAX) == RATE_PASS;
        assert_int_equal(passed, c->passed);
    }
}

static void test_leak_and_kiss(void **state)
{
    RateLimitConfig limit = {.enabled = true, .interval = 10, .burst = 1, .leak = 2, .kod = 1};
    RateState bucket = {0};
    int counts[RATE_DROP + 1] = {0};

    (void) state;
    for (uint32_t n = 0; n <= 4096; n++)
        counts[rate_limit_check(&limit, &bucket, at(0), n * UINT32_C(0x9e3779b1))]++;
    assert_int_equal(counts[RATE_PASS], 1);
    assert_in_range(counts[RATE_LEAK], 950, 1100);  /* a quarter */
    assert_in_range(counts[RATE_KISS], 1400, 1680); /* half of the rest */
    limit.kod = 0;
    counts[RATE_KISS] = 0;
    for (uint32_t n = 0; n <= 4096; n++)
        counts[rate_limit_check(&limit, &bucket, at(0), n * UINT32_C(0x9e3779b1))]++;
    assert_int_equal(counts[RATE_KISS], 0);
    limit.enabled = false;
    assert_int_equal(rate_limit_check(&limit, &bucket, at(0), UINT32_MAX), RATE_PASS);
}

/* The log. */

static ClientLog *new_log(size_t bytes)
{
    static const uint8_t secret[SIPHASH_KEY_SIZE] = "not a secret....";
    SipKey key = siphash_key(secret);
    ClientLog *log = NULL;

    assert_int_equal(client_log_new(bytes, &key, &log), 0);
    return log;
}

static bool find(const ClientLog *log, const IpAddress *address, MonoTime now, ClientReport *ret)
{
    uint64_t position = 0;

    while (client_log_next(log, &position, now, ret))
        if (ip_address_equal(&ret->address, address))
            return true;
    return false;
}

static ClientRecord *hit(ClientLog *log, uint32_t number, double seconds)
{
    IpAddress address = numbered(number);

    return client_log_hit(log, &address, at(seconds));
}

static bool find_numbered(const ClientLog *log, uint32_t number, ClientReport *ret)
{
    IpAddress address = numbered(number);

    return find(log, &address, at(0), ret);
}

static void test_size(void **state)
{
    static const struct {
        size_t bytes, clients;
    } rows[] = {{0, 8}, {1, 8}, {2047, 8}, {2048, 16}, {524288, 4096}, {600000, 4096}, {1048576, 8192}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(client_log_freep) ClientLog *log = new_log(rows[i].bytes);
        assert_int_equal(client_log_size(log), rows[i].clients);
        assert_int_equal(client_log_count(log), 0);
    }
}

static void test_counts(void **state)
{
    cleanup_(client_log_freep) ClientLog *log = new_log(524288);
    IpAddress a = numbered(1), b = {.family = IP_V6, .bytes = {0xfe, 0x80}, .scope = 1}, c = b;
    ClientReport report;

    (void) state;
    c.scope = 2; /* the same link-local address on another link is another client */
    for (int i = 0; i < 10; i++)
        client_log_answered(client_log_hit(log, &a, at(i * 64)), true);
    client_log_answered(client_log_hit(log, &b, at(5)), false);
    (void) client_log_hit(log, &c, at(6));
    assert_int_equal(client_log_count(log), 3);

    assert_true(find(log, &a, at(586), &report));
    assert_int_equal(report.received, 10);
    assert_int_equal(report.dropped, 0);
    assert_int_equal(report.interval, 6);
    assert_int_equal(report.limited_interval, CLIENT_INTERVAL_UNKNOWN);
    assert_true(report.since_last > 9.99 && report.since_last < 10.01);
    assert_true(find(log, &b, at(586), &report));
    assert_int_equal(report.dropped, 1);
    assert_int_equal(report.interval, CLIENT_INTERVAL_UNKNOWN);

    client_log_reset(log);
    assert_true(find(log, &a, at(586), &report));
    assert_int_equal(report.received, 0);
    assert_int_equal(report.interval, 6);
}

static void test_intervals(void **state)
{
    static const struct {
        double every;
        int8_t expected;
    } rows[] = {{1, 0},    {1.3, 0},    {1.6, 1},   {2, 1},      {0.5, -1},
                {0.1, -3}, {1e-6, -20}, {1024, 10}, {131072, 17}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_(client_log_freep) ClientLog *log = new_log(0);
        IpAddress a = numbered(1);
        ClientReport report;
        for (int n = 0; n < 20; n++)
            (void) client_log_hit(log, &a, at(n * rows[i].every));
        assert_true(find(log, &a, at(0), &report));
        assert_int_equal(report.interval, rows[i].expected);
    }
}

/* Threat 24: addresses that are forged, each used once, do not push out those who come again. */
static void test_flood(void **state)
{
    cleanup_(client_log_freep) ClientLog *log = new_log(524288);
    size_t size = client_log_size(log), honest = size / 4, left = 0;
    ClientReport report;

    (void) state;
    for (int n = 0; n < 3; n++)
        for (uint32_t i = 0; i < honest; i++)
            (void) hit(log, i, n);
    for (uint32_t i = 0; i < 400000; i++)
        (void) hit(log, 0x80000000 | i, 3 + i * 1e-5);
    assert_int_equal(client_log_size(log), size);
    assert_int_equal(client_log_count(log), size);
    for (uint32_t i = 0; i < honest; i++)
        left += find_numbered(log, i, &report) && report.received >= 3;
    /* Only a slot into which more than eight of them fell may have lost one. */
    assert_true(left >= honest * 99 / 100);
    assert_true(client_log_dropped(log) >= 400000 - size);
}

/* A client that is gone makes room after all. */
static void test_silence(void **state)
{
    cleanup_(client_log_freep) ClientLog *log = new_log(0);
    ClientReport report;

    (void) state;
    for (uint32_t i = 0; i < 8; i++) {
        (void) hit(log, i, 0);
        (void) hit(log, i, i == 3 ? 1 : 300000);
    }
    (void) hit(log, 100, 300001);
    assert_false(find_numbered(log, 3, &report));
    assert_true(find_numbered(log, 100, &report));
    assert_int_equal(client_log_dropped(log), 1);
}

/* Who asks faster when not answered is not limited, for a while. */
static void test_hurry(void **state)
{
    cleanup_(client_log_freep) ClientLog *log = new_log(0);
    IpAddress a = numbered(1);
    ClientRecord *record = NULL;
    double now = 0;
    int suspended = 0;

    (void) state;
    for (int i = 0; i < 5; i++, now += 16)
        client_log_answered(record = client_log_hit(log, &a, at(now)), true);
    assert_false(client_log_hurries(record));
    client_log_answered(record, false);
    for (int i = 0; i < 5; i++, now += 16)
        client_log_answered(record = client_log_hit(log, &a, at(now)), false);
    assert_false(client_log_hurries(record)); /* it keeps its pace */
    for (int i = 0; i < 10; i++, now += 1)
        client_log_answered(record = client_log_hit(log, &a, at(now)), false);
    while (client_log_hurries(record))
        suspended++;
    assert_in_range(suspended, 5, 100);
}

/* A flood is no hurry: nobody waits for an answer there. */
static void test_flood_of_one(void **state)
{
    cleanup_(client_log_freep) ClientLog *log = new_log(0);
    IpAddress a = numbered(1);
    ClientRecord *record = NULL;

    (void) state;
    for (int i = 0; i < 5; i++)
        client_log_answered(client_log_hit(log, &a, at(i * 64)), true);
    for (int i = 0; i < 1000; i++) {
        record = client_log_hit(log, &a, at(320 + i * 1e-4));
        assert_false(client_log_hurries(record));
        client_log_answered(record, i < 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),        cmocka_unit_test(test_leak_and_kiss),
        cmocka_unit_test(test_size),         cmocka_unit_test(test_counts),
        cmocka_unit_test(test_intervals),    cmocka_unit_test(test_flood),
        cmocka_unit_test(test_silence),      cmocka_unit_test(test_hurry),
        cmocka_unit_test(test_flood_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
