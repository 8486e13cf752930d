// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The socket calls of exchange.c, see socket.h.
 *
 * The kernel stamps packets in CLOCK_REALTIME. Where it cannot (an old kernel, an interposed libc), the time
 * of our own call stands in and is marked as the daemon's. An option that only improves a socket may fail. */

#include "net/socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Control data of one message: a timestamp triple, the address of an ICMP sender, room to spare. */
#define CONTROL_SIZE 256

static RawTime raw_now(void)
{
    struct timespec ts = {};

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    return (RawTime) {ns_from_timespec(ts)};
}

static void set_optional(int fd, int level, int option, int value)
{
    (void) setsockopt(fd, level, option, &value, sizeof value);
}

static void set_timestamping(int fd)
{
    set_optional(fd, SOL_SOCKET, SO_TIMESTAMPING,
                 SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
                     SOF_TIMESTAMPING_OPT_TSONLY);
}

int socket_class(int fd, IpFamily family)
{
    bool v4 = family == IP_V4;
    int value = -1;
    socklen_t size = sizeof value;

    if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &value, &size) < 0)
        return -1;
    return value;
}

void socket_set_class(int fd, IpFamily family, int value)
{
    bool v4 = family == IP_V4;

    if (value >= 0)
        set_optional(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, value);
}

void socket_set_dscp(int fd, IpFamily family, uint8_t dscp)
{
    if (dscp > 0)
        socket_set_class(fd, family, dscp << 2);
}

static int set_device(int fd, const char *device)
{
    if (device[0] == '\0')
        return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t) strlen(device) + 1) < 0)
        return -errno;
    return 0;
}

static int socket_prepare(int fd, const NetConfig *config, IpFamily family)
{
    if (family == IP_V6)
        set_optional(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_optional(fd, SOL_SOCKET, SO_BROADCAST, 1);
    set_timestamping(fd);
    socket_set_dscp(fd, family, config->dscp);
    return set_device(fd, config->acquisition_device);
}

int socket_open(const NetConfig *config, IpFamily family, int *ret)
{
    int fd = socket(family == IP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    int r = socket_prepare(fd, config, family);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret = fd;
    return 0;
}

IpAddress socket_source(const NetConfig *config, IpFamily family, const IpAddress *local)
{
    const IpAddress *configured = family == IP_V4 ? &config->acquisition_v4 : &config->acquisition_v6;

    if (local->family == family)
        return *local;
    return configured->family == family ? *configured : (IpAddress) {.family = (uint8_t) family};
}

int socket_bind(int fd, const IpEndpoint *local)
{
    struct sockaddr_storage address;
    socklen_t size = ip_endpoint_to_sockaddr(local, &address);

    return bind(fd, (const struct sockaddr *) &address, size) < 0 ? -errno : 0;
}

int socket_connect(int fd, const IpEndpoint *remote)
{
    struct sockaddr_storage address;
    socklen_t size = ip_endpoint_to_sockaddr(remote, &address);

    return connect(fd, (const struct sockaddr *) &address, size) < 0 ? -errno : 0;
}

IpEndpoint socket_local(int fd)
{
    struct sockaddr_storage address = {};
    socklen_t size = sizeof address;
    IpEndpoint local = {};

    if (getsockname(fd, (struct sockaddr *) &address, &size) < 0 ||
        !ip_endpoint_from_sockaddr((const struct sockaddr *) &address, size, &local))
        return (IpEndpoint) {};
    return local;
}

/* Software timestamp of a message; unset when it has none. */
static RawTime message_timestamp(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        struct scm_timestamping stamps;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPING ||
            c->cmsg_len < CMSG_LEN(sizeof stamps))
            continue;
        memcpy(&stamps, CMSG_DATA(c), sizeof stamps);
        if (stamps.ts[0].tv_sec != 0 || stamps.ts[0].tv_nsec != 0)
            return (RawTime) {ns_from_timespec(stamps.ts[0])};
    }
    return RAW_UNSET;
}

int socket_receive(int fd, SocketPacket *ret)
{
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
    struct sockaddr_storage from = {};
    struct iovec io = {.iov_base = ret->bytes, .iov_len = sizeof ret->bytes};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &io,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};

    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
    if (n < 0)
        return -errno;
    ret->length = (size_t) n;
    RawTime kernel = message_timestamp(&message);
    if (kernel.ns != TIME_UNSET)
        ret->received = (Timestamp) {.time = kernel, .origin = TIMESTAMP_KERNEL};
    else
        ret->received = (Timestamp) {.time = raw_now(), .origin = TIMESTAMP_DAEMON};
    if (!ip_endpoint_from_sockaddr((const struct sockaddr *) &from, message.msg_namelen, &ret->remote))
        ret->remote = (IpEndpoint) {};
    return 0;
}

int socket_transmit_timestamp(int fd, Timestamp *ret)
{
    for (;;) {
        _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
        uint8_t bytes[NTP_PACKET_MAX];
        struct iovec io = {.iov_base = bytes, .iov_len = sizeof bytes};
        struct msghdr message = {.msg_iov = &io,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};

        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return -errno;
        RawTime kernel = message_timestamp(&message);
        if (kernel.ns != TIME_UNSET) {
            *ret = (Timestamp) {.time = kernel, .origin = TIMESTAMP_KERNEL};
            return 0;
        }
    }
}
