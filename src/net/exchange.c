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
 * With `acquisitionport` all sockets share a local port (SO_REUSEPORT): the kernel gives a datagram to the
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
    IpAddress local;
};

struct Exchanges {
    sd_event *event;
    NetConfig config;
    IpFamily family;
    const ExchangeHandlers *handlers;
    void *userdata;
    Exchange *first;
    size_t count;
    int anchor_v4, anchor_v6; /* sockets that hold acquisitionport, -1: none yet */
    int stamping;             /* socket that keeps the kernel stamping; -1: none */
};

static void close_anchors(Exchanges *exchanges)
{
    if (exchanges->anchor_v4 >= 0)
        close(exchanges->anchor_v4);
    if (exchanges->anchor_v6 >= 0)
        close(exchanges->anchor_v6);
    exchanges->anchor_v4 = exchanges->anchor_v6 = -1;
}

/* Bound to nothing: nothing ever arrives on it. -1 where there is none of the family; that costs precision
 * only. */
static int stamping_socket(IpFamily family)
{
    const NetConfig defaults = {.acquisition_port = -1};
    int fd = -1;

    if (socket_open(&defaults, family == IP_V6 ? IP_V6 : IP_V4, &(IpAddress) {}, -1, &fd) < 0 &&
        (family != IP_UNSPEC || socket_open(&defaults, IP_V6, &(IpAddress) {}, -1, &fd) < 0))
        return -1;
    return fd;
}

int exchanges_new(sd_event *event, const NetConfig *config, IpFamily family, const ExchangeHandlers *handlers,
                  void *userdata, Exchanges **ret)
{
    Exchanges *exchanges = calloc(1, sizeof *exchanges);

    if (!exchanges)
        return -ENOMEM;
    *exchanges = (Exchanges) {
        .event = sd_event_ref(event),
        .config = *config,
        .family = family,
        .handlers = handlers,
        .userdata = userdata,
        .anchor_v4 = -1,
        .anchor_v6 = -1,
        .stamping = stamping_socket(family),
    };
    *ret = exchanges;
    return 0;
}

static Exchange *exchange_free(Exchange *exchange)
{
    if (!exchange)
        return NULL;
    sd_event_source_disable_unref(exchange->source);
    if (exchange->fd >= 0)
        close(exchange->fd);
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
    sd_event_unref(exchanges->event);
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

/* The port that requests share, held by the family's anchor; -1: each request has its own. */
static int shared_port(Exchanges *exchanges, IpFamily family, int32_t *ret)
{
    int *anchor = family == IP_V4 ? &exchanges->anchor_v4 : &exchanges->anchor_v6;
    const NetConfig *config = &exchanges->config;

    *ret = -1;
    if (config->acquisition_port < 0)
        return 0;
    if (*anchor < 0) {
        int r = socket_open(config, family, &(IpAddress) {}, config->acquisition_port, anchor);
        if (r < 0)
            return r;
    }
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
        exchanges->handlers->on_sent(exchanges->userdata, exchange->id, sent, exchange->local);
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
            exchanges->handlers->on_failed(exchanges->userdata, id, ECONNREFUSED);
            break;
        }
        Incoming incoming = {.exchange = id,
                             .remote = packet.remote,
                             .local = exchange->local,
                             .received = packet.received,
                             .bytes = packet.bytes,
                             .length = packet.length};
        exchanges->handlers->on_packet(exchanges->userdata, &incoming);
    }
    return 0;
}

/* The address that packets to remote leave from. */
static int local_address(const Exchanges *exchanges, const IpEndpoint *remote, IpAddress *ret)
{
    int fd, r = socket_open(&exchanges->config, remote->address.family, &(IpAddress) {}, -1, &fd);

    if (r < 0)
        return r;
    r = socket_connect(fd, remote);
    *ret = socket_local(fd).address;
    close(fd);
    return r;
}

static int exchange_open(Exchanges *exchanges, const IpEndpoint *remote, const IpEndpoint *local, int *ret)
{
    IpFamily family = remote->address.family;
    IpAddress from = local->address;
    int32_t port = local->port;
    int fd, r;

    if (exchanges->count >= EXCHANGES_MAX)
        return -EMFILE;
    if (exchanges->family != IP_UNSPEC && exchanges->family != family)
        return -EAFNOSUPPORT;
    if (port > 0 && port == exchanges->config.acquisition_port)
        close_anchors(exchanges); /* of a time when the server had another port */
    /* A socket with a port of the server's has an address of its own: else it would be one of those among
     * which the kernel distributes requests. */
    if (port > 0 && from.family != family && (r = local_address(exchanges, remote, &from)) < 0)
        return r;
    if ((port == 0 && (r = shared_port(exchanges, family, &port)) < 0) ||
        (r = socket_open(&exchanges->config, family, &from, port, &fd)) < 0)
        return r;
    if ((r = socket_connect(fd, remote)) < 0) {
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
                        const IpEndpoint *local, Exchange **ret)
{
    cleanup_(exchange_freep) Exchange *exchange = calloc(1, sizeof *exchange);
    int r;

    if (!exchange)
        return -ENOMEM;
    *exchange = (Exchange) {.owner = exchanges, .id = id, .fd = -1};
    if ((r = exchange_open(exchanges, remote, local, &exchange->fd)) < 0 ||
        (r = sd_event_add_io(exchanges->event, &exchange->source, exchange->fd, EPOLLIN, on_socket,
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

    if (!exchange)
        r = exchange_new(exchanges, id, remote, local, &exchange);
    if (r >= 0)
        r = send_bytes(exchange, bytes, length, &sent);
    if (r < 0) {
        exchanges_close(exchanges, id);
        exchanges->handlers->on_failed(exchanges->userdata, id, -r);
        return;
    }
    exchanges->handlers->on_sent(exchanges->userdata, id, sent, exchange->local);
}
