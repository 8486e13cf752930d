// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Threads that serve, over the loopback interface, while everything that can be changed is changed. Meant to
 * be run under the thread sanitizer too (see doc/hacking.md). */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/api/action.h"
#include "core/ntp/packet.h"
#include "net/server-board.h"
#include "serving.h"
#include "unit.h"

#define PATIENCE_MS 5000
#define THREADS     3
#define CLIENTS     40
#define ROUNDS      25

static Serving serving;

static int setup(void **state)
{
    const ServerHandsSetup setup = {.secret = "not a secret"};

    (void) state;
    serving_start(&serving, &setup, THREADS, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    serving_stop(&serving);
    return 0;
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
    int fd = serving_client(from, server, port);
    NtpPacket answer;

    assert_true(fd >= 0);
    ask(fd, 9);
    assert_true(receive(fd, PATIENCE_MS, &answer));
    assert_int_equal(answer.origin.value, 9);
    assert_int_equal(answer.mode, NTP_MODE_SERVER);
    serving_assert_whole(&answer);
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
    while (server_hands_next_client(serving.hands, &position, serving_now().mono, &client)) {
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
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    ServerReport report = {0};
    size_t most;

    (void) state;
    assert_int_equal(server_sockets_open(serving.sockets, &listen), 1);
    for (unsigned round = 0; round < 5; round++)
        for (unsigned i = 0; i < CLIENTS; i++) {
            char from[32];
            assert_true(snprintf(from, sizeof from, "127.0.%u.%u", i % 3, i + 1) > 0);
            check_answer(from, "127.0.0.1", config.port);
        }
    assert_int_equal(count_clients(&most), CLIENTS);
    assert_int_equal(most, 1);
    server_hands_report(serving.hands, serving_now().mono, &report);
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
    ServerConfig config = {.port = serving_free_port()};
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
            int fd = serving_client(from, "127.0.0.1", config.port);
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
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true, .v6 = true};
    IpEndpoint any;
    size_t most;
    int fd = serving_socket("::1", 0, &any);

    (void) state;
    if (fd < 0)
        skip();
    close(fd);
    assert_int_equal(server_sockets_open(serving.sockets, &listen), 2);
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

    server_hands_post(serving.hands);
    switch (round % 5) {
    case 0: assert_int_equal(server_hands_configure(serving.hands, &limit, 1 << (16 + round % 4)), 0); break;
    case 1:
        server_hands_set_access(serving.hands, serving.nobody);
        server_hands_set_access(serving.hands, serving.everybody);
        break;
    case 2: (void) count_clients(&most); break;
    case 3: server_hands_reset_clients(serving.hands); break;
    case 4:
        server_sockets_close(serving.sockets);
        assert_int_equal(server_hands_set_threads(serving.hands, 1 + round % THREADS), 0);
        assert_int_equal(server_sockets_open(serving.sockets, &listen), 1);
        break;
    default: break;
    }
    server_hands_report(serving.hands, serving_now().mono, &report);
}

static void test_change_under_load(void **state)
{
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    ServerReport report = {0};
    uint64_t answers = 0;
    int fds[CLIENTS];
    NtpPacket answer;

    (void) state;
    assert_int_equal(server_sockets_open(serving.sockets, &listen), 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char from[32];
        assert_true(snprintf(from, sizeof from, "127.0.0.%u", i + 1) > 0);
        fds[i] = serving_client(from, "127.0.0.1", config.port);
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
                serving_assert_whole(&answer);
                answers++;
            }
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    /* Afterwards all is as ever. */
    check_answer("127.0.0.1", "127.0.0.1", config.port);
    server_sockets_close(serving.sockets);
    server_hands_report(serving.hands, serving_now().mono, &report);
    assert_true(answers > 0 && report.verdicts[SERVER_ANSWERED] >= answers);
    assert_int_equal(server_hands_set_threads(serving.hands, THREADS + 1), 0);
}

/* With 0 threads the event loop has the sockets; counters of before are kept. */
static void test_to_the_loop_and_back(void **state)
{
    ServerConfig config = {.port = serving_free_port()};
    const ServerListen listen = {.config = &config, .v4 = true};
    ServerReport before = {0}, after = {0};
    NtpPacket answer;

    (void) state;
    assert_int_equal(server_sockets_open(serving.sockets, &listen), 1);
    check_answer("127.0.0.1", "127.0.0.1", config.port);
    /* Counters are published after the answers have left; without sockets nothing is under way. */
    server_sockets_close(serving.sockets);
    server_hands_report(serving.hands, serving_now().mono, &before);
    assert_int_equal(server_hands_set_threads(serving.hands, 0), 0);
    assert_int_equal(server_sockets_open(serving.sockets, &listen), 1);
    int fd = serving_client("127.0.0.1", "127.0.0.1", config.port);
    ask(fd, 3);
    while (!receive(fd, 0, &answer))
        assert_true(sd_event_run(serving.event, 100000) >= 0);
    close(fd);
    server_hands_report(serving.hands, serving_now().mono, &after);
    assert_int_equal(after.verdicts[SERVER_ANSWERED], before.verdicts[SERVER_ANSWERED] + 1);
    assert_int_equal(after.log_dropped, before.log_dropped + before.clients);
    server_sockets_close(serving.sockets);
    assert_int_equal(server_hands_set_threads(serving.hands, 2), 0);
    assert_int_equal(server_sockets_open(serving.sockets, &listen), 1);
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
