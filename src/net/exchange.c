// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* One socket for each request, see exchange.h.
 *
 * The transmit timestamp of a software-stamping kernel is in the error queue as soon as send() returns, and
 * is read there before the socket joins the event loop: it costs no wake-up. Stamps that come later raise
 * EPOLLERR and are told as a correction.
 *
 * The kernel stamps what comes in only while some socket of the machine asks for it, and switches that off
 * and on a moment after the last closes and the first opens. One idle socket of ours keeps it on, so that the
 * answer to a request on a socket that was just made is stamped too.
 *
 * With `acquisitionport` all sockets share a local port (port-sharing.h): the kernel gives a datagram to the
 * socket that is connected to its sender. An anchor for each family, which nobody reads, holds the port
 * between requests and keeps a port that the kernel chose. There is none when the port is the server's: it
 * would be given requests to the server. */

#include "net/exchange.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/way.h"

static_assert(40 + 8 + NTP_PACKET_MAX <= 1280, "IPv6 carries every packet whole, wherever it goes");

/* Packets taken from one socket before the others get their turn. */
#define PACKETS_AT_ONCE 8

typedef struct Exchange Exchange;
struct Exchange {
    Exchanges *owner;
    Exchange *next; /* newest first */
    ExchangeId id;
    int fd;
    sd_event_source *source;
    IpEndpoint asked; /* from where it was to be sent */
    IpAddress local;
};

struct Exchanges {
    ExchangesSetup setup;
    NetConfig config;
    Exchange *first;
    size_t count;
    int anchor_v4, anchor_v6; /* sockets that hold acquisitionport, -1: none yet */
    int stamping;             /* socket that keeps the kernel stamping; -1: none */
};

static void close_anchor(const Exchanges *exchanges, int *anchor)
{
    if (*anchor < 0)
        return;
    port_sharing_leave(exchanges->setup.sharing, *anchor);
    close(*anchor);
    *anchor = -1;
}

static void close_anchors(Exchanges *exchanges)
{
    close_anchor(exchanges, &exchanges->anchor_v4);
    close_anchor(exchanges, &exchanges->anchor_v6);
}

/* Bound to nothing: nothing ever arrives on it. -1 where there is none of the family; that costs precision
 * only. */
static int stamping_socket(IpFamily family)
{
    const NetConfig defaults = {.acquisition_port = -1};
    int fd = -1;

    if (socket_open(&defaults, family == IP_V6 ? IP_V6 : IP_V4, &fd) < 0 &&
        (family != IP_UNSPEC || socket_open(&defaults, IP_V6, &fd) < 0))
        return -1;
    return fd;
}

int exchanges_new(const ExchangesSetup *setup, const NetConfig *config, Exchanges **ret)
{
    Exchanges *exchanges = calloc(1, sizeof *exchanges);

    if (!exchanges)
        return -ENOMEM;
    *exchanges = (Exchanges) {
        .setup = *setup,
        .config = *config,
        .anchor_v4 = -1,
        .anchor_v6 = -1,
        .stamping = stamping_socket(setup->family),
    };
    sd_event_ref(setup->event);
    *ret = exchanges;
    return 0;
}

static Exchange *exchange_free(Exchange *exchange)
{
    if (!exchange)
        return NULL;
    sd_event_source_disable_unref(exchange->source);
    if (exchange->fd >= 0) {
        port_sharing_leave(exchange->owner->setup.sharing, exchange->fd);
        close(exchange->fd);
    }
    free(exchange);
    return NULL;
}
DEFINE_CLEANUP(Exchange, exchange_free);

Exchanges *exchanges_free(Exchanges *exchanges)
{
    if (!exchanges)
        return NULL;
    while (exchanges->first) {
        Exchange *exchange = exchanges->first;
        exchanges->first = exchange->next;
        exchange_free(exchange);
    }
    close_anchors(exchanges);
    if (exchanges->stamping >= 0)
        close(exchanges->stamping);
    sd_event_unref(exchanges->setup.event);
    free(exchanges);
    return NULL;
}

void exchanges_configure(Exchanges *exchanges, const NetConfig *config)
{
    const NetConfig *old = &exchanges->config;
    bool same_port = old->acquisition_port == config->acquisition_port &&
                     ip_address_equal(&old->acquisition_v4, &config->acquisition_v4) &&
                     ip_address_equal(&old->acquisition_v6, &config->acquisition_v6);

    if (!same_port)
        close_anchors(exchanges);
    exchanges->config = *config;
}

static Exchange *exchange_find(const Exchanges *exchanges, ExchangeId id)
{
    for (Exchange *e = exchanges->first; e; e = e->next)
        if (e->id.value == id.value)
            return e;
    return NULL;
}

void exchanges_close(Exchanges *exchanges, ExchangeId id)
{
    for (Exchange **e = &exchanges->first; *e; e = &(*e)->next)
        if ((*e)->id.value == id.value) {
            Exchange *closed = *e;
            *e = closed->next;
            exchanges->count--;
            exchange_free(closed);
            return;
        }
}

static int open_anchor(Exchanges *exchanges, IpFamily family, int *anchor)
{
    const NetConfig *config = &exchanges->config;
    const IpEndpoint local = {.address = socket_source(config, family, &(IpAddress) {}),
                              .port = (uint16_t) config->acquisition_port};
    int fd, r = socket_open(config, family, &fd);

    if (r < 0)
        return r;
    if ((r = port_sharing_bind(exchanges->setup.sharing, fd, &local)) < 0) {
        close(fd);
        return r;
    }
    *anchor = fd;
    return 0;
}

/* The port that requests share; 0: each request has its own. */
static int shared_port(Exchanges *exchanges, IpFamily family, uint16_t *ret)
{
    int *anchor = family == IP_V4 ? &exchanges->anchor_v4 : &exchanges->anchor_v6;
    int32_t port = exchanges->config.acquisition_port;
    int r;

    *ret = 0;
    if (port < 0)
        return 0;
    if (*anchor < 0 && (r = open_anchor(exchanges, family, anchor)) < 0)
        return r;
    *ret = socket_local(*anchor).port;
    return 0;
}

/* Tells the transmit timestamp that has arrived by now, if one has. */
static void read_transmit_timestamp(Exchange *exchange)
{
    Exchanges *exchanges = exchange->owner;
    Timestamp sent;
    bool found = false;

    while (socket_transmit_timestamp(exchange->fd, &sent) >= 0)
        found = true;
    if (found)
        exchanges->setup.handlers->on_sent(exchanges->setup.userdata, exchange->id, sent, exchange->local);
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    Exchange *exchange = userdata;
    Exchanges *exchanges = exchange->owner;
    ExchangeId id = exchange->id;
    SocketPacket packet;

    (void) source;
    /* The timestamp of the request first: the answer is worth more with it. */
    if (revents & EPOLLERR)
        read_transmit_timestamp(exchange);
    /* A handler may have closed the exchange: look it up again each time. */
    for (int i = 0; i < PACKETS_AT_ONCE && exchange_find(exchanges, id) == exchange; i++) {
        int r = socket_receive(fd, &packet);
        if (r == -EAGAIN || r == -EINTR)
            break;
        if (r < 0) {
            /* Word of the network (ICMP), which anybody may forge who guesses the port. */
            exchanges->setup.handlers->on_failed(exchanges->setup.userdata, id, ECONNREFUSED);
            break;
        }
        Incoming incoming = {.exchange = id,
                             .remote = packet.remote,
                             .local = exchange->local,
                             .received = packet.received,
                             .bytes = packet.bytes,
                             .length = packet.length};
        exchanges->setup.handlers->on_packet(exchanges->setup.userdata, &incoming);
    }
    return 0;
}

/* The address that packets to remote leave from. */
static int route_source(const Exchanges *exchanges, const IpEndpoint *remote, IpAddress *ret)
{
    int fd, r = socket_open(&exchanges->config, remote->address.family, &fd);

    if (r < 0)
        return r;
    r = socket_connect(fd, remote);
    *ret = socket_local(fd).address;
    close(fd);
    return r;
}

/* Where a request to remote has to come from. */
static int find_local(Exchanges *exchanges, const IpEndpoint *remote, const IpEndpoint *asked,
                      IpEndpoint *ret)
{
    IpFamily family = remote->address.family;

    ret->address = socket_source(&exchanges->config, family, &asked->address);
    ret->port = asked->port;
    if (ret->port == 0)
        return shared_port(exchanges, family, &ret->port);
    /* It is the server's. Between bind() and connect() the socket would get what comes to its address and
     * port from anywhere, so that should be no more than it needs. */
    return ip_address_is_any(&ret->address) ? route_source(exchanges, remote, &ret->address) : 0;
}

int exchanges_test_way(const Exchanges *exchanges, const IpEndpoint *remote, const IpAddress *local)
{
    IpFamily family = remote->address.family;
    const IpAddress from = socket_source(&exchanges->config, family, local);

    if (exchanges->setup.family != IP_UNSPEC && exchanges->setup.family != family)
        return EAFNOSUPPORT;
    return way_test(&exchanges->config, remote, &from);
}

static int bind_and_connect(Exchanges *exchanges, int fd, const IpEndpoint *local, const IpEndpoint *remote)
{
    int r = 0;

    /* Else connect() chooses. */
    if (local->port > 0 || !ip_address_is_any(&local->address))
        r = port_sharing_bind(exchanges->setup.sharing, fd, local);
    return r < 0 ? r : socket_connect(fd, remote);
}

static int exchange_open(Exchanges *exchanges, const IpEndpoint *remote, const IpEndpoint *asked, int *ret)
{
    IpFamily family = remote->address.family;
    IpEndpoint local;
    int fd, r;

    if (exchanges->count >= EXCHANGES_MAX)
        return -EMFILE;
    if (exchanges->setup.family != IP_UNSPEC && exchanges->setup.family != family)
        return -EAFNOSUPPORT;
    /* Of a time when the server had another port. */
    if (asked->port > 0 && asked->port == exchanges->config.acquisition_port)
        close_anchors(exchanges);
    if ((r = find_local(exchanges, remote, asked, &local)) < 0 ||
        (r = socket_open(&exchanges->config, family, &fd)) < 0)
        return r;
    if ((r = bind_and_connect(exchanges, fd, &local, remote)) < 0) {
        port_sharing_leave(exchanges->setup.sharing, fd);
        close(fd);
        return r;
    }
    *ret = fd;
    return 0;
}

static int send_bytes(Exchange *exchange, const uint8_t *bytes, size_t length, Timestamp *ret_sent)
{
    struct timespec now = {};

    (void) clock_gettime(CLOCK_REALTIME, &now);
    if (send(exchange->fd, bytes, length, MSG_NOSIGNAL) < 0)
        return -errno;
    if (socket_transmit_timestamp(exchange->fd, ret_sent) < 0)
        *ret_sent = (Timestamp) {.time = {ns_from_timespec(now)}, .origin = TIMESTAMP_DAEMON};
    return 0;
}

/* Makes an exchange and puts it on the list. */
static int exchange_new(Exchanges *exchanges, ExchangeId id, const IpEndpoint *remote,
                        const IpEndpoint *asked, Exchange **ret)
{
    cleanup_(exchange_freep) Exchange *exchange = calloc(1, sizeof *exchange);
    int r;

    if (!exchange)
        return -ENOMEM;
    *exchange = (Exchange) {.owner = exchanges, .id = id, .fd = -1, .asked = *asked};
    if ((r = exchange_open(exchanges, remote, asked, &exchange->fd)) < 0 ||
        (r = sd_event_add_io(exchanges->setup.event, &exchange->source, exchange->fd, EPOLLIN, on_socket,
                             exchange)) < 0)
        return r;
    exchange->local = socket_local(exchange->fd).address;
    exchange->next = exchanges->first;
    *ret = exchanges->first = TAKE_PTR(exchange);
    exchanges->count++;
    return 0;
}

void exchanges_send(Exchanges *exchanges, ExchangeId id, const IpEndpoint *remote, const IpEndpoint *local,
                    const uint8_t *bytes, size_t length)
{
    Exchange *exchange = exchange_find(exchanges, id);
    Timestamp sent;
    int r = 0;

    /* A peer's socket is there for long; the configuration may want another one by now. */
    if (exchange && !ip_endpoint_equal(&exchange->asked, local)) {
        exchanges_close(exchanges, id);
        exchange = NULL;
    }
    if (!exchange)
        r = exchange_new(exchanges, id, remote, local, &exchange);
    if (r >= 0)
        r = send_bytes(exchange, bytes, length, &sent);
    if (r < 0) {
        exchanges_close(exchanges, id);
        exchanges->setup.handlers->on_failed(exchanges->setup.userdata, id, -r);
        return;
    }
    exchanges->setup.handlers->on_sent(exchanges->setup.userdata, id, sent, exchange->local);
}
