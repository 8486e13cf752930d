// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Who may connect for keys, how often, and what is told of it. */

#include "key-gate.h"

#include <string.h>

#include "unit.h"

static const uint8_t secret[SIPHASH_KEY_SIZE] = "not a secret";
static KeyGate *gate;
static AccessTable *table;

static IpAddress address(const char *text)
{
    IpAddress parsed;

    assert_true(ip_address_parse(text, &parsed));
    return parsed;
}

static MonoTime at(double seconds)
{
    return mono_add((MonoTime) {0}, seconds);
}

static bool admits(const char *client, double seconds)
{
    const IpAddress from = address(client);

    return key_gate_admits(gate, &from, at(seconds));
}

static int setup(void **state)
{
    const AccessRule rule = {.allow = true, .network = address("192.0.2.0"), .prefix = 24};

    (void) state;
    assert_int_equal(access_table_new(&rule, 1, &table), 0);
    return key_gate_new(secret, &gate);
}

static int teardown(void **state)
{
    (void) state;
    gate = key_gate_free(gate);
    table = access_table_free(table);
    return 0;
}

static void test_access(void **state)
{
    KeyServerReport report;

    (void) state;
    assert_false(admits("192.0.2.1", 0));
    key_gate_set_access(gate, table);
    assert_true(admits("192.0.2.1", 0));
    assert_false(admits("198.51.100.1", 0));
    key_gate_set_access(gate, NULL);
    assert_false(admits("192.0.2.1", 0));
    key_gate_count(gate, KEYS_GIVEN);
    key_gate_report(gate, &report);
    assert_int_equal(report.accepted, 1);
    assert_int_equal(report.verdicts[KEYS_DENIED], 3);
    assert_int_equal(report.verdicts[KEYS_GIVEN], 1);
    assert_int_equal(report.dropped, 0);
}

/* Two at once, one more each eight seconds; of the others one of sixteen. */
static void test_limit(void **state)
{
    const RateLimitConfig limit = {.enabled = true, .interval = 3, .burst = 2, .leak = 4};
    KeyServerReport report;
    unsigned leaked = 0;

    (void) state;
    key_gate_set_access(gate, table);
    assert_int_equal(key_gate_configure(gate, &limit, 4096), 0);
    assert_true(admits("192.0.2.1", 0) && admits("192.0.2.1", 0));
    for (int i = 0; i < 1600; i++)
        leaked += admits("192.0.2.1", 0.001 * i);
    assert_in_range(leaked, 50, 150);
    assert_true(admits("192.0.2.2", 2) && admits("192.0.2.2", 2));
    assert_true(admits("192.0.2.1", 9));
    key_gate_report(gate, &report);
    assert_int_equal(report.accepted, 1605);
    assert_int_equal(report.dropped, 1600 - leaked);
    assert_int_equal(report.verdicts[KEYS_LIMITED], 1600 - leaked);
}

static void test_clients(void **state)
{
    const RateLimitConfig none = {0};
    ClientReport client = {.address = address("192.0.2.1"), .received = 7}, other;
    uint64_t position = 0;

    (void) state;
    key_gate_set_access(gate, table);
    key_gate_fill_client(gate, at(0), &client); /* no log: nobody is known */
    assert_int_equal(client.keys_received, 0);
    assert_true(client.keys_since_last < 0);
    assert_int_equal(key_gate_configure(gate, &none, 4096), 0);
    assert_true(admits("192.0.2.1", 0) && admits("192.0.2.1", 64));
    key_gate_fill_client(gate, at(100), &client);
    assert_int_equal(client.received, 7);
    assert_int_equal(client.keys_received, 2);
    assert_int_equal(client.keys_interval, 6);
    assert_float_equal(client.keys_since_last, 36, 0.001);

    assert_true(key_gate_next_client(gate, &position, at(100), &other));
    assert_true(ip_address_equal(&other.address, &client.address));
    assert_int_equal(other.received, 0);
    assert_true(other.since_last < 0);
    assert_int_equal(other.keys_received, 2);
    assert_false(key_gate_next_client(gate, &position, at(100), &other));

    key_gate_reset_clients(gate);
    key_gate_fill_client(gate, at(100), &client);
    assert_int_equal(client.keys_received, 0);
    assert_true(client.keys_since_last > 0);

    /* The same size keeps the log, another one or none does not. */
    assert_int_equal(key_gate_configure(gate, &none, 4096), 0);
    key_gate_fill_client(gate, at(100), &client);
    assert_true(client.keys_since_last > 0);
    assert_int_equal(key_gate_configure(gate, &none, 0), 0);
    key_gate_fill_client(gate, at(100), &client);
    assert_true(client.keys_since_last < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_access, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clients, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
