// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Sockets for requests; see server-socket.h.
 *
 * For each address there are as many sockets as hands, one after another in the list. Those that were passed
 * to us are there first, and stay open when we stop listening: they are not ours to close. */

#include "net/server-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net/socket.h"

/* Batches before the event loop has its turn: two or three milliseconds, on a slow machine. */
#define BATCHES_AT_ONCE 32
/* Our own requests and their answers come first: they are what makes the time right. */
#define SERVER_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 5)

typedef struct ServerSocket {
    ServerSockets *owner;
    int fd;
    RequestSocket *requests;
    const PassedSocket *passed; /* not to be closed; NULL: our own */
    sd_event_source *source;    /* NULL: a thread's */
} ServerSocket;

struct ServerSockets {
    ServerSocketsSetup setup;
    ServerSocket **list; /* owned */
    size_t count;
};

int server_sockets_new(const ServerSocketsSetup *setup, ServerSockets **ret)
{
    ServerSockets *sockets = calloc(1, sizeof *sockets);

    if (!sockets)
        return -ENOMEM;
    sockets->setup = *setup;
    sd_event_ref(setup->event);
    *ret = sockets;
    return 0;
}

ServerSockets *server_sockets_free(ServerSockets *sockets)
{
    if (!sockets)
        return NULL;
    server_sockets_close(sockets);
    sd_event_unref(sockets->setup.event);
    free(sockets);
    return NULL;
}

static ServerSocket *server_socket_free(ServerSocket *socket)
{
    if (!socket)
        return NULL;
    sd_event_source_disable_unref(socket->source);
    request_socket_free(socket->requests);
    if (socket->owner)
        port_sharing_leave(socket->owner->setup.sharing, socket->fd);
    if (socket->passed)
        server_listen_mark(socket->passed, 0);
    else if (socket->fd >= 0)
        close(socket->fd);
    free(socket);
    return NULL;
}
DEFINE_CLEANUP(ServerSocket, server_socket_free);

/* Gives each thread its sockets of the list. */
static int hand_out(ServerSockets *sockets)
{
    size_t hands = server_hands_count(sockets->setup.hands), each = sockets->count / hands;
    cleanup_(freep) RequestSocket **own = calloc(each + 1, sizeof(RequestSocket *));

    if (!own)
        return -ENOMEM;
    for (size_t i = 0; i < hands; i++) {
        for (size_t j = 0; j < each; j++)
            own[j] = sockets->list[j * hands + i]->requests;
        int r = server_hands_give(sockets->setup.hands, i, own, each);
        if (r < 0)
            return r;
    }
    return 0;
}

void server_sockets_close(ServerSockets *sockets)
{
    server_hands_take_away(sockets->setup.hands);
    for (size_t i = 0; i < sockets->count; i++)
        server_socket_free(sockets->list[i]);
    free(sockets->list);
    sockets->list = NULL;
    sockets->count = 0;
}

/* A socket that somebody waits for tells him of each packet that comes and of each that has left, whether he
 * sleeps or not: with many requests that costs more than to leave and to come back. */
static int on_requests(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    ServerSocket *socket = userdata;
    RequestBatch *batch = server_hands_batch(socket->owner->setup.hands);

    (void) fd;
    if (revents & EPOLLERR)
        request_batch_on_error(batch, socket->requests);
    if (!request_batch_serve(batch, socket->requests, 1))
        return 0;
    int r = sd_event_source_set_enabled(source, SD_EVENT_OFF);
    (void) request_batch_serve(batch, socket->requests, BATCHES_AT_ONCE - 1);
    return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ON);
}

static void close_fd(const ServerSockets *sockets, int fd)
{
    port_sharing_leave(sockets->setup.sharing, fd);
    close(fd);
}

/* Appends a socket. One that was not passed to us is taken over, also on failure. */
static int add_socket(ServerSockets *sockets, int fd, const PassedSocket *passed)
{
    cleanup_(server_socket_freep) ServerSocket *new = calloc(1, sizeof *new);
    ServerSocket **list = reallocarray(sockets->list, sockets->count + 1, sizeof *list);
    int r;

    if (list)
        sockets->list = list;
    if (!new || !list) {
        if (!passed)
            close_fd(sockets, fd);
        return -ENOMEM;
    }
    *new = (ServerSocket) {.owner = sockets, .fd = fd, .passed = passed};
    if ((r = request_socket_new(fd, &new->requests)) < 0)
        return r;
    if (server_hands_batch(sockets->setup.hands) &&
        ((r = sd_event_add_io(sockets->setup.event, &new->source, fd, EPOLLIN, on_requests, new)) < 0 ||
         (r = sd_event_source_set_priority(new->source, SERVER_PRIORITY)) < 0))
        return r;
    sockets->list[sockets->count++] = TAKE_PTR(new);
    return 0;
}

/* All of an address, or none. */
static int add_sockets(ServerSockets *sockets, const int *fds)
{
    size_t before = sockets->count;
    int r = 0;

    for (size_t i = 0; i < server_hands_count(sockets->setup.hands); i++)
        if (r < 0)
            close_fd(sockets, fds[i]);
        else
            r = add_socket(sockets, fds[i], NULL);
    while (r < 0 && sockets->count > before)
        server_socket_free(sockets->list[--sockets->count]);
    return r;
}

typedef struct Opening {
    ServerSockets *sockets;
    const ServerListen *listen;
} Opening;

static void open_address(void *userdata, const IpEndpoint *local)
{
    const Opening *opening = userdata;
    ServerSockets *sockets = opening->sockets;
    int fds[SERVER_SHARERS_MAX];

    int r = server_listen_open(opening->listen, sockets->setup.sharing, local,
                               server_hands_count(sockets->setup.hands), sockets->setup.secret, fds);
    if (r >= 0)
        r = add_sockets(sockets, fds);
    if (r < 0)
        sockets->setup.on_failed(sockets->setup.userdata, local, -r);
}

static void use_passed(ServerSockets *sockets, const ServerListen *listen)
{
    for (size_t i = 0; i < listen->passed_count; i++) {
        const PassedSocket *passed = &listen->passed[i];
        bool allowed = passed->local.address.family == IP_V4 ? listen->v4 : listen->v6;
        int r = allowed ? port_sharing_join(sockets->setup.sharing, passed->fd) : 0;
        if (allowed && r >= 0) {
            server_listen_mark(passed, listen->dscp);
            r = add_socket(sockets, passed->fd, passed);
        }
        if (r < 0)
            sockets->setup.on_failed(sockets->setup.userdata, &passed->local, -r);
    }
}

size_t server_sockets_open(ServerSockets *sockets, const ServerListen *listen)
{
    Opening opening = {sockets, listen};

    server_sockets_close(sockets);
    if (listen->passed_count > 0)
        use_passed(sockets, listen);
    else
        server_listen_for_each(listen, open_address, &opening);
    if (hand_out(sockets) < 0)
        server_sockets_close(sockets);
    return server_sockets_count(sockets);
}

size_t server_sockets_count(const ServerSockets *sockets)
{
    return sockets->count / server_hands_count(sockets->setup.hands);
}

IpEndpoint server_sockets_local(const ServerSockets *sockets, size_t i)
{
    return socket_local(sockets->list[i * server_hands_count(sockets->setup.hands)]->fd);
}
