// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Batches of requests; see server-socket.h.
 *
 * The answers of a batch are written where the requests were, with the control data that the kernel gave:
 * nothing is copied but 48 bytes. All of them have one transmit timestamp, taken just before they are made: a
 * batch is longer than one packet only when the machine is busier than a few microseconds matter. */

#include "net/server-socket.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"

/* Requests that are received at once, and batches before the event loop has its turn. */
#define BATCH_MAX       32
#define BATCHES_AT_ONCE 4
/* Longer packets are cut and then refused. */
#define REQUEST_MAX     NTP_PACKET_MAX
/* Control data of a request: a timestamp triple and the address that was asked. */
#define CONTROL_SIZE                                                                                         \
    (CMSG_SPACE(3 * sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(64))
/* Our own requests and their answers come first: they are what makes the time right. */
#define SERVER_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 5)

typedef struct ServerSocket {
    ServerSockets *owner;
    int fd;
    IpFamily family;
    sd_event_source *source;
} ServerSocket;

/* One place of a batch. */
typedef struct Slot {
    struct sockaddr_storage from;
    struct iovec io;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
    uint8_t bytes[REQUEST_MAX];
} Slot;

struct ServerSockets {
    sd_event *event;
    ServerShard *shard;
    const ServerSocketsHandlers *handlers;
    void *userdata;
    ServerSocket **list; /* owned */
    size_t count;
    struct mmsghdr requests[BATCH_MAX], answers[BATCH_MAX];
    Slot slots[BATCH_MAX];
};

int server_sockets_new(sd_event *event, ServerShard *shard, const ServerSocketsHandlers *handlers,
                       void *userdata, ServerSockets **ret)
{
    ServerSockets *sockets = calloc(1, sizeof *sockets);

    if (!sockets)
        return -ENOMEM;
    sockets->event = sd_event_ref(event);
    sockets->shard = shard;
    sockets->handlers = handlers;
    sockets->userdata = userdata;
    *ret = sockets;
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
    sd_event_unref(sockets->event);
    free(sockets);
    return NULL;
}

/* --- one batch --- */

static int receive(ServerSockets *sockets, int fd)
{
    for (size_t i = 0; i < BATCH_MAX; i++) {
        Slot *slot = &sockets->slots[i];
        slot->io = (struct iovec) {.iov_base = slot->bytes, .iov_len = sizeof slot->bytes};
        sockets->requests[i].msg_hdr = (struct msghdr) {
            .msg_name = &slot->from,
            .msg_namelen = sizeof slot->from,
            .msg_iov = &slot->io,
            .msg_iovlen = 1,
            .msg_control = slot->control,
            .msg_controllen = sizeof slot->control,
        };
    }
    return recvmmsg(fd, sockets->requests, BATCH_MAX, MSG_DONTWAIT, NULL);
}

static void read_timestamp(const struct cmsghdr *control, ServerRequest *request)
{
    struct timespec stamps[3];

    if (control->cmsg_len < CMSG_LEN(sizeof stamps))
        return;
    memcpy(stamps, CMSG_DATA(control), sizeof stamps);
    if (stamps[0].tv_sec == 0 && stamps[0].tv_nsec == 0)
        return;
    request->received.ns = ns_from_timespec(stamps[0]);
    request->origin = TIMESTAMP_KERNEL;
}

/* Makes the control data of the answer in `to`: leave from the address that was asked, by whatever way
 * routing chooses; only a link-local address means nothing without its link. */
static size_t source_v4(const struct cmsghdr *asked, struct cmsghdr *to)
{
    struct in_pktinfo info;

    memcpy(&info, CMSG_DATA(asked), sizeof info);
    /* For a packet to a broadcast address spec_dst is the address of the interface. */
    info = (struct in_pktinfo) {.ipi_spec_dst = info.ipi_spec_dst};
    *to = (struct cmsghdr) {.cmsg_len = CMSG_LEN(sizeof info),
                            .cmsg_level = IPPROTO_IP,
                            .cmsg_type = IP_PKTINFO};
    memcpy(CMSG_DATA(to), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

static size_t source_v6(const struct cmsghdr *asked, struct cmsghdr *to)
{
    struct in6_pktinfo info;

    memcpy(&info, CMSG_DATA(asked), sizeof info);
    if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
        info.ipi6_addr = in6addr_any;
    else if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
        info.ipi6_ifindex = 0;
    *to = (struct cmsghdr) {.cmsg_len = CMSG_LEN(sizeof info),
                            .cmsg_level = IPPROTO_IPV6,
                            .cmsg_type = IPV6_PKTINFO};
    memcpy(CMSG_DATA(to), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

/* Reads the control data of a request and puts that of its answer in its place; returns the length. */
static size_t turn_control(struct msghdr *message, ServerRequest *request)
{
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } answer = {0};
    size_t length = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING)
            read_timestamp(c, request);
        else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
            length = source_v4(c, &answer.header);
        else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            length = source_v6(c, &answer.header);
    }
    memcpy(message->msg_control, &answer, length);
    return length;
}

/* Turns request i into its answer, the last of `count`; false: silence. */
static bool serve(ServerSockets *sockets, const ServerBatch *batch, size_t i, Now now, size_t count)
{
    struct mmsghdr *message = &sockets->requests[i];
    Slot *slot = &sockets->slots[i];
    ServerRequest request = {
        .bytes = slot->bytes,
        /* A packet that was cut is not what it seems to be. */
        .length = message->msg_hdr.msg_flags & MSG_TRUNC ? 0 : message->msg_len,
        .received = now.raw,
        .origin = TIMESTAMP_DAEMON,
        .transmit = now.raw,
    };
    uint8_t answer[SERVER_ANSWER_SIZE];

    if (!ip_endpoint_from_sockaddr((const struct sockaddr *) &slot->from, message->msg_hdr.msg_namelen,
                                   &request.remote))
        return false;
    size_t control = turn_control(&message->msg_hdr, &request);
    ServerVerdict verdict = server_shard_on_request(sockets->shard, batch, &request, now.mono, answer);
    if (verdict != SERVER_ANSWERED && verdict != SERVER_KISSED)
        return false;
    memcpy(slot->bytes, answer, sizeof answer);
    slot->io.iov_len = sizeof answer;
    sockets->answers[count] = (struct mmsghdr) {.msg_hdr = message->msg_hdr};
    sockets->answers[count].msg_hdr.msg_controllen = control;
    if (control == 0)
        sockets->answers[count].msg_hdr.msg_control = NULL;
    sockets->answers[count].msg_hdr.msg_flags = 0;
    return true;
}

/* What the network refuses is skipped; when it has no room, all that is left is. */
static void send_all(ServerSockets *sockets, int fd, size_t count)
{
    size_t sent = 0;

    while (sent < count) {
        int r = sendmmsg(fd, sockets->answers + sent, (unsigned) (count - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r > 0) {
            sent += (size_t) r;
            continue;
        }
        if (r < 0 && errno == EINTR)
            continue;
        bool full = r < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM);
        do {
            server_shard_on_send_failed(sockets->shard);
            sent++;
        } while (full && sent < count);
    }
}

/* Returns whether there may be more. */
static bool serve_batch(ServerSockets *sockets, int fd)
{
    ServerSnapshot snapshot;
    ServerBatch batch;
    size_t answers = 0;

    int received = receive(sockets, fd);
    if (received <= 0)
        return false;
    Now now = sockets->handlers->now();
    sockets->handlers->snapshot(sockets->userdata, now, &snapshot);
    server_batch_start(&snapshot, now.raw, server_shard_min_poll(sockets->shard), &batch);
    for (size_t i = 0; i < (size_t) received; i++)
        if (serve(sockets, &batch, i, now, answers))
            answers++;
    send_all(sockets, fd, answers);
    return received == BATCH_MAX;
}

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
    for (int i = 0; i < BATCHES_AT_ONCE && serve_batch(socket->owner, fd); i++)
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

    if (v4 ? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes) < 0
           : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes) < 0)
        return -errno;
    if (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) < 0)
        return -errno;
    set_optional(fd, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
    /* An address may come later than we do. */
    set_optional(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND, 1);
    if (listen->dscp > 0)
        set_optional(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, listen->dscp << 2);
    if (device[0] != '\0' &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t) strlen(device) + 1) < 0)
        return -errno;
    socklen_t size = ip_endpoint_to_sockaddr(local, &address);
    return bind(fd, (const struct sockaddr *) &address, size) < 0 ? -errno : 0;
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
