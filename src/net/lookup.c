// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The lookup threads, see lookup.h.
 *
 * Two sides share a Desk, which has a reference for the event loop and one for each thread that runs. Whoever
 * leaves last frees it, so that the daemon can end while the resolver still waits for an answer. Questions
 * wait in a list; each thread takes the first, puts it into the list of those that are answered, and rings an
 * eventfd. It touches neither clock nor socket of ours. Some threads, because a resolver may take half a
 * minute over a name whose servers are silent, and the others must not wait for that. */

#include "net/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/service-records.h"
#include "net/thread.h"

/* The resolver keeps packets on its stack. */
#define STACK_SIZE   (256 * 1024)
/* No further host of a service is looked up after that time, s. */
#define SERVICE_TIME 60

typedef struct Question Question;
struct Question {
    uint64_t ticket;
    LookupQuestion asked;
    LookupAnswer answer;
    Question *next;
};

/* First in, first out. */
typedef struct Queue {
    Question *first, *last;
} Queue;

typedef struct Desk {
    pthread_mutex_t mutex; /* of everything below */
    unsigned threads;      /* that run */
    bool open;             /* the event loop still listens */
    int ring;              /* eventfd: something was answered */
    size_t count;          /* questions that were asked and not told yet */
    Queue waiting, answered;
} Desk;

struct Lookup {
    sd_event *event;
    sd_event_source *source;
    LookupHandler handler;
    void *userdata;
    Desk *desk;
};

static void queue_put(Queue *queue, Question *question)
{
    if (queue->last)
        queue->last->next = question;
    else
        queue->first = question;
    queue->last = question;
}

/* NULL: there is none. */
static Question *queue_take(Queue *queue)
{
    Question *question = queue->first;

    if (!question)
        return NULL;
    queue->first = question->next;
    if (!queue->first)
        queue->last = NULL;
    question->next = NULL;
    return question;
}

static void queue_clear(Queue *queue)
{
    for (Question *question; (question = queue_take(queue));)
        free(question);
}

/* One reference less. Called with the mutex held, which it gives back. */
static void desk_leave(Desk *desk)
{
    bool last = !desk->open && desk->threads == 0;

    pthread_mutex_unlock(&desk->mutex);
    if (!last)
        return;
    queue_clear(&desk->waiting);
    queue_clear(&desk->answered);
    close(desk->ring);
    pthread_mutex_destroy(&desk->mutex);
    free(desk);
}

/* The addresses of a host, as places like `place`. */
static void ask_host(const char *name, IpFamily family, LookupPlace place, LookupAnswer *answer)
{
    static const int families[] = {[IP_UNSPEC] = AF_UNSPEC, [IP_V4] = AF_INET, [IP_V6] = AF_INET6};
    struct addrinfo hints = {.ai_family = families[family], .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list = NULL;
    IpEndpoint found;

    if (getaddrinfo(name, NULL, &hints, &list) != 0)
        return;
    for (struct addrinfo *a = list; a; a = a->ai_next)
        if (ip_endpoint_from_sockaddr(a->ai_addr, a->ai_addrlen, &found)) {
            place.endpoint.address = found.address;
            lookup_answer_add(answer, &place);
        }
    freeaddrinfo(list);
}

static time_t seconds(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* The hosts of a service, those of the lowest priority first: there may be no time for all of them. */
static void ask_service(const LookupQuestion *asked, LookupAnswer *answer)
{
    LookupRecords records = service_records_ask(asked->name);
    time_t begin = seconds();

    for (size_t i = 0; i < records.count && seconds() - begin < SERVICE_TIME; i++)
        ask_host(records.items[i].host, asked->family, lookup_record_place(&records, i, &(IpAddress) {0}),
                 answer);
}

static void question_answer(Question *question)
{
    if (question->asked.service)
        ask_service(&question->asked, &question->answer);
    else
        ask_host(question->asked.name, question->asked.family, (LookupPlace) {0}, &question->answer);
}

static void *answer_all(void *userdata)
{
    Desk *desk = userdata;
    Question *question;

    pthread_mutex_lock(&desk->mutex);
    while (desk->open && (question = queue_take(&desk->waiting))) {
        pthread_mutex_unlock(&desk->mutex);
        question_answer(question);
        pthread_mutex_lock(&desk->mutex);
        queue_put(&desk->answered, question);
        (void) eventfd_write(desk->ring, 1);
    }
    desk->threads--;
    desk_leave(desk);
    return NULL;
}

/* Called with the mutex held. */
static int start_thread(Desk *desk)
{
    const ThreadSetup setup = {.name = "timeball-names",
                               .stack_size = STACK_SIZE,
                               .work = answer_all,
                               .userdata = desk};
    pthread_t thread;

    int r = thread_start(&setup, &thread);
    if (r < 0)
        return r;
    (void) pthread_detach(thread);
    desk->threads++;
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
        pthread_mutex_lock(&desk->mutex);
        Question *question = queue_take(&desk->answered);
        desk->count -= question ? 1 : 0;
        pthread_mutex_unlock(&desk->mutex);
        if (!question)
            return 0;
        lookup->handler(lookup->userdata, question->ticket, &question->answer);
        free(question);
    }
}

static int desk_new(Desk **ret)
{
    Desk *desk = calloc(1, sizeof *desk);

    if (!desk)
        return -ENOMEM;
    desk->open = true;
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

int lookup_new(sd_event *event, LookupHandler handler, void *userdata, Lookup **ret)
{
    cleanup_(lookup_freep) Lookup *lookup = calloc(1, sizeof *lookup);
    int r;

    if (!lookup)
        return -ENOMEM;
    *lookup = (Lookup) {.event = sd_event_ref(event), .handler = handler, .userdata = userdata};
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
        lookup->desk->open = false;
        desk_leave(lookup->desk);
    }
    free(lookup);
    return NULL;
}

/* Hands the question to a thread; false when there is no room, no memory or no thread. A new one is started
 * as long as there may be more: none of those that run is idle. */
static bool question_post(Desk *desk, uint64_t ticket, const LookupQuestion *asked)
{
    Question *question = calloc(1, sizeof *question);
    bool posted = false;

    if (!question)
        return false;
    question->ticket = ticket;
    question->asked = *asked;
    pthread_mutex_lock(&desk->mutex);
    if (desk->count < LOOKUP_QUEUE_MAX)
        posted = (desk->threads < LOOKUP_THREADS_MAX && start_thread(desk) >= 0) || desk->threads > 0;
    if (posted) {
        queue_put(&desk->waiting, question);
        desk->count++;
    }
    pthread_mutex_unlock(&desk->mutex);
    if (!posted)
        free(question);
    return posted;
}

void lookup_ask(Lookup *lookup, uint64_t ticket, const LookupQuestion *question)
{
    if (!question_post(lookup->desk, ticket, question))
        lookup->handler(lookup->userdata, ticket, &(LookupAnswer) {0});
}
