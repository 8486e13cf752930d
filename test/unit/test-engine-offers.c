// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Servers that networks offer, and the sources that come of it. A whole engine without any server; a resolver
 * that knows names by their first letter. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"
#include "base/text.h"
#include "core/engine/engine.h"
#include "unit.h"

#define EPOCH_NS (INT64_C(1772323200) * NSEC_PER_SEC)
#define GRACE    120

typedef struct World {
    Engine *engine;
    Config *config;
    int64_t ns; /* since the start */
    uint32_t events[EVENT_KIND_COUNT];
    Event added, refused; /* the last ones */
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

/* a... is 192.0.2.97 and so on, x... this machine, y... many, z... unknown. */
static void answer(World *world, const Action *action)
{
    LookupAnswer reply = {0};
    LookupPlace place = {0};
    char first = action->resolve.question.name[0], buffer[32];
    Text text = TEXT(buffer);

    text_append_format(&text,
                       first == 'x'   ? "127.0.0.%u"
                       : first == 'y' ? "224.0.1.%u"
                                      : "192.0.2.%u",
                       first);
    assert_true(ip_address_parse(buffer, &place.endpoint.address));
    if (first != 'z')
        lookup_answer_add(&reply, &place);
    engine_on_resolved(world->engine, action->resolve.source, &reply, now_of(world));
}

static void drain(World *world)
{
    Action action;
    Event event;

    while (engine_next_action(world->engine, &action))
        if (action.kind == ACTION_RESOLVE)
            answer(world, &action);
    while (engine_next_event(world->engine, &event)) {
        world->events[event.kind]++;
        if (event.kind == EVENT_SOURCE_ADDED)
            world->added = event;
        if (event.kind == EVENT_OFFER_REFUSED)
            world->refused = event;
    }
}

/* Whatever is due up to then. */
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

/* dirs: of the sourcedir line; NULL: there is none. server: of the configuration; NULL: none. */
static World world_start(const char *dirs, const char *server)
{
    World world = {0};
    EngineSetup setup = {.mode = ENGINE_OBSERVE,
                         .precision = 1e-7,
                         .drift_frequency = NAN,
                         .drift_skew = NAN,
                         .entropy = 1,
                         .random = fill_random};

    assert_int_equal(config_new(&world.config), 0);
    if (dirs)
        assert_int_equal(strings_add(&world.config->source_dirs, dirs), 0);
    if (server) {
        SourceConfig line = source_config_default(SOURCE_SERVER, server);
        assert_int_equal(config_add_source(world.config, &line), 0);
    }
    assert_int_equal(engine_new(&setup, world.config, now_of(&world), &world.engine), 0);
    run(&world, 1);
    memset(world.events, 0, sizeof(world.events));
    return world;
}

static World world_start_taking(void)
{
    return world_start(CONFIG_OFFERS_DIRECTORY, NULL);
}

static void world_end(World *world)
{
    engine_free(world->engine);
    config_free(world->config);
}

static void offer_by(World *world, OfferProvider provider, const char *interface, const char *servers)
{
    OfferedServers offered = {.provider = provider, .servers = servers};

    (void) text_copy(offered.interface, sizeof(offered.interface), interface);
    engine_on_offered(world->engine, &offered, now_of(world));
    drain(world);
    run(world, 0.5);
}

static void offer(World *world, const char *interface, const char *servers)
{
    offer_by(world, OFFER_NETWORKD, interface, servers);
}

static void provider(World *world, OfferProvider which, bool complete)
{
    engine_on_provider(world->engine, which, complete, now_of(world));
    drain(world);
    run(world, 0.5);
}

/* All sources: name, origin and its name, in their order; those of the configuration as "name". */
static const char *listing(const World *world)
{
    static char buffer[8192];
    SourceId ids[128];
    size_t count = engine_sources(world->engine, ids, ELEMENTS(ids));
    Text text = TEXT(buffer);

    for (size_t i = 0; i < count; i++) {
        SourceReport report;
        assert_true(engine_source_report(world->engine, ids[i], now_of(world), &report));
        text_append(&text, i > 0 ? " " : "");
        text_append(&text, report.name);
        if (report.origin != ORIGIN_CONFIGURATION) {
            text_append_format(&text, "@%s", source_origin_name(report.origin));
            text_append_format(&text, report.origin_name[0] != '\0' ? "/%s" : "%s", report.origin_name);
        }
    }
    return buffer;
}

static size_t count_sources(const World *world)
{
    SourceId ids[128];

    return engine_sources(world->engine, ids, ELEMENTS(ids));
}

static bool report_of(const World *world, const char *name, SourceReport *ret)
{
    SourceId ids[128];
    size_t count = engine_sources(world->engine, ids, ELEMENTS(ids));

    for (size_t i = 0; i < count; i++)
        if (engine_source_report(world->engine, ids[i], now_of(world), ret) && text_equal(ret->name, name))
            return true;
    return false;
}

static void remove_source(World *world, const char *name)
{
    CommandReply reply;
    SourceReport report;

    assert_true(report_of(world, name, &report));
    const Command command = {.kind = COMMAND_REMOVE_SOURCE, .sources.id = report.id};
    assert_int_equal(engine_apply(world->engine, &command, now_of(world), &reply), COMMAND_OK);
    drain(world);
    run(world, 0.5);
}

static CommandResult add_source(World *world, const char *name)
{
    SourceConfig line = source_config_default(SOURCE_SERVER, name);
    CommandResult result = engine_add_source(world->engine, &line, now_of(world), NULL);

    drain(world);
    run(world, 0.5);
    return result;
}

static void reconfigure(World *world)
{
    assert_int_equal(engine_reconfigure(world->engine, world->config, now_of(world)), 0);
    drain(world);
    run(world, 0.5);
}

static void configure_server(World *world, const char *name)
{
    SourceConfig line = source_config_default(SOURCE_SERVER, name);

    assert_int_equal(config_add_source(world->config, &line), 0);
    reconfigure(world);
}

static void configure_no_server(World *world)
{
    world->config->source_count = 0;
    reconfigure(world);
}

static void test_come_and_go(void **state)
{
    World world = world_start_taking();
    SourceReport report;

    (void) state;
    offer(&world, "eth0", "192.0.2.1 b.example");
    assert_string_equal(listing(&world), "192.0.2.1@networkd/eth0 b.example@networkd/eth0");
    assert_int_equal(world.events[EVENT_SOURCE_ADDED], 2);
    assert_int_equal(world.added.origin, ORIGIN_NETWORKD);
    assert_string_equal(world.added.interface, "eth0");
    assert_true(report_of(&world, "b.example", &report));
    assert_int_equal(report.remote.address.bytes[3], 'b');
    SourceId kept = report.id;

    offer_by(&world, OFFER_NETWORK_MANAGER, "wlan0", "c.example");
    offer(&world, "eth0", "b.example");
    assert_string_equal(listing(&world), "b.example@networkd/eth0 c.example@networkmanager/wlan0");
    assert_true(report_of(&world, "b.example", &report));
    assert_true(source_id_equal(report.id, kept));

    offer(&world, "eth0", "");
    assert_string_equal(listing(&world), "c.example@networkmanager/wlan0");
    offer_by(&world, OFFER_NETWORK_MANAGER, "wlan0", " ");
    assert_string_equal(listing(&world), "");
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 0);
    assert_int_equal(world.events[EVENT_SOURCE_NOT_ADDED], 0);
    world_end(&world);
}

/* A lease is renewed: nothing happens. */
static void test_told_again(void **state)
{
    World world = world_start_taking();
    SourceReport before, after;

    (void) state;
    offer(&world, "eth0", "a.example bad;word");
    assert_true(report_of(&world, "a.example", &before));
    for (int i = 0; i < 20; i++)
        offer(&world, "eth0", i % 2 ? "a.example bad;word" : "A.example.  bad;word");
    assert_true(report_of(&world, "a.example", &after));
    assert_true(source_id_equal(before.id, after.id));
    assert_int_equal(world.events[EVENT_SOURCE_ADDED], 1);
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 1);
    world_end(&world);
}

static void test_only_where_wanted(void **state)
{
    static const struct {
        const char *dirs;
        size_t count;
    } rows[] = {
        {NULL, 0},
        {"/etc/chrony/sources.d", 0},
        {"/run/chrony-dhcp-not", 0},
        {"/run/chrony-dh", 0},
        {"/run/chrony-dhcp/eth0", 0},
        {"/run/chrony-dhcp", 1},
        {"/run/chrony-dhcp/", 1},
        {"/var/run/chrony-dhcp", 1},
        {"/etc/chrony/sources.d /run/chrony-dhcp", 1},
        {"/run/chrony-dhcp// /etc/chrony/sources.d", 1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World world = world_start(rows[i].dirs, NULL);
        offer(&world, "eth0", "192.0.2.1 bad;word");
        if (count_sources(&world) != rows[i].count || world.events[EVENT_OFFER_REFUSED] != rows[i].count)
            fail_msg("%s: %zu sources", rows[i].dirs, count_sources(&world));
        world_end(&world);
    }
}

/* The line comes and goes with a new configuration; what was offered meanwhile is known. */
static void test_wanted_later(void **state)
{
    World world = world_start(NULL, "a.example");

    (void) state;
    offer(&world, "eth0", "192.0.2.1 bad;word");
    assert_string_equal(listing(&world), "a.example");
    assert_int_equal(strings_add(&world.config->source_dirs, CONFIG_OFFERS_DIRECTORY), 0);
    reconfigure(&world);
    assert_string_equal(listing(&world), "a.example 192.0.2.1@networkd/eth0");
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 1);
    strings_clear(&world.config->source_dirs);
    reconfigure(&world);
    assert_string_equal(listing(&world), "a.example");
    assert_int_equal(strings_add(&world.config->source_dirs, CONFIG_OFFERS_DIRECTORY), 0);
    reconfigure(&world);
    assert_string_equal(listing(&world), "a.example 192.0.2.1@networkd/eth0");
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 1);
    world_end(&world);
}

/* The same server by two interfaces, or two providers, is one source while either lasts. */
static void test_once(void **state)
{
    World world = world_start_taking();
    SourceReport before, after;

    (void) state;
    offer(&world, "eth0", "a.example");
    offer_by(&world, OFFER_NETWORK_MANAGER, "wlan0", "a.example");
    offer(&world, "eth1", "A.EXAMPLE. b.example");
    assert_string_equal(listing(&world), "a.example@networkd/eth0 b.example@networkd/eth1");
    assert_true(report_of(&world, "a.example", &before));
    offer(&world, "eth0", "");
    assert_string_equal(listing(&world), "a.example@networkmanager/wlan0 b.example@networkd/eth1");
    offer_by(&world, OFFER_NETWORK_MANAGER, "wlan0", "");
    assert_string_equal(listing(&world), "a.example@networkd/eth1 b.example@networkd/eth1");
    assert_true(report_of(&world, "a.example", &after));
    assert_true(source_id_equal(before.id, after.id));
    assert_int_equal(world.events[EVENT_SOURCE_ADDED], 2);
    offer(&world, "eth1", "");
    assert_string_equal(listing(&world), "");
    world_end(&world);
}

/* A name and the address that it stands for are one server. */
static void test_name_and_address(void **state)
{
    World world = world_start_taking();

    (void) state;
    offer(&world, "eth0", "a.example 192.0.2.98");
    offer(&world, "eth1", "192.0.2.97 b.example");
    assert_string_equal(listing(&world),
                        "a.example@networkd/eth0 192.0.2.98@networkd/eth0 b.example@networkd/eth1");
    /* That one is told once that its address is in use, and then waits. */
    assert_int_equal(world.events[EVENT_SOURCE_NOT_ADDED], 0);
    offer(&world, "eth0", "");
    assert_int_equal(count_sources(&world), 2);
    world_end(&world);
}

static void test_configuration_has_precedence(void **state)
{
    World world = world_start(CONFIG_OFFERS_DIRECTORY, "a.example");
    SourceReport before, after;

    (void) state;
    assert_true(report_of(&world, "a.example", &before));
    /* By name, however it is written, and by address. */
    offer(&world, "eth0", "A.Example. 192.0.2.97 b.example");
    assert_string_equal(listing(&world), "a.example b.example@networkd/eth0");
    assert_true(report_of(&world, "a.example", &after));
    assert_true(source_id_equal(before.id, after.id));

    /* What was offered takes the place that a new configuration leaves. */
    configure_no_server(&world);
    assert_string_equal(listing(&world),
                        "b.example@networkd/eth0 a.example@networkd/eth0 192.0.2.97@networkd/eth0");
    /* ... and leaves it again. */
    configure_server(&world, "a.example");
    assert_string_equal(listing(&world), "b.example@networkd/eth0 a.example");
    configure_server(&world, "192.0.2.98");
    assert_true(report_of(&world, "192.0.2.98", &after));
    assert_false(after.resolving);
    assert_int_equal(after.origin, ORIGIN_CONFIGURATION);
    assert_int_equal(world.events[EVENT_SOURCE_NOT_ADDED], 0);
    world_end(&world);
}

/* Whoever offers the address of a server that is configured by its name cannot keep that from it. */
static void test_address_is_not_occupied(void **state)
{
    World world = world_start_taking();
    SourceReport report;

    (void) state;
    offer(&world, "eth0", "192.0.2.97 afterwards.example");
    assert_int_equal(count_sources(&world), 2);
    configure_server(&world, "a.example");
    assert_true(report_of(&world, "a.example", &report));
    assert_false(report.resolving);
    assert_int_equal(report.remote.address.bytes[3], 97);
    assert_false(report_of(&world, "192.0.2.97", &report));

    /* By the name of its own that has the same address. */
    configure_no_server(&world);
    offer(&world, "eth0", "another.example");
    assert_true(report_of(&world, "another.example", &report));
    assert_false(report.resolving);
    configure_server(&world, "a.example");
    assert_true(report_of(&world, "a.example", &report));
    assert_false(report.resolving);
    if (report_of(&world, "another.example", &report))
        assert_true(report.resolving);
    world_end(&world);
}

static void test_command_has_precedence(void **state)
{
    World world = world_start_taking();

    (void) state;
    offer(&world, "eth0", "192.0.2.1 b.example");
    assert_int_equal(add_source(&world, "192.0.2.1"), COMMAND_OK);
    assert_int_equal(add_source(&world, "b.example"), COMMAND_OK);
    assert_string_equal(listing(&world), "192.0.2.1@command b.example@command");
    remove_source(&world, "192.0.2.1");
    assert_string_equal(listing(&world), "b.example@command 192.0.2.1@networkd/eth0");
    world_end(&world);
}

/* What somebody has removed stays away while it is offered; a new configuration brings all back. */
static void test_removed_by_command(void **state)
{
    World world = world_start(CONFIG_OFFERS_DIRECTORY, "c.example");

    (void) state;
    offer(&world, "eth0", "a.example b.example");
    remove_source(&world, "a.example");
    remove_source(&world, "c.example");
    offer(&world, "eth0", "b.example a.example");
    run(&world, 1000);
    assert_string_equal(listing(&world), "b.example@networkd/eth0");
    assert_int_equal(engine_reconfigure_sources(world.engine, world.config, now_of(&world)), 0);
    run(&world, 1);
    assert_string_equal(listing(&world), "b.example@networkd/eth0");
    reconfigure(&world);
    assert_string_equal(listing(&world), "b.example@networkd/eth0 c.example a.example@networkd/eth0");

    remove_source(&world, "a.example");
    offer(&world, "eth0", "");
    offer(&world, "eth0", "a.example");
    assert_string_equal(listing(&world), "c.example a.example@networkd/eth0");
    world_end(&world);
}

static void test_bounds(void **state)
{
    World world = world_start_taking();
    char servers[512], interface[INTERFACE_NAME_MAX];

    (void) state;
    for (unsigned i = 0; i < 6; i++) {
        Text text = TEXT(servers);
        for (unsigned k = 1; k <= 20; k++)
            text_append_format(&text, "10.0.%u.%u ", i, k);
        (void) snprintf(interface, sizeof(interface), "eth%u", i);
        offer(&world, interface, servers);
        assert_int_equal(count_sources(&world), MIN(8 * (i + 1), 32U));
    }
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 6 + 2);
    assert_int_equal(world.refused.refusal, OFFER_TOO_MANY);
    /* Those that were there stay; room that is made is used. */
    assert_non_null(strstr(listing(&world), "10.0.0.8@networkd/eth0"));
    assert_null(strstr(listing(&world), "eth4"));
    offer(&world, "eth0", "");
    assert_int_equal(count_sources(&world), 32);
    assert_non_null(strstr(listing(&world), "10.0.4.8@networkd/eth4"));
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 6 + 2);
    world_end(&world);
}

static void test_many_interfaces(void **state)
{
    World world = world_start_taking();
    char interface[INTERFACE_NAME_MAX], servers[64];

    (void) state;
    for (unsigned i = 0; i < 1000; i++) {
        (void) snprintf(interface, sizeof(interface), "veth%u", i);
        (void) snprintf(servers, sizeof(servers), i % 2 ? "10.0.%u.%u" : ";%u.%u", i / 256, i % 256);
        offer(&world, interface, servers);
    }
    assert_int_equal(count_sources(&world), 32);
    for (unsigned i = 0; i < 1000; i++) {
        (void) snprintf(interface, sizeof(interface), "veth%u", i);
        offer(&world, interface, "");
    }
    assert_int_equal(count_sources(&world), 0);
    world_end(&world);
}

static void test_refused(void **state)
{
    World world = world_start_taking();

    (void) state;
    offer_by(&world, OFFER_NETWORK_MANAGER, "eth0", "192.0.2.1;reboot a.example 0.0.0.0");
    assert_string_equal(listing(&world), "a.example@networkmanager/eth0");
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 1);
    assert_int_equal(world.refused.count, 2);
    assert_int_equal(world.refused.refusal, OFFER_NO_NAME);
    assert_int_equal(world.refused.origin, ORIGIN_NETWORK_MANAGER);
    assert_string_equal(world.refused.interface, "eth0");
    assert_string_equal(world.refused.name, "192.0.2.1;reboot");
    /* Another one is news. */
    offer_by(&world, OFFER_NETWORK_MANAGER, "eth0", "a.example |");
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 2);
    offer_by(&world, OFFER_NETWORK_MANAGER, "eth0", "|");
    assert_string_equal(listing(&world), "");
    assert_int_equal(world.events[EVENT_OFFER_REFUSED], 2);
    world_end(&world);
}

/* A name may stand for this machine, or nothing. */
static void test_names_that_mean_nobody(void **state)
{
    World world = world_start_taking();
    SourceReport report;

    (void) state;
    offer(&world, "eth0", "x.example y.example z.example");
    run(&world, 3600);
    assert_int_equal(count_sources(&world), 3);
    assert_true(report_of(&world, "x.example", &report));
    assert_true(report.resolving);
    assert_true(report_of(&world, "y.example", &report));
    assert_true(report.resolving);
    assert_true(report_of(&world, "z.example", &report));
    assert_true(report.resolving);
    world_end(&world);
}

/* It is started again: nothing is lost, nothing is there twice. */
static void test_provider_comes_back(void **state)
{
    World world = world_start_taking();
    SourceReport before, after;

    (void) state;
    provider(&world, OFFER_NETWORKD, true);
    offer(&world, "eth0", "a.example b.example");
    offer(&world, "eth1", "c.example");
    offer_by(&world, OFFER_NETWORK_MANAGER, "wlan0", "d.example");
    assert_true(report_of(&world, "a.example", &before));
    provider(&world, OFFER_NETWORKD, false);
    run(&world, GRACE - 20);
    assert_int_equal(count_sources(&world), 4);
    /* What is not told again goes when all has been told, what is withdrawn goes at once. */
    offer(&world, "eth0", "a.example");
    assert_int_equal(count_sources(&world), 4);
    offer(&world, "eth1", "");
    assert_string_equal(listing(&world),
                        "a.example@networkd/eth0 b.example@networkd/eth0 d.example@networkmanager/wlan0");
    provider(&world, OFFER_NETWORKD, true);
    assert_string_equal(listing(&world), "a.example@networkd/eth0 d.example@networkmanager/wlan0");
    assert_true(report_of(&world, "a.example", &after));
    assert_true(source_id_equal(before.id, after.id));
    run(&world, 10 * GRACE);
    assert_int_equal(count_sources(&world), 2);
    assert_int_equal(world.events[EVENT_SOURCE_ADDED], 4);
    world_end(&world);
}

/* It says what DHCP has said for IPv4, then for IPv6, and is killed again in between: nothing is lost, nobody
 * is asked twice, and what a person has removed does not come back. */
static void test_provider_comes_back_in_pieces(void **state)
{
    World world = world_start_taking();
    SourceReport before, after;

    (void) state;
    offer(&world, "eth0", "a.example b.example c.example");
    remove_source(&world, "c.example");
    assert_true(report_of(&world, "b.example", &before));
    for (int i = 0; i < 3; i++) {
        provider(&world, OFFER_NETWORKD, false);
        offer(&world, "eth0", "a.example");
        assert_string_equal(listing(&world), "a.example@networkd/eth0 b.example@networkd/eth0");
        run(&world, 1);
    }
    offer(&world, "eth0", "a.example b.example c.example");
    provider(&world, OFFER_NETWORKD, true);
    run(&world, 10 * GRACE);
    assert_string_equal(listing(&world), "a.example@networkd/eth0 b.example@networkd/eth0");
    assert_true(report_of(&world, "b.example", &after));
    assert_true(source_id_equal(before.id, after.id));
    assert_int_equal(world.events[EVENT_SOURCE_ADDED], 3);
    /* Another lease of a provider that is there is another offer. */
    offer(&world, "eth0", "b.example");
    assert_string_equal(listing(&world), "b.example@networkd/eth0");
    world_end(&world);
}

static void test_provider_stays_away(void **state)
{
    World world = world_start_taking();

    (void) state;
    offer(&world, "eth0", "a.example b.example");
    offer_by(&world, OFFER_NETWORK_MANAGER, "wlan0", "b.example");
    provider(&world, OFFER_NETWORKD, false);
    assert_string_equal(listing(&world), "a.example@networkd/eth0 b.example@networkmanager/wlan0");
    run(&world, GRACE - 10);
    /* That it vanishes again does not prolong anything. */
    provider(&world, OFFER_NETWORKD, false);
    assert_int_equal(count_sources(&world), 2);
    run(&world, 10);
    assert_string_equal(listing(&world), "b.example@networkmanager/wlan0");
    world_end(&world);
}

/* Samples to be kept are those of the new configuration. */
static void test_other_defaults(void **state)
{
    World world = world_start_taking();
    SourceReport before, after;

    (void) state;
    offer(&world, "eth0", "a.example");
    assert_true(report_of(&world, "a.example", &before));
    world.config->max_samples = 10;
    reconfigure(&world);
    assert_true(report_of(&world, "a.example", &after));
    assert_false(source_id_equal(before.id, after.id));
    assert_int_equal(count_sources(&world), 1);
    world_end(&world);
}

static void test_at_the_end(void **state)
{
    World world = world_start_taking();

    (void) state;
    engine_stop(world.engine, now_of(&world));
    offer(&world, "eth0", "a.example");
    provider(&world, OFFER_NETWORKD, false);
    assert_int_equal(count_sources(&world), 0);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_come_and_go),
        cmocka_unit_test(test_told_again),
        cmocka_unit_test(test_only_where_wanted),
        cmocka_unit_test(test_wanted_later),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_name_and_address),
        cmocka_unit_test(test_configuration_has_precedence),
        cmocka_unit_test(test_address_is_not_occupied),
        cmocka_unit_test(test_command_has_precedence),
        cmocka_unit_test(test_removed_by_command),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_many_interfaces),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_names_that_mean_nobody),
        cmocka_unit_test(test_provider_comes_back),
        cmocka_unit_test(test_provider_comes_back_in_pieces),
        cmocka_unit_test(test_provider_stays_away),
        cmocka_unit_test(test_other_defaults),
        cmocka_unit_test(test_at_the_end),
    };

    return cmocka_run_group_tests_name("engine-offers", tests, NULL, NULL);
}
