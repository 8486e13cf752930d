// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Who is asked: what people want, what the routes allow, and what becomes of it. Nobody answers here; a
 * request leaves or fails, a test finds a way or does not. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "unit.h"

#include "base/text.h"
#include "core/engine/engine.h"

#define ADDRESS "192.0.2.1"
#define NAME    "ntp.example.net"

typedef struct World {
    Engine *engine;
    Now now;
    int way_error, send_error;
    IpAddress answer; /* of a look-up; IP_UNSPEC: none */
    uint32_t tests, sent, lookups;
    uint32_t events[EVENT_KIND_COUNT];
    Event last[EVENT_KIND_COUNT];
    Action last_test;
} World;

static void fill(void *userdata, void *buffer, size_t size)
{
    (void) userdata;
    memset(buffer, 0x5a, size);
}

static void answer_question(World *world, const Action *action)
{
    LookupAnswer answer = {.verdict = LOOKUP_NOT_FOUND};

    if (world->answer.family != IP_UNSPEC)
        lookup_answer_add(&answer, &(LookupPlace) {.endpoint.address = world->answer});
    engine_on_resolved(world->engine, action->resolve.source, &answer, world->now);
}

static void carry_out(World *world, const Action *action)
{
    switch (action->kind) {
    case ACTION_TEST_WAY:
        world->tests++;
        world->last_test = *action;
        engine_on_way(world->engine, action->way.source, world->way_error, world->now);
        break;
    case ACTION_SEND:
        if (world->send_error != 0) {
            engine_on_send_failed(world->engine, action->send.exchange, world->send_error, world->now);
            break;
        }
        world->sent++;
        engine_on_sent(world->engine, action->send.exchange, (Timestamp) {world->now.raw, TIMESTAMP_KERNEL},
                       (IpAddress) {0}, world->now);
        break;
    case ACTION_RESOLVE:
        world->lookups++;
        answer_question(world, action);
        break;
    case ACTION_SET_FREQUENCY:
        engine_on_frequency_set(world->engine, true, world->now.raw, action->frequency.frequency);
        break;
    case ACTION_CLOSE:
    case ACTION_STEP:
    case ACTION_SET_STATUS:
    case ACTION_SAVE_DRIFT:
    case ACTION_SAVE_UPDATES:
    case ACTION_SAVE_STAMP:
    case ACTION_ESTABLISH_KEYS:
    case ACTION_KEEP_KEYS:
    case ACTION_EXIT:
    case ACTION_KIND_COUNT: break;
    }
}

static void drain(World *world)
{
    Action action;
    Event event;

    while (engine_next_action(world->engine, &action))
        carry_out(world, &action);
    while (engine_next_event(world->engine, &event)) {
        world->events[event.kind]++;
        world->last[event.kind] = event;
    }
}

static void run(World *world, double seconds)
{
    int64_t end = world->now.mono.ns + ns_from_seconds(seconds);

    for (;;) {
        MonoTime deadline = engine_deadline(world->engine);
        if (!mono_is_set(deadline) || deadline.ns > end)
            break;
        int64_t span = deadline.ns - world->now.mono.ns;
        if (span > 0) {
            world->now.mono.ns += span;
            world->now.raw.ns += span;
        }
        engine_on_timer(world->engine, world->now);
        drain(world);
    }
    world->now.raw.ns += end - world->now.mono.ns;
    world->now.mono.ns = end;
}

typedef struct Start {
    const char *name; /* NULL: ADDRESS */
    bool deaf;        /* nobody tells of routes */
    bool offline, auto_offline;
    int minpoll; /* 0: 6 */
    int way_error;
} Start;

static Config *config_of(const Start *how)
{
    SourceConfig source = source_config_default(SOURCE_SERVER, how->name ? how->name : ADDRESS);
    Config *config;

    source.iburst = true;
    source.offline = how->offline;
    source.auto_offline = how->auto_offline;
    source.minpoll = how->minpoll != 0 ? how->minpoll : source.minpoll;
    source.maxpoll = MAX(source.maxpoll, source.minpoll);
    assert_int_equal(config_new(&config), 0);
    assert_int_equal(config_add_source(config, &source), 0);
    return config;
}

static void start(World *world, const Start *how)
{
    cleanup_(config_freep) Config *config = config_of(how);
    EngineSetup setup = {
        .precision = 1e-7,
        .drift_frequency = NAN,
        .drift_skew = NAN,
        .random = fill,
        .follows_routes = !how->deaf,
    };

    *world = (World) {
        .now = {.mono = {5 * NSEC_PER_SEC}, .raw = {INT64_C(1772323200) * NSEC_PER_SEC}},
        .way_error = how->way_error,
    };
    assert_int_equal(engine_new(&setup, config, world->now, &world->engine), 0);
    drain(world);
}

static void reload(World *world, const Start *how)
{
    cleanup_(config_freep) Config *config = config_of(how);

    assert_int_equal(engine_reconfigure(world->engine, config, world->now), 0);
    drain(world);
}

static SourceReport report(World *world)
{
    SourceReport source;
    SourceId id;

    assert_int_equal(engine_sources(world->engine, &id, 1), 1);
    assert_true(engine_source_report(world->engine, id, world->now, &source));
    assert_int_equal(source.online, source.offline_reason == OFFLINE_NOT);
    return source;
}

static void apply(World *world, const Command *command)
{
    CommandReply reply;

    assert_int_equal(engine_apply(world->engine, command, world->now, &reply), COMMAND_OK);
    drain(world);
}

static void set_online(World *world, bool online)
{
    apply(world, &(Command) {.kind = COMMAND_SET_ONLINE, .online = online});
}

static void onoffline(World *world)
{
    apply(world, &(Command) {.kind = COMMAND_ONOFFLINE});
}

static void change(World *world, int way_error)
{
    world->way_error = way_error;
    engine_on_network_changed(world->engine, world->now);
    drain(world);
}

/* By the letters of the table below. */
static OfflineReason reason_of(char letter)
{
    switch (letter) {
    case 'h': return OFFLINE_BY_HAND;
    case 'w': return OFFLINE_NO_WAY;
    case 's': return OFFLINE_SEND_FAILED;
    default: return OFFLINE_NOT;
    }
}

typedef enum Hold { HOLD_NONE, HOLD_COMMAND, HOLD_OPTION } Hold;

typedef struct Row {
    Hold hold;
    bool way, failed; /* failed: a request could not be sent, with auto_offline */
    bool deaf;
    /* After nothing, online, offline, onoffline: on (.), by hand, no way, send failed. */
    char at_once[5];
    /* The same, when the network has changed after that, and the ways are as they were. */
    char later[5];
} Row;

static const Row rows[] = {
    {HOLD_NONE, true, false, false, "..h.", "..h."},
    {HOLD_NONE, true, true, false, "s.h.", "..h."},
    {HOLD_NONE, false, false, false, "w.hw", "wwhw"},
    {HOLD_NONE, false, true, false, "w.hw", "wwhw"},
    {HOLD_COMMAND, true, false, false, "h.h.", "h.h."},
    {HOLD_COMMAND, true, true, false, "h.h.", "h.h."},
    {HOLD_COMMAND, false, false, false, "h.hw", "hwhw"},
    {HOLD_COMMAND, false, true, false, "h.hw", "hwhw"},
    {HOLD_OPTION, true, false, false, "h.h.", "h.h."},
    {HOLD_OPTION, false, false, false, "h.hw", "hwhw"},
    /* Nobody tells of routes: only who asks for a test is taken offline by one. */
    {HOLD_NONE, true, false, true, "..h.", "..h."},
    {HOLD_NONE, true, true, true, "s.h.", "..h."},
    {HOLD_NONE, false, false, true, "..hw", "..hw"},
    {HOLD_NONE, false, true, true, "s.hw", "s.hw"},
    {HOLD_COMMAND, true, false, true, "h.h.", "h.h."},
    {HOLD_COMMAND, true, true, true, "h.h.", "h.h."},
    {HOLD_COMMAND, false, false, true, "h.hw", "h.hw"},
    {HOLD_COMMAND, false, true, true, "h.hw", "h.hw"},
    {HOLD_OPTION, true, false, true, "h.h.", "h.h."},
    {HOLD_OPTION, false, false, true, "h.hw", "h.hw"},
};

static void prepare(World *world, const Row *row)
{
    Start how = {.deaf = row->deaf, .offline = row->hold == HOLD_OPTION, .auto_offline = row->failed};

    start(world, &how);
    if (row->failed) {
        world->send_error = EPERM;
        run(world, 1);
        assert_int_equal(report(world).offline_reason, OFFLINE_SEND_FAILED);
        assert_int_equal(report(world).way_error, EPERM);
    }
    if (!row->way)
        change(world, ENETUNREACH);
    if (row->hold == HOLD_COMMAND)
        set_online(world, false);
}

static void test_policy(void **state)
{
    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        for (size_t command = 0; command < 4; command++) {
            World world;
            prepare(&world, &rows[i]);
            switch (command) {
            case 1: set_online(&world, true); break;
            case 2: set_online(&world, false); break;
            case 3: onoffline(&world); break;
            }
            OfflineReason at_once = report(&world).offline_reason;
            change(&world, world.way_error);
            OfflineReason later = report(&world).offline_reason;
            if (at_once != reason_of(rows[i].at_once[command]) || later != reason_of(rows[i].later[command]))
                fail_msg("row %zu, command %zu: %s, later %s", i, command, offline_reason_name(at_once),
                         offline_reason_name(later));
            engine_free(world.engine);
        }
}

static void test_a_hold_outlasts_routes_and_reloads(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {0});
    run(&world, 60); /* the burst at the start is over */
    uint32_t sent = world.sent;
    set_online(&world, false);
    for (int i = 0; i < 10; i++) {
        change(&world, i % 2 == 0 ? ENETUNREACH : 0);
        run(&world, 100);
        assert_int_equal(report(&world).offline_reason, OFFLINE_BY_HAND);
    }
    reload(&world, &(Start) {0});
    assert_int_equal(report(&world).offline_reason, OFFLINE_BY_HAND);
    reload(&world, &(Start) {.minpoll = 8}); /* another line, and so another source */
    assert_int_equal(report(&world).poll, 8);
    assert_int_equal(report(&world).offline_reason, OFFLINE_BY_HAND);
    run(&world, 10000);
    assert_int_equal(world.sent, sent);
    set_online(&world, true);
    assert_true(report(&world).online);
    engine_free(world.engine);

    /* The other way round: what the file holds back and somebody has let go. */
    start(&world, &(Start) {.offline = true});
    set_online(&world, true);
    reload(&world, &(Start) {.offline = true, .minpoll = 8});
    assert_true(report(&world).online);
    /* A will that the file has caught up with is none any more. */
    reload(&world, &(Start) {0});
    reload(&world, &(Start) {.offline = true});
    assert_int_equal(report(&world).offline_reason, OFFLINE_BY_HAND);
    engine_free(world.engine);
}

/* What was said stays until the next test, whatever becomes of the requests. */
static void test_somebody_insists(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {.way_error = ENETUNREACH});
    assert_int_equal(report(&world).offline_reason, OFFLINE_NO_WAY);
    set_online(&world, true);
    world.send_error = ENETUNREACH;
    run(&world, 1000);
    assert_true(report(&world).online);
    change(&world, ENETUNREACH);
    assert_int_equal(report(&world).offline_reason, OFFLINE_NO_WAY);
    engine_free(world.engine);
}

static void test_retests(void **state)
{
    static const struct {
        int minpoll;
        double first; /* s, at least */
    } intervals[] = {{1, 16}, {4, 16}, {6, 64}, {10, 1024}, {17, 1024}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(intervals); i++) {
        World world;
        start(&world, &(Start) {.minpoll = intervals[i].minpoll, .way_error = ENETUNREACH});
        assert_int_equal(world.tests, 1);
        assert_int_equal(report(&world).offline_reason, OFFLINE_NO_WAY);
        run(&world, intervals[i].first - 0.1);
        assert_int_equal(world.tests, 1);
        run(&world, intervals[i].first * 0.06 + 0.2);
        assert_int_equal(world.tests, 2);
        world.way_error = 0;
        run(&world, intervals[i].first * 1.06);
        assert_true(report(&world).online);
        run(&world, 10 * intervals[i].first);
        assert_int_equal(world.tests, 3); /* what is online is not tested for fun */
        engine_free(world.engine);
    }
}

/* A filter lets nothing out though the routes are fine: it is tried again, ever less often. */
static void test_send_failures(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {.auto_offline = true});
    world.send_error = EPERM;
    run(&world, 1);
    assert_int_equal(report(&world).offline_reason, OFFLINE_SEND_FAILED);
    assert_int_equal(world.last[EVENT_SOURCE_OFFLINE].offline, OFFLINE_SEND_FAILED);
    assert_int_equal(world.last[EVENT_SOURCE_OFFLINE].error, EPERM);
    run(&world, 4 * 3600);
    assert_in_range(world.events[EVENT_SOURCE_OFFLINE], 10, 25);
    world.send_error = 0;
    run(&world, 1100);
    assert_true(report(&world).online);
    engine_free(world.engine);

    /* Nobody listens there: that is somebody's answer. */
    start(&world, &(Start) {.auto_offline = true});
    world.send_error = ECONNREFUSED;
    run(&world, 1000);
    assert_true(report(&world).online);
    engine_free(world.engine);
}

/* A message of the kernel was lost, and a request finds out. */
static void test_a_failed_request_is_a_reason_to_test(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {0});
    run(&world, 100);
    world.way_error = world.send_error = ENETUNREACH;
    run(&world, 70);
    assert_int_equal(report(&world).offline_reason, OFFLINE_NO_WAY);
    uint32_t sent = world.sent;
    run(&world, 1000);
    assert_int_equal(world.sent, sent);
    engine_free(world.engine);
}

/* For want of sockets or memory nothing is learned. */
static void test_no_result(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EAGAIN, EINTR};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        World world;
        start(&world, &(Start) {0});
        change(&world, errors[i]);
        assert_true(report(&world).online);
        change(&world, EHOSTUNREACH);
        change(&world, errors[i]);
        assert_int_equal(report(&world).offline_reason, OFFLINE_NO_WAY);
        assert_int_equal(report(&world).way_error, EHOSTUNREACH);
        engine_free(world.engine);
    }
}

static void test_names(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {.name = NAME, .way_error = ENETUNREACH});
    run(&world, 1000);
    assert_int_equal(world.tests, 0);
    assert_true(report(&world).online); /* as far as anybody knows */
    onoffline(&world);
    assert_true(report(&world).online && world.tests == 0);
    /* The network is there, and so is the resolver. */
    assert_true(ip_address_parse(ADDRESS, &world.answer));
    change(&world, 0);
    run(&world, 0.1);
    assert_false(report(&world).resolving);
    assert_int_equal(world.tests, 1);
    assert_int_equal(world.last_test.way.remote.port, 123);
    assert_true(ip_address_equal(&world.last_test.way.remote.address, &world.answer));
    run(&world, 1);
    assert_int_equal(world.sent, 1);
    engine_free(world.engine);
}

static bool has_answer(World *world)
{
    SourceReport source = report(world);

    return ip_address_equal(&source.remote.address, &world->answer);
}

/* An address that the name does not stand for any more stays as long as it answers; nobody does here. */
static void test_a_silent_address_is_left(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {.name = NAME});
    assert_true(ip_address_parse(ADDRESS, &world.answer));
    change(&world, 0);
    run(&world, 1);
    assert_true(has_answer(&world));
    run(&world, 100);
    assert_true(ip_address_parse("192.0.2.2", &world.answer));
    change(&world, 0);
    run(&world, 60 + 5 + 20);
    assert_true(has_answer(&world));
    engine_free(world.engine);
}

/* One event for each turn, with the reason; none for what stays as it is. */
static void test_events(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {0});
    for (int i = 0; i < 5; i++)
        change(&world, ENETUNREACH);
    assert_int_equal(world.events[EVENT_SOURCE_OFFLINE], 1);
    assert_int_equal(world.last[EVENT_SOURCE_OFFLINE].offline, OFFLINE_NO_WAY);
    assert_int_equal(world.last[EVENT_SOURCE_OFFLINE].error, ENETUNREACH);
    uint32_t changed = world.events[EVENT_SOURCE_CHANGED];
    change(&world, ENETDOWN); /* the sentence about it is another one */
    assert_int_equal(world.events[EVENT_SOURCE_CHANGED], changed + 1);
    set_online(&world, false);
    assert_int_equal(world.events[EVENT_SOURCE_CHANGED], changed + 2);
    onoffline(&world);
    assert_int_equal(world.events[EVENT_SOURCE_CHANGED], changed + 3);
    assert_int_equal(world.events[EVENT_SOURCE_OFFLINE], 1);
    for (int i = 0; i < 5; i++)
        change(&world, 0);
    assert_int_equal(world.events[EVENT_SOURCE_ONLINE], 1);
    engine_free(world.engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_a_hold_outlasts_routes_and_reloads),
        cmocka_unit_test(test_somebody_insists),
        cmocka_unit_test(test_retests),
        cmocka_unit_test(test_send_failures),
        cmocka_unit_test(test_a_failed_request_is_a_reason_to_test),
        cmocka_unit_test(test_no_result),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_a_silent_address_is_left),
        cmocka_unit_test(test_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
