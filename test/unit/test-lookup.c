// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Names that need no server: literals and "localhost"; and names for which nobody answers until the test
 * wants. */

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/text.h"
#include "net/lookup.h"
#include "unit.h"

#define PATIENCE_US 10000000

typedef struct Answers {
    unsigned count, found;
    uint64_t last_ticket;
    IpAddress last;
} Answers;

static sd_event *event;

static sem_t silence; /* one for each name "silent" that is to be answered */
static atomic_uint silent;

/* Stands before the one of libc. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    typeof(getaddrinfo) *real;

    if (strcmp(name, "silent") == 0) {
        atomic_fetch_add(&silent, 1);
        while (sem_wait(&silence) < 0)
            ;
        return EAI_AGAIN;
    }
    *(void **) &real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, ret);
}

static void on_answer(void *userdata, uint64_t ticket, const LookupAnswer *answer)
{
    Answers *answers = userdata;

    answers->count++;
    answers->last_ticket = ticket;
    if (answer->verdict == LOOKUP_FOUND) {
        answers->found++;
        answers->last = answer->places[0].endpoint.address;
    }
}

static void ask(Lookup *lookup, uint64_t ticket, IpFamily family, const char *name)
{
    LookupQuestion question = {.family = family};

    (void) text_copy(question.name, sizeof(question.name), name);
    lookup_ask(lookup, ticket, &question);
}

static void wait_for(const Answers *answers, unsigned count)
{
    while (answers->count < count)
        if (sd_event_run(event, PATIENCE_US) <= 0)
            fail_msg("%u of %u questions were answered", answers->count, count);
}

static void test_name(void **state)
{
    cleanup_(lookup_freep) Lookup *lookup = NULL;
    Answers answers = {};

    (void) state;
    assert_int_equal(lookup_new(event, on_answer, &answers, &lookup), 0);
    for (unsigned i = 1; i <= 3; i++) { /* the thread ends and starts again */
        ask(lookup, i, IP_V4, "localhost");
        wait_for(&answers, i);
        assert_int_equal(answers.last_ticket, i);
        assert_int_equal(answers.found, i);
        assert_int_equal(answers.last.family, IP_V4);
        assert_int_equal(answers.last.bytes[0], 127);
    }
}

static void test_each_question_once(void **state)
{
    cleanup_(lookup_freep) Lookup *lookup = NULL;
    Answers answers = {};

    (void) state;
    assert_int_equal(lookup_new(event, on_answer, &answers, &lookup), 0);
    for (unsigned i = 0; i < 3 * LOOKUP_QUEUE_MAX; i++)
        ask(lookup, i + 1, IP_UNSPEC, "localhost");
    wait_for(&answers, 3 * LOOKUP_QUEUE_MAX);
    /* A last ring may still be there, but no answer behind it. */
    assert_true(sd_event_run(event, 0) >= 0);
    assert_int_equal(answers.count, 3 * LOOKUP_QUEUE_MAX);
    assert_true(answers.found >= LOOKUP_QUEUE_MAX);
}

static void test_free_while_asking(void **state)
{
    Answers answers = {};

    (void) state;
    for (unsigned i = 0; i < 20; i++) {
        Lookup *lookup = NULL;
        assert_int_equal(lookup_new(event, on_answer, &answers, &lookup), 0);
        ask(lookup, 1, IP_UNSPEC, "localhost");
        ask(lookup, 2, IP_UNSPEC, "localhost");
        lookup_free(lookup);
    }
    assert_int_equal(answers.count, 0);
}

static void wait_for_silent(unsigned count)
{
    for (int i = 0; i < PATIENCE_US / 1000 && atomic_load(&silent) < count; i++)
        assert_true(sd_event_run(event, 1000) >= 0);
    assert_int_equal(atomic_load(&silent), count);
}

/* Names whose servers are silent keep nobody else, up to so many of them; then the others wait, and no
 * further thread is made. */
static void test_silent_names(void **state)
{
    cleanup_(lookup_freep) Lookup *lookup = NULL;
    Answers answers = {};

    (void) state;
    assert_int_equal(lookup_new(event, on_answer, &answers, &lookup), 0);
    for (unsigned i = 1; i < LOOKUP_THREADS_MAX; i++)
        ask(lookup, i, IP_UNSPEC, "silent");
    wait_for_silent(LOOKUP_THREADS_MAX - 1);
    for (unsigned i = 1; i <= 5; i++) {
        ask(lookup, 100 + i, IP_UNSPEC, "localhost");
        wait_for(&answers, i);
        assert_int_equal(answers.last_ticket, 100 + i);
        assert_int_equal(answers.found, i);
    }

    ask(lookup, 50, IP_UNSPEC, "silent");
    ask(lookup, 51, IP_UNSPEC, "silent");
    ask(lookup, 200, IP_UNSPEC, "localhost");
    wait_for_silent(LOOKUP_THREADS_MAX);
    assert_true(sd_event_run(event, 0) >= 0);
    assert_int_equal(answers.count, 5);
    for (unsigned i = 0; i < LOOKUP_THREADS_MAX + 1; i++)
        assert_int_equal(sem_post(&silence), 0);
    wait_for(&answers, 5 + LOOKUP_THREADS_MAX + 2);
    assert_int_equal(answers.found, 6);
}

/* The daemon does not wait for them when it ends. */
static void test_free_while_silent(void **state)
{
    Lookup *lookup = NULL;
    Answers answers = {};
    unsigned before = atomic_load(&silent);

    (void) state;
    assert_int_equal(lookup_new(event, on_answer, &answers, &lookup), 0);
    for (unsigned i = 1; i <= LOOKUP_THREADS_MAX + 3; i++)
        ask(lookup, i, IP_UNSPEC, "silent");
    wait_for_silent(before + LOOKUP_THREADS_MAX);
    lookup_free(lookup);
    for (unsigned i = 0; i < LOOKUP_THREADS_MAX; i++)
        assert_int_equal(sem_post(&silence), 0);
    assert_int_equal(answers.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_each_question_once),
        cmocka_unit_test(test_free_while_asking),
        cmocka_unit_test(test_silent_names),
        cmocka_unit_test(test_free_while_silent),
    };

    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(sem_init(&silence, 0, 0), 0);
    int r = cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
    sd_event_unref(event);
    return r;
}
