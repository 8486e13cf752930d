// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Answers to look-ups stay within their bounds, whatever is put into them. */

#include <string.h>

#include "core/api/name-lookup.h"
#include "unit.h"

static LookupPlace place_of(uint8_t number, uint16_t record, uint16_t priority)
{
    return (LookupPlace) {
        .endpoint = {.address = {IP_V4, {192, 0, 2, number}, 0}, .port = record != 0 ? 123 : 0},
        .record = record,
        .priority = priority,
    };
}

static void test_services(void **state)
{
    static const struct {
        const char *name;
        bool service;
    } rows[] = {
        {"_ntp._udp.example.net", true},
        {"_NTP._UDP.example.net", true},
        {"_ntp._udp.x", true},
        {"_ntp._udp.", false},
        {"_ntp._udp", false},
        {"_ntp._udp..", false},
        {"ntp.example.net", false},
        {"_ntp._tcp.example.net", false},
        {"_ntske._tcp.example.net", false},
        {"x._ntp._udp.example.net", false},
        {"", false},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (lookup_is_service(rows[i].name) != rows[i].service)
            fail_msg("%s", rows[i].name);
}

static void test_found_with_the_first(void **state)
{
    LookupAnswer answer = {0};
    LookupPlace none = {0}, place = place_of(1, 0, 0), no_port = place_of(2, 1, 0);

    (void) state;
    no_port.endpoint.port = 0;
    assert_int_equal(answer.verdict, LOOKUP_NOT_FOUND);
    lookup_answer_add(&answer, &none);
    lookup_answer_add(&answer, &no_port);
    assert_int_equal(answer.verdict, LOOKUP_NOT_FOUND);
    assert_int_equal(answer.count, 0);
    lookup_answer_add(&answer, &place);
    lookup_answer_add(&answer, &place);
    assert_int_equal(answer.verdict, LOOKUP_FOUND);
    assert_int_equal(answer.count, 1);
}

/* A host with hundreds of addresses: the first ones, in their order. */
static void test_many_addresses(void **state)
{
    LookupAnswer answer = {0};

    (void) state;
    for (int i = 1; i < 256; i++) {
        LookupPlace place = place_of((uint8_t) i, 0, 0);
        lookup_answer_add(&answer, &place);
    }
    assert_int_equal(answer.count, LOOKUP_PLACES_MAX);
    for (size_t i = 0; i < answer.count; i++)
        assert_int_equal(answer.places[i].endpoint.address.bytes[3], i + 1);
}

/* A host of a service does not take the places of the others, and those who come first are not kept out by
 * those who come last. */
static void test_many_records(void **state)
{
    LookupAnswer answer = {0};

    (void) state;
    for (int i = 1; i <= 100; i++) {
        LookupPlace place = place_of((uint8_t) i, 1, 20);
        lookup_answer_add(&answer, &place);
    }
    assert_int_equal(answer.count, LOOKUP_RECORD_MAX);
    for (int i = 1; i <= 100; i++) {
        LookupPlace place = place_of((uint8_t) (100 + i), (uint16_t) (1 + i), 10);
        lookup_answer_add(&answer, &place);
    }
    assert_int_equal(answer.count, LOOKUP_PLACES_MAX);
    for (size_t i = 0; i < answer.count; i++) {
        assert_int_equal(answer.places[i].priority, 10);
        assert_int_equal(answer.places[i].record, 2 + i);
    }
}

static void test_one_host_at_two_ports(void **state)
{
    LookupAnswer answer = {0};
    LookupPlace place = place_of(1, 1, 0);

    (void) state;
    lookup_answer_add(&answer, &place);
    place.record = 2;
    lookup_answer_add(&answer, &place); /* the same again */
    place.endpoint.port = 1123;
    lookup_answer_add(&answer, &place);
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.places[1].endpoint.port, 1123);
}

static void test_records(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        const char *kept; /* NULL: it is refused */
    } rows[] = {
        {"as it comes from a resolver", "ntp.example.net", 123, "ntp.example.net."},
        {"with its dot", "ntp.example.net.", 123, "ntp.example.net."},
        {"no such service", ".", 123, NULL},
        {"nothing", "", 123, NULL},
        {"no port", "ntp.example.net", 0, NULL},
        {"an address that is none", "192.0.2.1", 123, "192.0.2.1."},
        {"metacharacters", "$(reboot)", 123, NULL},
        {"blank", "a b", 123, NULL},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        LookupRecords records = {0};
        lookup_records_add(&records, 1, 2, rows[i].port, rows[i].host);
        if (records.count != (rows[i].kept ? 1 : 0) ||
            (rows[i].kept && strcmp(records.items[0].host, rows[i].kept) != 0))
            fail_msg("%s", rows[i].text);
    }
}

/* The longest name is kept whole, and one that is longer not at all. */
static void test_long_hosts(void **state)
{
    char name[HOST_NAME_MAX_LENGTH + 3];

    (void) state;
    for (size_t length = HOST_NAME_MAX_LENGTH - 1; length <= HOST_NAME_MAX_LENGTH + 1; length++) {
        LookupRecords records = {0};
        for (size_t i = 0; i < length; i++)
            name[i] = i % 50 == 49 && i + 1 < length ? '.' : 'a';
        name[length] = '\0';
        lookup_records_add(&records, 0, 0, 123, name);
        assert_int_equal(records.count, length <= HOST_NAME_MAX_LENGTH);
        if (records.count > 0)
            assert_int_equal(strlen(records.items[0].host), length + 1);
    }
}

static void test_order_of_records(void **state)
{
    LookupRecords records = {0};

    (void) state;
    lookup_records_add(&records, 20, 1, 1, "a.b");
    lookup_records_add(&records, 10, 2, 2, "a.b");
    lookup_records_add(&records, 20, 3, 3, "a.b");
    lookup_records_add(&records, 10, 4, 4, "a.b");
    assert_int_equal(records.count, 4);
    static const uint16_t order[] = {2, 4, 1, 3};
    for (size_t i = 0; i < ELEMENTS(order); i++)
        assert_int_equal(records.items[i].port, order[i]);
    const LookupPlace place = lookup_record_place(&records, 2, &(IpAddress) {IP_V4, {1, 2, 3, 4}, 0});
    assert_int_equal(place.record, 3);
    assert_int_equal(place.priority, 20);
    assert_int_equal(place.weight, 1);
    assert_int_equal(place.endpoint.port, 1);
    assert_int_equal(place.endpoint.address.bytes[3], 4);
}

static void test_literals(void **state)
{
    const IpAddress address = {IP_V4, {192, 0, 2, 1}, 0};

    (void) state;
    assert_int_equal(lookup_answer_literal(&address, IP_UNSPEC).verdict, LOOKUP_FOUND);
    assert_int_equal(lookup_answer_literal(&address, IP_V4).count, 1);
    assert_int_equal(lookup_answer_literal(&address, IP_V6).count, 0);
    assert_int_equal(lookup_answer_literal(&address, IP_V6).verdict, LOOKUP_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_found_with_the_first),
        cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_many_records),
        cmocka_unit_test(test_one_host_at_two_ports),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_long_hosts),
        cmocka_unit_test(test_order_of_records),
    };

    return cmocka_run_group_tests_name("name-lookup", tests, NULL, NULL);
}
