// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The kernel's news about the network, see routes.h.
 *
 * Where a message says that something has changed, others follow as a rule: a link, its addresses, their
 * routes, for each family. After the first one nobody listens to the socket until the next look, so that a
 * router whose routes change all the time wakes us ten times a second at most; what overflows meanwhile is no
 * loss, since an overflow says the same: anything may have changed. */

#include "net/routes.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/instant.h"

/* us between two looks: with nothing new in between it is quiet. */
#define LOOK_INTERVAL 100000
#define ACCURACY      10000
/* us after the first message to the call at the latest. */
#define PATIENCE      500000
/* Bytes of messages that wait for us. */
#define BUFFER_SIZE   65536
/* Datagrams read at one look; the rest makes another look. */
#define READS_AT_ONCE 256

struct Routes {
    RoutesHandler handler;
    void *userdata;
    struct nl_sock *socket;
    sd_event_source *input, *timer;
    uint64_t latest; /* us, CLOCK_MONOTONIC: the call that is due comes then at the latest */
};

/* Takes what waits in the socket. True: there was something, or something was lost. */
static bool look(Routes *routes)
{
    bool any = false;

    for (int i = 0; i < READS_AT_ONCE; i++) {
        int r = nl_recvmsgs_default(routes->socket);
        if (r == -NLE_AGAIN)
            break;
        any = true;
        /* -NLE_NOMEM is the overflow; what else is wrong with a message does not make it less of a hint. */
    }
    return any;
}

static uint64_t now_of(const Routes *routes)
{
    uint64_t usec = 0;

    (void) sd_event_now(sd_event_source_get_event(routes->timer), CLOCK_MONOTONIC, &usec);
    return usec;
}

static int arm(Routes *routes, uint64_t usec)
{
    int r = sd_event_source_set_time(routes->timer, usec);

    return r < 0 ? r : sd_event_source_set_enabled(routes->timer, SD_EVENT_ONESHOT);
}

static int on_input(unused_ sd_event_source *source, unused_ int fd, unused_ uint32_t revents, void *userdata)
{
    Routes *routes = userdata;
    uint64_t now = now_of(routes);

    if (!look(routes))
        return 0;
    routes->latest = now + PATIENCE - LOOK_INTERVAL;
    int r = sd_event_source_set_enabled(routes->input, SD_EVENT_OFF);
    return r < 0 ? r : arm(routes, now + LOOK_INTERVAL);
}

static int on_timer(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    Routes *routes = userdata;
    uint64_t now = now_of(routes);

    if (look(routes) && now < routes->latest)
        return arm(routes, now + LOOK_INTERVAL);
    int r = sd_event_source_set_enabled(routes->input, SD_EVENT_ON);
    routes->handler(routes->userdata);
    return r;
}

static int errno_of(int nl_error)
{
    switch (-nl_error) {
    case NLE_NOMEM: return -ENOMEM;
    case NLE_PERM:
    case NLE_NOACCESS: return -EPERM;
    case NLE_AF_NOSUPPORT:
    case NLE_PROTO_MISMATCH:
    case NLE_OPNOTSUPP: return -EAFNOSUPPORT;
    default: return -EIO;
    }
}

static int open_socket(Routes *routes)
{
    static const int groups[] = {
        RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
        RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,   RTNLGRP_NEXTHOP,
    };
    int r;

    routes->socket = nl_socket_alloc();
    if (!routes->socket)
        return -ENOMEM;
    nl_socket_disable_seq_check(routes->socket);
    if ((r = nl_connect(routes->socket, NETLINK_ROUTE)) < 0 ||
        (r = nl_socket_set_buffer_size(routes->socket, BUFFER_SIZE, 0)) < 0 ||
        (r = nl_socket_set_nonblocking(routes->socket)) < 0)
        return errno_of(r);
    /* A kernel without IPv6, or without routes' next hops as objects, has nothing to tell of them. */
    for (size_t i = 0; i < ELEMENTS(groups); i++) {
        r = nl_socket_add_membership(routes->socket, groups[i]);
        if (r < 0 && groups[i] == RTNLGRP_IPV4_ROUTE)
            return errno_of(r);
    }
    return 0;
}

int routes_new(sd_event *event, RoutesHandler handler, void *userdata, Routes **ret)
{
    cleanup_(routes_freep) Routes *routes = calloc(1, sizeof *routes);
    int r;

    if (!routes)
        return -ENOMEM;
    *routes = (Routes) {.handler = handler, .userdata = userdata};
    if ((r = open_socket(routes)) < 0 ||
        (r = sd_event_add_time(event, &routes->timer, CLOCK_MONOTONIC, 0, ACCURACY, on_timer, routes)) < 0 ||
        (r = sd_event_source_set_enabled(routes->timer, SD_EVENT_OFF)) < 0 ||
        (r = sd_event_add_io(event, &routes->input, nl_socket_get_fd(routes->socket), EPOLLIN, on_input,
                             routes)) < 0)
        return r;
    *ret = TAKE_PTR(routes);
    return 0;
}

Routes *routes_free(Routes *routes)
{
    if (!routes)
        return NULL;
    sd_event_source_disable_unref(routes->input);
    sd_event_source_disable_unref(routes->timer);
    nl_socket_free(routes->socket);
    free(routes);
    return NULL;
}
