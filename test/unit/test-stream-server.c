// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Conversations over the loopback interface: whoever sends a line gets it back, by the event loop and by
 * threads. Meant to be run under the thread sanitizer too (see doc/hacking.md). */

#include "net/socket.h"
#include "net/stream-server.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#define PATIENCE_MS 30000
/* Of a connection, s: one that no test outlives, on a busy machine either, and one that is waited for. */
#define LONG        3600
#define SHORT       0.5
#define LIMIT       8
#define HONEST      "127.0.0.2"
#define REFUSED     "127.0.0.66"

/* What a "#" is answered with: more than the network takes at once. */
#define MUCH ((size_t) 4 << 20)

typedef struct Echo {
    char line[256];
    size_t length;
    uint8_t *output;
    size_t size, sent;
    bool done;
} Echo;

static sd_event *event;
static StreamServer *server;
static atomic_uint opened, ends[STREAM_END_COUNT];

static void *echo_open(void *userdata, const IpEndpoint *remote)
{
    char text[IP_ADDRESS_TEXT_MAX];

    assert_ptr_equal(userdata, &opened);
    if (strcmp(ip_address_format(&remote->address, text), REFUSED) == 0)
        return NULL;
    atomic_fetch_add(&opened, 1);
    return calloc(1, sizeof(Echo));
}

static void echo_on_bytes(void *talk, const uint8_t *bytes, size_t length)
{
    Echo *echo = talk;

    for (size_t i = 0; i < length && !echo->done; i++) {
        echo->line[echo->length++ % sizeof echo->line] = (char) bytes[i];
        echo->done = bytes[i] == '\n';
    }
    if (!echo->done)
        return;
    echo->size = echo->line[0] == '#' ? MUCH : echo->length;
    echo->output = calloc(1, echo->size);
    memcpy(echo->output, echo->line, MIN(echo->length, echo->size));
}

static void echo_on_closed(void *talk)
{
    (void) talk;
}

static size_t echo_output(void *talk, const uint8_t **ret)
{
    Echo *echo = talk;

    *ret = echo->output ? echo->output + echo->sent : NULL;
    return echo->size - echo->sent;
}

static void echo_on_sent(void *talk, size_t length)
{
    Echo *echo = talk;

    echo->sent += length;
}

static bool echo_is_done(const void *talk)
{
    const Echo *echo = talk;

    return echo->done;
}

static void echo_close(void *talk, StreamEnd end)
{
    Echo *echo = talk;

    atomic_fetch_add(&ends[end], 1);
    free(echo->output);
    free(echo);
}

static const StreamHandlers handlers = {.open = echo_open,
                                        .on_bytes = echo_on_bytes,
                                        .on_closed = echo_on_closed,
                                        .output = echo_output,
                                        .on_sent = echo_on_sent,
                                        .is_done = echo_is_done,
                                        .close = echo_close};

static Now now(void)
{
    struct timespec mono;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    return (Now) {.mono.ns = ns_from_timespec(mono)};
}

/* Somebody else was faster. */
static void on_failed(void *userdata, const IpEndpoint *endpoint, int error)
{
    (void) userdata;
    (void) endpoint;
    assert_int_equal(error, EADDRINUSE);
}

/* --- the other end --- */

static void turn(void)
{
    assert_true(sd_event_run(event, 5000) >= 0);
}

static int connect_from(const char *address)
{
    struct sockaddr_storage bytes;
    IpEndpoint local = {0}, remote = stream_server_local(server, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(ip_address_parse(address, &local.address));
    socklen_t size = ip_endpoint_to_sockaddr(&local, &bytes);
    assert_int_equal(bind(fd, (struct sockaddr *) &bytes, size), 0);
    size = ip_endpoint_to_sockaddr(&remote, &bytes);
    assert_int_equal(connect(fd, (struct sockaddr *) &bytes, size), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until the server hangs up; returns how many bytes came, the first of them in ret; -1: a reset. */
static ssize_t hear(int fd, char ret[static 64])
{
    static char buffer[65536];
    ssize_t total = 0;

    for (int waited = 0; waited < PATIENCE_MS; waited += 5) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};

        turn();
        while (poll(&readable, 1, 0) > 0) {
            ssize_t n = read(fd, buffer, sizeof buffer);
            if (n <= 0)
                return n < 0 ? -1 : total;
            memcpy(ret, buffer, total == 0 ? MIN((size_t) n, (size_t) 64) : 0);
            total += n;
        }
    }
    fail_msg("the server does not hang up");
    return 0;
}

static void expect_echo(int fd, const char *line)
{
    char answer[64];

    assert_int_equal(hear(fd, answer), strlen(line));
    assert_memory_equal(answer, line, strlen(line));
    close(fd);
}

static void expect_count(const atomic_uint *counter, unsigned wanted)
{
    for (int waited = 0; waited < PATIENCE_MS && atomic_load(counter) != wanted; waited += 5)
        turn();
    assert_int_equal(atomic_load(counter), wanted);
}

/* --- the table: each of these by the event loop, and by threads --- */

static void test_lines(void)
{
    int whole = connect_from(HONEST), parts = connect_from(HONEST);

    say(whole, "What time is it?\n");
    for (const char *c = "slow"; *c; c++) {
        say(parts, (const char[]) {*c, '\0'});
        turn();
    }
    say(parts, "\n");
    expect_echo(parts, "slow\n");
    expect_echo(whole, "What time is it?\n");
    expect_count(&ends[STREAM_FINISHED], 2);
}

static void test_closed_for_writing(void)
{
    int fd = connect_from(HONEST);

    say(fd, "last words\n");
    shutdown(fd, SHUT_WR);
    expect_echo(fd, "last words\n");
    expect_count(&ends[STREAM_FINISHED], 1);
}

/* What comes behind the line does not cost the answer. */
static void test_more_than_needed(void)
{
    int fd = connect_from(HONEST);

    say(fd, "line\nand more");
    say(fd, " and more");
    expect_echo(fd, "line\n");
}

static void test_long_answer(void)
{
    int fd = connect_from(HONEST);
    char answer[64];

    say(fd, "#\n");
    assert_int_equal(hear(fd, answer), MUCH);
    close(fd);
    expect_count(&ends[STREAM_FINISHED], 1);
}

static void test_silence(void)
{
    int silent = connect_from(HONEST), half = connect_from(HONEST);
    char answer[64];

    say(half, "half a li");
    assert_int_equal(hear(silent, answer), 0);
    assert_int_equal(hear(half, answer), 0);
    expect_count(&ends[STREAM_LATE], 2);
    close(silent);
    close(half);
}

/* Who does not listen to the answer has no more time than others. */
static void test_deaf(void)
{
    int fd = connect_from(HONEST);

    say(fd, "#\n");
    expect_count(&ends[STREAM_LATE], 1);
    close(fd);
}

/* A line that never ends is not read for ever. */
static void test_talkative(void)
{
    static char rubbish[32768];
    int fd = connect_from(HONEST);

    memset(rubbish, 'x', sizeof rubbish);
    for (int i = 0; i < 1000 && atomic_load(&ends[STREAM_TALKATIVE]) == 0; i++) {
        (void) !send(fd, rubbish, sizeof rubbish, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn();
    }
    expect_count(&ends[STREAM_TALKATIVE], 1);
    close(fd);
}

static void test_hung_up(void)
{
    close(connect_from(HONEST));
    expect_count(&ends[STREAM_HUNG_UP], 1);
}

static void test_refused(void)
{
    int fd = connect_from(REFUSED);
    char answer[64];

    assert_int_equal(hear(fd, answer), 0);
    assert_int_equal(atomic_load(&opened), 0);
    close(fd);
}

/* Whoever opens many connections loses his own ones, and nobody else's. */
static void test_one_against_many(void)
{
    int honest = connect_from(HONEST), many[20 * LIMIT];

    say(honest, "ti");
    expect_count(&opened, 1);
    for (size_t i = 0; i < ELEMENTS(many); i++) {
        many[i] = connect_from("127.0.0.3");
        turn();
    }
    expect_count(&opened, 1 + ELEMENTS(many));
    say(honest, "me\n");
    expect_echo(honest, "time\n");
    assert_true(atomic_load(&ends[STREAM_CROWDED_OUT]) > 0);
    for (size_t i = 0; i < ELEMENTS(many); i++)
        close(many[i]);
}

/* Whoever comes when all places are taken is served too. */
static void test_late_comer(void)
{
    int many[20 * LIMIT];

    for (size_t i = 0; i < ELEMENTS(many); i++) {
        many[i] = connect_from("127.0.0.3");
        turn();
    }
    int honest = connect_from(HONEST);
    say(honest, "time\n");
    expect_echo(honest, "time\n");
    for (size_t i = 0; i < ELEMENTS(many); i++)
        close(many[i]);
}

/* Without descriptors nobody is served, and as soon as there are some everybody is. */
static void test_no_descriptors(void)
{
    struct rlimit before, none;
    int fds[4];

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    none = (struct rlimit) {.rlim_cur = (rlim_t) fds[ELEMENTS(fds) - 1] + 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (size_t i = 0; i < ELEMENTS(fds); i++) {
        struct sockaddr_storage bytes;
        IpEndpoint remote = stream_server_local(server, 0);
        socklen_t size = ip_endpoint_to_sockaddr(&remote, &bytes);
        assert_int_equal(connect(fds[i], (struct sockaddr *) &bytes, size), 0);
        say(fds[i], "patience\n");
    }
    for (int i = 0; i < 20; i++)
        turn();
    assert_int_equal(atomic_load(&opened), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        expect_echo(fds[i], "patience\n");
}

static void test_stopped(void)
{
    const ServerConfig config = {0};
    const ServerListen nowhere = {.config = &config};
    int fd = connect_from(HONEST);
    char answer[64];

    say(fd, "half");
    expect_count(&opened, 1);
    assert_int_equal(stream_server_listen(server, &nowhere, &(StreamHands) {.limit = 1}), 0);
    assert_int_equal(stream_server_count(server), 0);
    assert_int_equal(hear(fd, answer), 0);
    expect_count(&ends[STREAM_STOPPED], 1);
    close(fd);
}

/* A socket that somebody else listens on: it carries our mark as long as we are there, and stays open. */
static void test_passed(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const ServerConfig config = {0};
    PassedSocket passed = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    ServerListen where = {.config = &config, .v4 = true, .passed = &passed, .passed_count = 1};

    assert_int_equal(bind(passed.fd, (struct sockaddr *) &any, sizeof any), 0);
    assert_int_equal(listen(passed.fd, SOMAXCONN), 0);
    passed.local = socket_local(passed.fd);
    socket_set_class(passed.fd, IP_V4, 10 << 2);
    passed.class = socket_class(passed.fd, IP_V4);
    for (int i = 0; i < 4; i++) {
        where.dscp = i % 2 == 0 ? 0 : 46;
        assert_int_equal(stream_server_listen(server, &where, &(StreamHands) {.limit = LIMIT}), 0);
        assert_int_equal(socket_class(passed.fd, IP_V4), where.dscp > 0 ? 46 << 2 : 10 << 2);
        int fd = connect_from(HONEST);
        say(fd, "marked\n");
        expect_echo(fd, "marked\n");
        expect_count(&ends[STREAM_FINISHED], (unsigned) i + 1);
    }
    where.v4 = false;
    assert_int_equal(stream_server_listen(server, &where, &(StreamHands) {.limit = LIMIT}), 0);
    assert_int_equal(stream_server_listen(server, &(ServerListen) {.config = &config},
                                          &(StreamHands) {.limit = LIMIT}),
                     0);
    assert_int_equal(socket_class(passed.fd, IP_V4), 10 << 2);
    assert_int_equal(close(passed.fd), 0);
}

static const struct {
    const char *name;
    void (*test)(void);
    double lifetime;
    size_t threads_max; /* places are counted for each thread, so with several it is not known who goes */
} rows[] = {
    {"lines", test_lines, LONG, 3},
    {"closed for writing", test_closed_for_writing, LONG, 3},
    {"more than needed", test_more_than_needed, LONG, 3},
    {"long answer", test_long_answer, LONG, 3},
    {"silence", test_silence, SHORT, 3},
    {"deaf", test_deaf, SHORT, 3},
    {"talkative", test_talkative, LONG, 3},
    {"hung up", test_hung_up, LONG, 3},
    {"refused", test_refused, LONG, 3},
    {"one against many", test_one_against_many, LONG, 3},
    {"late comer", test_late_comer, LONG, 3},
    {"no descriptors", test_no_descriptors, LONG, 1},
    {"stopped", test_stopped, LONG, 3},
    {"passed", test_passed, LONG, 0},
};

/* A port that is free on all addresses, just now. */
static uint16_t free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof any;

    assert_int_equal(bind(fd, (struct sockaddr *) &any, sizeof any), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &any, &size), 0);
    close(fd);
    return ntohs(any.sin_port);
}

static void listen_with(size_t threads, double lifetime)
{
    ServerConfig config = {0};
    const ServerListen where = {.config = &config, .v4 = true};
    const StreamServerSetup setup = {.event = event,
                                     .handlers = &handlers,
                                     .userdata = &opened,
                                     .now = now,
                                     .lifetime = lifetime,
                                     .secret = "not a secret",
                                     .on_failed = on_failed};

    assert_int_equal(stream_server_new(&setup, &server), 0);
    for (int i = 0; i < 100 && stream_server_count(server) == 0; i++) {
        config.port = free_port();
        assert_int_equal(stream_server_listen(server, &where, &(StreamHands) {threads, LIMIT}), 0);
    }
    assert_int_equal(stream_server_count(server), 1);
}

static void run_all(size_t threads)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        if (threads > rows[i].threads_max)
            continue;
        print_message("%zu threads: %s\n", threads, rows[i].name);
        atomic_store(&opened, 0);
        for (size_t end = 0; end < ELEMENTS(ends); end++)
            atomic_store(&ends[end], 0);
        assert_true(sd_event_new(&event) >= 0);
        listen_with(threads, rows[i].lifetime);
        rows[i].test();
        server = stream_server_free(server);
        event = sd_event_unref(event);
        unsigned ended = 0;
        for (size_t end = 0; end < ELEMENTS(ends); end++)
            ended += atomic_load(&ends[end]);
        assert_int_equal(ended, atomic_load(&opened));
    }
}

static void test_by_the_event_loop(void **state)
{
    (void) state;
    run_all(0);
}

static void test_by_a_thread(void **state)
{
    (void) state;
    run_all(1);
}

static void test_by_three_threads(void **state)
{
    (void) state;
    run_all(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_the_event_loop),
        cmocka_unit_test(test_by_a_thread),
        cmocka_unit_test(test_by_three_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
