// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* SRV records out of the bytes of a server: RFC 1035, 2782. */

#include <stdlib.h>
#include <string.h>

#include "net/service-records.h"
#include "unit.h"

#define MESSAGE_MAX 4096

typedef struct Message {
    uint8_t bytes[MESSAGE_MAX];
    size_t length;
} Message;

static void put8(Message *message, unsigned value)
{
    assert_true(message->length < MESSAGE_MAX);
    message->bytes[message->length++] = (uint8_t) value;
}

static void put16(Message *message, unsigned value)
{
    put8(message, value >> 8);
    put8(message, value & 0xff);
}

static void put_name(Message *message, const char *name)
{
    while (*name) {
        size_t length = strcspn(name, ".");
        put8(message, (unsigned) length);
        for (size_t i = 0; i < length; i++)
            put8(message, (uint8_t) name[i]);
        name += length + (name[length] == '.');
    }
    put8(message, 0);
}

/* Header, question, and that many answers to come. */
static Message message_of(unsigned answers)
{
    Message message = {0};

    put16(&message, 0x1234);
    put16(&message, 0x8180);
    put16(&message, 1);
    put16(&message, answers);
    put16(&message, 0);
    put16(&message, 0);
    put_name(&message, "_ntp._udp.example.net");
    put16(&message, 33);
    put16(&message, 1);
    return message;
}

/* Owner (the name of the question), type, class, TTL. Returns where the length of the data goes. */
static size_t put_head(Message *message, unsigned type, unsigned class)
{
    put16(message, 0xc00c);
    put16(message, type);
    put16(message, class);
    put16(message, 0);
    put16(message, 300);
    put16(message, 0);
    return message->length - 2;
}

static void set_length(Message *message, size_t at)
{
    size_t length = message->length - at - 2;

    message->bytes[at] = (uint8_t) (length >> 8);
    message->bytes[at + 1] = (uint8_t) length;
}

static void put_srv(Message *message, unsigned priority, unsigned weight, unsigned port, const char *host)
{
    size_t at = put_head(message, 33, 1);

    put16(message, priority);
    put16(message, weight);
    put16(message, port);
    put_name(message, host);
    set_length(message, at);
}

/* From a block of the exact size, so that a sanitizer sees the first byte too much. */
static LookupRecords read_exactly(const Message *message, size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);

    assert_non_null(copy);
    memcpy(copy, message->bytes, length);
    LookupRecords records = service_records_read(copy, length);
    free(copy);
    return records;
}

static void test_records(void **state)
{
    Message message = message_of(3);

    (void) state;
    put_srv(&message, 20, 5, 1123, "b.example.net");
    put_srv(&message, 10, 6, 123, "a.example.net");
    put_srv(&message, 20, 7, 124, "c.example.net");
    const LookupRecords records = read_exactly(&message, message.length);
    assert_int_equal(records.count, 3);
    assert_string_equal(records.items[0].host, "a.example.net.");
    assert_int_equal(records.items[0].priority, 10);
    assert_int_equal(records.items[0].weight, 6);
    assert_int_equal(records.items[0].port, 123);
    assert_string_equal(records.items[1].host, "b.example.net.");
    assert_int_equal(records.items[1].port, 1123);
    assert_string_equal(records.items[2].host, "c.example.net.");
}

/* Passed over, with the good one behind them. */
static void test_refused(void **state)
{
    static const struct {
        const char *name, *host;
        unsigned type, class, port;
    } rows[] = {
        {"there is no such service", "", 33, 1, 123},
        {"blank in the name", "a b.example.net", 33, 1, 123},
        {"metacharacters", "$(reboot).example.net", 33, 1, 123},
        {"control characters", "a\x1b[2J.example.net", 33, 1, 123},
        {"high bytes", "\xff\xfe.example.net", 33, 1, 123},
        {"port 0", "a.example.net", 33, 1, 0},
        {"another type", "a.example.net", 15, 1, 123},
        {"another class", "a.example.net", 33, 3, 123},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Message message = message_of(2);
        size_t at = put_head(&message, rows[i].type, rows[i].class);
        put16(&message, 0);
        put16(&message, 0);
        put16(&message, rows[i].port);
        put_name(&message, rows[i].host);
        set_length(&message, at);
        put_srv(&message, 1, 2, 3, "good.example.net");
        const LookupRecords records = read_exactly(&message, message.length);
        if (records.count != 1 || strcmp(records.items[0].host, "good.example.net.") != 0)
            fail_msg("%s", rows[i].name);
    }
}

/* An address is not a host: with the dot at its end it is a name that nobody has. */
static void test_address_as_host(void **state)
{
    Message message = message_of(1);

    (void) state;
    put_srv(&message, 0, 0, 123, "192.0.2.1");
    const LookupRecords records = read_exactly(&message, message.length);
    assert_int_equal(records.count, 1);
    assert_string_equal(records.items[0].host, "192.0.2.1.");
}

/* Hundreds: the best ones, in order. */
static void test_many(void **state)
{
    Message message = message_of(100);

    (void) state;
    for (unsigned i = 0; i < 100; i++)
        put_srv(&message, 100 - i, 0, 1000 + i, "a.b");
    const LookupRecords records = read_exactly(&message, message.length);
    assert_int_equal(records.count, LOOKUP_RECORDS_MAX);
    for (unsigned i = 0; i < LOOKUP_RECORDS_MAX; i++) {
        assert_int_equal(records.items[i].priority, i + 1);
        assert_int_equal(records.items[i].port, 1099 - i);
    }
}

/* Cut anywhere, more announced than there is, a name that points at itself, a length that is a lie. */
static void test_broken(void **state)
{
    Message message = message_of(2);

    (void) state;
    put_srv(&message, 1, 2, 3, "first.example.net");
    size_t first = message.length;
    put_srv(&message, 4, 5, 6, "second.example.net");
    for (size_t length = 0; length < message.length; length++)
        assert_true(read_exactly(&message, length).count <= (length >= first));

    Message loop = message_of(1);
    size_t at = put_head(&loop, 33, 1);
    put16(&loop, 0);
    put16(&loop, 0);
    put16(&loop, 123);
    put16(&loop, 0xc000U + (unsigned) loop.length);
    set_length(&loop, at);
    assert_int_equal(read_exactly(&loop, loop.length).count, 0);

    Message shorter = message_of(1);
    at = put_head(&shorter, 33, 1);
    put16(&shorter, 1);
    put16(&shorter, 1);
    set_length(&shorter, at);
    assert_int_equal(read_exactly(&shorter, shorter.length).count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_address_as_host), cmocka_unit_test(test_many),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests_name("service-records", tests, NULL, NULL);
}
