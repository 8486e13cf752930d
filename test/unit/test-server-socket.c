// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Requests over the loopback interface, from sockets of the test itself. */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/api/action.h"
#include "core/ntp/packet.h"
#include "net/socket.h"
#include "serving.h"
#include "unit.h"

#define PATIENCE_US 5000000

static sd_event *event;
static ServerHands *hands;
static PortSharing *sharing;
static AccessTable *access_table;
static ServerSockets *sockets;
static unsigned snapshots, failures;
static int64_t valid_from;
static MsSntpAnswer to_be_signed;
static AnswerWay way_back;
static unsigned unsigned_answers;
static int last_error;
static unsigned until_step; /* readings of the clock until it is stepped by STEP; 0: it is not */
static bool stepped;

#define STEP NSEC_PER_SEC

static Now now(void)
{
    struct timespec mono, raw;

    if (until_step > 0 && --until_step == 0)
        stepped = true;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &mono), 0);
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &raw), 0);
    return (Now) {.mono = {ns_from_timespec(mono)}, .raw = {ns_from_timespec(raw) + (stepped ? STEP : 0)}};
}

static void snapshot(void *userdata, Now at, ServerSnapshot *ret)
{
    (void) userdata;
    snapshots++;
    *ret = (ServerSnapshot) {.base = at.raw.ns,
                             .valid_from = valid_from,
                             .stratum = stepped ? 3 : 2,
                             .precision = -24,
                             .reference_id = 0x01020304};
}

static void to_sign(void *userdata, const MsSntpAnswer *answer, const AnswerWay *way)
{
    (void) userdata;
    to_be_signed = *answer;
    way_back = *way;
    unsigned_answers++;
}

static void on_failed(void *userdata, const IpEndpoint *endpoint, int error)
{
    (void) userdata;
    (void) endpoint;
    failures++;
    last_error = error;
}

static ServerSockets *new_sockets(PortSharing *with)
{
    const ServerSocketsSetup of_sockets = {
        .event = event, .sharing = with, .hands = hands, .secret = 12345, .on_failed = on_failed};
    ServerSockets *new;

    assert_int_equal(server_sockets_new(&of_sockets, &new), 0);
    return new;
}

static int setup(void **state)
{
    ServerHandsSetup of_hands = {.handlers = {.now = now, .snapshot = snapshot, .to_sign = to_sign},
                                 .secret = "not a secret"};
    const AccessRule everybody = {.allow = true};
    const RateLimitConfig no_limit = {0};

    (void) state;
    snapshots = failures = unsigned_answers = until_step = 0;
    stepped = false;
    valid_from = INT64_MIN;
    assert_true(sd_event_new(&event) >= 0);
    of_hands.event = event;
    assert_int_equal(server_hands_new(&of_hands, &hands), 0);
    assert_int_equal(server_hands_configure(hands, &no_limit, 524288), 0);
    assert_int_equal(access_table_new(&everybody, 1, &access_table), 0);
    server_hands_set_access(hands, access_table);
    assert_int_equal(port_sharing_new(&sharing), 0);
    sockets = new_sockets(sharing);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    sockets = server_sockets_free(sockets);
    sharing = port_sharing_free(sharing);
    hands = server_hands_free(hands);
    access_table = access_table_free(access_table);
    event = sd_event_unref(event);
    return 0;
}

static IpAddress address_of(const char *text)
{
    IpAddress address;

    assert_true(ip_address_parse(text, &address));
    return address;
}

static void ask(int fd, uint8_t number)
{
    uint8_t request[NTP_HEADER_SIZE] = {0x23, [47] = number};

    assert_int_equal(send(fd, request, sizeof request, 0), sizeof request);
}

/* Runs the loop until an answer is there. */
static bool receive(int fd, NtpPacket *ret)
{
    static uint8_t bytes[NTP_PACKET_MAX];
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    Now start = now();

    while (poll(&readable, 1, 0) == 0) {
        if (now().mono.ns - start.mono.ns > PATIENCE_US * NSEC_PER_USEC)
            return false;
        assert_true(sd_event_run(event, 10000) >= 0);
    }
    ssize_t length = recv(fd, bytes, sizeof bytes, 0);
    assert_int_equal(length, NTP_HEADER_SIZE);
    return ntp_packet_parse(bytes, (size_t) length, ret);
}

/* Whether this machine has IPv6 at all. */
static bool has_v6(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage address;
    IpEndpoint loopback = {.address = address_of("::1")};
    socklen_t size = ip_endpoint_to_sockaddr(&loopback, &address);
    bool usable = fd >= 0 && bind(fd, (struct sockaddr *) &address, size) == 0;

    if (fd >= 0)
        close(fd);
    return usable;
}

static void check_answer(const char *server, uint16_t port)
{
    int fd = serving_client(NULL, server, port);
    NtpPacket answer;
    Now before = now();

    ask(fd, 7);
    assert_true(receive(fd, &answer));
    Now after = now();
    assert_int_equal(answer.mode, NTP_MODE_SERVER);
    assert_int_equal(answer.stratum, 2);
    assert_true(answer.origin.value == 7);
    int64_t received = ntp_time_to_ns(answer.receive, before.raw.ns);
    int64_t sent = ntp_time_to_ns(answer.transmit, before.raw.ns);
    /* The noise below the precision of 2^-24 s. */
    assert_true(received > before.raw.ns - 100 && sent > received - 1 && sent < after.raw.ns + 100);
    close(fd);
}

/* With the wildcard address, the answer leaves from the address that was asked. */
static void test_any_address(void **state)
{
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true, .v6 = has_v6()};
    ServerReport report = {0};

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), listen.v6 ? 2 : 1);
    check_answer("127.0.0.1", config.port);
    check_answer("127.1.2.3", config.port);
    if (listen.v6)
        check_answer("::1", config.port);
    assert_int_equal(failures, 0);
    server_hands_report(hands, (MonoTime) {0}, &report);
    assert_int_equal(report.received, listen.v6 ? 3 : 2);
    assert_int_equal(report.receive_stamps[TIMESTAMP_DAEMON] + report.receive_stamps[TIMESTAMP_KERNEL],
                     report.received);
    assert_int_equal(report.failed, 0);
}

/* Several of a family; others are not listened on. */
static void test_addresses(void **state)
{
    IpAddress addresses[] = {address_of("127.0.0.2"), address_of("127.0.0.3")};
    ServerConfig config = {.port = serving_free_port(), .addresses = addresses, .address_count = 2};
    const ServerListen listen = {.config = &config, .v4 = true};
    uint8_t byte = 0;

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), 2);
    assert_true(ip_address_equal(&addresses[1], &(IpAddress) {server_sockets_local(sockets, 1).address.family,
                                                              {127, 0, 0, 3}}));
    check_answer("127.0.0.2", config.port);
    check_answer("127.0.0.3", config.port);
    int fd = serving_client(NULL, "127.0.0.4", config.port);
    ask(fd, 1);
    assert_true(recv(fd, &byte, 1, 0) < 0 && errno == ECONNREFUSED);
    close(fd);
}

/* More requests than a batch holds, and rubbish among them. */
static void test_many(void **state)
{
    enum { COUNT = 200 };
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    static const uint8_t big[NTP_PACKET_MAX + 1] = {0x23};
    ServerReport report = {0};
    bool seen[COUNT] = {0};
    NtpPacket answer;

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    int fd = serving_client(NULL, "127.0.0.1", config.port);
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 10 == 3)
            assert_int_equal(send(fd, "x", 1, 0), 1);
        if (i % 50 == 7)
            assert_int_equal(send(fd, big, sizeof big, 0), sizeof big);
        ask(fd, (uint8_t) i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(receive(fd, &answer));
        assert_true(answer.origin.value < COUNT && !seen[answer.origin.value]);
        seen[answer.origin.value] = true;
    }
    close(fd);
    server_hands_report(hands, (MonoTime) {0}, &report);
    assert_int_equal(report.verdicts[SERVER_ANSWERED], COUNT);
    assert_int_equal(report.verdicts[SERVER_MALFORMED], COUNT / 10 + COUNT / 50);
    assert_true(snapshots < COUNT / 4); /* one for each batch at most */
}

/* The third of several batches in a row finds the clock stepped, and is not answered from what was known
 * before. */
static void test_step_between_batches(void **state)
{
    enum { COUNT = 5 * REQUEST_BATCH_MAX, STEPPED = 2 * REQUEST_BATCH_MAX };
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    NtpPacket answer;

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    int fd = serving_client(NULL, "127.0.0.1", config.port);
    for (size_t i = 0; i < COUNT; i++)
        ask(fd, (uint8_t) i);
    until_step = 3;
    assert_true(sd_event_run(event, PATIENCE_US) > 0);
    assert_true(stepped);
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(receive(fd, &answer));
        assert_int_equal(answer.origin.value, i);
        assert_int_equal(answer.stratum, i < STEPPED ? 2 : 3);
    }
    close(fd);
}

/* --- interleaved mode --- */

#define CROWD 12

/* What the kernel is asked to stamp in each batch. */
#define STAMPS 4

typedef struct Interleaver {
    int fd;
    NtpPacket last;        /* answer */
    RawTime before, after; /* the loop ran that made it */
} Interleaver;

/* Of an address of its own. */
static Interleaver interleaver_of(uint8_t host, uint16_t port)
{
    IpEndpoint local = {.address = {.family = IP_V4, .bytes = {127, 0, 9, host}}},
               remote = {.address = address_of("127.0.0.1"), .port = port};
    struct sockaddr_storage address;
    Interleaver new = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    socklen_t size = ip_endpoint_to_sockaddr(&local, &address);

    assert_true(new.fd >= 0);
    assert_int_equal(bind(new.fd, (struct sockaddr *) &address, size), 0);
    size = ip_endpoint_to_sockaddr(&remote, &address);
    assert_int_equal(connect(new.fd, (struct sockaddr *) &address, size), 0);
    return new;
}

static void interleaver_ask(const Interleaver *client, uint64_t cookie)
{
    NtpPacket request = {.version = 4,
                         .mode = NTP_MODE_CLIENT,
                         .origin = client->last.receive,
                         .receive = {cookie},
                         .transmit = {cookie + 1}};
    uint8_t bytes[NTP_HEADER_SIZE];

    ntp_packet_build(&request, bytes);
    assert_int_equal(send(client->fd, bytes, sizeof bytes, 0), sizeof bytes);
}

/* One exchange of all of them, in one batch. stamped: the batch before it was. */
static void exchange_all(Interleaver *clients, size_t count, uint64_t cookie, bool stamped)
{
    RawTime before = now().raw;

    for (size_t i = 0; i < count; i++)
        interleaver_ask(&clients[i], cookie);
    for (size_t i = 0; i < count; i++) {
        NtpPacket last = clients[i].last;
        assert_true(receive(clients[i].fd, &clients[i].last));
        if (last.receive.value == 0)
            continue;
        /* The answer before this one really left while the loop ran for it; but for the noise. */
        assert_int_equal(clients[i].last.origin.value, cookie);
        int64_t sent = ntp_time_to_ns(clients[i].last.transmit, before.ns);
        assert_true(sent >= clients[i].before.ns - 100 && sent <= clients[i].after.ns);
        if (stamped && i > 0 && i != STAMPS)
            assert_true(clients[i].last.transmit.value > clients[i - 1].last.transmit.value);
    }
    for (size_t i = 0; i < count; i++) {
        clients[i].before = before;
        clients[i].after = now().raw;
    }
}

/* Each client is told when its answer left; the kernel says it for all when there are few, and for the first
 * of many, and the others left in their order too. */
static void check_stamps(size_t count, uint64_t kernel)
{
    enum { ROUNDS = 8 };
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    Interleaver clients[CROWD];
    ServerReport report = {0};

    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    for (size_t i = 0; i < count; i++)
        clients[i] = interleaver_of((uint8_t) (i + 1), config.port);
    for (uint64_t round = 0; round < ROUNDS; round++)
        exchange_all(clients, count, 1000 + 2 * round, round > 1);
    server_hands_report(hands, (MonoTime) {0}, &report);
    assert_int_equal(report.interleaved, count * (ROUNDS - 1));
    /* Nobody knew of the first answer that it would be asked for. */
    assert_int_equal(report.transmit_stamps[TIMESTAMP_KERNEL], kernel * (ROUNDS - 2));
    assert_int_equal(report.transmit_stamps[TIMESTAMP_DAEMON], count * ROUNDS - kernel * (ROUNDS - 2));
    for (size_t i = 0; i < count; i++)
        close(clients[i].fd);
}

static void test_kernel_stamps(void **state)
{
    (void) state;
    check_stamps(STAMPS, STAMPS);
}

static void test_some_kernel_stamps(void **state)
{
    (void) state;
    check_stamps(CROWD, STAMPS);
}

static void test_failures(void **state)
{
    ServerConfig config = {.port = serving_free_port()};
    ServerListen listen = {.config = &config, .v4 = true};
    cleanup_(port_sharing_freep) PortSharing *others = NULL;
    ServerSockets *second;

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    /* Two servers on one port do not share it in silence. */
    assert_int_equal(port_sharing_new(&others), 0);
    second = new_sockets(others);
    assert_int_equal(server_sockets_open(second, &listen), 0);
    assert_int_equal(failures, 1);
    assert_int_equal(last_error, EADDRINUSE);
    server_sockets_free(second);

    (void) strcpy(config.device, "no-such-device");
    assert_int_equal(server_sockets_open(sockets, &listen), 0);
    assert_int_equal(failures, 2);
    config.device[0] = '\0';
    config.port = 0;
    assert_int_equal(server_sockets_open(sockets, &listen), 0);
    listen.v4 = false;
    config.port = serving_free_port();
    assert_int_equal(server_sockets_open(sockets, &listen), 0);
    assert_int_equal(failures, 2);
}

/* Sockets that somebody else has bound: they stay open when nobody may ask any more, and what waits on them
 * from before is not answered. */
static void test_passed(void **state)
{
    ServerConfig config = {.port = serving_free_port()};
    IpEndpoint local = {.address = address_of("127.0.0.1"), .port = serving_free_port()};
    struct sockaddr_storage address;
    socklen_t size = ip_endpoint_to_sockaddr(&local, &address);
    PassedSocket passed = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .local = local};
    ServerListen listen = {.config = &config, .v4 = true, .dscp = 46, .passed = &passed, .passed_count = 1};
    int fd = serving_client(NULL, "127.0.0.1", local.port);
    NtpPacket answer;

    (void) state;
    socket_set_class(passed.fd, IP_V4, 10 << 2);
    passed.class = socket_class(passed.fd, IP_V4);
    assert_int_equal(passed.class, 10 << 2);
    assert_int_equal(bind(passed.fd, (struct sockaddr *) &address, size), 0);
    ask(fd, 1);
    assert_int_equal(server_listen_adopt(passed.fd, IP_V4), 0);
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    assert_int_equal(server_sockets_local(sockets, 0).port, local.port);
    assert_int_equal(socket_class(passed.fd, IP_V4), 46 << 2);
    ask(fd, 2);
    assert_true(receive(fd, &answer));
    assert_int_equal(answer.origin.value, 2);
    listen.v4 = false;
    assert_int_equal(server_sockets_open(sockets, &listen), 0);
    listen.v4 = true;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    check_answer("127.0.0.1", local.port);

    /* As it came, for whoever has it next and for another configuration. */
    listen.dscp = 0;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    assert_int_equal(socket_class(passed.fd, IP_V4), 10 << 2);
    listen.dscp = 46;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    assert_int_equal(socket_class(passed.fd, IP_V4), 46 << 2);
    server_sockets_close(sockets);
    assert_int_equal(socket_class(passed.fd, IP_V4), 10 << 2);
    assert_int_equal(close(passed.fd), 0);
    close(fd);
}

/* An answer that Samba signs leaves later, by the way that it would have taken; unless the clock was stepped
 * while it waited. */
static void test_signed_later(void **state)
{
    static const uint8_t request[68] = {0x1b, [47] = 5, [48] = 77};
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    uint8_t signed_answer[MS_SNTP_SIZE], got[100];

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    int fd = serving_client(NULL, "127.1.2.3", config.port);
    assert_int_equal(send(fd, request, sizeof request, 0), sizeof request);
    Now start = now();
    while (unsigned_answers == 0) {
        assert_true(now().mono.ns - start.mono.ns < PATIENCE_US * NSEC_PER_USEC);
        assert_true(sd_event_run(event, 10000) >= 0);
    }
    assert_int_equal(to_be_signed.key[0], 77);
    assert_int_equal(to_be_signed.bytes[31], 5);
    assert_true(recv(fd, got, sizeof got, MSG_DONTWAIT) < 0);

    memset(signed_answer, 0xd1, sizeof signed_answer);
    server_hands_send(hands, &way_back, signed_answer, sizeof signed_answer);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, PATIENCE_US / 1000), 1);
    assert_int_equal(recv(fd, got, sizeof got, 0), sizeof signed_answer);
    assert_memory_equal(got, signed_answer, sizeof signed_answer);
    valid_from = now().raw.ns;
    server_hands_send(hands, &way_back, signed_answer, sizeof signed_answer);
    NtpPacket answer;
    ask(fd, 9); /* what comes first is the answer to that */
    assert_true(receive(fd, &answer));
    assert_true(answer.origin.value == 9);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_step_between_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kernel_stamps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_some_kernel_stamps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signed_later, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
