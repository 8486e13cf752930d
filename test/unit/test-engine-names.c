// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Names and what they are said to mean: by a resolver that is wrong, changes its mind, or belongs to
 * somebody. A whole engine without any server: nobody answers, unless a test says so. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/engine/engine.h"
#include "unit.h"

#define EPOCH_NS (INT64_C(1772323200) * NSEC_PER_SEC)
#define DAY      86400

typedef struct World {
    Engine *engine;
    int64_t ns; /* since the start */
    LookupAnswer answer;
    LookupQuestion question; /* the last one */
    uint32_t lookups, events[EVENT_KIND_COUNT];
    IpAddress address, previous; /* of the last EVENT_SOURCE_RESOLVED */
} World;

static void fill_random(void *userdata, void *buffer, size_t size)
{
    (void) userdata;
    memset(buffer, 0x5a, size);
}

static Now now_of(const World *world)
{
    return (Now) {.mono = {world->ns + NSEC_PER_SEC}, .raw = {EPOCH_NS + world->ns}};
}

static void drain(World *world)
{
    Action action;
    Event event;

    while (engine_next_action(world->engine, &action))
        if (action.kind == ACTION_RESOLVE) {
            world->lookups++;
            world->question = action.resolve.question;
            engine_on_resolved(world->engine, action.resolve.source, &world->answer, now_of(world));
        }
    while (engine_next_event(world->engine, &event)) {
        world->events[event.kind]++;
        if (event.kind == EVENT_SOURCE_RESOLVED) {
            world->address = event.address;
            world->previous = event.previous;
        }
    }
}

static void run(World *world, double seconds)
{
    int64_t end = world->ns + ns_from_seconds(seconds);

    for (;;) {
        MonoTime deadline = engine_deadline(world->engine);
        if (!mono_is_set(deadline) || deadline.ns - NSEC_PER_SEC > end)
            break;
        world->ns = MAX(world->ns, deadline.ns - NSEC_PER_SEC);
        engine_on_timer(world->engine, now_of(world));
        drain(world);
    }
    world->ns = end;
}

static World world_start(const SourceConfig *source, double refresh)
{
    World world = {0};
    EngineSetup setup = {.mode = ENGINE_OBSERVE,
                         .precision = 1e-7,
                         .drift_frequency = NAN,
                         .drift_skew = NAN,
                         .entropy = 1,
                         .random = fill_random};
    Config *config;

    assert_int_equal(config_new(&config), 0);
    config->net.refresh = refresh;
    assert_int_equal(config_add_source(config, source), 0);
    assert_int_equal(engine_new(&setup, config, now_of(&world), &world.engine), 0);
    config_free(config);
    return world;
}

static void world_end(World *world)
{
    engine_free(world->engine);
}

static IpAddress address_of(const char *text)
{
    IpAddress address = {0};

    assert_true(ip_address_parse(text, &address));
    return address;
}

/* The resolver says: this and nothing else. NULL: there is no such name. */
static void says(World *world, const char *text)
{
    world->answer = (LookupAnswer) {0};
    if (text)
        lookup_answer_add(&world->answer, &(LookupPlace) {.endpoint.address = address_of(text)});
}

/* So many addresses, which differ in one byte. */
static void says_also(World *world, const char *first, size_t byte, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        LookupPlace place = {.endpoint.address = address_of(first)};
        place.endpoint.address.bytes[byte] = (uint8_t) (place.endpoint.address.bytes[byte] + i);
        lookup_answer_add(&world->answer, &place);
    }
}

/* Members that have an address, and the most that are in one network with somebody. */
static size_t count_members(const World *world, size_t *ret_crowd)
{
    SourceId ids[32];
    SourceReport a, b;
    size_t count = engine_sources(world->engine, ids, ELEMENTS(ids)), members = 0;

    *ret_crowd = 0;
    for (size_t i = 0; i < count; i++) {
        size_t crowd = 0;
        assert_true(engine_source_report(world->engine, ids[i], now_of(world), &a));
        if (a.remote.address.family == IP_UNSPEC)
            continue;
        members++;
        for (size_t k = 0; k < count; k++) {
            assert_true(engine_source_report(world->engine, ids[k], now_of(world), &b));
            crowd += a.remote.address.family == b.remote.address.family &&
                     memcmp(a.remote.address.bytes, b.remote.address.bytes,
                            a.remote.address.family == IP_V4 ? 3 : 6) == 0;
        }
        *ret_crowd = MAX(*ret_crowd, crowd);
    }
    return members;
}

/* Threat 13: one who has many hosts in one network gets one of four members, not all. */
static void test_one_network(void **state)
{
    static const struct {
        const char *name;
        struct {
            const char *first;
            size_t byte; /* in which they differ */
            size_t count;
        } answers[3];
        size_t members, crowd; /* after the first look-up */
    } rows[] = {
        {"all in one", {{"192.0.2.1", 3, 12}}, 4, 4},
        {"one and four others", {{"192.0.2.1", 3, 12}, {"198.51.0.1", 2, 4}}, 5, 1},
        {"each in its own", {{"198.51.0.1", 2, 12}}, 8, 1},
        {"two", {{"192.0.2.1", 3, 6}, {"198.51.100.1", 3, 1}}, 4, 3},
        {"IPv6", {{"2001:db8:1::1", 15, 12}, {"2001:db8:2::1", 5, 4}}, 5, 1},
        {"both families", {{"192.0.2.1", 3, 8}, {"2001:db8::1", 15, 8}}, 4, 3},
        {"the same again", {{"192.0.2.1", 3, 1}, {"192.0.2.1", 3, 1}, {"192.0.2.1", 3, 1}}, 1, 1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        SourceConfig pool = source_config_default(SOURCE_POOL, "pool.example");
        World world = world_start(&pool, 0);
        size_t crowd;

        for (size_t k = 0; k < ELEMENTS(rows[i].answers) && rows[i].answers[k].count > 0; k++)
            says_also(&world, rows[i].answers[k].first, rows[i].answers[k].byte, rows[i].answers[k].count);
        run(&world, 1);
        size_t members = count_members(&world, &crowd);
        if (members != rows[i].members || crowd > rows[i].crowd)
            fail_msg("%s: %zu members, %zu in one network", rows[i].name, members, crowd);
        world_end(&world);
    }
}

/* Where there are no others, neighbours take the place of members that are silent. */
static void test_silent_members(void **state)
{
    SourceConfig pool = source_config_default(SOURCE_POOL, "pool.example");
    World world = world_start(&pool, 0);
    size_t crowd;

    (void) state;
    says_also(&world, "192.0.2.1", 3, 12);
    run(&world, 1);
    assert_int_equal(count_members(&world, &crowd), 4);
    run(&world, 600);
    assert_int_equal(count_members(&world, &crowd), 8);
    world_end(&world);
}

/* Threat 13: what a name means is asked again and again, however long somebody (a resolver, its cache, who
 * has poisoned it) says that it will mean that; nothing in here has ever heard of a TTL. */
static void test_refresh(void **state)
{
    SourceConfig server = source_config_default(SOURCE_SERVER, "ntp.example");
    const IpAddress bad = address_of("203.0.113.66"), good = address_of("192.0.2.1");

    (void) state;
    server.offline = true; /* answers or their absence are not what this is about */
    World world = world_start(&server, 14 * DAY);
    says(&world, "203.0.113.66");
    run(&world, 13 * DAY);
    assert_int_equal(world.lookups, 1);
    assert_true(ip_address_equal(&world.address, &bad));
    says(&world, "192.0.2.1");
    run(&world, 2 * DAY);
    assert_int_equal(world.lookups, 2);
    assert_true(ip_address_equal(&world.address, &good));
    assert_true(ip_address_equal(&world.previous, &bad));
    run(&world, 140 * DAY);
    assert_int_equal(world.lookups, 12);
    world_end(&world);

    world = world_start(&server, 0);
    says(&world, "203.0.113.66");
    run(&world, 100 * DAY);
    assert_int_equal(world.lookups, 1);
    world_end(&world);
}

/* What a source has it keeps until there is something better: another address, and not the loss of its name.
 */
static void test_changing_answers(void **state)
{
    SourceConfig server = source_config_default(SOURCE_SERVER, "ntp.example");
    const IpAddress first = address_of("192.0.2.1");

    (void) state;
    server.offline = true;
    World world = world_start(&server, DAY);
    says(&world, "192.0.2.1");
    run(&world, DAY / 2);
    assert_int_equal(world.events[EVENT_SOURCE_RESOLVED], 1);
    says(&world, NULL);
    run(&world, 5 * DAY);
    assert_int_equal(world.lookups, 6);
    says(&world, "192.0.2.7");
    says_also(&world, "192.0.2.1", 3, 3); /* the first of them among others */
    run(&world, 5 * DAY);
    assert_int_equal(world.lookups, 11);
    assert_int_equal(world.events[EVENT_SOURCE_RESOLVED], 1);
    assert_int_equal(world.events[EVENT_RESOLVE_FAILED], 0);
    assert_true(ip_address_equal(&world.address, &first));
    says(&world, "192.0.2.7");
    run(&world, DAY);
    assert_int_equal(world.events[EVENT_SOURCE_RESOLVED], 2);
    assert_true(ip_address_equal(&world.previous, &first));
    world_end(&world);
}

/* A name that does not exist: told once, asked less and less often, and found when it comes. */
static void test_no_such_name(void **state)
{
    SourceConfig server = source_config_default(SOURCE_SERVER, "ntp.example");

    (void) state;
    server.offline = true;
    World world = world_start(&server, 0);
    says(&world, NULL);
    run(&world, DAY);
    assert_int_equal(world.events[EVENT_RESOLVE_FAILED], 1);
    assert_in_range(world.lookups, 10, 40);
    assert_int_equal(world.events[EVENT_SOURCE_RESOLVED], 0);
    says(&world, "192.0.2.1");
    run(&world, 2 * 3600);
    assert_int_equal(world.events[EVENT_SOURCE_RESOLVED], 1);
    world_end(&world);
}

/* --- services --- */

/* One address of a record; each record has a network of its own or not, as the test likes. */
static void says_record(World *world, const char *text, uint16_t port, uint16_t record, uint16_t priority)
{
    lookup_answer_add(&world->answer, &(LookupPlace) {.endpoint = {address_of(text), port},
                                                      .record = record,
                                                      .priority = priority,
                                                      .weight = 1});
}

static SourceReport report_of(const World *world, size_t index)
{
    SourceId ids[32];
    SourceReport report = {0};

    assert_true(engine_sources(world->engine, ids, ELEMENTS(ids)) > index);
    assert_true(engine_source_report(world->engine, ids[index], now_of(world), &report));
    return report;
}

static void check_remote(const World *world, size_t index, const char *text)
{
    SourceReport report = report_of(world, index);
    char buffer[IP_ENDPOINT_TEXT_MAX];

    assert_string_equal(ip_endpoint_format(&report.remote, buffer), text);
}

/* A name of a service asks for a service, and the records say where and at which port. Who is silent gives
 * way to the next in order, and after the last comes the first again. */
static void test_service_server(void **state)
{
    static const char *const hosts[] = {"192.0.2.10:1010", "192.0.2.20:1020", "192.0.2.30:1030"};
    SourceConfig server = source_config_default(SOURCE_SERVER, "_ntp._udp.example.net");
    World world = world_start(&server, 0);

    (void) state;
    says_record(&world, "192.0.2.30", 1030, 1, 30);
    says_record(&world, "192.0.2.10", 1010, 2, 10);
    says_record(&world, "192.0.2.20", 1020, 3, 20);
    run(&world, 1);
    assert_true(world.question.service);
    assert_string_equal(world.question.name, "_ntp._udp.example.net");
    check_remote(&world, 0, hosts[0]);
    for (size_t i = 1; i <= 4; i++) {
        for (int k = 0; k < 200 && world.events[EVENT_SOURCE_REPLACED] < i; k++)
            run(&world, 100);
        assert_int_equal(world.events[EVENT_SOURCE_REPLACED], i);
        check_remote(&world, 0, hosts[i % ELEMENTS(hosts)]);
    }
    world_end(&world);
}

/* Refresh: the same host at the same port keeps everything; another port is another server. */
static void test_service_refresh(void **state)
{
    SourceConfig server = source_config_default(SOURCE_SERVER, "_ntp._udp.example.net");

    (void) state;
    server.offline = true;
    World world = world_start(&server, DAY);
    says_record(&world, "192.0.2.20", 1020, 1, 20);
    run(&world, 1);
    says_record(&world, "192.0.2.10", 1010, 2, 10);
    run(&world, DAY);
    assert_int_equal(world.lookups, 2);
    check_remote(&world, 0, "192.0.2.20:1020");
    world.answer = (LookupAnswer) {0};
    says_record(&world, "192.0.2.20", 1021, 1, 20);
    run(&world, DAY);
    check_remote(&world, 0, "192.0.2.20:1021");
    assert_int_equal(world.events[EVENT_SOURCE_RESOLVED], 2);
    world_end(&world);
}

/* A pool of a service: those of the lowest priority, though they are in one network, and only as many as are
 * wanted; the next ones when these are silent. */
static void test_service_pool(void **state)
{
    SourceConfig pool = source_config_default(SOURCE_POOL, "_ntp._udp.example.net");
    size_t crowd, preferred = 0;

    (void) state;
    pool.max_sources = 3;
    World world = world_start(&pool, 0);
    for (uint8_t i = 0; i < 4; i++) {
        char near[32], far[32];
        (void) snprintf(near, sizeof near, "192.0.2.%u", i + 1U);
        (void) snprintf(far, sizeof far, "198.51.%u.1", i + 1U);
        says_record(&world, far, 123, (uint16_t) (10 + i), 20);
        says_record(&world, near, 123, (uint16_t) (20 + i), 10);
    }
    run(&world, 1);
    assert_int_equal(count_members(&world, &crowd), 3);
    assert_int_equal(crowd, 3);
    for (int i = 0; i < 100 && count_members(&world, &crowd) < 6; i++)
        run(&world, 10);
    assert_int_equal(count_members(&world, &crowd), 6); /* of twice as many as wanted */
    for (size_t i = 0; i < 6; i++)
        preferred += report_of(&world, i).remote.address.bytes[0] == 192;
    assert_int_equal(preferred, 4);
    world_end(&world);
}

/* --- signatures --- */

static Explanation explanation_of(const World *world)
{
    SourceId ids[32];
    Explanation explanation = {0};

    assert_true(engine_sources(world->engine, ids, ELEMENTS(ids)) > 0);
    assert_true(engine_explain(world->engine, ids[0], now_of(world), &explanation));
    return explanation;
}

/* Bogus is told besides "not found", each once until the name is found; a source that has an address keeps
 * it. */
static void test_bogus(void **state)
{
    SourceConfig server = source_config_default(SOURCE_SERVER, "ntp.example");
    const LookupAnswer bogus = {.verdict = LOOKUP_BOGUS};

    (void) state;
    server.offline = true;
    World world = world_start(&server, DAY);
    says(&world, NULL);
    run(&world, 600);
    world.answer = bogus;
    run(&world, DAY / 2);
    assert_int_equal(world.events[EVENT_RESOLVE_FAILED], 1);
    assert_int_equal(world.events[EVENT_RESOLVE_BOGUS], 1);
    assert_true(explanation_of(&world).refused_name);
    says(&world, "192.0.2.1");
    run(&world, 3 * 3600);
    assert_int_equal(world.events[EVENT_SOURCE_RESOLVED], 1);
    assert_false(explanation_of(&world).refused_name);
    world.answer = bogus;
    run(&world, 3 * DAY);
    assert_int_equal(world.events[EVENT_RESOLVE_BOGUS], 2);
    check_remote(&world, 0, "192.0.2.1:123");
    says(&world, "192.0.2.1");
    run(&world, DAY);
    world.answer = bogus;
    run(&world, DAY);
    assert_int_equal(world.events[EVENT_RESOLVE_BOGUS], 3);
    assert_int_equal(world.events[EVENT_RESOLVE_FAILED], 1);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_network),     cmocka_unit_test(test_silent_members),
        cmocka_unit_test(test_refresh),         cmocka_unit_test(test_changing_answers),
        cmocka_unit_test(test_no_such_name),    cmocka_unit_test(test_service_server),
        cmocka_unit_test(test_service_refresh), cmocka_unit_test(test_service_pool),
        cmocka_unit_test(test_bogus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
