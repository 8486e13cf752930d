// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/api/explain.h"
#include "unit.h"

/* A source in a state, with the numbers that matter to the sentence. */
static Explanation explanation(SourceState state, double value, double limit)
{
    return (Explanation) {
        .source = {.state = state,
                   .online = true,
                   .samples = 4,
                   .reachability = 1,
                   .stratum = 3,
                   .estimated_offset = 0.012,
                   .estimated_offset_error = 3e-6},
        .selection = {.state = state, .low_limit = 0.99, .high_limit = 1.01, .root_distance = 0.01},
        .value = value,
        .limit = limit,
        .agreeing = 3,
        .candidates = 4,
        .majority_low = -0.001,
        .majority_high = 0.0,
    };
}

static void test_sentence_of_a_state(void **state)
{
    static const struct {
        SourceState state;
        double value, limit;
        const char *expected;
    } rows[] = {
        {STATE_UNCONFIRMED, 1, 2,
         "The dates of its certificates do not fit our clock, and too few other sources confirm its time. 1 "
         "of at least 2 "
         "authenticated sources with different names agree on it."},
        {STATE_FALSETICKER, NAN, NAN,
         "It differs by 1.000 s from the interval on which 3 of 4 sources agree: its time is ahead."},
        {STATE_UNTRUSTED, NAN, NAN,
         "It differs by 1.000 s from the interval on which 3 of 4 trusted sources agree: its time is ahead."},
        {STATE_TOO_DISTANT, 3.2, 3, "Its root distance is 3.200 s, above maxdistance 3.000 s."},
        {STATE_TOO_DISTANT, NAN, NAN, "Its root distance is above maxdistance."},
        {STATE_JITTERY, 12.34, 1,
         "The standard deviation of its samples is 12.3 s, above maxjitter 1.000 s."},
        {STATE_BAD_STRATUM, 3, 2, "Its stratum is 3, above maxstratum 2."},
        {STATE_BAD_STRATUM, 3, 4, "Its stratum is 3, below minstratum 4."},
        {STATE_MISSING_SAMPLES, 4, 6, "It has given 4 of the 6 samples that are needed."},
        {STATE_WAITING, 3, 5, "It agrees with the majority, but only 3 of at least 5 sources do."},
        {STATE_DISTANT, 0.0125, 3e-6,
         "It is good, but its distance is 12.50 ms, above the limit for combining 3.0 us."},
        {STATE_SELECTED, NAN, NAN,
         "It is selected: by 4 samples our clock is 12.00 ms slow, give or take 3.0 us; its root distance is "
         "10.00 ms."},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Explanation e = explanation(rows[i].state, rows[i].value, rows[i].limit);
        char buffer[256];
        Text text = TEXT(buffer);

        explain_source(&e, &text);
        assert_string_equal(buffer, rows[i].expected);
    }
}

static void test_every_state_has_a_sentence(void **state)
{
    static const double numbers[] = {0, NAN, INFINITY, -1e300};

    (void) state;
    for (unsigned s = 0; s <= STATE_COUNT; s++)
        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
            Explanation e = explanation((SourceState) s, numbers[i], numbers[ELEMENTS(numbers) - 1 - i]);
            char buffer[2048];
            Text text = TEXT(buffer);

            e.majority_low = numbers[i];
            explain_source(&e, &text);
            assert_true(text.length > 10 && buffer[text.length - 1] == '.' && !strstr(buffer, "nan"));
        }
}

static void test_trouble_is_told(void **state)
{
    Explanation e = explanation(STATE_ORPHAN, NAN, NAN);
    char buffer[512];
    Text text = TEXT(buffer);

    (void) state;
    e.source.reachability = 0;
    e.last_verdict = PACKET_LOOP;
    explain_source(&e, &text);
    assert_string_equal(buffer, "Its stratum is not below the orphan stratum of the local reference. It has "
                                "not answered the last eight polls. Its last packet was "
                                "not used: The server is synchronised to this machine (test D).");

    e = explanation(STATE_MISSING_SAMPLES, 0, 3);
    e.source.samples = 0;
    e.source.last_receive = COOKED_UNSET;
    text = TEXT(buffer);
    explain_source(&e, &text);
    assert_string_equal(buffer, "It has not answered yet.");
    e.source.resolving = true;
    text = TEXT(buffer);
    explain_source(&e, &text);
    assert_string_equal(buffer, "Its name has no address yet.");
    e.refused_name = true;
    text = TEXT(buffer);
    explain_source(&e, &text);
    assert_string_equal(buffer, "Its name has no address yet. DNSSEC refuses what its name is said to mean.");
}

static void test_network(void **state)
{
    Explanation e = explanation(STATE_NOSELECT, NAN, NAN);
    char buffer[512];
    Text text = TEXT(buffer);

    (void) state;
    e.network = (NetworkState) {.connectivity = CONNECTIVITY_PORTAL, .metered = true};
    e.doubtful_name = true;
    e.source.poll = 10;
    explain_source(&e, &text);
    assert_non_null(strstr(buffer,
                           " Its name may have been looked up behind a captive portal: it will be looked up "
                           "again when the portal is passed. The network is metered: it is polled at its "
                           "longest interval, every 1024 s."));
    e.network = (NetworkState) {.connectivity = CONNECTIVITY_LIMITED};
    text = TEXT(buffer);
    explain_source(&e, &text);
    assert_null(strstr(buffer, "portal"));
    assert_null(strstr(buffer, "metered"));

    e = explanation(STATE_MISSING_SAMPLES, NAN, NAN);
    e.authentication.mode = AUTHENTICATION_NTS;
    e.keys_held = true;
    text = TEXT(buffer);
    explain_source(&e, &text);
    assert_string_equal(
        buffer, "It is not asked: the network is behind a captive portal, where no keys are established.");
}

static void test_why_it_is_offline(void **state)
{
    static const struct {
        OfflineReason reason;
        int error;
        const char *expected;
    } rows[] = {
        {OFFLINE_NOT, 0, "It is offline."},
        {OFFLINE_BY_HAND, 0,
         "It is offline: a command or the configuration wants it so (\"timectl online\" undoes that)."},
        {OFFLINE_NO_WAY, ENETUNREACH,
         "It is offline: there is no route to 192.0.2.1 (Network is unreachable)."},
        {OFFLINE_NO_WAY, ENETDOWN, "It is offline: the link to 192.0.2.1 has no carrier (Network is down)."},
        {OFFLINE_NO_WAY, EHOSTUNREACH,
         "It is offline: a route or rule bars the way to 192.0.2.1 (No route to host)."},
        {OFFLINE_NO_WAY, EINVAL,
         "It is offline: a route or rule bars the way to 192.0.2.1 (Invalid argument)."},
        {OFFLINE_NO_WAY, EADDRNOTAVAIL,
         "It is offline: this machine has no address from which to ask 192.0.2.1 (Cannot assign requested "
         "address)."},
        {OFFLINE_NO_WAY, ENODEV, "It is offline: the device of bindacqdevice is not there (No such device)."},
        {OFFLINE_NO_WAY, EAFNOSUPPORT,
         "It is offline: the family of addresses of 192.0.2.1 is not in use here (Address family not "
         "supported by protocol)."},
        {OFFLINE_NO_WAY, 123456, "It is offline: there is no route to 192.0.2.1."},
        {OFFLINE_SEND_FAILED, EPERM,
         "It is offline: a request to 192.0.2.1 could not be sent (Operation not permitted)."},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Explanation e = explanation(STATE_MISSING_SAMPLES, NAN, NAN);
        char buffer[512];
        Text text = TEXT(buffer);

        e.source.online = false;
        e.source.offline_reason = rows[i].reason;
        e.source.way_error = rows[i].error;
        assert_true(ip_address_parse("192.0.2.1", &e.source.remote.address));
        explain_source(&e, &text);
        assert_string_equal(buffer, rows[i].expected);

        /* Whatever selection says of the samples that it has. */
        e.source.state = STATE_STALE;
        text = TEXT(buffer);
        explain_source(&e, &text);
        assert_non_null(strstr(buffer, rows[i].expected));
    }
}

static void test_clock(void **state)
{
    ClockReport clock = {.synchronized = true};
    ActivityReport activity = {.online = 1, .offline = 1, .unresolved = 2};
    char buffer[256];
    Text text = TEXT(buffer);

    (void) state;
    explain_clock(&clock, &activity, &text);
    assert_string_equal(buffer, "");
    clock = (ClockReport) {.reason = CLOCK_NO_RESPONSE};
    explain_clock(&clock, &activity, &text);
    assert_string_equal(buffer,
                        "No source has answered. 1 source is offline. 2 sources are without an address.");
    for (int reason = 0; reason <= CLOCK_REASON_COUNT; reason++) {
        clock.reason = (ClockReason) reason;
        text = TEXT(buffer);
        explain_clock(&clock, &activity, &text);
        assert_true(text.length > 10 && !text.truncated && buffer[text.length - 1] == '.');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentence_of_a_state), cmocka_unit_test(test_every_state_has_a_sentence),
        cmocka_unit_test(test_trouble_is_told),     cmocka_unit_test(test_network),
        cmocka_unit_test(test_why_it_is_offline),   cmocka_unit_test(test_clock),
    };

    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
