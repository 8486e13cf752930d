// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Talking to ntp_signd; see signd.h.
 *
 * Answers wait in a ring; the first of them is with Samba. Whatever goes wrong there (no socket, silence,
 * rubbish, the end of the connection) ends the connection and loses all that wait; the next answer tries
 * again. So a connection never owes us a reply that we do not want. */

#include "net/signd.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

#define SOCKET_NAME "/socket"
#define PATIENCE    UINT64_C(2000000)

typedef struct Waiting {
    MsSntpAnswer answer;
    AnswerWay way;
} Waiting;

struct Signd {
    SigndSetup setup;
    struct sockaddr_un address;
    int fd; /* -1: not connected */
    sd_event_source *source, *timeout;
    bool troubled;   /* as was told last */
    bool crowded;    /* was told */
    uint16_t number; /* of the question that is asked */
    Waiting queue[SIGND_QUEUE_MAX];
    size_t first, count;
    uint8_t question[SIGND_QUESTION_SIZE];
    size_t sent; /* of the question */
    uint8_t reply[SIGND_REPLY_SIZE];
    size_t received; /* of the reply */
};

static void tell_state(Signd *signd, const char *problem)
{
    bool troubled = problem;

    if (troubled != signd->troubled)
        signd->setup.on_state(signd->setup.userdata, problem);
    signd->troubled = troubled;
}

static void disconnect(Signd *signd)
{
    signd->source = sd_event_source_disable_unref(signd->source);
    if (signd->fd >= 0)
        close(signd->fd);
    signd->fd = -1;
    (void) sd_event_source_set_enabled(signd->timeout, SD_EVENT_OFF);
}

void signd_forget(Signd *signd)
{
    if (signd->count > 0)
        disconnect(signd);
    signd->count = 0;
}

static void give_up(Signd *signd, const char *problem)
{
    disconnect(signd);
    signd->count = 0;
    tell_state(signd, problem);
}

/* --- one question --- */

static void send_question(Signd *signd)
{
    size_t left = sizeof signd->question - signd->sent;
    ssize_t r = send(signd->fd, signd->question + signd->sent, left, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (r < 0 && errno != EAGAIN && errno != EINTR) {
        give_up(signd, strerror(errno));
        return;
    }
    signd->sent += r > 0 ? (size_t) r : 0;
    bool whole = signd->sent == sizeof signd->question;
    (void) sd_event_source_set_io_events(signd->source, whole ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void ask_first(Signd *signd)
{
    uint64_t patience = signd->setup.patience > 0 ? signd->setup.patience : PATIENCE;

    signd->number++;
    signd->sent = signd->received = 0;
    signd_question_build(signd->number, &signd->queue[signd->first].answer, signd->question);
    (void) sd_event_source_set_time_relative(signd->timeout, patience);
    (void) sd_event_source_set_enabled(signd->timeout, SD_EVENT_ONESHOT);
    send_question(signd);
}

/* The first is done with. */
static void ask_next(Signd *signd)
{
    (void) sd_event_source_set_enabled(signd->timeout, SD_EVENT_OFF);
    signd->first = (signd->first + 1) % SIGND_QUEUE_MAX;
    signd->count--;
    tell_state(signd, NULL);
    if (signd->count > 0)
        ask_first(signd);
}

static void read_reply(Signd *signd)
{
    const Waiting *first = &signd->queue[signd->first];
    uint8_t signed_answer[MS_SNTP_SIZE];

    switch (signd_reply_parse(signd->reply, signd->received, signd->number, &first->answer, signed_answer)) {
    case SIGND_INCOMPLETE: return;
    case SIGND_SIGNED:
        signd->setup.on_signed(signd->setup.userdata, &first->way, signed_answer);
        ask_next(signd);
        return;
    case SIGND_REFUSED: ask_next(signd); return;
    case SIGND_RUBBISH: give_up(signd, "it answers what we do not understand"); return;
    }
}

/* --- the connection --- */

static void receive(Signd *signd)
{
    size_t room = sizeof signd->reply - signd->received;
    ssize_t r = recv(signd->fd, signd->reply + signd->received, room, MSG_DONTWAIT);

    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (r > 0 && signd->count > 0) {
        signd->received += (size_t) r;
        read_reply(signd);
    } else if (signd->count > 0) {
        give_up(signd, r == 0 ? "it has ended the connection" : strerror(errno));
    } else {
        disconnect(signd); /* restarted, perhaps: nobody waits for it */
    }
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    Signd *signd = userdata;

    (void) source;
    (void) fd;
    if (revents & EPOLLOUT && signd->sent < sizeof signd->question)
        send_question(signd);
    if (revents & ~(uint32_t) EPOLLOUT && signd->fd >= 0)
        receive(signd);
    return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void) source;
    (void) usec;
    give_up(userdata, "it does not answer");
    return 0;
}

/* A socket of this family is connected at once, or not at all. */
static int connect_socket(Signd *signd)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    int r = connect(fd, (const struct sockaddr *) &signd->address, sizeof signd->address) < 0
                ? -errno
                : sd_event_add_io(signd->setup.event, &signd->source, fd, EPOLLIN, on_socket, signd);
    if (r < 0)
        close(fd);
    else
        signd->fd = fd;
    return MIN(r, 0);
}

void signd_ask(Signd *signd, const MsSntpAnswer *answer, const AnswerWay *way)
{
    int r;

    if (signd->count == SIGND_QUEUE_MAX) {
        if (!signd->crowded)
            signd->setup.on_state(signd->setup.userdata, "it is asked for more than it signs");
        signd->crowded = true;
        return;
    }
    if (signd->fd < 0 && (r = connect_socket(signd)) < 0) {
        tell_state(signd, strerror(-r));
        return;
    }
    signd->queue[(signd->first + signd->count++) % SIGND_QUEUE_MAX] = (Waiting) {*answer, *way};
    if (signd->count == 1)
        ask_first(signd);
}

/* --- the whole --- */

int signd_new(const SigndSetup *setup, Signd **ret)
{
    cleanup_(signd_freep) Signd *signd = calloc(1, sizeof *signd);
    int r;

    if (!signd)
        return -ENOMEM;
    signd->fd = -1;
    signd->setup = *setup;
    signd->setup.directory = NULL; /* the caller's */
    sd_event_ref(setup->event);
    signd->address.sun_family = AF_UNIX;
    Text path = TEXT(signd->address.sun_path);
    text_append(&path, setup->directory);
    text_append(&path, SOCKET_NAME);
    if (path.truncated)
        return -ENAMETOOLONG;
    if ((r = sd_event_add_time(setup->event, &signd->timeout, CLOCK_MONOTONIC, 0, 1000, on_timeout, signd)) <
            0 ||
        (r = sd_event_source_set_enabled(signd->timeout, SD_EVENT_OFF)) < 0)
        return r;
    *ret = TAKE_PTR(signd);
    return 0;
}

Signd *signd_free(Signd *signd)
{
    if (!signd)
        return NULL;
    disconnect(signd);
    sd_event_source_disable_unref(signd->timeout);
    sd_event_unref(signd->setup.event);
    free(signd);
    return NULL;
}
