// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Connections to listeners on the loopback interface. */

#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#define PATIENCE_US 10000000
/* More than the buffers of both ends hold. */
#define LARGE       (16U << 20)

static sd_event *event;

typedef struct End {
    Stream *stream;
    size_t received, written, to_write;
    unsigned written_calls, ends;
    int error;
    bool free_on_bytes, free_on_end;
} End;

static void pump(End *end)
{
    static const uint8_t bytes[4096] = {1, 2, 3};

    while (end->written < end->to_write) {
        size_t n = stream_write(end->stream, bytes, MIN(sizeof bytes, end->to_write - end->written));
        end->written += n;
        if (n < sizeof bytes)
            return;
    }
}

static void on_bytes(void *userdata, const uint8_t *bytes, size_t length)
{
    End *end = userdata;

    assert_int_equal(bytes[0], 'x');
    end->received += length;
    if (end->free_on_bytes)
        end->stream = stream_free(end->stream);
}

static void on_written(void *userdata)
{
    End *end = userdata;

    end->written_calls++;
    pump(end);
}

static void on_end(void *userdata, int error)
{
    End *end = userdata;

    end->ends++;
    end->error = error;
    if (end->free_on_end)
        end->stream = stream_free(end->stream);
}

static const StreamHandlers handlers = {.on_bytes = on_bytes, .on_written = on_written, .on_end = on_end};

static void run_until(const unsigned *counter, unsigned wanted)
{
    while (*counter < wanted)
        if (sd_event_run(event, PATIENCE_US) <= 0)
            fail_msg("nothing happens");
}

/* A listener on any port; port is where. */
static int listen_somewhere(IpFamily family, uint16_t *ret_port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_v4 = family == IP_V4;
    struct sockaddr *a = is_v4 ? (struct sockaddr *) &v4 : (struct sockaddr *) &address;
    socklen_t size = is_v4 ? sizeof v4 : sizeof address;
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, a, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, a, &size), 0);
    *ret_port = ntohs(is_v4 ? v4.sin_port : address.sin6_port);
    return fd;
}

static IpEndpoint endpoint(const char *address, uint16_t port)
{
    IpEndpoint result = {.port = port};

    assert_true(ip_address_parse(address, &result.address));
    return result;
}

static void open_stream(End *end, IpEndpoint remote, double seconds)
{
    const NetConfig net = {.acquisition_port = -1, .dscp = 46};
    const StreamSetup setup = {.remote = remote, .net = &net, .seconds = seconds};

    assert_int_equal(stream_new(event, &setup, &handlers, end, &end->stream), 0);
}

static void test_both_ways(void **state)
{
    static const struct {
        IpFamily family;
        const char *address;
    } rows[] = {{IP_V4, "127.0.0.1"}, {IP_V6, "::1"}};
    char buffer[8];

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint16_t port;
        int listener = listen_somewhere(rows[i].family, &port);
        End end = {.to_write = 5};

        open_stream(&end, endpoint(rows[i].address, port), 60);
        uint8_t byte = 0;
        assert_int_equal(stream_write(end.stream, &byte, 1), 0); /* not connected yet */
        run_until(&end.written_calls, 1);
        int peer = accept(listener, NULL, NULL);
        assert_int_equal(recv(peer, buffer, sizeof buffer, MSG_WAITALL | MSG_DONTWAIT), 5);
        assert_int_equal(send(peer, "xyz", 3, 0), 3);
        close(peer);
        run_until(&end.ends, 1);
        assert_int_equal(end.received, 3);
        assert_int_equal(end.error, 0);
        stream_free(end.stream);
        close(listener);
    }
}

/* What does not fit waits for room, and arrives whole. */
static void test_backpressure(void **state)
{
    static char buffer[65536];
    uint16_t port;
    int listener = listen_somewhere(IP_V4, &port);
    End end = {.to_write = LARGE};
    size_t total = 0;

    (void) state;
    open_stream(&end, endpoint("127.0.0.1", port), 60);
    run_until(&end.written_calls, 1);
    assert_in_range(end.written, 1, LARGE - 1);
    int peer = accept(listener, NULL, NULL);
    while (total < LARGE) {
        ssize_t n = recv(peer, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0)
            total += (size_t) n;
        else if (sd_event_run(event, PATIENCE_US) <= 0)
            fail_msg("nothing happens");
    }
    assert_int_equal(total, LARGE);
    assert_true(end.written_calls > 1);
    stream_free(end.stream);
    close(peer);
    close(listener);
}

static void test_refused(void **state)
{
    uint16_t port;
    int listener = listen_somewhere(IP_V4, &port);
    End end = {.free_on_end = true};

    (void) state;
    close(listener);
    open_stream(&end, endpoint("127.0.0.1", port), 60);
    run_until(&end.ends, 1);
    assert_int_equal(end.error, ECONNREFUSED);
    assert_int_equal(end.written_calls, 0);
    assert_null(end.stream);
}

/* What fails at once is told from the loop, too. An address of another kind cannot be connected to. */
static void test_failure_at_once(void **state)
{
    End end = {};

    (void) state;
    open_stream(&end, endpoint("255.255.255.255", 4460), 60);
    assert_int_equal(end.ends, 0);
    run_until(&end.ends, 1);
    assert_int_not_equal(end.error, 0);
    assert_int_not_equal(end.error, ETIMEDOUT);
    stream_free(end.stream);
}

static void test_time_is_over(void **state)
{
    uint16_t port;
    int listener = listen_somewhere(IP_V4, &port); /* accepts nobody */
    End end = {};

    (void) state;
    open_stream(&end, endpoint("127.0.0.1", port), 0.01);
    run_until(&end.ends, 1);
    assert_int_equal(end.error, ETIMEDOUT);
    assert_int_equal(end.ends, 1);
    stream_free(end.stream);
    close(listener);
}

static void test_freed_by_its_handler(void **state)
{
    uint16_t port;
    int listener = listen_somewhere(IP_V4, &port);
    End end = {.free_on_bytes = true};

    (void) state;
    open_stream(&end, endpoint("127.0.0.1", port), 60);
    run_until(&end.written_calls, 1);
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(send(peer, "x", 1, 0), 1);
    close(peer);
    while (end.stream)
        if (sd_event_run(event, PATIENCE_US) <= 0)
            fail_msg("nothing happens");
    assert_int_equal(end.ends, 0);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),    cmocka_unit_test(test_backpressure),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_failure_at_once),
        cmocka_unit_test(test_time_is_over), cmocka_unit_test(test_freed_by_its_handler),
    };

    assert_true(sd_event_new(&event) >= 0);
    int r = cmocka_run_group_tests_name("stream", tests, NULL, NULL);
    sd_event_unref(event);
    return r;
}
