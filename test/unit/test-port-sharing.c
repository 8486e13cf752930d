// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Sockets on one port of the loopback interface, in every order. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "net/port-sharing.h"
#include "unit.h"

#define PEERS 2

static PortSharing *sharing;

static int setup(void **state)
{
    (void) state;
    return port_sharing_new(&sharing);
}

static int teardown(void **state)
{
    (void) state;
    sharing = port_sharing_free(sharing);
    return 0;
}

static IpEndpoint endpoint_of(const char *address, uint16_t port)
{
    IpEndpoint endpoint = {.port = port};

    assert_true(ip_address_parse(address, &endpoint.address));
    return endpoint;
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    return fd;
}

/* As another program does it; reuse: it would share. */
static int bind_stranger(int fd, const IpEndpoint *local, int reuse)
{
    struct sockaddr_storage address;
    socklen_t size = ip_endpoint_to_sockaddr(local, &address);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse), 0);
    return bind(fd, (struct sockaddr *) &address, size) < 0 ? -errno : 0;
}

static uint16_t free_port(void)
{
    const IpEndpoint any = endpoint_of("0.0.0.0", 0);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    IpEndpoint local;
    int fd = new_socket();

    assert_int_equal(bind_stranger(fd, &any, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &size), 0);
    assert_true(ip_endpoint_from_sockaddr((struct sockaddr *) &address, size, &local));
    close(fd);
    return local.port;
}

static void connect_to(int fd, const IpEndpoint *remote)
{
    struct sockaddr_storage address;
    socklen_t size = ip_endpoint_to_sockaddr(remote, &address);

    assert_int_equal(connect(fd, (struct sockaddr *) &address, size), 0);
}

/* Sends a byte; the socket has to get it, and no other one of the list. */
static void check_way(int from, const IpEndpoint *to, const int *fds, size_t count, int expected)
{
    struct sockaddr_storage address;
    socklen_t size = ip_endpoint_to_sockaddr(to, &address);
    uint8_t byte = 1;

    assert_int_equal(sendto(from, &byte, 1, 0, (struct sockaddr *) &address, size), 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(recv(fds[i], &byte, 1, 0), fds[i] == expected ? 1 : -1);
}

/* The server, a socket that somebody has passed to us, and two that are connected, come in every order: each
 * connected one gets what is its own, the server's (or the passed one, on its own address) all else. */
static void check_order(const char *server_address, const size_t *order)
{
    enum { SERVER, PASSED, CONNECTED, COUNT = CONNECTED + PEERS };
    uint16_t port = free_port();
    const IpEndpoint local = endpoint_of("127.0.0.1", port), any = endpoint_of(server_address, port),
                     passed = endpoint_of("127.0.0.9", port);
    IpEndpoint remotes[PEERS];
    int fds[COUNT], peers[PEERS], stranger = new_socket();

    for (size_t i = 0; i < PEERS; i++) {
        remotes[i] = endpoint_of("127.0.0.1", free_port());
        peers[i] = new_socket();
        assert_int_equal(bind_stranger(peers[i], &remotes[i], 0), 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t which = order[i];
        fds[which] = new_socket();
        if (which == PASSED) {
            /* systemd binds before we start, and sets the option for ever. */
            assert_int_equal(bind_stranger(fds[which], &passed, 1), 0);
            assert_int_equal(port_sharing_join(sharing, fds[which]), 0);
            continue;
        }
        assert_int_equal(port_sharing_bind(sharing, fds[which], which == SERVER ? &any : &local), 0);
        if (which >= CONNECTED)
            connect_to(fds[which], &remotes[which - CONNECTED]);
    }
    for (size_t i = 0; i < PEERS; i++)
        check_way(peers[i], &local, fds, COUNT, fds[CONNECTED + i]);
    check_way(stranger, &local, fds, COUNT, fds[SERVER]);
    check_way(stranger, &passed, fds, COUNT, fds[PASSED]);
    for (size_t i = 0; i < COUNT; i++) {
        port_sharing_leave(sharing, fds[i]);
        close(fds[i]);
    }
    for (size_t i = 0; i < PEERS; i++)
        close(peers[i]);
    close(stranger);
}

static void test_orders(void **state)
{
    static const size_t orders[][4] = {{1, 0, 2, 3}, {1, 2, 0, 3}, {1, 2, 3, 0}, {1, 3, 2, 0}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(orders); i++)
        check_order("127.0.0.1", orders[i]);
    for (size_t i = 0; i < ELEMENTS(orders); i++)
        check_order("0.0.0.0", orders[i]);
}

/* What somebody else has is not ours, and what is ours is nobody else's, though he would share it. */
static void test_strangers(void **state)
{
    uint16_t port = free_port();
    const IpEndpoint local = endpoint_of("127.0.0.1", port), any = endpoint_of("0.0.0.0", port);
    int first = new_socket(), second = new_socket(), stranger = new_socket();

    (void) state;
    assert_int_equal(bind_stranger(stranger, &local, 0), 0);
    assert_int_equal(port_sharing_bind(sharing, first, &any), -EADDRINUSE);
    close(stranger);
    assert_int_equal(port_sharing_bind(sharing, first, &any), 0);
    assert_int_equal(port_sharing_bind(sharing, second, &local), 0);
    stranger = new_socket();
    assert_int_equal(bind_stranger(stranger, &local, 1), -EADDRINUSE);
    assert_int_equal(bind_stranger(stranger, &any, 1), -EADDRINUSE);

    /* One that has left is a stranger, too. */
    port_sharing_leave(sharing, first);
    port_sharing_leave(sharing, first);
    close(second);
    port_sharing_leave(sharing, second);
    second = new_socket();
    assert_int_equal(port_sharing_bind(sharing, second, &local), -EADDRINUSE);
    close(first);
    close(second);
    close(stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_orders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strangers, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
