// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See resolver.h.
 *
 * A question is kept here until it is answered, and goes to one of the two at a time: to resolved, and to a
 * thread when resolved is not there or has gone in between. What resolved says is final, also when it has
 * found nothing: a second opinion by a way without DNSSEC would make the first one worthless.
 *
 * In a thread, nobody checks signatures for us (with nss-resolve that is what SYSTEMD_NSS_RESOLVE_VALIDATE=0
 * of timeball.service is for): whether the clock is right makes no difference there. */

#include "resolver.h"

#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "net/lookup.h"

/* Open at a time; further ones are answered as not found. Sources ask again. */
#define QUESTIONS_MAX 256

typedef struct Question {
    uint64_t ticket;
    LookupQuestion asked;
    ResolverHandler handler;
    void *userdata;
    uint64_t id;
    struct Question *next;
} Question;

struct Resolver {
    ResolverSetup setup;
    Lookup *lookup;
    Question *questions;
    size_t count;
    uint64_t last_ticket;
};

/* NULL: nobody waits for that answer any more. */
static Question *take_question(Resolver *resolver, uint64_t ticket)
{
    Question **link = &resolver->questions;

    while (*link && (*link)->ticket != ticket)
        link = &(*link)->next;
    Question *question = *link;
    if (question) {
        *link = question->next;
        resolver->count--;
    }
    return question;
}

/* It is forgotten before the handler runs, which may ask again. */
static void answer_question(Resolver *resolver, uint64_t ticket, const LookupAnswer *answer)
{
    Question *question = take_question(resolver, ticket);

    if (!question)
        return;
    question->handler(question->userdata, question->id, answer);
    free(question);
}

static void on_looked_up(void *userdata, uint64_t ticket, const LookupAnswer *answer)
{
    answer_question(userdata, ticket, answer);
}

void resolver_on_name(Resolver *resolver, uint64_t ticket, const LookupAnswer *answer)
{
    if (answer) {
        answer_question(resolver, ticket, answer);
        return;
    }
    for (const Question *question = resolver->questions; question; question = question->next)
        if (question->ticket == ticket) {
            lookup_ask(resolver->lookup, ticket, &question->asked);
            return;
        }
}

/* An answer without asking anybody. */
static bool answer_at_once(const Resolver *resolver, LookupQuestion *question, LookupAnswer *ret)
{
    IpFamily only = resolver->setup.family;
    IpAddress literal;

    *ret = (LookupAnswer) {0};
    if (only != IP_UNSPEC && question->family != IP_UNSPEC && question->family != only)
        return true;
    if (only != IP_UNSPEC)
        question->family = only;
    if (ip_address_parse(question->name, &literal)) {
        *ret = lookup_answer_literal(&literal, question->family);
        return true;
    }
    return resolver->count >= QUESTIONS_MAX;
}

void resolver_ask(Resolver *resolver, const LookupQuestion *asked, ResolverHandler handler, void *userdata,
                  uint64_t id)
{
    LookupQuestion copy = *asked;
    LookupAnswer answer;
    bool known = answer_at_once(resolver, &copy, &answer);
    Question *question = known ? NULL : calloc(1, sizeof(*question));

    if (!question) {
        handler(userdata, id, &answer);
        return;
    }
    *question = (Question) {
        .ticket = ++resolver->last_ticket,
        .asked = copy,
        .handler = handler,
        .userdata = userdata,
        .id = id,
        .next = resolver->questions,
    };
    resolver->questions = question;
    resolver->count++;
    if (!resolver->setup.ask_resolved(resolver->setup.userdata, question->ticket, &copy))
        lookup_ask(resolver->lookup, resolver->last_ticket, &copy);
}

void resolver_ask_host(Resolver *resolver, const char *name, IpFamily family, ResolverHandler handler,
                       void *userdata, uint64_t id)
{
    LookupQuestion question = {
        .family = family,
        .trusted_time = resolver->setup.clock_is_right(resolver->setup.userdata),
    };

    (void) text_copy(question.name, sizeof(question.name), name);
    resolver_ask(resolver, &question, handler, userdata, id);
}

void resolver_forget(Resolver *resolver, const void *userdata)
{
    Question **link = &resolver->questions;

    while (*link) {
        Question *question = *link;
        if (question->userdata != userdata) {
            link = &question->next;
            continue;
        }
        *link = question->next;
        resolver->count--;
        free(question);
    }
}

int resolver_new(const ResolverSetup *setup, Resolver **ret)
{
    cleanup_(resolver_freep) Resolver *resolver = calloc(1, sizeof(*resolver));

    if (!resolver)
        return -ENOMEM;
    resolver->setup = *setup;
    int r = lookup_new(setup->event, on_looked_up, resolver, &resolver->lookup);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(resolver);
    return 0;
}

Resolver *resolver_free(Resolver *resolver)
{
    if (!resolver)
        return NULL;
    lookup_free(resolver->lookup);
    while (resolver->questions)
        free(take_question(resolver, resolver->questions->ticket));
    free(resolver);
    return NULL;
}
