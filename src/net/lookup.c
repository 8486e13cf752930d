// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The lookup thread, see lookup.h.
 *
 * Two sides share a Desk, which has two references: the event loop's and, while it runs, the thread's.
 * Whoever leaves last frees it, so that the daemon can end while the resolver still waits for an answer.
 * Questions go into a ring; the thread answers them in their slots, in order, and rings an eventfd. It
 * touches neither clock nor socket of ours. */

#include "net/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

/* The resolver keeps packets on its stack. */
#define STACK_SIZE (256 * 1024)

typedef struct Question {
    SourceId source;
    IpFamily family;
    char name[SOURCE_NAME_MAX];
    IpAddress addresses[LOOKUP_ADDRESSES_MAX];
    size_t count;
} Question;

typedef struct Desk {
    pthread_mutex_t mutex; /* of everything below but the content of a question that is being answered */
    unsigned references;
    bool running; /* there is a thread */
    int ring;     /* eventfd: something was answered */
    uint64_t asked, answered,
        told; /* counters; asked >= answered >= told, asked - told <= LOOKUP_QUEUE_MAX */
    Question *questions[LOOKUP_QUEUE_MAX];
} Desk;

struct Lookup {
    sd_event *event;
    sd_event_source *source;
    IpFamily family;
    LookupHandler handler;
    void *userdata;
    Desk *desk;
};

static Question **slot(Desk *desk, uint64_t number)
{
    return &desk->questions[number % LOOKUP_QUEUE_MAX];
}

/* Called with the mutex held, which it gives back. */
static void desk_leave(Desk *desk)
{
    bool last = --desk->references == 0;

    pthread_mutex_unlock(&desk->mutex);
    if (!last)
        return;
    for (uint64_t i = desk->told; i < desk->asked; i++)
        free(*slot(desk, i));
    close(desk->ring);
    pthread_mutex_destroy(&desk->mutex);
    free(desk);
}

static void question_answer(Question *question)
{
    static const int families[] = {[IP_UNSPEC] = AF_UNSPEC, [IP_V4] = AF_INET, [IP_V6] = AF_INET6};
    struct addrinfo hints = {.ai_family = families[question->family], .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list = NULL;

    if (getaddrinfo(question->name, NULL, &hints, &list) != 0)
        return;
    for (struct addrinfo *a = list; a && question->count < LOOKUP_ADDRESSES_MAX; a = a->ai_next) {
        IpEndpoint endpoint;
        if (ip_endpoint_from_sockaddr(a->ai_addr, a->ai_addrlen, &endpoint))
            question->addresses[question->count++] = endpoint.address;
    }
    freeaddrinfo(list);
}

static void *answer_all(void *userdata)
{
    Desk *desk = userdata;

    pthread_mutex_lock(&desk->mutex);
    while (desk->answered < desk->asked && desk->references > 1) {
        Question *question = *slot(desk, desk->answered);
        pthread_mutex_unlock(&desk->mutex);
        question_answer(question);
        pthread_mutex_lock(&desk->mutex);
        desk->answered++;
        (void) eventfd_write(desk->ring, 1);
    }
    desk->running = false;
    desk_leave(desk);
    return NULL;
}

/* Called with the mutex held. */
static int thread_start(Desk *desk)
{
    pthread_attr_t attributes;
    pthread_t thread;

    int r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    (void) pthread_attr_setstacksize(&attributes, STACK_SIZE);
    (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    r = pthread_create(&thread, &attributes, answer_all, desk);
    pthread_attr_destroy(&attributes);
    if (r != 0)
        return -r;
    desk->running = true;
    desk->references++;
    return 0;
}

static int on_ring(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    Lookup *lookup = userdata;
    Desk *desk = lookup->desk;
    eventfd_t count;

    (void) source;
    (void) revents;
    (void) eventfd_read(fd, &count);
    for (;;) {
        Question *question = NULL;

        pthread_mutex_lock(&desk->mutex);
        if (desk->told < desk->answered)
            question = *slot(desk, desk->told++);
        pthread_mutex_unlock(&desk->mutex);
        if (!question)
            return 0;
        lookup->handler(lookup->userdata, question->source, question->addresses, question->count);
        free(question);
    }
}

static int desk_new(Desk **ret)
{
    Desk *desk = calloc(1, sizeof *desk);

    if (!desk)
        return -ENOMEM;
    desk->references = 1;
    desk->ring = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (desk->ring < 0) {
        int r = -errno;
        free(desk);
        return r;
    }
    pthread_mutex_init(&desk->mutex, NULL);
    *ret = desk;
    return 0;
}

int lookup_new(sd_event *event, IpFamily family, LookupHandler handler, void *userdata, Lookup **ret)
{
    cleanup_(lookup_freep) Lookup *lookup = calloc(1, sizeof *lookup);
    int r;

    if (!lookup)
        return -ENOMEM;
    *lookup =
        (Lookup) {.event = sd_event_ref(event), .family = family, .handler = handler, .userdata = userdata};
    if ((r = desk_new(&lookup->desk)) < 0 ||
        (r = sd_event_add_io(event, &lookup->source, lookup->desk->ring, EPOLLIN, on_ring, lookup)) < 0)
        return r;
    *ret = TAKE_PTR(lookup);
    return 0;
}

Lookup *lookup_free(Lookup *lookup)
{
    if (!lookup)
        return NULL;
    sd_event_source_disable_unref(lookup->source);
    sd_event_unref(lookup->event);
    if (lookup->desk) {
        pthread_mutex_lock(&lookup->desk->mutex);
        desk_leave(lookup->desk);
    }
    free(lookup);
    return NULL;
}

/* Puts the question into the ring; false when there is no room, no memory or no thread. */
static bool question_post(Desk *desk, SourceId source, IpFamily family, const char *name)
{
    Question *question = calloc(1, sizeof *question);
    bool posted = false;

    if (!question)
        return false;
    question->source = source;
    question->family = family;
    (void) text_copy(question->name, sizeof question->name, name);
    pthread_mutex_lock(&desk->mutex);
    if (desk->asked - desk->told < LOOKUP_QUEUE_MAX) {
        *slot(desk, desk->asked++) = question;
        posted = desk->running || thread_start(desk) >= 0;
        if (!posted)
            desk->asked--;
    }
    pthread_mutex_unlock(&desk->mutex);
    if (!posted)
        free(question);
    return posted;
}

void lookup_ask(Lookup *lookup, SourceId source, IpFamily family, const char *name)
{
    bool contradiction = lookup->family != IP_UNSPEC && family != IP_UNSPEC && lookup->family != family;
    IpFamily wanted = family == IP_UNSPEC ? lookup->family : family;
    IpAddress literal;

    if (!contradiction && ip_address_parse(name, &literal))
        lookup->handler(lookup->userdata, source, &literal,
                        wanted == IP_UNSPEC || literal.family == wanted ? 1 : 0);
    else if (contradiction || !question_post(lookup->desk, source, wanted, name))
        lookup->handler(lookup->userdata, source, NULL, 0);
}
