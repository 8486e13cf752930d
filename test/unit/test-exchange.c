// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Requests over the loopback interface to a socket of the test itself. */

#include <errno.h>
#include <linux/net_tstamp.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/exchange.h"
#include "unit.h"

#define PATIENCE_US 5000000

typedef struct Seen {
    unsigned sent, packets, failures;
    Timestamp sent_at, received_at;
    ExchangeId exchange;
    IpEndpoint remote;
    IpAddress local;
    int error;
    uint8_t bytes[NTP_PACKET_MAX];
    size_t length;
} Seen;

static sd_event *event;
static Exchanges *exchanges;
static PortSharing *sharing;
static Seen seen;
static int server = -1;
static IpEndpoint server_endpoint;

static void on_packet(void *userdata, const Incoming *packet)
{
    Seen *s = userdata;

    s->packets++;
    s->exchange = packet->exchange;
    s->remote = packet->remote;
    s->local = packet->local;
    s->received_at = packet->received;
    memcpy(s->bytes, packet->bytes, packet->length);
    s->length = packet->length;
    /* As the engine does on a good answer, from inside the handler. */
    exchanges_close(exchanges, packet->exchange);
}

static void on_sent(void *userdata, ExchangeId exchange, Timestamp sent, IpAddress local)
{
    Seen *s = userdata;

    s->sent++;
    s->exchange = exchange;
    s->sent_at = sent;
    s->local = local;
}

static void on_failed(void *userdata, ExchangeId exchange, int error)
{
    Seen *s = userdata;

    s->failures++;
    s->exchange = exchange;
    s->error = error;
    exchanges_close(exchanges, exchange);
}

static const ExchangeHandlers handlers = {.on_packet = on_packet, .on_sent = on_sent, .on_failed = on_failed};

static RawTime raw_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (RawTime) {ns_from_timespec(ts)};
}

static int server_open(const char *address)
{
    struct sockaddr_storage sa;
    socklen_t size;

    server_endpoint = (IpEndpoint) {};
    assert_true(ip_address_parse(address, &server_endpoint.address));
    size = ip_endpoint_to_sockaddr(&server_endpoint, &sa);
    server = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (server < 0 || bind(server, (struct sockaddr *) &sa, size) < 0)
        return -errno;
    size = sizeof sa;
    assert_int_equal(getsockname(server, (struct sockaddr *) &sa, &size), 0);
    assert_true(ip_endpoint_from_sockaddr((struct sockaddr *) &sa, size, &server_endpoint));
    return 0;
}

static void begin(const char *address, int32_t acquisition_port)
{
    const NetConfig config = {.acquisition_port = acquisition_port};

    seen = (Seen) {};
    assert_int_equal(server_open(address), 0);
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(port_sharing_new(&sharing), 0);
    const ExchangesSetup setup = {.event = event,
                                  .sharing = sharing,
                                  .handlers = &handlers,
                                  .userdata = &seen};
    assert_int_equal(exchanges_new(&setup, &config, &exchanges), 0);
}

static void end(void)
{
    exchanges = exchanges_free(exchanges);
    sharing = port_sharing_free(sharing);
    event = sd_event_unref(event);
    close(server);
}

/* Receives a request at the server and answers it; returns who asked. */
static IpEndpoint answer(const void *bytes, size_t length)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    uint8_t request[NTP_PACKET_MAX];
    IpEndpoint client;

    assert_int_equal(recvfrom(server, request, sizeof request, 0, (struct sockaddr *) &from, &size), 48);
    assert_true(ip_endpoint_from_sockaddr((struct sockaddr *) &from, size, &client));
    assert_int_equal(sendto(server, bytes, length, 0, (struct sockaddr *) &from, size), length);
    return client;
}

static void run_until_packet(unsigned packets)
{
    while (seen.packets < packets)
        if (sd_event_run(event, PATIENCE_US) <= 0)
            fail_msg("no answer came");
}

static void ask_and_answer(const char *address)
{
    static const uint8_t request[48] = {0x23};
    static const uint8_t reply[52] = {0x24, 1, 2, 3};

    begin(address, -1);
    RawTime start = raw_now();
    exchanges_send(exchanges, (ExchangeId) {7}, &server_endpoint, &(IpEndpoint) {}, request, sizeof request);
    assert_int_equal(seen.sent, 1);
    assert_true(seen.exchange.value == 7);
    assert_true(ip_address_equal(&seen.local, &server_endpoint.address));
    assert_int_equal(seen.sent_at.origin, TIMESTAMP_KERNEL);

    answer(reply, sizeof reply);
    run_until_packet(1);
    assert_int_equal(seen.length, sizeof reply);
    assert_memory_equal(seen.bytes, reply, sizeof reply);
    assert_true(ip_address_equal(&seen.remote.address, &server_endpoint.address));
    assert_int_equal(seen.remote.port, server_endpoint.port);
    assert_int_equal(seen.received_at.origin, TIMESTAMP_KERNEL);
    assert_true(start.ns <= seen.sent_at.time.ns && seen.sent_at.time.ns <= seen.received_at.time.ns);
    assert_true(seen.received_at.time.ns <= raw_now().ns);
    assert_int_equal(seen.sent, 1); /* the first timestamp was the best: nothing woke us for another */
    assert_int_equal(sd_event_run(event, 0), 0);
    end();
}

static void test_ipv4(void **state)
{
    (void) state;
    ask_and_answer("127.0.0.1");
}

static void test_ipv6(void **state)
{
    (void) state;
    if (server_open("::1") < 0)
        skip();
    close(server);
    ask_and_answer("::1");
}

static void test_fresh_port_each_time(void **state)
{
    static const uint8_t packet[48] = {0x23};
    uint16_t ports[8];

    (void) state;
    begin("127.0.0.1", -1);
    for (unsigned i = 0; i < ELEMENTS(ports); i++) {
        exchanges_send(exchanges, (ExchangeId) {i}, &server_endpoint, &(IpEndpoint) {}, packet,
                       sizeof packet);
        ports[i] = answer(packet, sizeof packet).port;
    }
    /* All eight are open at once: no two can have the same port. */
    for (unsigned i = 0; i < ELEMENTS(ports); i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(ports[i], ports[j]);
    run_until_packet(ELEMENTS(ports));
    end();
}

/* acquisitionport: one port for all, and each answer finds its exchange by who sent it. */
static void test_shared_port(void **state)
{
    static const uint8_t packet[48] = {0x23};
    IpEndpoint second;

    (void) state;
    begin("127.0.0.1", 0);
    IpEndpoint first = server_endpoint;
    int first_server = server;
    assert_int_equal(server_open("127.0.0.1"), 0);
    second = server_endpoint;

    exchanges_send(exchanges, (ExchangeId) {1}, &first, &(IpEndpoint) {}, packet, sizeof packet);
    exchanges_send(exchanges, (ExchangeId) {2}, &second, &(IpEndpoint) {}, packet, sizeof packet);
    uint16_t port = answer(packet, sizeof packet).port;
    run_until_packet(1);
    assert_true(seen.exchange.value == 2);
    assert_int_equal(seen.remote.port, second.port);

    close(server);
    server = first_server;
    assert_int_equal(answer(packet, sizeof packet).port, port);
    run_until_packet(2);
    assert_true(seen.exchange.value == 1);

    /* Still the same port when nothing was open in between. */
    exchanges_send(exchanges, (ExchangeId) {3}, &first, &(IpEndpoint) {}, packet, sizeof packet);
    assert_int_equal(answer(packet, sizeof packet).port, port);
    end();
}

/* A port that is free now. */
static uint16_t free_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof any;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *) &any, size) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &any, &size), 0);
    close(fd);
    return ntohs(any.sin_port);
}

/* acquisitionport is the server's: answers find their exchange, all else the server, between requests too;
 * also when there was an anchor, because the server had another port. */
static void test_port_of_the_server(void **state)
{
    static const uint8_t packet[48] = {0x23}, other[20] = {0x1b};
    uint16_t port = free_port();
    const IpEndpoint any = {.address = {.family = IP_V4}, .port = port}, local = {.port = port};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons(port)};
    int listening = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint8_t bytes[48];

    (void) state;
    begin("127.0.0.1", port);
    exchanges_send(exchanges, (ExchangeId) {99}, &server_endpoint, &(IpEndpoint) {}, packet, sizeof packet);
    assert_int_equal(answer(packet, sizeof packet).port, port);
    run_until_packet(1);
    assert_int_equal(port_sharing_bind(sharing, listening, &any), 0);
    for (unsigned i = 2; i <= 20; i++) {
        exchanges_send(exchanges, (ExchangeId) {i}, &server_endpoint, &local, packet, sizeof packet);
        assert_int_equal(seen.failures, 0);
        assert_int_equal(sendto(stranger, other, sizeof other, 0, (struct sockaddr *) &to, sizeof to),
                         sizeof other);
        assert_int_equal(answer(packet, sizeof packet).port, port);
        run_until_packet(i);
        assert_true(seen.exchange.value == i);
        assert_int_equal(recv(listening, bytes, sizeof bytes, 0), sizeof other);
        assert_int_equal(sendto(stranger, other, sizeof other, 0, (struct sockaddr *) &to, sizeof to),
                         sizeof other);
        assert_int_equal(recv(listening, bytes, sizeof bytes, 0), sizeof other);
    }
    port_sharing_leave(sharing, listening);
    close(listening);
    close(stranger);
    end();
}

/* The exchange of a peer stays open; when it is to come from elsewhere, it gets another socket. */
static void test_other_local(void **state)
{
    static const uint8_t packet[48] = {0x23};
    IpEndpoint local = {.port = free_port()}, from;

    (void) state;
    begin("127.0.0.1", -1);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1)
            local.port = free_port();
        if (i == 2)
            assert_true(ip_address_parse("127.0.0.5", &local.address));
        exchanges_send(exchanges, (ExchangeId) {7}, &server_endpoint, &local, packet, sizeof packet);
        exchanges_send(exchanges, (ExchangeId) {7}, &server_endpoint, &local, packet, sizeof packet);
        assert_int_equal(seen.failures, 0);
        from = answer(packet, sizeof packet);
        assert_int_equal(from.port, local.port);
        assert_int_equal(answer(packet, sizeof packet).port, local.port);
        assert_int_equal(from.address.bytes[3], i == 2 ? 5 : 1);
        exchanges_send(exchanges, (ExchangeId) {7}, &server_endpoint, &local, packet, sizeof packet);
        (void) answer(packet, sizeof packet);
    }
    end();
}

static void test_nobody_listens(void **state)
{
    static const uint8_t packet[48] = {0x23};

    (void) state;
    begin("127.0.0.1", -1);
    close(server);
    server = -1;
    exchanges_send(exchanges, (ExchangeId) {9}, &server_endpoint, &(IpEndpoint) {}, packet, sizeof packet);
    while (seen.failures == 0)
        if (sd_event_run(event, PATIENCE_US) <= 0)
            fail_msg("the refusal was not told");
    assert_int_equal(seen.error, ECONNREFUSED);
    assert_true(seen.exchange.value == 9);
    end();
}

static void test_closed_exchange_hears_nothing(void **state)
{
    static const uint8_t packet[48] = {0x23};

    (void) state;
    begin("127.0.0.1", -1);
    exchanges_send(exchanges, (ExchangeId) {1}, &server_endpoint, &(IpEndpoint) {}, packet, sizeof packet);
    exchanges_close(exchanges, (ExchangeId) {1});
    exchanges_close(exchanges, (ExchangeId) {1}); /* unknown by now */
    answer(packet, sizeof packet);
    assert_int_equal(sd_event_run(event, 0), 0);
    assert_int_equal(seen.packets, 0);
    end();
}

static void test_bounded(void **state)
{
    static const uint8_t packet[48] = {0x23};

    (void) state;
    begin("127.0.0.1", -1);
    for (unsigned i = 0; i < EXCHANGES_MAX + 10; i++)
        exchanges_send(exchanges, (ExchangeId) {i + 1}, &server_endpoint, &(IpEndpoint) {}, packet,
                       sizeof packet);
    assert_true(seen.sent <= EXCHANGES_MAX);
    assert_int_equal(seen.sent + seen.failures, EXCHANGES_MAX + 10);
    assert_int_equal(seen.error, EMFILE);
    end();
}

static bool is_stamped(int fd)
{
    uint8_t byte = 0, control[256];
    struct iovec io = {&byte, sizeof byte};
    struct msghdr message = {.msg_iov = &io,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};

    if (send(fd, &byte, sizeof byte, 0) != 1 || recvmsg(fd, &message, 0) != 1)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING)
            return true;
    return false;
}

/* The kernel begins to stamp what comes in some time after the first socket of the machine asked for it: on a
 * busy machine later than the first answers. A socket that talks to itself asks, and stays open. */
static void begin_stamping(void)
{
    static const int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof self;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *) &self, size) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &self, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &self, size), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags), 0);
    for (unsigned i = 0; i < PATIENCE_US / 1000 && !is_stamped(fd); i++)
        (void) poll(NULL, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_fresh_port_each_time),
        cmocka_unit_test(test_shared_port),
        cmocka_unit_test(test_port_of_the_server),
        cmocka_unit_test(test_other_local),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_closed_exchange_hears_nothing),
        cmocka_unit_test(test_bounded),
    };

    begin_stamping();
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
