// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Who is asked, and that each question has one answer. resolved is a few lines here that answer when the test
 * wants; the other way is the resolver of libc with "localhost". */

#include <string.h>

#include "base/text.h"
#include "resolver.h"
#include "unit.h"

#define PATIENCE_US 10000000
#define ASKED_MAX   1024

static sd_event *event;

/* The other end. */
typedef struct World {
    bool present, right;
    uint64_t tickets[ASKED_MAX];
    LookupQuestion last;
    size_t asked;
    unsigned answers, found;
    uint64_t last_id;
    LookupAnswer last_answer;
} World;

static bool ask_resolved(void *userdata, uint64_t ticket, const LookupQuestion *question)
{
    World *world = userdata;

    if (!world->present)
        return false;
    assert_true(world->asked < ASKED_MAX);
    world->tickets[world->asked++] = ticket;
    world->last = *question;
    return true;
}

static bool clock_is_right(void *userdata)
{
    return ((World *) userdata)->right;
}

static void on_answer(void *userdata, uint64_t id, const LookupAnswer *answer)
{
    World *world = userdata;

    world->answers++;
    world->found += answer->verdict == LOOKUP_FOUND;
    world->last_id = id;
    world->last_answer = *answer;
}

static Resolver *start(World *world, IpFamily only)
{
    ResolverSetup setup = {.event = event,
                           .family = only,
                           .ask_resolved = ask_resolved,
                           .clock_is_right = clock_is_right,
                           .userdata = world};
    Resolver *resolver = NULL;

    assert_int_equal(resolver_new(&setup, &resolver), 0);
    return resolver;
}

static void ask(Resolver *resolver, World *world, uint64_t id, IpFamily family, const char *name)
{
    LookupQuestion question = {.family = family};

    (void) text_copy(question.name, sizeof(question.name), name);
    resolver_ask(resolver, &question, on_answer, world, id);
}

static void wait_for(const World *world, unsigned answers)
{
    while (world->answers < answers)
        if (sd_event_run(event, PATIENCE_US) <= 0)
            fail_msg("%u of %u questions were answered", world->answers, answers);
}

static LookupAnswer one_address(void)
{
    const IpAddress address = {IP_V4, {192, 0, 2, 1}, 0};

    return lookup_answer_literal(&address, IP_UNSPEC);
}

static void test_literals(void **state)
{
    static const struct {
        const char *text;
        IpFamily only, family;
        unsigned found;
    } rows[] = {
        {"127.0.0.1", IP_UNSPEC, IP_UNSPEC, 1},
        {"::1", IP_UNSPEC, IP_UNSPEC, 1},
        {"127.0.0.1", IP_UNSPEC, IP_V6, 0},
        {"127.0.0.1", IP_V6, IP_UNSPEC, 0},
        {"::1", IP_V6, IP_UNSPEC, 1},
        {"::1", IP_V6, IP_V6, 1},
        {"::1", IP_V6, IP_V4, 0},
        {"127.0.0.1", IP_V6, IP_V4, 0},
        {"localhost", IP_V6, IP_V4, 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World world = {.present = true};
        cleanup_(resolver_freep) Resolver *resolver = start(&world, rows[i].only);
        ask(resolver, &world, 5, rows[i].family, rows[i].text);
        /* At once: nobody is asked. */
        assert_int_equal(world.answers, 1);
        assert_int_equal(world.last_id, 5);
        assert_int_equal(world.found, rows[i].found);
        assert_int_equal(world.asked, 0);
    }
}

static void test_by_resolved(void **state)
{
    World world = {.present = true, .right = true};
    cleanup_(resolver_freep) Resolver *resolver = start(&world, IP_V4);
    const LookupAnswer answer = one_address(), bogus = {.verdict = LOOKUP_BOGUS};

    (void) state;
    ask(resolver, &world, 7, IP_UNSPEC, "localhost");
    assert_int_equal(world.asked, 1);
    assert_int_equal(world.last.family, IP_V4);
    assert_false(world.last.trusted_time);
    assert_int_equal(world.answers, 0);
    resolver_on_name(resolver, world.tickets[0], &answer);
    assert_int_equal(world.answers, 1);
    assert_int_equal(world.last_id, 7);
    assert_int_equal(world.last_answer.places[0].endpoint.address.bytes[0], 192);

    /* What it says is final: no thread finds what DNSSEC is against. */
    resolver_ask_host(resolver, "localhost", IP_UNSPEC, on_answer, &world, 8);
    assert_true(world.last.trusted_time);
    resolver_on_name(resolver, world.tickets[1], &bogus);
    assert_int_equal(world.answers, 2);
    assert_int_equal(world.last_answer.verdict, LOOKUP_BOGUS);

    /* Nobody waits for these. */
    resolver_on_name(resolver, world.tickets[0], &answer);
    resolver_on_name(resolver, world.tickets[1], NULL);
    resolver_on_name(resolver, 4711, &answer);
    while (sd_event_run(event, 20000) > 0)
        ;
    assert_int_equal(world.answers, 2);
}

static void test_by_thread(void **state)
{
    World world = {0};
    cleanup_(resolver_freep) Resolver *resolver = start(&world, IP_UNSPEC);

    (void) state;
    ask(resolver, &world, 3, IP_V4, "localhost");
    assert_int_equal(world.answers, 0);
    wait_for(&world, 1);
    assert_int_equal(world.found, 1);
    assert_int_equal(world.last_id, 3);
    assert_int_equal(world.last_answer.places[0].endpoint.address.bytes[0], 127);
}

/* resolved goes while it is asked: the thread answers, once, and what resolved says later is too late. */
static void test_gone_meanwhile(void **state)
{
    World world = {.present = true};
    cleanup_(resolver_freep) Resolver *resolver = start(&world, IP_UNSPEC);
    const LookupAnswer late = one_address();
    enum { QUESTIONS = 20 };

    (void) state;
    for (unsigned i = 0; i < QUESTIONS; i++)
        ask(resolver, &world, i, IP_V4, "localhost");
    assert_int_equal(world.asked, QUESTIONS);
    world.present = false;
    for (unsigned i = 0; i < QUESTIONS; i++)
        resolver_on_name(resolver, world.tickets[i], NULL);
    assert_int_equal(world.answers, 0);
    wait_for(&world, QUESTIONS);
    assert_int_equal(world.found, QUESTIONS);
    for (unsigned i = 0; i < QUESTIONS; i++)
        resolver_on_name(resolver, world.tickets[i], &late);
    assert_int_equal(world.answers, QUESTIONS);
    assert_int_equal(world.last_answer.places[0].endpoint.address.bytes[0], 127);
}

/* Each of far too many has its answer, and those that are too many have it at once. */
static void test_too_many(void **state)
{
    World world = {.present = true};
    cleanup_(resolver_freep) Resolver *resolver = start(&world, IP_UNSPEC);
    const LookupAnswer answer = one_address();
    enum { QUESTIONS = ASKED_MAX };

    (void) state;
    for (unsigned i = 0; i < QUESTIONS; i++)
        ask(resolver, &world, i, IP_UNSPEC, "name.example");
    assert_in_range(world.asked, 64, 512);
    assert_int_equal(world.answers, QUESTIONS - world.asked);
    assert_int_equal(world.found, 0);
    for (size_t i = 0; i < world.asked; i++)
        resolver_on_name(resolver, world.tickets[i], &answer);
    assert_int_equal(world.answers, QUESTIONS);
    assert_int_equal(world.found, world.asked);
}

static void test_forgotten(void **state)
{
    World world = {.present = true}, other = {0};
    cleanup_(resolver_freep) Resolver *resolver = start(&world, IP_UNSPEC);
    const LookupAnswer answer = one_address();

    (void) state;
    ask(resolver, &world, 1, IP_UNSPEC, "one.example");
    ask(resolver, &other, 2, IP_UNSPEC, "two.example");
    ask(resolver, &world, 3, IP_UNSPEC, "three.example");
    resolver_forget(resolver, &world);
    for (size_t i = 0; i < 3; i++)
        resolver_on_name(resolver, world.tickets[i], &answer);
    assert_int_equal(world.answers, 0);
    assert_int_equal(other.answers, 1);
    assert_int_equal(other.last_id, 2);
}

/* The end comes while everybody is being asked. */
static void test_freed_meanwhile(void **state)
{
    World world = {.present = true};
    Resolver *resolver = start(&world, IP_UNSPEC);

    (void) state;
    ask(resolver, &world, 1, IP_UNSPEC, "localhost");
    world.present = false;
    ask(resolver, &world, 2, IP_UNSPEC, "localhost");
    resolver_free(resolver);
    while (sd_event_run(event, 20000) > 0)
        ;
    assert_int_equal(world.answers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),        cmocka_unit_test(test_by_resolved),
        cmocka_unit_test(test_by_thread),       cmocka_unit_test(test_gone_meanwhile),
        cmocka_unit_test(test_too_many),        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_freed_meanwhile),
    };

    assert_true(sd_event_new(&event) >= 0);
    int r = cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
    sd_event_unref(event);
    return r;
}
