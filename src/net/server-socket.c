// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Sockets for requests; see server-socket.h. */

#include "net/server-socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"

/* Batches before the event loop has its turn. */
#define BATCHES_AT_ONCE 4
/* Our own requests and their answers come first: they are what makes the time right. */
#define SERVER_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 5)

typedef struct ServerSocket {
    ServerSockets *owner;
    int fd;
    IpFamily family;
    sd_event_source *source;
} ServerSocket;

struct ServerSockets {
    sd_event *event;
    RequestBatch *batch; /* owned */
    const ServerSocketsHandlers *handlers;
    void *userdata;
    ServerSocket **list; /* owned */
    size_t count;
};

int server_sockets_new(sd_event *event, ServerShard *shard, const ServerSocketsHandlers *handlers,
                       void *userdata, ServerSockets **ret)
{
    cleanup_(server_sockets_freep) ServerSockets *sockets = calloc(1, sizeof *sockets);

    if (!sockets)
        return -ENOMEM;
    sockets->event = sd_event_ref(event);
    sockets->handlers = handlers;
    sockets->userdata = userdata;
    int r = request_batch_new(shard, &handlers->requests, userdata, &sockets->batch);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(sockets);
    return 0;
}

static ServerSocket *server_socket_free(ServerSocket *socket)
{
    if (!socket)
        return NULL;
    sd_event_source_disable_unref(socket->source);
    if (socket->fd >= 0)
        close(socket->fd);
    free(socket);
    return NULL;
}
DEFINE_CLEANUP(ServerSocket, server_socket_free);

static void close_all(ServerSockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++)
        server_socket_free(sockets->list[i]);
    free(sockets->list);
    sockets->list = NULL;
    sockets->count = 0;
}

ServerSockets *server_sockets_free(ServerSockets *sockets)
{
    if (!sockets)
        return NULL;
    close_all(sockets);
    request_batch_free(sockets->batch);
    sd_event_unref(sockets->event);
    free(sockets);
    return NULL;
}

/* --- serving --- */

static int on_requests(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    ServerSocket *socket = userdata;

    (void) source;
    /* An error that waits, of an earlier answer, is told once and is nothing to us. */
    if (revents & EPOLLERR) {
        int error = 0;
        socklen_t size = sizeof error;
        (void) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    for (int i = 0; i < BATCHES_AT_ONCE && request_batch_serve(socket->owner->batch, fd); i++)
        ;
    return 0;
}

/* --- opening --- */

static void set_optional(int fd, int level, int option, int value)
{
    (void) setsockopt(fd, level, option, &value, sizeof value);
}

static int prepare(int fd, const ServerListen *listen, const IpEndpoint *local)
{
    const char *device = listen->config->device;
    bool v4 = local->address.family == IP_V4;
    struct sockaddr_storage address;
    static const int yes = 1;

    int r = request_batch_prepare_socket(fd, local->address.family);
    if (r < 0)
        return r;
    if (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) < 0)
        return -errno;
    /* An address may come later than we do. */
    set_optional(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND, 1);
    if (listen->dscp > 0)
        set_optional(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, listen->dscp << 2);
    if (device[0] != '\0' &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t) strlen(device) + 1) < 0)
        return -errno;
    socklen_t size = ip_endpoint_to_sockaddr(local, &address);
    if (bind(fd, (const struct sockaddr *) &address, size) < 0)
        return -errno;
    /* Nobody else had the port; from now on the sockets of peers may have it, too. */
    set_optional(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return 0;
}

static int open_one(ServerSockets *sockets, const ServerListen *listen, const IpEndpoint *local)
{
    cleanup_(server_socket_freep) ServerSocket *new = calloc(1, sizeof *new);
    ServerSocket **list = reallocarray(sockets->list, sockets->count + 1, sizeof *list);
    int r;

    if (list)
        sockets->list = list;
    if (!new || !list)
        return -ENOMEM;
    *new = (ServerSocket) {.owner = sockets, .family = local->address.family};
    new->fd = socket(new->family == IP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (new->fd < 0)
        return -errno;
    if ((r = prepare(new->fd, listen, local)) < 0 ||
        (r = sd_event_add_io(sockets->event, &new->source, new->fd, EPOLLIN, on_requests, new)) < 0 ||
        (r = sd_event_source_set_priority(new->source, SERVER_PRIORITY)) < 0)
        return r;
    sockets->list[sockets->count++] = TAKE_PTR(new);
    return 0;
}

static void try_open(ServerSockets *sockets, const ServerListen *listen, const IpAddress *address)
{
    const IpEndpoint local = {.address = *address, .port = listen->config->port};
    int r = open_one(sockets, listen, &local);

    if (r < 0)
        sockets->handlers->on_failed(sockets->userdata, &local, -r);
}

static void open_family(ServerSockets *sockets, const ServerListen *listen, IpFamily family)
{
    const IpAddress any = {.family = (uint8_t) family};
    bool chosen = false;

    for (size_t i = 0; i < listen->config->address_count; i++) {
        const IpAddress *address = &listen->config->addresses[i];
        if (address->family != family)
            continue;
        chosen = true;
        try_open(sockets, listen, address);
    }
    if (!chosen)
        try_open(sockets, listen, &any);
}

size_t server_sockets_open(ServerSockets *sockets, const ServerListen *listen)
{
    close_all(sockets);
    if (listen->config->port == 0)
        return 0;
    if (listen->v4)
        open_family(sockets, listen, IP_V4);
    if (listen->v6)
        open_family(sockets, listen, IP_V6);
    return sockets->count;
}

size_t server_sockets_count(const ServerSockets *sockets)
{
    return sockets->count;
}

IpEndpoint server_sockets_local(const ServerSockets *sockets, size_t i)
{
    return socket_local(sockets->list[i]->fd);
}
