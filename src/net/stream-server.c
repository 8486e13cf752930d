// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See stream-server.h.
 *
 * All hands listen on the same sockets, and the kernel wakes one of them for a new connection. A thread has
 * its hand and nothing else; it is told one thing only, to end, by an eventfd in the hand's epoll set.
 * Whoever wants something else of it ends it and starts another. */

#include "net/stream-server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/thread.h"

/* A handshake with an RSA key needs some of it. */
#define STACK_SIZE      (256 * 1024)
/* In the event loop everything else comes first. */
#define STREAM_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

typedef struct Hand {
    StreamHand *hand;
    bool has_thread;
    pthread_t thread;
} Hand;

struct StreamServer {
    StreamServerSetup setup;
    int *fds;                   /* owned */
    size_t count;               /* of them */
    size_t own;                 /* of them, at the beginning: ours to close */
    const PassedSocket *passed; /* borrowed; those that were passed to us */
    size_t passed_count;
    Hand *hands; /* owned */
    size_t hand_count;
    int end;                        /* eventfd: the threads end */
    sd_event_source *ready, *timer; /* of the event loop's hand */
};

/* --- the event loop's hand --- */

static int arm_timer(StreamServer *server)
{
    MonoTime deadline = stream_hand_deadline(server->hands[0].hand);

    if (!mono_is_set(deadline))
        return sd_event_source_set_enabled(server->timer, SD_EVENT_OFF);
    int r = sd_event_source_set_time(server->timer, (uint64_t) (deadline.ns / NSEC_PER_USEC + 1));
    return r < 0 ? r : sd_event_source_set_enabled(server->timer, SD_EVENT_ONESHOT);
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    StreamServer *server = userdata;

    (void) source;
    (void) fd;
    (void) revents;
    (void) stream_hand_serve(server->hands[0].hand, false);
    return arm_timer(server);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void) usec;
    return on_ready(source, -1, 0, userdata);
}

static int join_event_loop(StreamServer *server)
{
    sd_event *event = server->setup.event;
    int r;

    if ((r = sd_event_add_io(event, &server->ready, stream_hand_fd(server->hands[0].hand), EPOLLIN, on_ready,
                             server)) < 0 ||
        (r = sd_event_source_set_priority(server->ready, STREAM_PRIORITY)) < 0 ||
        (r = sd_event_add_time(event, &server->timer, CLOCK_MONOTONIC, 0, NSEC_PER_USEC, on_timer, server)) <
            0 ||
        (r = sd_event_source_set_priority(server->timer, STREAM_PRIORITY)) < 0)
        return r;
    return sd_event_source_set_enabled(server->timer, SD_EVENT_OFF);
}

/* --- threads --- */

static void *work(void *userdata)
{
    while (stream_hand_serve(userdata, true))
        ;
    return NULL;
}

static int start_thread(StreamServer *server, Hand *hand)
{
    const ThreadSetup setup = {.name = "timeball-keys",
                               .stack_size = STACK_SIZE,
                               .work = work,
                               .userdata = hand->hand};
    struct epoll_event event = {.events = EPOLLIN};

    if (epoll_ctl(stream_hand_fd(hand->hand), EPOLL_CTL_ADD, server->end, &event) < 0)
        return -errno;
    int r = thread_start(&setup, &hand->thread);
    hand->has_thread = r >= 0;
    return r;
}

static int add_hand(StreamServer *server, size_t limit, bool thread)
{
    Hand *hand = &server->hands[server->hand_count];
    StreamHandSetup setup = {.handlers = server->setup.handlers,
                             .userdata = server->setup.userdata,
                             .now = server->setup.now,
                             .lifetime = server->setup.lifetime,
                             .limit = limit,
                             .listeners = server->fds,
                             .listener_count = server->count};

    memcpy(setup.secret, server->setup.secret, sizeof setup.secret);
    int r = stream_hand_new(&setup, &hand->hand);
    if (r < 0)
        return r;
    server->hand_count++;
    return thread ? start_thread(server, hand) : join_event_loop(server);
}

static int start_hands(StreamServer *server, const StreamHands *hands)
{
    size_t threads = MIN(hands->threads, (size_t) STREAM_THREADS_MAX), count = MAX(threads, (size_t) 1);
    int r = 0;

    server->hands = calloc(count, sizeof *server->hands);
    if (!server->hands)
        return -ENOMEM;
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = add_hand(server, hands->limit, threads > 0);
    return r;
}

static void stop_hands(StreamServer *server)
{
    eventfd_t count;

    server->ready = sd_event_source_disable_unref(server->ready);
    server->timer = sd_event_source_disable_unref(server->timer);
    (void) eventfd_write(server->end, 1);
    for (size_t i = 0; i < server->hand_count; i++)
        if (server->hands[i].has_thread)
            pthread_join(server->hands[i].thread, NULL);
    (void) eventfd_read(server->end, &count);
    for (size_t i = 0; i < server->hand_count; i++)
        stream_hand_free(server->hands[i].hand);
    free(server->hands);
    server->hands = NULL;
    server->hand_count = 0;
}

/* --- sockets --- */

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int prepare(int fd, const ServerListen *where, IpFamily family)
{
    const char *device = where->config->device;
    bool v4 = family == IP_V4;
    int r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

    if (r >= 0 && !v4)
        r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (r < 0)
        return r;
    if (device[0] != '\0' &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t) strlen(device) + 1) < 0)
        return -errno;
    /* An address may come later than we do. What is sent is whole already; connections take this over. */
    (void) set_option(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND, 1);
    (void) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    socket_set_dscp(fd, family, where->dscp);
    return 0;
}

static int open_socket(const ServerListen *where, const IpEndpoint *local, int *ret)
{
    IpFamily family = local->address.family;
    struct sockaddr_storage address;
    int r;

    int fd = socket(family == IP_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    socklen_t size = ip_endpoint_to_sockaddr(local, &address);
    if ((r = prepare(fd, where, family)) < 0 ||
        (r = bind(fd, (const struct sockaddr *) &address, size) < 0 ? -errno : 0) < 0 ||
        (r = listen(fd, SOMAXCONN) < 0 ? -errno : 0) < 0) {
        close(fd);
        return r;
    }
    *ret = fd;
    return 0;
}

/* Appends a socket. */
static int add_socket(StreamServer *server, int fd)
{
    int *fds = reallocarray(server->fds, server->count + 1, sizeof *fds);

    if (!fds)
        return -ENOMEM;
    server->fds = fds;
    fds[server->count++] = fd;
    return 0;
}

typedef struct Opening {
    StreamServer *server;
    const ServerListen *where;
} Opening;

static void open_address(void *userdata, const IpEndpoint *local)
{
    const Opening *opening = userdata;
    int fd = -1;
    int r = open_socket(opening->where, local, &fd);

    if (r >= 0 && (r = add_socket(opening->server, fd)) < 0)
        close(fd);
    if (r < 0)
        opening->server->setup.on_failed(opening->server->setup.userdata, local, -r);
}

static void use_passed(StreamServer *server, const ServerListen *where)
{
    server->passed = where->passed;
    server->passed_count = where->passed_count;
    for (size_t i = 0; i < where->passed_count; i++) {
        const PassedSocket *passed = &where->passed[i];
        bool wanted = passed->local.address.family == IP_V4 ? where->v4 : where->v6;
        int r = wanted ? add_socket(server, passed->fd) : 0;
        server_listen_mark(passed, where->dscp);
        if (r < 0)
            server->setup.on_failed(server->setup.userdata, &passed->local, -r);
    }
}

static void stop_listening(StreamServer *server)
{
    stop_hands(server);
    for (size_t i = 0; i < server->own; i++)
        close(server->fds[i]);
    for (size_t i = 0; i < server->passed_count; i++)
        server_listen_mark(&server->passed[i], 0);
    free(server->fds);
    server->fds = NULL;
    server->count = server->own = server->passed_count = 0;
}

int stream_server_listen(StreamServer *server, const ServerListen *where, const StreamHands *hands)
{
    Opening opening = {server, where};

    stop_listening(server);
    if (where->passed_count > 0) {
        use_passed(server, where);
    } else {
        server_listen_for_each(where, open_address, &opening);
        server->own = server->count;
    }
    if (server->count == 0)
        return 0;
    int r = start_hands(server, hands);
    if (r < 0)
        stop_listening(server);
    return r;
}

size_t stream_server_count(const StreamServer *server)
{
    return server->count;
}

IpEndpoint stream_server_local(const StreamServer *server, size_t i)
{
    return socket_local(server->fds[i]);
}

/* --- the whole --- */

int stream_server_new(const StreamServerSetup *setup, StreamServer **ret)
{
    StreamServer *server = calloc(1, sizeof *server);

    if (!server)
        return -ENOMEM;
    server->setup = *setup;
    server->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->end < 0) {
        int r = -errno;
        free(server);
        return r;
    }
    sd_event_ref(setup->event);
    *ret = server;
    return 0;
}

StreamServer *stream_server_free(StreamServer *server)
{
    if (!server)
        return NULL;
    stop_listening(server);
    close(server->end);
    sd_event_unref(server->setup.event);
    free(server);
    return NULL;
}
