// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* RFC 2782: priorities are kept always, weights on the average. */

#include <math.h>
#include <string.h>

#include "core/engine/service-order.h"
#include "unit.h"

#define ROUNDS 20000

typedef struct Record {
    uint16_t priority, weight;
    uint8_t addresses;
} Record;

/* A generator with a seed: the same numbers in each run. */
static double draw(void *userdata)
{
    uint64_t *state = userdata;

    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double) (*state >> 11) * 0x1p-53;
}

static double nothing(void *userdata)
{
    (void) userdata;
    return 0;
}

/* Addresses are 192.0.RECORD.NUMBER, in the order in which the records are given. */
static LookupAnswer answer_of(const Record *records, size_t count)
{
    LookupAnswer answer = {0};

    for (size_t i = 0; i < count; i++)
        for (uint8_t k = 0; k < records[i].addresses; k++)
            lookup_answer_add(&answer, &(LookupPlace) {
                                           .endpoint = {{IP_V4, {192, 0, (uint8_t) i, k}, 0}, 123},
                                           .record = (uint16_t) (i + 1),
                                           .priority = records[i].priority,
                                           .weight = records[i].weight,
                                       });
    return answer;
}

static void check_whole(const LookupAnswer *before, const LookupAnswer *after)
{
    assert_int_equal(after->count, before->count);
    for (size_t i = 0; i < after->count; i++) {
        const LookupPlace *place = &after->places[i], *previous = i > 0 ? place - 1 : NULL;
        bool found = false;
        for (size_t k = 0; k < before->count; k++)
            found |= ip_endpoint_equal(&before->places[k].endpoint, &place->endpoint);
        assert_true(found);
        if (!previous)
            continue;
        assert_true(previous->priority <= place->priority);
        /* the addresses of a host are together, in the resolver's order */
        if (previous->record == place->record)
            assert_int_equal(previous->endpoint.address.bytes[3] + 1, place->endpoint.address.bytes[3]);
        else
            assert_int_equal(place->endpoint.address.bytes[3], 0);
    }
}

static void test_first(void **state)
{
    static const struct {
        const char *name;
        Record records[4];
        double first[4]; /* how often that record should be the first */
        double tolerance;
    } rows[] = {
        {"one", {{0, 0, 3}}, {1}, 0},
        {"priority", {{20, 9, 1}, {10, 1, 1}, {30, 0, 1}}, {0, 1, 0}, 0},
        {"equal weights", {{5, 10, 1}, {5, 10, 1}}, {0.5, 0.5}, 0.04},
        {"one and three", {{5, 100, 1}, {5, 300, 1}}, {0.25, 0.75}, 0.02},
        {"addresses do not count", {{5, 100, 4}, {5, 300, 1}}, {0.25, 0.75}, 0.02},
        {"lower priority does not count", {{5, 100, 1}, {5, 300, 1}, {6, 60000, 1}}, {0.25, 0.75}, 0.02},
        {"the largest", {{0, 65535, 1}, {0, 65535, 1}, {0, 65535, 1}}, {1. / 3, 1. / 3, 1. / 3}, 0.02},
        {"hardly ever", {{0, 0, 1}, {0, 999, 1}}, {0.001, 0.999}, 0.002},
        {"hardly ever, given last", {{0, 999, 1}, {0, 0, 1}}, {0.999, 0.001}, 0.002},
        /* no weights at all: the first one, a resolver turns them round by itself */
        {"no weights", {{0, 0, 1}, {0, 0, 1}}, {1, 0}, 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const LookupAnswer before = answer_of(rows[i].records, ELEMENTS(rows[i].records));
        uint64_t seed = 1;
        unsigned first[4] = {0};
        for (int k = 0; k < ROUNDS; k++) {
            LookupAnswer answer = before;
            service_order(&answer, draw, &seed);
            check_whole(&before, &answer);
            first[answer.places[0].record - 1]++;
        }
        for (size_t k = 0; k < ELEMENTS(first); k++)
            if (fabs(first[k] / (double) ROUNDS - rows[i].first[k]) > rows[i].tolerance)
                fail_msg("%s: record %zu was first %u times", rows[i].name, k, first[k]);
    }
}

/* Those without weight get the number 0 only, which is drawn once in a while. */
static void test_weightless_first(void **state)
{
    static const Record records[] = {{0, 5, 1}, {0, 0, 1}};
    LookupAnswer answer = answer_of(records, ELEMENTS(records));

    (void) state;
    service_order(&answer, nothing, NULL);
    assert_int_equal(answer.places[0].record, 2);
}

static void test_nothing(void **state)
{
    LookupAnswer answer = {0};

    (void) state;
    service_order(&answer, nothing, NULL);
    assert_int_equal(answer.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_weightless_first),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests_name("service-order", tests, NULL, NULL);
}
