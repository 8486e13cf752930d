// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Batches of requests; see request-batch.h.
 *
 * All that the two system calls need is laid out once, and only what they change is put right again. An
 * answer borrows the address and the control data of its request. All answers of a batch have one transmit
 * timestamp, taken just before they are made: a batch is longer than one packet only when the machine is
 * busier than a few microseconds matter. */

#include "net/request-batch.h"

#include <assert.h>
#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/api/action.h"

/* Longer packets are cut and then refused. */
#define REQUEST_MAX NTP_PACKET_MAX
/* Control data of a request: a timestamp triple, the address that was asked, room to spare. */
#define CONTROL_SIZE                                                                                         \
    (CMSG_SPACE(3 * sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(64))

static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) <= ANSWER_CONTROL_SIZE, "the longest that is sent");

/* Where a request came from. */
typedef union Source {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Source;

typedef union Control {
    struct cmsghdr header;
    uint8_t bytes[CONTROL_SIZE];
} Control;

struct RequestBatch {
    ServerShard *shard;
    const RequestBatchHandlers *handlers;
    void *userdata;
    size_t used; /* places that the last batch has touched */
    struct mmsghdr requests[REQUEST_BATCH_MAX], answers[REQUEST_BATCH_MAX];
    struct iovec request_io[REQUEST_BATCH_MAX], answer_io[REQUEST_BATCH_MAX];
    Source from[REQUEST_BATCH_MAX];
    Control control[REQUEST_BATCH_MAX];
    uint8_t answer_bytes[REQUEST_BATCH_MAX][SERVER_ANSWER_MAX];
    uint8_t request_bytes[REQUEST_BATCH_MAX][REQUEST_MAX];
};

static void lay_out(RequestBatch *batch)
{
    for (size_t i = 0; i < REQUEST_BATCH_MAX; i++) {
        batch->request_io[i] = (struct iovec) {batch->request_bytes[i], REQUEST_MAX};
        batch->answer_io[i] = (struct iovec) {batch->answer_bytes[i], SERVER_ANSWER_SIZE};
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
    RequestBatch *batch = calloc(1, sizeof *batch);

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

int request_batch_prepare_socket(int fd, IpFamily family)
{
    static const int yes = 1;
    static const int stamps = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;

    if (family == IP_V4 ? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes) < 0
                        : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes) < 0)
        return -errno;
    /* Without, the time of our own call stands in. */
    (void) setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps);
    return 0;
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
    struct in_pktinfo info;

    memcpy(&info, CMSG_DATA(asked), sizeof info);
    /* For a packet to a broadcast address spec_dst is the address of the interface. */
    info = (struct in_pktinfo) {.ipi_spec_dst = info.ipi_spec_dst};
    ret->header = (struct cmsghdr) {.cmsg_len = CMSG_LEN(sizeof info),
                                    .cmsg_level = IPPROTO_IP,
                                    .cmsg_type = IP_PKTINFO};
    memcpy(CMSG_DATA(&ret->header), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
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

/* Keeps the answer at `place`, and by which way it is to leave, for who signs it. */
static void hand_to_signer(RequestBatch *batch, int fd, size_t i, size_t place, size_t control)
{
    const struct msghdr *message = &batch->requests[i].msg_hdr;
    AnswerWay way = {.fd = fd, .to_length = message->msg_namelen, .control_length = control};
    MsSntpAnswer answer;

    if (!batch->handlers->to_sign)
        return;
    memcpy(&way.to, message->msg_name, message->msg_namelen);
    memcpy(way.control, message->msg_control, control);
    memcpy(answer.key, batch->request_bytes[i] + SERVER_ANSWER_SIZE, sizeof answer.key);
    memcpy(answer.bytes, batch->answer_bytes[place], sizeof answer.bytes);
    batch->handlers->to_sign(batch->userdata, &answer, &way);
}

/* Makes of request i the next answer, the one at `place`. False: silence, for now. */
static bool answer_one(RequestBatch *batch, const ServerBatch *told, Now now, int fd, size_t i, size_t place)
{
    struct msghdr *message = &batch->requests[i].msg_hdr;
    ServerRequest request = {
        .bytes = batch->request_bytes[i],
        /* A packet that was cut is not what it seems to be. */
        .length = message->msg_flags & MSG_TRUNC ? 0 : batch->requests[i].msg_len,
        .received = now.raw,
        .origin = TIMESTAMP_DAEMON,
        .transmit = now.raw,
    };

    if (!read_source(&batch->from[i], message->msg_namelen, &request.remote))
        return false;
    size_t control = turn_control(message, &request);
    ServerVerdict verdict =
        server_shard_on_request(batch->shard, told, &request, now.mono, batch->answer_bytes[place],
                                &batch->answer_io[place].iov_len);
    if (verdict == SERVER_MS_SNTP)
        hand_to_signer(batch, fd, i, place, control);
    if (verdict != SERVER_ANSWERED && verdict != SERVER_KISSED)
        return false;
    struct msghdr *answer = &batch->answers[place].msg_hdr;
    answer->msg_name = message->msg_name;
    answer->msg_namelen = message->msg_namelen;
    answer->msg_control = control > 0 ? message->msg_control : NULL;
    answer->msg_controllen = control;
    return true;
}

/* What the network refuses is skipped; when it has no room, all that is left is. */
static void send_all(RequestBatch *batch, int fd, size_t count)
{
    size_t sent = 0;

    while (sent < count) {
        int r = sendmmsg(fd, batch->answers + sent, (unsigned) (count - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r > 0) {
            sent += (size_t) r;
            continue;
        }
        if (r < 0 && errno == EINTR)
            continue;
        bool full = r < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM);
        do {
            server_shard_on_send_failed(batch->shard);
            sent++;
        } while (full && sent < count);
    }
}

bool request_batch_serve(RequestBatch *batch, int fd)
{
    ServerSnapshot snapshot;
    ServerBatch told;
    size_t answers = 0;

    size_t received = receive(batch, fd);
    if (received == 0)
        return false;
    Now now = batch->handlers->now();
    batch->handlers->snapshot(batch->userdata, now, &snapshot);
    server_batch_start(&snapshot, now.raw, server_shard_min_poll(batch->shard), &told);
    for (size_t i = 0; i < received; i++)
        answers += answer_one(batch, &told, now, fd, i, answers);
    send_all(batch, fd, answers);
    return received == REQUEST_BATCH_MAX;
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

    if (sendmsg(way->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        server_shard_on_send_failed(batch->shard);
}

void request_batch_on_error(RequestBatch *batch, int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    (void) batch;
    /* Reading it clears it. */
    (void) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
}
