// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Which transmit timestamp is whose: packets over the loopback interface, which is stamped while it takes
 * them. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/request-socket.h"
#include "unit.h"

/* What the stamps that were read were told to be of, in this order. */
typedef struct Told {
    size_t count;
    ServerSent sent[4 * REQUEST_SOCKET_AWAITED_MAX];
    RawTime when[4 * REQUEST_SOCKET_AWAITED_MAX];
} Told;

static RequestSocket *stamped;
static Told told;

static RawTime now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (RawTime) {ns_from_timespec(ts)};
}

static int setup(void **state)
{
    const struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void) state;
    told.count = 0;
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *) &local, sizeof local), 0);
    assert_int_equal(request_socket_prepare(fd, IP_V4), 0);
    assert_int_equal(request_socket_new(fd, &stamped), 0);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    assert_int_equal(close(request_socket_fd(stamped)), 0);
    stamped = request_socket_free(stamped);
    return 0;
}

/* Sends a packet to `port` of this machine, with a wish for a timestamp. */
static int send_to(uint16_t port, bool wish)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(port)};
    _Alignas(struct cmsghdr) uint8_t control[REQUEST_STAMP_SPACE];
    char byte = 0;
    struct iovec io = {&byte, 1};
    struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &io, .msg_iovlen = 1};

    if (wish) {
        request_stamp_ask((struct cmsghdr *) control);
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    return sendmsg(request_socket_fd(stamped), &message, 0) == 1 ? 0 : -errno;
}

static void send_one(uint64_t name)
{
    RawTime at = now();

    assert_int_equal(send_to(9, true), 0);
    request_socket_await(stamped, &(ServerSent) {.receive = name, .at = at});
}

static void on_stamp(void *userdata, const ServerSent *sent, RawTime when)
{
    Told *t = userdata;

    assert_true(t->count < ELEMENTS(t->sent));
    t->sent[t->count] = *sent;
    t->when[t->count++] = when;
}

static void read_stamps(void)
{
    told.count = 0;
    request_socket_read_stamps(stamped, on_stamp, &told);
}

static void check_told(uint64_t first, size_t count)
{
    assert_int_equal(told.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(told.sent[i].receive, first + i);
        assert_true(told.when[i].ns >= told.sent[i].at.ns);
        assert_true(i + 1 == count || told.when[i].ns <= told.sent[i + 1].at.ns);
    }
}

/* Each gets its own, also when only some packets are stamped, and several times in turn. */
static void test_own(void **state)
{
    (void) state;
    read_stamps();
    assert_int_equal(told.count, 0);
    for (uint64_t round = 0; round < 100; round++) {
        for (uint64_t i = 0; i < 5; i++) {
            assert_int_equal(send_to(9, false), 0);
            send_one(10 * round + i);
        }
        read_stamps();
        check_told(10 * round, 5);
    }
}

/* What is awaited is bounded: the newest are kept, and nothing is mistaken for another. */
static void test_bound(void **state)
{
    enum { COUNT = REQUEST_SOCKET_AWAITED_MAX + 40 };

    (void) state;
    for (uint64_t i = 0; i < COUNT; i++)
        send_one(i);
    read_stamps();
    check_told(COUNT - REQUEST_SOCKET_AWAITED_MAX, REQUEST_SOCKET_AWAITED_MAX);
    send_one(4711);
    read_stamps();
    check_told(4711, 1);
}

/* A timestamp that never comes, or that nobody waits for. */
static void test_missing(void **state)
{
    (void) state;
    for (uint64_t i = 0; i < 3 * REQUEST_SOCKET_AWAITED_MAX; i++)
        request_socket_await(stamped, &(ServerSent) {.receive = i});
    read_stamps();
    assert_int_equal(told.count, 0);
    request_socket_count_anew(stamped);
    assert_int_equal(send_to(9, true), 0);
    read_stamps();
    assert_int_equal(told.count, 0);
}

/* A packet that is refused: from then on the numbers agree again, and what came before is nobody's. */
static void test_refused(void **state)
{
    (void) state;
    for (uint64_t round = 0; round < 20; round++) {
        send_one(1);
        assert_true(send_to(0, true) < 0);
        request_socket_count_anew(stamped);
        send_one(100 + round);
        send_one(101 + round);
        read_stamps();
        check_told(100 + round, 2);
    }
}

/* A socket that somebody had before us, who left timestamps behind and has counted on. */
static void test_handed_on(void **state)
{
    int fd = request_socket_fd(stamped);

    (void) state;
    for (uint64_t i = 0; i < 7; i++)
        send_one(i);
    request_socket_free(stamped);
    assert_int_equal(request_socket_new(fd, &stamped), 0);
    send_one(55);
    read_stamps();
    check_told(55, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handed_on, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
