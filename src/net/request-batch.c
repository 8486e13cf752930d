// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Batches of requests; see request-batch.h.
 *
 * All that the two system calls need is laid out once, and only what they change is put right again. An
 * answer borrows the address and the control data of its request. All answers of a batch have one transmit
 * timestamp, taken just before they are made: a batch is longer than one packet only when the machine is
 * busier than a few microseconds matter.
 *
 * Where the client will be told later when its answer really left (interleaved mode), the kernel is asked for
 * that. Network drivers mostly stamp while the packet is handed to them, so that what is asked for is there
 * as soon as the answers are sent, and is fetched with one call more; what comes later raises POLLERR. A
 * kernel timestamp costs a fifth of an answer. So only some are asked for in each batch, which is all as long
 * as the server keeps up. When it does not, the others are taken to have left one after another while
 * sendmmsg() ran. */

#include "net/request-batch.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "core/api/action.h"

/* Of the cache. What one packet needs begins with one of its own, or most of them would touch two. */
#define LINE_SIZE   ((size_t) 64)
/* Longer packets are cut and then refused. */
#define REQUEST_MAX NTP_PACKET_MAX
/* Less than by which the clock is stepped, and more than the readings of two clocks are apart, ns. */
#define STEP_MIN    (10 * NSEC_PER_USEC)
/* Answers of a batch that the kernel is asked to stamp. */
#define STAMPS_MAX  4
/* Control data of a request: a timestamp triple, the address that was asked, room to spare. That of its
 * answer has the address and may ask for a timestamp. */
#define CONTROL_SIZE                                                                                         \
    (CMSG_SPACE(3 * sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(64))

static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= ANSWER_CONTROL_SIZE, "the longest that is sent");

/* Where a request came from. */
typedef union Source {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Source;

static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) + REQUEST_STAMP_SPACE <= CONTROL_SIZE,
              "an answer's control data takes the place of its request's");

typedef union Control {
    struct cmsghdr header;
    _Alignas(LINE_SIZE) uint8_t bytes[CONTROL_SIZE];
} Control;

typedef struct Packet {
    _Alignas(LINE_SIZE) uint8_t bytes[REQUEST_MAX];
} Packet;

/* Who is to say when an answer has left. */
typedef enum Stamper {
    STAMPER_NONE, /* nobody needs to know */
    STAMPER_KERNEL,
    STAMPER_CLOCK, /* we, by the time at which sendmmsg() was called and came back */
} Stamper;

struct RequestBatch {
    ServerShard *shard;
    const RequestBatchHandlers *handlers;
    void *userdata;
    size_t used;             /* places that the last batch has touched */
    size_t stampers[3];      /* answers of this batch, by Stamper */
    bool has_snapshot;       /* of the batches that are served now */
    ServerSnapshot snapshot; /* of this batch */
    int64_t apart;           /* the two clocks when it was made, ns */
    struct mmsghdr requests[REQUEST_BATCH_MAX], answers[REQUEST_BATCH_MAX];
    struct iovec request_io[REQUEST_BATCH_MAX], answer_io[REQUEST_BATCH_MAX];
    Source from[REQUEST_BATCH_MAX];
    Control control[REQUEST_BATCH_MAX];
    Stamper stamper[REQUEST_BATCH_MAX]; /* of each answer */
    ServerSent sent[REQUEST_BATCH_MAX]; /* which answer it is; unset without a stamper */
    Packet packets[REQUEST_BATCH_MAX];  /* requests */
    /* The answers one behind another: mostly of 48 bytes, those of a batch take half a page and not ten. */
    uint8_t *free; /* room for the next one */
    _Alignas(LINE_SIZE) uint8_t answer_bytes[REQUEST_BATCH_MAX * ROUND_UP(SERVER_ANSWER_MAX, LINE_SIZE)];
};

static void lay_out(RequestBatch *batch)
{
    for (size_t i = 0; i < REQUEST_BATCH_MAX; i++) {
        batch->request_io[i] = (struct iovec) {batch->packets[i].bytes, REQUEST_MAX};
        batch->requests[i].msg_hdr = (struct msghdr) {
            .msg_name = &batch->from[i],
            .msg_iov = &batch->request_io[i],
            .msg_iovlen = 1,
            .msg_control = &batch->control[i],
        };
        batch->answers[i].msg_hdr = (struct msghdr) {
            .msg_iov = &batch->answer_io[i],
            .msg_iovlen = 1,
        };
    }
    batch->used = REQUEST_BATCH_MAX;
}

int request_batch_new(ServerShard *shard, const RequestBatchHandlers *handlers, void *userdata,
                      RequestBatch **ret)
{
    /* What is not set here is set for each batch. */
    RequestBatch *batch = aligned_alloc(LINE_SIZE, sizeof *batch);

    if (!batch)
        return -ENOMEM;
    batch->shard = shard;
    batch->handlers = handlers;
    batch->userdata = userdata;
    lay_out(batch);
    *ret = batch;
    return 0;
}

RequestBatch *request_batch_free(RequestBatch *batch)
{
    free(batch);
    return NULL;
}

static size_t receive(RequestBatch *batch, int fd)
{
    for (size_t i = 0; i < batch->used; i++) {
        struct msghdr *message = &batch->requests[i].msg_hdr;
        message->msg_namelen = sizeof batch->from[i];
        message->msg_controllen = sizeof batch->control[i];
    }
    int count = recvmmsg(fd, batch->requests, REQUEST_BATCH_MAX, MSG_DONTWAIT, NULL);
    batch->used = count > 0 ? (size_t) count : 0;
    return batch->used;
}

/* --- control data --- */

static void read_timestamp(const struct cmsghdr *control, ServerRequest *request)
{
    struct timespec stamps[3];

    if (control->cmsg_len < CMSG_LEN(sizeof stamps))
        return;
    memcpy(stamps, CMSG_DATA(control), sizeof stamps);
    if (stamps[0].tv_sec == 0 && stamps[0].tv_nsec == 0)
        return;
    request->received.ns = stamps[0].tv_sec * NSEC_PER_SEC + stamps[0].tv_nsec;
    request->origin = TIMESTAMP_KERNEL;
}

/* Makes the control data of the answer: it leaves from the address that was asked, by whatever way routing
 * chooses; only a link-local address means nothing without its link. Returns the length. */
static size_t answer_from_v4(const struct cmsghdr *asked, Control *ret)
{
    struct in_addr address;

    /* For a packet to a broadcast address spec_dst is the address of the interface. */
    memcpy(&address, CMSG_DATA(asked) + offsetof(struct in_pktinfo, ipi_spec_dst), sizeof address);
    ret->header = (struct cmsghdr) {.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)),
                                    .cmsg_level = IPPROTO_IP,
                                    .cmsg_type = IP_PKTINFO};
    /* As it is, not as a struct: gcc writes that in pieces and waits to read it back as a whole. */
    memset(CMSG_DATA(&ret->header), 0, sizeof(struct in_pktinfo));
    memcpy(CMSG_DATA(&ret->header) + offsetof(struct in_pktinfo, ipi_spec_dst), &address, sizeof address);
    return CMSG_SPACE(sizeof(struct in_pktinfo));
}

static size_t answer_from_v6(const struct cmsghdr *asked, Control *ret)
{
    struct in6_pktinfo info;

    memcpy(&info, CMSG_DATA(asked), sizeof info);
    if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
        info.ipi6_addr = in6addr_any;
    else if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
        info.ipi6_ifindex = 0;
    ret->header = (struct cmsghdr) {.cmsg_len = CMSG_LEN(sizeof info),
                                    .cmsg_level = IPPROTO_IPV6,
                                    .cmsg_type = IPV6_PKTINFO};
    memcpy(CMSG_DATA(&ret->header), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

/* Reads the control data of a request, then puts that of its answer in its place; returns the length. */
static size_t turn_control(struct msghdr *message, ServerRequest *request)
{
    const struct cmsghdr *asked = NULL;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING)
            read_timestamp(c, request);
        else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) ||
                 (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO))
            asked = c;
    }
    if (!asked)
        return 0;
    return asked->cmsg_level == IPPROTO_IP ? answer_from_v4(asked, message->msg_control)
                                           : answer_from_v6(asked, message->msg_control);
}

/* --- one batch --- */

static bool read_source(const Source *from, socklen_t length, IpEndpoint *ret)
{
    if (from->any.sa_family != AF_INET || length < sizeof from->v4)
        return ip_endpoint_from_sockaddr(&from->any, length, ret);
    *ret = (IpEndpoint) {.address.family = IP_V4, .port = ntohs(from->v4.sin_port)};
    memcpy(ret->address.bytes, &from->v4.sin_addr, sizeof from->v4.sin_addr);
    return true;
}

/* Keeps the answer to request i, and by which way it is to leave, for who signs it. */
static void hand_to_signer(RequestBatch *batch, const ServerBatch *told, int fd, size_t i, size_t control)
{
    const struct msghdr *message = &batch->requests[i].msg_hdr;
    AnswerWay way = {.fd = fd,
                     .valid_from = told->snapshot.valid_from,
                     .to_length = message->msg_namelen,
                     .control_length = control};
    MsSntpAnswer answer;

    if (!batch->handlers->to_sign)
        return;
    memcpy(&way.to, message->msg_name, message->msg_namelen);
    memcpy(way.control, message->msg_control, control);
    memcpy(answer.key, batch->packets[i].bytes + SERVER_ANSWER_SIZE, sizeof answer.key);
    memcpy(answer.bytes, batch->free, sizeof answer.bytes);
    batch->handlers->to_sign(batch->userdata, &answer, &way);
}

/* Who stamps the answer at `place`; its control data has that length so far. Returns the length. */
static size_t choose_stamper(RequestBatch *batch, size_t place, Control *control, size_t length)
{
    Stamper stamper = STAMPER_NONE;

    if (server_shard_wants_sent(batch->shard, &batch->sent[place]))
        stamper = batch->stampers[STAMPER_KERNEL] < STAMPS_MAX ? STAMPER_KERNEL : STAMPER_CLOCK;
    batch->stamper[place] = stamper;
    batch->stampers[stamper]++;
    if (stamper != STAMPER_KERNEL)
        return length;
    request_stamp_ask((struct cmsghdr *) (void *) (control->bytes + length));
    return length + REQUEST_STAMP_SPACE;
}

/* Makes of request i the next answer, the one at `place`. False: silence, for now. */
static bool answer_one(RequestBatch *batch, const ServerBatch *told, Now now, int fd, size_t i, size_t place)
{
    struct msghdr *message = &batch->requests[i].msg_hdr;
    ServerRequest request = {
        .bytes = batch->packets[i].bytes,
        /* A packet that was cut is not what it seems to be. */
        .length = message->msg_flags & MSG_TRUNC ? 0 : batch->requests[i].msg_len,
        .received = now.raw,
        .origin = TIMESTAMP_DAEMON,
    };
    size_t length;

    if (!read_source(&batch->from[i], message->msg_namelen, &request.remote))
        return false;
    size_t control = turn_control(message, &request);
    ServerVerdict verdict =
        server_shard_on_request(batch->shard, told, &request, now.mono, batch->free, &length);
    if (verdict == SERVER_MS_SNTP)
        hand_to_signer(batch, told, fd, i, control);
    if (verdict != SERVER_ANSWERED && verdict != SERVER_KISSED && verdict != SERVER_NTS_NAK)
        return false;
    control = choose_stamper(batch, place, message->msg_control, control);
    batch->answer_io[place] = (struct iovec) {batch->free, length};
    batch->free += ROUND_UP(length, LINE_SIZE);
    struct msghdr *answer = &batch->answers[place].msg_hdr;
    answer->msg_name = message->msg_name;
    answer->msg_namelen = message->msg_namelen;
    answer->msg_control = message->msg_control;
    answer->msg_controllen = control;
    return true;
}

/* These have left. */
static void await_stamps(const RequestBatch *batch, RequestSocket *socket, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        if (batch->stamper[i] == STAMPER_KERNEL)
            request_socket_await(socket, &batch->sent[i]);
}

/* What the network refuses is skipped; when it has no room, all that is left is. */
static void send_all(RequestBatch *batch, RequestSocket *socket, size_t count)
{
    int fd = request_socket_fd(socket);
    size_t sent = 0;

    while (sent < count) {
        int r = sendmmsg(fd, batch->answers + sent, (unsigned) (count - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r > 0) {
            await_stamps(batch, socket, sent, (size_t) r);
            sent += (size_t) r;
        }
        /* The one at which it stopped may have been counted. */
        if (sent < count && batch->stamper[sent] == STAMPER_KERNEL)
            request_socket_count_anew(socket);
        if (r > 0 || (r < 0 && errno == EINTR))
            continue;
        bool full = r < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM);
        do {
            server_shard_on_send_failed(batch->shard);
            sent++;
        } while (full && sent < count);
    }
}

/* --- when they left --- */

static void on_stamp(void *userdata, const ServerSent *sent, RawTime when)
{
    const RequestBatch *batch = userdata;

    server_shard_on_sent(batch->shard, &batch->snapshot, sent, when, TIMESTAMP_KERNEL);
}

/* Answers left one after another between two instants: each in the middle of its share. */
static void tell_departures(const RequestBatch *batch, size_t count, RawTime begin, RawTime end)
{
    int64_t span = end.ns - begin.ns;

    for (size_t i = 0; i < count; i++) {
        RawTime when = {begin.ns + span * (int64_t) (2 * i + 1) / (int64_t) (2 * count)};
        if (batch->stamper[i] == STAMPER_CLOCK)
            server_shard_on_sent(batch->shard, &batch->snapshot, &batch->sent[i], when, TIMESTAMP_DAEMON);
    }
}

static void send_and_stamp(RequestBatch *batch, RequestSocket *socket, size_t count)
{
    bool by_clock = batch->stampers[STAMPER_CLOCK] > 0;
    RawTime begin = by_clock ? batch->handlers->now().raw : RAW_UNSET;

    send_all(batch, socket, count);
    if (by_clock)
        tell_departures(batch, count, begin, batch->handlers->now().raw);
    if (batch->stampers[STAMPER_KERNEL] > 0)
        request_socket_read_stamps(socket, on_stamp, batch);
}

/* A snapshot is good until something happens, and between two batches only one thing can: somebody steps the
 * clock, and then one of the two that we read has moved and the other has not. */
static void keep_snapshot(RequestBatch *batch, Now now)
{
    int64_t apart = now.raw.ns - now.mono.ns;

    if (batch->has_snapshot && llabs(apart - batch->apart) < STEP_MIN)
        return;
    batch->handlers->snapshot(batch->userdata, now, &batch->snapshot);
    batch->has_snapshot = true;
    batch->apart = apart;
}

static bool serve_one(RequestBatch *batch, RequestSocket *socket)
{
    ServerBatch told;
    size_t answers = 0;

    int fd = request_socket_fd(socket);
    size_t received = receive(batch, fd);
    if (received == 0)
        return false;
    Now now = batch->handlers->now();
    keep_snapshot(batch, now);
    server_batch_start(&batch->snapshot, now.raw, server_shard_min_poll(batch->shard), &told);
    memset(batch->stampers, 0, sizeof batch->stampers);
    batch->free = batch->answer_bytes;
    for (size_t i = 0; i < received; i++)
        answers += answer_one(batch, &told, now, fd, i, answers);
    send_and_stamp(batch, socket, answers);
    return received == REQUEST_BATCH_MAX;
}

bool request_batch_serve(RequestBatch *batch, RequestSocket *socket, size_t batches)
{
    bool more = true;

    batch->has_snapshot = false;
    for (size_t i = 0; i < batches && more; i++)
        more = serve_one(batch, socket);
    return more;
}

void request_batch_send(RequestBatch *batch, const AnswerWay *way, const uint8_t *bytes, size_t length)
{
    /* sendmsg() changes nothing of what it is given. */
    struct iovec io = {.iov_base = (void *) (uintptr_t) bytes, .iov_len = length};
    const struct msghdr message = {
        .msg_name = (void *) (uintptr_t) &way->to,
        .msg_namelen = way->to_length,
        .msg_iov = &io,
        .msg_iovlen = 1,
        .msg_control = way->control_length > 0 ? (void *) (uintptr_t) way->control : NULL,
        .msg_controllen = way->control_length,
    };
    ServerSnapshot snapshot;

    batch->handlers->snapshot(batch->userdata, batch->handlers->now(), &snapshot);
    if (snapshot.valid_from != way->valid_from)
        return;
    if (sendmsg(way->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        server_shard_on_send_failed(batch->shard);
}

void request_batch_on_error(RequestBatch *batch, RequestSocket *socket)
{
    int error = 0;
    socklen_t size = sizeof error;

    /* Reading it clears it. */
    (void) getsockopt(request_socket_fd(socket), SOL_SOCKET, SO_ERROR, &error, &size);
    batch->handlers->snapshot(batch->userdata, batch->handlers->now(), &batch->snapshot);
    request_socket_read_stamps(socket, on_stamp, batch);
}
