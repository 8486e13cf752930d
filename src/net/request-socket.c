// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Sockets of the server and their error queues; see request-socket.h.
 *
 * The kernel numbers the packets that it is asked to stamp, for each socket, and tells the number with the
 * timestamp; we count along. A packet that it refuses may have got a number or not, depending on where it
 * was refused and on the kernel's age: then both begin anew, with 0. What waits in the queue then is dropped;
 * what comes later still bears the number of another packet, but is too old to be of it, which the shard
 * checks.
 *
 * Nothing reads a queue that is not known to have something: a thread that is owed no timestamp makes no
 * call for it. */

#include "net/request-socket.h"

#include <assert.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <string.h>

#define STAMPING (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY)

/* Timestamps that are read with one call. */
#define STAMPS_AT_ONCE 32

/* One message of the error queue: a timestamp triple, and what the kernel says to it with an address. */
typedef union StampControl {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof(struct scm_timestamping)) +
                  CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6)) +
                  CMSG_SPACE(32)];
} StampControl;

typedef struct Awaited {
    bool used;
    uint32_t number;
    ServerSent sent;
} Awaited;

struct RequestSocket {
    int fd;
    uint32_t next; /* number of the next packet that asks for a timestamp */
    Awaited awaited[REQUEST_SOCKET_AWAITED_MAX];
};

static_assert((REQUEST_SOCKET_AWAITED_MAX & (REQUEST_SOCKET_AWAITED_MAX - 1)) == 0, "numbers wrap around");

/* Without kernel timestamps the time of our own calls stands in. */
static void set_stamping(int fd, int flags)
{
    (void) setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags);
}

/* The kernel's number is set to 0 when the option is switched on. */
static void set_numbers(int fd)
{
    set_stamping(fd, STAMPING);
    set_stamping(fd, STAMPING | SOF_TIMESTAMPING_OPT_ID);
}

int request_socket_prepare(int fd, IpFamily family)
{
    static const int yes = 1, whole_v4 = IP_PMTUDISC_PROBE, whole_v6 = IPV6_PMTUDISC_PROBE;
    bool v4 = family == IP_V4;

    if (v4 ? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes) < 0
           : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes) < 0)
        return -errno;
    /* An answer fits where its request came through. It is never cut, whatever somebody says in ICMP: pieces
     * can be replaced by forged ones, and need an identification, which takes time. */
    (void) (v4 ? setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &whole_v4, sizeof whole_v4)
               : setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &whole_v6, sizeof whole_v6));
    set_numbers(fd);
    return 0;
}

void request_stamp_ask(struct cmsghdr *ret)
{
    static const uint32_t flags = SOF_TIMESTAMPING_TX_SOFTWARE;

    *ret = (struct cmsghdr) {.cmsg_len = CMSG_LEN(sizeof flags),
                             .cmsg_level = SOL_SOCKET,
                             .cmsg_type = SO_TIMESTAMPING};
    memcpy(CMSG_DATA(ret), &flags, sizeof flags);
}

static Awaited *place_of(RequestSocket *socket, uint32_t number)
{
    return &socket->awaited[number % REQUEST_SOCKET_AWAITED_MAX];
}

void request_socket_await(RequestSocket *socket, const ServerSent *sent)
{
    uint32_t number = socket->next++;

    *place_of(socket, number) = (Awaited) {.used = true, .number = number, .sent = *sent};
}

/* What one message of the error queue says; false: no timestamp. */
static bool read_stamp(struct msghdr *message, uint32_t *ret_number, RawTime *ret_when)
{
    struct scm_timestamping stamps = {};
    struct sock_extended_err said = {};

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING &&
            c->cmsg_len >= CMSG_LEN(sizeof stamps))
            memcpy(&stamps, CMSG_DATA(c), sizeof stamps);
        else if (((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                  (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) &&
                 c->cmsg_len >= CMSG_LEN(sizeof said))
            memcpy(&said, CMSG_DATA(c), sizeof said);
    if (said.ee_origin != SO_EE_ORIGIN_TIMESTAMPING ||
        (stamps.ts[0].tv_sec == 0 && stamps.ts[0].tv_nsec == 0))
        return false;
    *ret_number = said.ee_data;
    ret_when->ns = ns_from_timespec(stamps.ts[0]);
    return true;
}

/* Reads what the error queue has now, STAMPS_AT_ONCE messages at most; returns how many. */
static size_t read_queue(int fd, struct mmsghdr messages[static STAMPS_AT_ONCE],
                         StampControl control[static STAMPS_AT_ONCE])
{
    for (size_t i = 0; i < STAMPS_AT_ONCE; i++)
        messages[i].msg_hdr =
            (struct msghdr) {.msg_control = &control[i], .msg_controllen = sizeof control[i]};
    int count = recvmmsg(fd, messages, STAMPS_AT_ONCE, MSG_ERRQUEUE | MSG_DONTWAIT, NULL);
    return count > 0 ? (size_t) count : 0;
}

void request_socket_read_stamps(RequestSocket *socket,
                                void (*on_stamp)(void *userdata, const ServerSent *sent, RawTime when),
                                void *userdata)
{
    StampControl control[STAMPS_AT_ONCE];
    struct mmsghdr messages[STAMPS_AT_ONCE];
    size_t count;

    do {
        count = read_queue(socket->fd, messages, control);
        for (size_t i = 0; i < count; i++) {
            uint32_t number;
            RawTime when;
            if (!read_stamp(&messages[i].msg_hdr, &number, &when))
                continue;
            Awaited *awaited = place_of(socket, number);
            if (!awaited->used || awaited->number != number)
                continue;
            awaited->used = false;
            on_stamp(userdata, &awaited->sent, when);
        }
    } while (count == STAMPS_AT_ONCE);
}

void request_socket_count_anew(RequestSocket *socket)
{
    StampControl control[STAMPS_AT_ONCE];
    struct mmsghdr messages[STAMPS_AT_ONCE];

    while (read_queue(socket->fd, messages, control) == STAMPS_AT_ONCE)
        ;
    for (size_t i = 0; i < REQUEST_SOCKET_AWAITED_MAX; i++)
        socket->awaited[i].used = false;
    socket->next = 0;
    set_numbers(socket->fd);
}

int request_socket_new(int fd, RequestSocket **ret)
{
    RequestSocket *socket = calloc(1, sizeof *socket);

    if (!socket)
        return -ENOMEM;
    socket->fd = fd;
    request_socket_count_anew(socket);
    *ret = socket;
    return 0;
}

RequestSocket *request_socket_free(RequestSocket *socket)
{
    free(socket);
    return NULL;
}

int request_socket_fd(const RequestSocket *socket)
{
    return socket->fd;
}
