// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Threads that serve, over the loopback interface, while everything that can be changed is changed. Meant to
 * be run under the thread sanitizer too (see doc/hacking.md). */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/api/action.h"
#include "core/ntp/packet.h"
#include "net/server-board.h"
#include "net/server-socket.h"
#include "unit.h"

#define PATIENCE_MS 5000
#define THREADS     3
#define CLIENTS     40
#define ROUNDS      25

static sd_event *event;
static ServerHands *hands;
static PortSharing *sharing;
static AccessTable *everybody, *nobody;
static ServerSockets *sockets;
static uint64_t told; /* reference_id and stratum of the snapshots agree with it */

static Now now(void)
{
    struct timespec mono, raw;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &raw);
    return (Now) {.mono = {ns_from_timespec(mono)}, .raw = {ns_from_timespec(raw)}};
}

/* Two fields that belong together, so that half a snapshot would be seen. */
static void snapshot(void *userdata, Now at, ServerSnapshot *ret)
{
    (void) userdata;
    told++;
    *ret = (ServerSnapshot) {.base = at.raw.ns,
                             .valid_from = INT64_MIN,
                             .stratum = 1 + told % 8,
                             .precision = -24,
                             .reference_id = told % 8};
}

static void on_failed(void *userdata, const IpEndpoint *endpoint, int error)
{
    (void) userdata;
    (void) endpoint;
    fail_msg("cannot listen: %s", strerror(error));
}

static AccessTable *table(bool allow)
{
    const AccessRule rule = {.allow = allow};
    AccessTable *made;

    assert_int_equal(access_table_new(&rule, 1, &made), 0);
    return made;
}

static int setup(void **state)
{
    ServerHandsSetup of_hands = {.handlers = {.now = now, .snapshot = snapshot}, .secret = "not a secret"};
    ServerSocketsSetup of_sockets = {.secret = 0xfedcba98, .on_failed = on_failed};
    const RateLimitConfig no_limit = {0};

    (void) state;
    assert_true(sd_event_new(&event) >= 0);
    everybody = table(true);
    nobody = table(false);
    of_hands.event = of_sockets.event = event;
    assert_int_equal(server_hands_new(&of_hands, &hands), 0);
    assert_int_equal(server_hands_set_threads(hands, THREADS), 0);
    assert_int_equal(server_hands_configure(hands, &no_limit, 1 << 20), 0);
    server_hands_set_access(hands, everybody);
    of_sockets.hands = hands;
    assert_int_equal(port_sharing_new(&sharing), 0);
    of_sockets.sharing = sharing;
    assert_int_equal(server_sockets_new(&of_sockets, &sockets), 0);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    sockets = server_sockets_free(sockets);
    sharing = port_sharing_free(sharing);
    hands = server_hands_free(hands);
    everybody = access_table_free(everybody);
    nobody = access_table_free(nobody);
    event = sd_event_unref(event);
    return 0;
}

static int bound_socket(const char *address, uint16_t port, IpEndpoint *ret)
{
    struct sockaddr_storage bytes;
    IpEndpoint local = {.port = port};
    assert_true(ip_address_parse(address, &local.address));
    socklen_t size = ip_endpoint_to_sockaddr(&local, &bytes);
    int fd = socket(local.address.family == IP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (bind(fd, (struct sockaddr *) &bytes, size) < 0) {
        close(fd);
        return -1;
    }
    size = sizeof bytes;
    assert_int_equal(getsockname(fd, (struct sockaddr *) &bytes, &size), 0);
    assert_true(ip_endpoint_from_sockaddr((struct sockaddr *) &bytes, size, ret));
    return fd;
}

static uint16_t free_port(void)
{
    IpEndpoint any;

    close(bound_socket("127.0.0.1", 0, &any));
    return any.port;
}

/* A new port of that address each time. */
static int client_of(const char *from, const char *server, uint16_t port)
{
    IpEndpoint local, remote = {.port = port};
    struct sockaddr_storage address;
    int fd = bound_socket(from, 0, &local);

    if (fd < 0)
        return -1;
    assert_true(ip_address_parse(server, &remote.address));
    socklen_t size = ip_endpoint_to_sockaddr(&remote, &address);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, size), 0);
    return fd;
}

static void ask(int fd, uint8_t number)
{
    uint8_t request[NTP_HEADER_SIZE] = {0x23, [47] = number};

    assert_int_equal(send(fd, request, sizeof request, 0), sizeof request);
}

static bool receive(int fd, int patience_ms, NtpPacket *ret)
{
    static uint8_t bytes[NTP_PACKET_MAX];
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    if (poll(&readable, 1, patience_ms) == 0)
        return false;
    ssize_t length = recv(fd, bytes, sizeof bytes, 0);
    assert_int_equal(length, NTP_HEADER_SIZE);
    return ntp_packet_parse(bytes, (size_t) length, ret);
}

static void check_answer(const char *from, const char *server, uint16_t port)
{
    int fd = client_of(from, server, port);
    NtpPacket answer;

    assert_true(fd >= 0);
    ask(fd, 9);
    assert_true(receive(fd, PATIENCE_MS, &answer));
    assert_int_equal(answer.origin.value, 9);
    assert_int_equal(answer.mode, NTP_MODE_SERVER);
    assert_int_equal(answer.stratum, answer.reference_id + 1);
    close(fd);
}

/* How often each client is in the log, and how many are. */
static size_t count_clients(size_t *ret_most)
{
    static IpAddress seen[4 * CLIENTS];
    static size_t times[4 * CLIENTS];
    size_t count = 0, most = 0;
    uint64_t position = 0;
    ClientReport client;

    memset(times, 0, sizeof times);
    while (server_hands_next_client(hands, &position, now().mono, &client)) {
        size_t i = 0;
        while (i < count && !ip_address_equal(&seen[i], &client.address))
            i++;
        assert_true(i < ELEMENTS(seen));
        seen[i] = client.address;
        count = MAX(count, i + 1);
        most = MAX(most, ++times[i]);
    }
    *ret_most = most;
    return count;
}

/* A client meets the same thread from whatever port, or it would be in several logs; and all threads have
 * clients. */
static void test_same_thread(void **state)
{
    ServerConfig config = {.port = free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    ServerReport report = {0};
    size_t most;

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    for (unsigned round = 0; round < 5; round++)
        for (unsigned i = 0; i < CLIENTS; i++) {
            char from[32];
            assert_true(snprintf(from, sizeof from, "127.0.%u.%u", i % 3, i + 1) > 0);
            check_answer(from, "127.0.0.1", config.port);
        }
    assert_int_equal(count_clients(&most), CLIENTS);
    assert_int_equal(most, 1);
    server_hands_report(hands, now().mono, &report);
    assert_int_equal(report.verdicts[SERVER_ANSWERED], 5 * CLIENTS);
    assert_int_equal(report.clients, CLIENTS);
}

/* Which of the sockets got a packet; it is read. */
static size_t who_got_it(const int *fds, size_t count)
{
    size_t found = count;
    uint8_t byte;

    for (size_t i = 0; i < count; i++)
        if (recv(fds[i], &byte, sizeof byte, MSG_DONTWAIT) >= 0) {
            assert_int_equal(found, count);
            found = i;
        }
    assert_true(found < count);
    return found;
}

/* Every socket of a group gets its share of the addresses, and an address the same socket always. */
static void test_shares(void **state)
{
    enum { COUNT = 4, ADDRESSES = 200 };
    ServerConfig config = {.port = free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    const IpEndpoint local = {.address = {.family = IP_V4}, .port = config.port};
    cleanup_(port_sharing_freep) PortSharing *own = NULL;
    unsigned shares[COUNT] = {0};
    int fds[COUNT];

    (void) state;
    assert_int_equal(port_sharing_new(&own), 0);
    assert_int_equal(server_listen_open(&listen, own, &local, COUNT, 4711, fds), 0);
    for (unsigned i = 0; i < ADDRESSES; i++) {
        size_t first = COUNT;
        char from[32];
        assert_true(snprintf(from, sizeof from, "127.%u.0.%u", i % 2, i + 1) > 0);
        for (unsigned port = 0; port < 3; port++) {
            int fd = client_of(from, "127.0.0.1", config.port);
            assert_true(fd >= 0);
            ask(fd, 1);
            size_t got = who_got_it(fds, COUNT);
            assert_true(first == COUNT || got == first);
            first = got;
            close(fd);
        }
        shares[first]++;
    }
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(shares[i] > ADDRESSES / COUNT / 2 && shares[i] < ADDRESSES / COUNT * 2);
        close(fds[i]);
    }
}

static void test_v6(void **state)
{
    ServerConfig config = {.port = free_port()};
    const ServerListen listen = {.config = &config, .v4 = true, .v6 = true};
    IpEndpoint any;
    size_t most;
    int fd = bound_socket("::1", 0, &any);

    (void) state;
    if (fd < 0)
        skip();
    close(fd);
    assert_int_equal(server_sockets_open(sockets, &listen), 2);
    for (unsigned i = 0; i < 30; i++)
        check_answer("::1", "::1", config.port);
    check_answer("127.0.0.1", "127.0.0.1", config.port);
    assert_int_equal(count_clients(&most), 2);
    assert_int_equal(most, 1);
}

/* Everything that can be done to threads, while they serve. */
static void change(unsigned round, uint16_t port)
{
    ServerConfig config = {.port = port};
    const ServerListen listen = {.config = &config, .v4 = true};
    const RateLimitConfig limit = {.enabled = round % 2 == 0, .interval = -10, .burst = 8, .leak = 2};
    ServerReport report = {0};
    size_t most;

    server_hands_post(hands);
    switch (round % 5) {
    case 0: assert_int_equal(server_hands_configure(hands, &limit, 1 << (16 + round % 4)), 0); break;
    case 1:
        server_hands_set_access(hands, nobody);
        server_hands_set_access(hands, everybody);
        break;
    case 2: (void) count_clients(&most); break;
    case 3: server_hands_reset_clients(hands); break;
    case 4:
        server_sockets_close(sockets);
        assert_int_equal(server_hands_set_threads(hands, 1 + round % THREADS), 0);
        assert_int_equal(server_sockets_open(sockets, &listen), 1);
        break;
    default: break;
    }
    server_hands_report(hands, now().mono, &report);
}

static void test_change_under_load(void **state)
{
    ServerConfig config = {.port = free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    ServerReport report = {0};
    uint64_t answers = 0;
    int fds[CLIENTS];
    NtpPacket answer;

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char from[32];
        assert_true(snprintf(from, sizeof from, "127.0.0.%u", i + 1) > 0);
        fds[i] = client_of(from, "127.0.0.1", config.port);
        assert_true(fds[i] >= 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CLIENTS; i++) {
            uint8_t request[NTP_HEADER_SIZE] = {0x23, [47] = (uint8_t) (i + 1)};
            /* A port that is closed at this moment is told at the next call. */
            (void) send(fds[i], request, sizeof request, 0);
        }
        change(round, config.port);
        for (unsigned i = 0; i < CLIENTS; i++)
            while (receive(fds[i], 0, &answer)) {
                assert_int_equal(answer.origin.value, i + 1);
                assert_int_equal(answer.stratum, answer.reference_id + 1);
                answers++;
            }
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    /* Afterwards all is as ever. */
    check_answer("127.0.0.1", "127.0.0.1", config.port);
    server_sockets_close(sockets);
    server_hands_report(hands, now().mono, &report);
    assert_true(answers > 0 && report.verdicts[SERVER_ANSWERED] >= answers);
    assert_int_equal(server_hands_set_threads(hands, THREADS + 1), 0);
}

/* With 0 threads the event loop has the sockets; counters of before are kept. */
static void test_to_the_loop_and_back(void **state)
{
    ServerConfig config = {.port = free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    ServerReport before = {0}, after = {0};
    NtpPacket answer;

    (void) state;
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    check_answer("127.0.0.1", "127.0.0.1", config.port);
    /* Counters are published after the answers have left; without sockets nothing is under way. */
    server_sockets_close(sockets);
    server_hands_report(hands, now().mono, &before);
    assert_int_equal(server_hands_set_threads(hands, 0), 0);
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    int fd = client_of("127.0.0.1", "127.0.0.1", config.port);
    ask(fd, 3);
    while (!receive(fd, 0, &answer))
        assert_true(sd_event_run(event, 100000) >= 0);
    close(fd);
    server_hands_report(hands, now().mono, &after);
    assert_int_equal(after.verdicts[SERVER_ANSWERED], before.verdicts[SERVER_ANSWERED] + 1);
    assert_int_equal(after.log_dropped, before.log_dropped + before.clients);
    server_sockets_close(sockets);
    assert_int_equal(server_hands_set_threads(hands, 2), 0);
    assert_int_equal(server_sockets_open(sockets, &listen), 1);
    check_answer("127.0.0.1", "127.0.0.1", config.port);
}

/* Somebody steps the clock: nothing is answered with what was posted before, and the event loop is told. */
static void test_step(void **state)
{
    ServerSnapshot snapshot_now = {.valid_from = 5, .stratum = 3}, seen;
    struct pollfd alarm = {.events = POLLIN};
    const Now at = {{1000}, {500}}, later = {{NSEC_PER_SEC + 1000}, {NSEC_PER_SEC + 500}},
              stepped = {{NSEC_PER_SEC + 1000}, {2 * NSEC_PER_SEC}};
    ServerBoard *board;

    (void) state;
    assert_int_equal(server_board_new(&board), 0);
    alarm.fd = server_board_alarm(board);
    server_board_post(board, at, &snapshot_now);
    server_board_read(board, later, &seen);
    assert_memory_equal(&seen, &snapshot_now, sizeof seen);
    assert_int_equal(poll(&alarm, 1, 0), 0);
    server_board_read(board, stepped, &seen);
    assert_true(seen.valid_from == INT64_MAX);
    assert_int_equal(poll(&alarm, 1, 0), 1);
    server_board_post(board, stepped, &snapshot_now);
    server_board_read(board, stepped, &seen);
    assert_int_equal(seen.valid_from, 5);
    server_board_free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_thread, setup, teardown),
        cmocka_unit_test(test_shares),
        cmocka_unit_test_setup_teardown(test_v6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_change_under_load, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_the_loop_and_back, setup, teardown),
        cmocka_unit_test(test_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
