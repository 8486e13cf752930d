// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See serving.h. */

#include "serving.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

static atomic_uint_fast64_t told;

Now serving_now(void)
{
    struct timespec mono, raw;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &raw);
    return (Now) {.mono = {ns_from_timespec(mono)}, .raw = {ns_from_timespec(raw)}};
}

void serving_snapshot(void *userdata, Now at, ServerSnapshot *ret)
{
    uint64_t number = atomic_fetch_add(&told, 1) % 8;

    (void) userdata;
    *ret = (ServerSnapshot) {.base = at.raw.ns,
                             .valid_from = INT64_MIN,
                             .stratum = (uint8_t) (1 + number),
                             .precision = -24,
                             .reference_id = (uint32_t) number};
}

void serving_assert_whole(const NtpPacket *answer)
{
    assert_int_equal(answer->stratum, answer->reference_id + 1);
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

void serving_start(Serving *serving, const ServerHandsSetup *setup, size_t threads, size_t memory)
{
    const RateLimitConfig no_limit = {0};
    ServerHandsSetup of_hands = *setup;
    ServerSocketsSetup of_sockets = {.secret = 0xfedcba98, .on_failed = on_failed};

    *serving = (Serving) {.everybody = table(true), .nobody = table(false)};
    assert_true(sd_event_new(&serving->event) >= 0);
    of_hands.event = of_sockets.event = serving->event;
    if (!of_hands.handlers.now)
        of_hands.handlers.now = serving_now;
    if (!of_hands.handlers.snapshot)
        of_hands.handlers.snapshot = serving_snapshot;
    assert_int_equal(server_hands_new(&of_hands, &serving->hands), 0);
    assert_int_equal(server_hands_set_threads(serving->hands, threads), 0);
    assert_int_equal(server_hands_configure(serving->hands, &no_limit, memory), 0);
    server_hands_set_access(serving->hands, serving->everybody);
    assert_int_equal(port_sharing_new(&serving->sharing), 0);
    of_sockets.hands = serving->hands;
    of_sockets.sharing = serving->sharing;
    assert_int_equal(server_sockets_new(&of_sockets, &serving->sockets), 0);
}

void serving_stop(Serving *serving)
{
    server_sockets_free(serving->sockets);
    port_sharing_free(serving->sharing);
    server_hands_free(serving->hands);
    access_table_free(serving->everybody);
    access_table_free(serving->nobody);
    sd_event_unref(serving->event);
    *serving = (Serving) {0};
}

void serving_listen(const Serving *serving, uint16_t port)
{
    ServerConfig config = {.port = port};
    const ServerListen listen = {.config = &config, .v4 = true};

    assert_int_equal(server_sockets_open(serving->sockets, &listen), 1);
}

int serving_socket(const char *address, uint16_t port, IpEndpoint *ret)
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
    size = sizeof(bytes);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &bytes, &size), 0);
    assert_true(ip_endpoint_from_sockaddr((struct sockaddr *) &bytes, size, ret));
    return fd;
}

int serving_client(const char *from, const char *server, uint16_t port)
{
    IpEndpoint local, remote = {.port = port};
    struct sockaddr_storage address;

    assert_true(ip_address_parse(server, &remote.address));
    int fd = serving_socket(from ? from : remote.address.family == IP_V4 ? "0.0.0.0" : "::", 0, &local);
    if (fd < 0)
        return -1;
    socklen_t size = ip_endpoint_to_sockaddr(&remote, &address);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, size), 0);
    return fd;
}

uint16_t serving_free_port(void)
{
    IpEndpoint any;

    close(serving_socket("127.0.0.1", 0, &any));
    return any.port;
}
