// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Connections and their conversations; see stream-hand.h.
 *
 * All connections live equally long, so that the oldest one, at the head of the list `ages`, is always the
 * next whose time is over: one deadline for all.
 *
 * A new connection is always taken. When there are as many as may be, another one makes room: one that has
 * all it wanted and only needs to hang up, else the oldest one of those from whom most have come. So whoever
 * opens many connections and lets them lie loses his own; he would need as many addresses as there may be
 * connections to reach those of others, and even then only the oldest one goes. From whom: an IPv4 address
 * or an IPv6 network of 64 bits, hashed into one of GROUPS with a secret.
 *
 * After the last byte we stop sending and wait for the other end to hang up (a connection without a
 * conversation): to close with bytes unread would reset it, and the answer might be lost.
 *
 * In one round connections are served first and new ones taken last, so that none that makes room is still to
 * be served. */

#include "net/stream-hand.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that are served in one round, and that are taken at once. A handshake may take a millisecond.
 */
#define EVENTS_MAX  16
#define ACCEPTS_MAX 32
/* Bytes that are read at once, and that one may send in all. */
#define BUFFER_SIZE 16384
#define INPUT_MAX   65536
/* When there are no descriptors for a new connection, none is taken for so long, s. */
#define PAUSE       0.2
#define GROUPS      1024
/* The group of those whose conversation is over. */
#define GROUP_OVER  GROUPS

typedef struct Connection {
    TAILQ_ENTRY(Connection) in_ages, in_group;
    int fd;
    void *talk; /* NULL: it is over */
    MonoTime deadline;
    size_t received; /* bytes */
    uint16_t group;
    bool writing; /* waits until it can write, and does not read meanwhile */
} Connection;

typedef TAILQ_HEAD(Connections, Connection) Connections;

struct StreamHand {
    StreamHandSetup setup;
    SipKey key;
    int epoll;
    bool paused;
    MonoTime pause_end;
    size_t count;
    Connections ages; /* oldest first */
    Connections groups[GROUPS + 1];
    uint32_t sizes[GROUPS + 1];
    uint8_t buffer[BUFFER_SIZE];
};

/* --- one connection --- */

static void leave_group(StreamHand *hand, Connection *connection)
{
    TAILQ_REMOVE(&hand->groups[connection->group], connection, in_group);
    hand->sizes[connection->group]--;
}

static void enter_group(StreamHand *hand, Connection *connection, uint16_t group)
{
    connection->group = group;
    TAILQ_INSERT_TAIL(&hand->groups[group], connection, in_group);
    hand->sizes[group]++;
}

static void end_talk(StreamHand *hand, Connection *connection, StreamEnd end)
{
    if (connection->talk)
        hand->setup.handlers->close(connection->talk, end);
    connection->talk = NULL;
}

static void drop(StreamHand *hand, Connection *connection, StreamEnd end)
{
    end_talk(hand, connection, end);
    leave_group(hand, connection);
    TAILQ_REMOVE(&hand->ages, connection, in_ages);
    hand->count--;
    close(connection->fd); /* and leaves the epoll set */
    free(connection);
}

static uint16_t group_of(const StreamHand *hand, const IpAddress *address)
{
    return (uint16_t) (siphash(&hand->key, address->bytes, address->family == IP_V4 ? 4 : 8) % GROUPS);
}

/* Tells the kernel what the connection waits for. */
static int watch(const StreamHand *hand, Connection *connection, bool writing)
{
    struct epoll_event event = {.events = writing ? EPOLLOUT : EPOLLIN, .data.ptr = connection};

    if (connection->writing == writing)
        return 0;
    connection->writing = writing;
    return epoll_ctl(hand->epoll, EPOLL_CTL_MOD, connection->fd, &event) < 0 ? -errno : 0;
}

/* Sends what there is. Returns 1: all, 0: there is more, but not now; or an error of the network. */
static int send_output(StreamHand *hand, Connection *connection)
{
    const uint8_t *bytes;
    size_t length;

    while ((length = hand->setup.handlers->output(connection->talk, &bytes)) > 0) {
        ssize_t n = send(connection->fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        hand->setup.handlers->on_sent(connection->talk, (size_t) n);
    }
    return 1;
}

/* All is said: waits for the other end to hang up too. */
static void finish(StreamHand *hand, Connection *connection)
{
    end_talk(hand, connection, STREAM_FINISHED);
    if (shutdown(connection->fd, SHUT_WR) < 0 || watch(hand, connection, false) < 0) {
        drop(hand, connection, STREAM_FINISHED);
        return;
    }
    leave_group(hand, connection);
    enter_group(hand, connection, GROUP_OVER);
}

/* Sends, and decides how the connection goes on. closed: the other end will send no more. */
static void go_on(StreamHand *hand, Connection *connection, bool closed)
{
    int r = send_output(hand, connection);

    if (r < 0)
        drop(hand, connection, STREAM_HUNG_UP);
    else if (r > 0 && hand->setup.handlers->is_done(connection->talk) && !closed)
        finish(hand, connection);
    else if (r > 0 && closed)
        drop(hand, connection,
             hand->setup.handlers->is_done(connection->talk) ? STREAM_FINISHED : STREAM_HUNG_UP);
    else if (watch(hand, connection, r == 0) < 0)
        drop(hand, connection, STREAM_HUNG_UP);
}

static void read_some(StreamHand *hand, Connection *connection)
{
    ssize_t n = recv(connection->fd, hand->buffer, sizeof hand->buffer, 0);

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            drop(hand, connection, STREAM_HUNG_UP);
        return;
    }
    connection->received += (size_t) n;
    if (connection->received > INPUT_MAX) {
        drop(hand, connection, STREAM_TALKATIVE);
        return;
    }
    if (!connection->talk) { /* whatever it is, it comes too late */
        if (n == 0)
            drop(hand, connection, STREAM_FINISHED);
        return;
    }
    if (n == 0)
        hand->setup.handlers->on_closed(connection->talk);
    else
        hand->setup.handlers->on_bytes(connection->talk, hand->buffer, (size_t) n);
    go_on(hand, connection, n == 0);
}

static void serve_connection(StreamHand *hand, Connection *connection)
{
    if (connection->writing)
        go_on(hand, connection, false);
    else
        read_some(hand, connection);
}

/* --- new ones --- */

/* The oldest one of those from whom most have come; see above. */
static Connection *find_victim(const StreamHand *hand)
{
    Connection *victim = TAILQ_FIRST(&hand->groups[GROUP_OVER]);
    uint32_t most = 1;

    if (victim)
        return victim;
    for (size_t i = 0; i < GROUPS; i++)
        most = MAX(most, hand->sizes[i]);
    for (size_t i = 0; i < GROUPS; i++) {
        Connection *oldest = TAILQ_FIRST(&hand->groups[i]);
        if (hand->sizes[i] == most && (!victim || oldest->deadline.ns < victim->deadline.ns))
            victim = oldest;
    }
    return victim;
}

static void make_room(StreamHand *hand)
{
    Connection *victim = find_victim(hand);

    if (victim)
        drop(hand, victim, STREAM_CROWDED_OUT);
}

/* Takes a connection over, or hangs up. */
static void take(StreamHand *hand, int fd, const IpEndpoint *remote)
{
    Connection *connection = calloc(1, sizeof *connection);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    if (!connection || !(connection->talk = hand->setup.handlers->open(hand->setup.userdata, remote))) {
        close(fd);
        free(connection);
        return;
    }
    if (hand->count == hand->setup.limit)
        make_room(hand);
    connection->fd = fd;
    connection->deadline = mono_add(hand->setup.now().mono, hand->setup.lifetime);
    TAILQ_INSERT_TAIL(&hand->ages, connection, in_ages);
    enter_group(hand, connection, group_of(hand, &remote->address));
    hand->count++;
    if (epoll_ctl(hand->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        drop(hand, connection, STREAM_HUNG_UP);
    else
        read_some(hand, connection); /* what it has to say is often there already */
}

static int watch_listener(const StreamHand *hand, size_t i)
{
    /* Of several hands one is enough to take a connection. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE,
                                .data.ptr = (void *) &hand->setup.listeners[i]};

    return epoll_ctl(hand->epoll, EPOLL_CTL_ADD, hand->setup.listeners[i], &event) < 0 ? -errno : 0;
}

/* There are no descriptors, or no memory: without a pause we would be told of what waits for ever. */
static void pause_listening(StreamHand *hand)
{
    hand->paused = true;
    hand->pause_end = mono_add(hand->setup.now().mono, PAUSE);
    for (size_t i = 0; i < hand->setup.listener_count; i++)
        (void) epoll_ctl(hand->epoll, EPOLL_CTL_DEL, hand->setup.listeners[i], NULL);
}

static void end_pause(StreamHand *hand)
{
    hand->paused = false;
    for (size_t i = 0; i < hand->setup.listener_count; i++)
        if (watch_listener(hand, i) < 0)
            pause_listening(hand);
}

static void accept_some(StreamHand *hand, int listener)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        IpEndpoint remote;

        int fd = accept4(listener, (struct sockaddr *) &address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0 && ip_endpoint_from_sockaddr((struct sockaddr *) &address, size, &remote)) {
            take(hand, fd, &remote);
            continue;
        }
        if (fd >= 0)
            close(fd);
        else if (errno == EAGAIN)
            return;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_listening(hand);
            return;
        }
        /* Anything else is about that connection only, which is gone (accept(2)). */
    }
}

/* --- rounds --- */

static bool is_listener(const StreamHand *hand, const void *pointer)
{
    const int *listener = pointer;

    return listener >= hand->setup.listeners && listener < hand->setup.listeners + hand->setup.listener_count;
}

static void end_late_ones(StreamHand *hand)
{
    Connection *oldest = TAILQ_FIRST(&hand->ages);
    MonoTime now = hand->setup.now().mono;

    while (oldest && oldest->deadline.ns <= now.ns) {
        drop(hand, oldest, STREAM_LATE);
        oldest = TAILQ_FIRST(&hand->ages);
    }
    if (hand->paused && hand->pause_end.ns <= now.ns)
        end_pause(hand);
}

MonoTime stream_hand_deadline(const StreamHand *hand)
{
    const Connection *oldest = TAILQ_FIRST(&hand->ages);

    return mono_earliest(oldest ? oldest->deadline : MONO_UNSET, hand->paused ? hand->pause_end : MONO_UNSET);
}

/* Milliseconds, rounded up: a round that comes too early has nothing to do. */
static int timeout_of(const StreamHand *hand)
{
    MonoTime deadline = stream_hand_deadline(hand);

    if (!mono_is_set(deadline))
        return -1;
    int64_t ms = (deadline.ns - hand->setup.now().mono.ns + 999999) / 1000000;
    return (int) CLAMP(ms, INT64_C(0), INT64_C(1000000));
}

bool stream_hand_serve(StreamHand *hand, bool wait)
{
    struct epoll_event events[EVENTS_MAX];
    bool others = false;

    int count = epoll_wait(hand->epoll, events, EVENTS_MAX, wait ? timeout_of(hand) : 0);
    for (int i = 0; i < count; i++)
        if (!events[i].data.ptr)
            others = true;
        else if (!is_listener(hand, events[i].data.ptr))
            serve_connection(hand, events[i].data.ptr);
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr && is_listener(hand, events[i].data.ptr) && !hand->paused)
            accept_some(hand, *(const int *) events[i].data.ptr);
    end_late_ones(hand);
    return !others;
}

/* --- the whole --- */

static int open_set(StreamHand *hand)
{
    int r = 0;

    hand->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (hand->epoll < 0)
        return -errno;
    for (size_t i = 0; r >= 0 && i < hand->setup.listener_count; i++)
        r = watch_listener(hand, i);
    if (r < 0)
        close(hand->epoll);
    return r;
}

int stream_hand_new(const StreamHandSetup *setup, StreamHand **ret)
{
    StreamHand *hand = calloc(1, sizeof *hand);

    if (!hand)
        return -ENOMEM;
    hand->setup = *setup;
    hand->key = siphash_key(setup->secret);
    TAILQ_INIT(&hand->ages);
    for (size_t i = 0; i < ELEMENTS(hand->groups); i++)
        TAILQ_INIT(&hand->groups[i]);
    int r = open_set(hand);
    if (r < 0) {
        free(hand);
        return r;
    }
    *ret = hand;
    return 0;
}

StreamHand *stream_hand_free(StreamHand *hand)
{
    if (!hand)
        return NULL;
    while (!TAILQ_EMPTY(&hand->ages))
        drop(hand, TAILQ_FIRST(&hand->ages), STREAM_STOPPED);
    close(hand->epoll);
    free(hand);
    return NULL;
}

int stream_hand_fd(const StreamHand *hand)
{
    return hand->epoll;
}

size_t stream_hand_count(const StreamHand *hand)
{
    return hand->count;
}
