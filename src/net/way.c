// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A connected UDP socket, bound as a request's would be, knows what routes, rules and addresses say about
 * exactly that packet. What it does not know is whether the cable is in: by default the kernel keeps using
 * the routes of a link that has lost its carrier, and throws away what is sent there. So it is asked which
 * link that would be, and whether that one runs (IFF_RUNNING, operational states of RFC 2863). Where it
 * cannot be asked, the link counts as good. */

#include "net/way.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/socket.h"

static void nl_socket_freep(struct nl_sock **socket)
{
    nl_socket_free(*socket);
}

static void nlmsg_freep(struct nl_msg **message)
{
    nlmsg_free(*message);
}

/* "By which link would this packet leave?" */
static struct nl_msg *make_question(const IpEndpoint *remote, const IpEndpoint *local, uint32_t device)
{
    bool v4 = remote->address.family == IP_V4;
    int length = v4 ? 4 : 16;
    struct rtmsg route = {
        .rtm_family = v4 ? AF_INET : AF_INET6,
        .rtm_dst_len = (unsigned char) (length * 8),
        .rtm_src_len = (unsigned char) (length * 8),
    };
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST);

    if (!message)
        return NULL;
    if (nlmsg_append(message, &route, sizeof route, NLMSG_ALIGNTO) < 0 ||
        nla_put(message, RTA_DST, length, remote->address.bytes) < 0 ||
        nla_put(message, RTA_SRC, length, local->address.bytes) < 0 ||
        nla_put_u8(message, RTA_IP_PROTO, IPPROTO_UDP) < 0 ||
        nla_put_u16(message, RTA_SPORT, htons(local->port)) < 0 ||
        nla_put_u16(message, RTA_DPORT, htons(remote->port)) < 0 ||
        (device != 0 && nla_put_u32(message, RTA_OIF, device) < 0)) {
        nlmsg_free(message);
        return NULL;
    }
    return message;
}

/* The kernel answers while it takes the question, so that this never waits. 0: it does not tell. */
static uint32_t ask(struct nl_msg *question)
{
    cleanup_(nl_socket_freep) struct nl_sock *socket = nl_socket_alloc();
    cleanup_(freep) unsigned char *answer = NULL;
    struct sockaddr_nl from;

    if (!socket)
        return 0;
    nl_socket_disable_auto_ack(socket);
    if (nl_connect(socket, NETLINK_ROUTE) < 0 || nl_socket_set_nonblocking(socket) < 0 ||
        nl_send_auto(socket, question) < 0)
        return 0;
    int size = nl_recv(socket, &from, &answer, NULL);
    struct nlmsghdr *header = (struct nlmsghdr *) answer;
    if (size <= 0 || !nlmsg_ok(header, size) || header->nlmsg_type != RTM_NEWROUTE ||
        !nlmsg_valid_hdr(header, sizeof(struct rtmsg)))
        return 0;
    struct nlattr *link = nlmsg_find_attr(header, sizeof(struct rtmsg), RTA_OIF);
    return link && nla_len(link) == sizeof(uint32_t) ? nla_get_u32(link) : 0;
}

/* Whether what leaves by this connected socket can leave the machine. */
static bool link_runs(int fd, const NetConfig *config, const IpEndpoint *remote)
{
    uint32_t device = config->acquisition_device[0] != '\0' ? if_nametoindex(config->acquisition_device)
                                                            : remote->address.scope;
    const IpEndpoint local = socket_local(fd);
    cleanup_(nlmsg_freep) struct nl_msg *question = make_question(remote, &local, device);
    struct ifreq request = {.ifr_ifindex = question ? (int) ask(question) : 0};

    if (request.ifr_ifindex == 0 || ioctl(fd, SIOCGIFNAME, &request) < 0 ||
        ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return true;
    return (request.ifr_flags & IFF_RUNNING) != 0;
}

int way_test(const NetConfig *config, const IpEndpoint *remote, const IpAddress *local)
{
    const IpEndpoint from = {.address = *local};
    int fd, r;

    if ((r = socket_open(config, remote->address.family, &fd)) < 0)
        return -r;
    if (!ip_address_is_any(local))
        r = socket_bind(fd, &from);
    if (r >= 0)
        r = socket_connect(fd, remote);
    if (r >= 0 && !link_runs(fd, config, remote))
        r = -ENETDOWN;
    close(fd);
    return -r;
}
