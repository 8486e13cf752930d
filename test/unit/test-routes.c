// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The kernel's news about a network, and ways through it, in a network namespace of our own. Where none can
 * be had, nothing is tested here; the system tests do it as well. */

#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "base/instant.h"
#include "net/routes.h"
#include "net/way.h"

#define USEC_PER_SEC UINT64_C(1000000)
/* us after which there are no more calls for what has happened. */
#define QUIET        (USEC_PER_SEC)

static int kernel = -1; /* any socket, for ioctl() */

static int enter(void **state)
{
    (void) state;
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return 0;
    kernel = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return kernel >= 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void) state;
    if (kernel >= 0)
        close(kernel);
    return 0;
}

static void set_loopback(bool up)
{
    struct ifreq request = {.ifr_name = "lo"};

    assert_true(ioctl(kernel, SIOCGIFFLAGS, &request) >= 0);
    if (up)
        request.ifr_flags |= IFF_UP;
    else
        request.ifr_flags = (short) (request.ifr_flags & ~IFF_UP);
    assert_true(ioctl(kernel, SIOCSIFFLAGS, &request) >= 0);
}

/* 192.0.2.0/24 by the loopback interface, or unreachable. */
static void set_route(bool there, bool rejected)
{
    static char device[] = "lo";
    struct rtentry route = {.rt_flags = (unsigned short) (RTF_UP | (rejected ? RTF_REJECT : 0)),
                            .rt_dev = rejected ? NULL : device};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000200)};
    struct sockaddr_in mask = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xffffff00)};

    memcpy(&route.rt_dst, &to, sizeof to);
    memcpy(&route.rt_genmask, &mask, sizeof mask);
    assert_true(ioctl(kernel, there ? SIOCADDRT : SIOCDELRT, &route) >= 0);
}

/* 198.51.100.1, beside 127.0.0.1. */
static void add_address(void)
{
    struct ifreq request = {.ifr_name = "lo:1"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc6336401)};

    memcpy(&request.ifr_addr, &address, sizeof address);
    assert_true(ioctl(kernel, SIOCSIFADDR, &request) >= 0);
}

static void on_change(void *userdata)
{
    ++*(int *) userdata;
}

typedef struct World {
    sd_event *event;
    Routes *routes;
    int calls;
} World;

static void begin(World *world)
{
    *world = (World) {0};
    if (kernel < 0)
        skip();
    set_loopback(true);
    assert_true(sd_event_new(&world->event) >= 0);
    assert_int_equal(routes_new(world->event, on_change, &world->calls, &world->routes), 0);
}

static void end(World *world)
{
    routes_free(world->routes);
    sd_event_unref(world->event);
    set_loopback(false);
}

static uint64_t now_usec(void)
{
    struct timespec now = {0};

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) (ns_from_timespec(now) / NSEC_PER_USEC);
}

static void run(World *world, uint64_t usec)
{
    uint64_t until = now_usec() + usec;

    for (uint64_t now = now_usec(); now < until; now = now_usec())
        assert_true(sd_event_run(world->event, until - now) >= 0);
}

/* Until there were so many calls. */
static void wait_for(World *world, int calls)
{
    uint64_t until = now_usec() + 10 * USEC_PER_SEC;

    while (world->calls < calls && now_usec() < until)
        assert_true(sd_event_run(world->event, USEC_PER_SEC) >= 0);
    assert_int_equal(world->calls, calls);
}

static void test_each_kind_of_change(void **state)
{
    World world;

    (void) state;
    begin(&world);
    run(&world, QUIET);
    assert_int_equal(world.calls, 0);
    set_route(true, false);
    wait_for(&world, 1);
    set_route(false, false);
    wait_for(&world, 2);
    set_loopback(false); /* link, addresses and routes of both families */
    wait_for(&world, 3);
    set_loopback(true);
    wait_for(&world, 4);
    run(&world, QUIET);
    assert_int_equal(world.calls, 4);
    end(&world);
}

/* Messages that the kernel could not give us, of all sockets of this namespace. */
static unsigned long drops(void)
{
    FILE *file = fopen("/proc/self/net/netlink", "re");
    unsigned long sum = 0, drop;
    char line[256];

    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%*s %*d %*d %*s %*d %*d %*s %*d %lu", &drop) == 1)
            sum += drop;
    (void) fclose(file);
    return sum;
}

/* Ten thousand changes in a row are one; many of them never reach us, and that is no trouble later on. */
static void test_overrun(void **state)
{
    World world;

    (void) state;
    begin(&world);
    for (int i = 0; i < 5000; i++) {
        set_route(true, false);
        set_route(false, false);
    }
    assert_true(drops() > 0);
    wait_for(&world, 1);
    run(&world, QUIET);
    assert_int_equal(world.calls, 1);
    set_route(true, false);
    wait_for(&world, 2);
    set_route(false, false);
    wait_for(&world, 3);
    end(&world);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    int *left = userdata;

    (void) usec;
    set_route(*left % 2 == 0, false);
    if (--*left == 0)
        return 0;
    assert_true(sd_event_source_set_time_relative(source, 20000) >= 0);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* A network that never rests is told of all the same, and not for each change. */
static void test_no_rest(void **state)
{
    sd_event_source *ticks;
    int left = 100;
    World world;

    (void) state;
    begin(&world);
    assert_true(sd_event_add_time_relative(world.event, &ticks, CLOCK_MONOTONIC, 0, 1, on_tick, &left) >= 0);
    while (left > 0)
        assert_true(sd_event_run(world.event, USEC_PER_SEC) >= 0);
    assert_in_range(world.calls, 2, 50);
    sd_event_source_unref(ticks);
    end(&world);
}

/* The daemon goes on without. */
static void test_no_descriptor(void **state)
{
    struct rlimit before, none;
    sd_event *event;
    Routes *routes = NULL;
    int calls = 0;

    (void) state;
    assert_true(sd_event_new(&event) >= 0);
    assert_true(getrlimit(RLIMIT_NOFILE, &before) >= 0);
    none = (struct rlimit) {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_true(setrlimit(RLIMIT_NOFILE, &none) >= 0);
    int r = routes_new(event, on_change, &calls, &routes);
    assert_true(setrlimit(RLIMIT_NOFILE, &before) >= 0);
    assert_true(r < 0);
    assert_null(routes);
    sd_event_unref(event);
}

static int way(const NetConfig *config, const char *remote, const char *local)
{
    IpEndpoint to = {.port = 123};
    IpAddress from;

    assert_true(ip_address_parse(remote, &to.address));
    from = (IpAddress) {.family = to.address.family};
    if (local)
        assert_true(ip_address_parse(local, &from));
    return way_test(config, &to, &from);
}

static void test_ways(void **state)
{
    NetConfig config = {.acquisition_port = -1};

    (void) state;
    if (kernel < 0)
        skip();
    assert_int_not_equal(way(&config, "127.0.0.1", NULL), 0);
    set_loopback(true);
    assert_int_equal(way(&config, "127.0.0.1", NULL), 0);
    assert_int_equal(way(&config, "127.0.0.1", "127.0.0.1"), 0);
    assert_int_equal(way(&config, "127.0.0.1", "198.51.100.1"), EADDRNOTAVAIL);
    assert_int_equal(way(&config, "192.0.2.1", NULL), ENETUNREACH);
    set_route(true, false);
    assert_int_equal(way(&config, "192.0.2.1", NULL),
                     EADDRNOTAVAIL); /* 127.0.0.1 gets no answers from there */
    add_address();
    assert_int_equal(way(&config, "192.0.2.1", NULL), 0);
    set_route(false, false);
    set_route(true, true);
    assert_int_equal(way(&config, "192.0.2.1", NULL), EHOSTUNREACH);
    set_route(false, true);
    (void) strcpy(config.acquisition_device, "nothing0");
    assert_int_equal(way(&config, "127.0.0.1", NULL), ENODEV);
    (void) strcpy(config.acquisition_device, "lo");
    assert_int_equal(way(&config, "127.0.0.1", NULL), 0);
    set_loopback(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_change),
        cmocka_unit_test(test_overrun),
        cmocka_unit_test(test_no_rest),
        cmocka_unit_test(test_no_descriptor),
        cmocka_unit_test(test_ways),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
