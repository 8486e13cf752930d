// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A connected UDP socket, bound as a request's would be, knows what routes, rules and addresses say about
 * exactly that packet. What it does not know is whether the cable is in: by default the kernel keeps using
 * the routes of a link that has lost its carrier, and throws away what is sent there. So it is asked which
 * link that would be, and whether that one runs (IFF_RUNNING, operational states of RFC 2863). Nor does it
 * mind an address to which no answer finds its way. Where the kernel cannot be asked, all counts as good. */

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

typedef struct Hop {
    uint32_t link; /* index; 0: unknown */
    bool gateway;  /* somebody there passes it on */
} Hop;

static Hop read_hop(struct nlmsghdr *answer, int size)
{
    Hop hop = {0};

    if (!nlmsg_ok(answer, size) || answer->nlmsg_type != RTM_NEWROUTE ||
        !nlmsg_valid_hdr(answer, sizeof(struct rtmsg)))
        return hop;
    struct nlattr *link = nlmsg_find_attr(answer, sizeof(struct rtmsg), RTA_OIF);
    if (link && nla_len(link) == sizeof(uint32_t))
        hop.link = nla_get_u32(link);
    hop.gateway = nlmsg_find_attr(answer, sizeof(struct rtmsg), RTA_GATEWAY) ||
                  nlmsg_find_attr(answer, sizeof(struct rtmsg), RTA_VIA);
    return hop;
}

/* The kernel answers while it takes the question, so that this never waits. */
static Hop ask(struct nl_msg *question)
{
    cleanup_(nl_socket_freep) struct nl_sock *socket = nl_socket_alloc();
    cleanup_(freep) unsigned char *answer = NULL;
    struct sockaddr_nl from;

    if (!socket)
        return (Hop) {0};
    nl_socket_disable_auto_ack(socket);
    if (nl_connect(socket, NETLINK_ROUTE) < 0 || nl_socket_set_nonblocking(socket) < 0 ||
        nl_send_auto(socket, question) < 0)
        return (Hop) {0};
    int size = nl_recv(socket, &from, &answer, NULL);
    return size > 0 ? read_hop((struct nlmsghdr *) answer, size) : (Hop) {0};
}

static bool is_link_local(const IpAddress *address)
{
    const uint8_t *b = address->bytes;

    return address->family == IP_V6 ? b[0] == 0xfe && (b[1] & 0xc0) == 0x80 : b[0] == 169 && b[1] == 254;
}

/* Whether an answer to what leaves by this connected socket could find its way back, and the link runs. */
static int look_beyond(int fd, const NetConfig *config, const IpEndpoint *remote)
{
    uint32_t device = config->acquisition_device[0] != '\0' ? if_nametoindex(config->acquisition_device)
                                                            : remote->address.scope;
    const IpEndpoint local = socket_local(fd);

    /* There is a route, but no address at all to leave from. */
    if (ip_address_is_any(&local.address))
        return -EADDRNOTAVAIL;
    cleanup_(nlmsg_freep) struct nl_msg *question = make_question(remote, &local, device);
    Hop hop = question ? ask(question) : (Hop) {0};
    /* No router passes on what has such an address (RFC 4291, 2.5.6; RFC 3927, 2.7): a better one is missing.
     */
    if (hop.gateway && is_link_local(&local.address))
        return -EADDRNOTAVAIL;
    struct ifreq request = {.ifr_ifindex = (int) hop.link};
    if (hop.link == 0 || ioctl(fd, SIOCGIFNAME, &request) < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return 0;
    return request.ifr_flags & IFF_RUNNING ? 0 : -ENETDOWN;
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
    if (r >= 0)
        r = look_beyond(fd, config, remote);
    close(fd);
    return -r;
}
