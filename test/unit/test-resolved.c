// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* What is asked of resolved, and what is made of its answers, also of those that the real one never gives
 * (test/system has the real one). The other end of a pair of sockets is bus driver and resolved in one. */

#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "base/text.h"
#include "bus/resolved.h"
#include "unit.h"

#define PATIENCE_US 10000000
#define OWNER       ":1.7"
#define DRIVER      "org.freedesktop.DBus"
#define SERVICE     "org.freedesktop.resolve1"

typedef struct World {
    sd_event *event;
    sd_bus *ours, *theirs;
    Resolved *resolved;
    const char *owner; /* that the driver tells; NULL: none */
    sd_bus_message *questions[128];
    size_t asked;
    unsigned answers, given_back, changes;
    uint64_t last_ticket;
    LookupAnswer last;
} World;

static void on_name(void *userdata, uint64_t ticket, const LookupAnswer *answer)
{
    World *world = userdata;

    world->answers++;
    world->given_back += !answer;
    world->last_ticket = ticket;
    world->last = answer ? *answer : (LookupAnswer) {0};
}

static void on_names_changed(void *userdata)
{
    World *world = userdata;

    world->changes++;
}

/* The other end hears everything. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    World *world = userdata;

    (void) error;
    if (sd_bus_message_is_method_call(message, DRIVER, "GetNameOwner"))
        return world->owner ? sd_bus_reply_method_return(message, "s", world->owner)
                            : sd_bus_reply_method_errorf(message, DRIVER ".Error.NameHasNoOwner", "No owner");
    if (!sd_bus_message_is_method_call(message, SERVICE ".Manager", NULL))
        return 0;
    assert_true(world->asked < ELEMENTS(world->questions));
    world->questions[world->asked++] = sd_bus_message_ref(message);
    return 1;
}

static void settle(World *world)
{
    while (sd_event_run(world->event, 0) > 0)
        ;
}

static void wait_for_questions(World *world, size_t count)
{
    while (world->asked < count)
        if (sd_event_run(world->event, PATIENCE_US) <= 0)
            fail_msg("%zu of %zu questions have come", world->asked, count);
}

static void wait_for_answers(World *world, unsigned count)
{
    while (world->answers < count)
        if (sd_event_run(world->event, PATIENCE_US) <= 0)
            fail_msg("%u of %u answers have come", world->answers, count);
    settle(world);
    assert_int_equal(world->answers, count);
}

static sd_bus *open_end(World *world, int fd, bool server)
{
    sd_id128_t id = {.bytes = {1}};
    sd_bus *bus = NULL;

    assert_true(sd_bus_new(&bus) >= 0);
    assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
    if (server)
        assert_true(sd_bus_set_server(bus, true, id) >= 0);
    assert_true(sd_bus_set_anonymous(bus, true) >= 0);
    assert_true(sd_bus_start(bus) >= 0);
    assert_true(sd_bus_attach_event(bus, world->event, 0) >= 0);
    return bus;
}

/* Needs a fixed address. */
static void start(World *world, const char *owner)
{
    static const ResolvedHandlers handlers = {.on_name = on_name, .on_names_changed = on_names_changed};
    int fds[2];

    *world = (World) {.owner = owner};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    assert_true(sd_event_new(&world->event) >= 0);
    world->theirs = open_end(world, fds[0], true);
    world->ours = open_end(world, fds[1], false);
    assert_true(sd_bus_add_filter(world->theirs, NULL, on_message, world) >= 0);
    assert_int_equal(resolved_new(world->ours, &handlers, world, &world->resolved), 0);
    for (int i = 0; i < 1000 && owner && world->changes == 0; i++)
        assert_true(sd_event_run(world->event, 10000) >= 0);
    settle(world);
    assert_int_equal(world->changes, owner ? 1 : 0);
}

static void end(World *world)
{
    resolved_free(world->resolved);
    for (size_t i = 0; i < world->asked; i++)
        sd_bus_message_unref(world->questions[i]);
    sd_bus_flush_close_unref(world->ours);
    sd_bus_flush_close_unref(world->theirs);
    sd_event_unref(world->event);
}

static LookupQuestion question_of(const char *name, IpFamily family)
{
    LookupQuestion question = {.family = family, .service = lookup_is_service(name)};

    (void) text_copy(question.name, sizeof(question.name), name);
    return question;
}

/* The driver says so; anybody else who says so is not believed. */
static void tell_owner(World *world, const char *before, const char *after)
{
    sd_bus_message *signal = NULL;

    world->owner = after[0] ? after : NULL;
    assert_true(sd_bus_message_new_signal(world->theirs, &signal, "/org/freedesktop/DBus", DRIVER,
                                          "NameOwnerChanged") >= 0);
    assert_true(sd_bus_message_set_sender(signal, DRIVER) >= 0);
    assert_true(sd_bus_message_append(signal, "sss", SERVICE, before, after) >= 0);
    assert_true(sd_bus_send(world->theirs, signal, NULL) >= 0);
    sd_bus_message_unref(signal);
    assert_true(sd_bus_flush(world->theirs) >= 0);
}

/* --- questions --- */

static void test_questions(void **state)
{
    enum { RECORDS_ONLY = 1 << 6 | 1 << 7, NO_VALIDATE = 1 << 10, NO_CACHE = 1 << 12 };
    static const struct {
        const char *name;
        IpFamily family;
        bool trusted;
        int32_t asked_family;
        uint64_t flags;
        bool uncached;
    } rows[] = {
        {"ntp.example.net", IP_UNSPEC, false, AF_UNSPEC, NO_VALIDATE},
        {"ntp.example.net", IP_V4, true, AF_INET, 0},
        {"ntp.example.net.", IP_V6, true, AF_INET6, 0},
        {"_ntp._udp.example.net", IP_UNSPEC, false, AF_UNSPEC, RECORDS_ONLY | NO_VALIDATE},
        {"_NTP._udp.example.net", IP_V6, true, AF_INET6, RECORDS_ONLY},
        {"ntp.example.net", IP_V4, true, AF_INET, NO_CACHE, true},
        {"_ntp._udp.example.net", IP_UNSPEC, false, AF_UNSPEC, RECORDS_ONLY | NO_VALIDATE | NO_CACHE, true},
    };
    World world;

    (void) state;
    start(&world, OWNER);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        LookupQuestion question = question_of(rows[i].name, rows[i].family);
        const char *name, *type, *domain;
        int32_t interface, family;
        uint64_t flags;
        question.trusted_time = rows[i].trusted;
        question.uncached = rows[i].uncached;
        assert_true(resolved_ask(world.resolved, i, &question));
        wait_for_questions(&world, i + 1);
        sd_bus_message *message = world.questions[i];
        assert_string_equal(sd_bus_message_get_path(message), "/org/freedesktop/resolve1");
        assert_int_equal(sd_bus_message_get_auto_start(message), 0);
        if (question.service) {
            assert_string_equal(sd_bus_message_get_member(message), "ResolveService");
            assert_true(sd_bus_message_read(message, "isssit", &interface, &name, &type, &domain, &family,
                                            &flags) > 0);
            assert_string_equal(name, "");
            assert_string_equal(type, "_ntp._udp");
            assert_string_equal(domain, "example.net");
        } else {
            assert_string_equal(sd_bus_message_get_member(message), "ResolveHostname");
            assert_true(sd_bus_message_read(message, "isit", &interface, &name, &family, &flags) > 0);
            assert_string_equal(name, rows[i].name);
        }
        assert_int_equal(interface, 0);
        assert_int_equal(family, rows[i].asked_family);
        assert_int_equal(flags, rows[i].flags);
    }
    end(&world);
    assert_int_equal(world.given_back, ELEMENTS(rows));
}

/* --- answers --- */

typedef void (*Filler)(sd_bus_message *reply);

static void append_address(sd_bus_message *reply, int32_t interface, int32_t family, const void *bytes,
                           size_t size)
{
    assert_true(sd_bus_message_open_container(reply, 'r', "iiay") >= 0);
    assert_true(sd_bus_message_append(reply, "ii", interface, family) >= 0);
    assert_true(sd_bus_message_append_array(reply, 'y', bytes, size) >= 0);
    assert_true(sd_bus_message_close_container(reply) >= 0);
}

static void open_list(sd_bus_message *reply)
{
    assert_true(sd_bus_message_open_container(reply, 'a', "(iiay)") >= 0);
}

static void close_list(sd_bus_message *reply)
{
    assert_true(sd_bus_message_close_container(reply) >= 0);
}

static void end_host(sd_bus_message *reply)
{
    close_list(reply);
    assert_true(sd_bus_message_append(reply, "st", "ntp.example.net", (uint64_t) 1) >= 0);
}

static const uint8_t v4[4] = {192, 0, 2, 1}, v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
                     link_local[16] = {0xfe, 0x80, [15] = 1};

static void two_families(sd_bus_message *reply)
{
    open_list(reply);
    append_address(reply, 2, AF_INET6, v6, 16);
    append_address(reply, 2, AF_INET, v4, 4);
    end_host(reply);
}

static void with_scope(sd_bus_message *reply)
{
    open_list(reply);
    append_address(reply, 3, AF_INET6, link_local, 16);
    append_address(reply, 4, AF_INET6, link_local, 16);
    append_address(reply, 4, AF_INET6, v6, 16); /* which is the same everywhere */
    append_address(reply, 5, AF_INET6, v6, 16);
    end_host(reply);
}

static void wrong_addresses(sd_bus_message *reply)
{
    open_list(reply);
    append_address(reply, 2, AF_INET, v6, 16);
    append_address(reply, 2, AF_INET6, v4, 4);
    append_address(reply, 2, AF_INET, v4, 0);
    append_address(reply, 2, AF_UNIX, "/", 1);
    append_address(reply, -1, 77, v4, 4);
    end_host(reply);
}

static void hundreds(sd_bus_message *reply)
{
    open_list(reply);
    for (int i = 0; i < 1000; i++) {
        const uint8_t bytes[4] = {10, 0, (uint8_t) (i >> 8), (uint8_t) i};
        append_address(reply, 0, AF_INET, bytes, 4);
    }
    end_host(reply);
}

static void no_address(sd_bus_message *reply)
{
    open_list(reply);
    end_host(reply);
}

static void other_types(sd_bus_message *reply)
{
    assert_true(sd_bus_message_append(reply, "su", "192.0.2.1", 4U) >= 0);
}

static void nothing(sd_bus_message *reply)
{
    (void) reply;
}

static void append_record(sd_bus_message *reply, unsigned priority, unsigned weight, unsigned port,
                          const char *host)
{
    assert_true(sd_bus_message_append(reply, "(qqqsa(iiay)s)", priority, weight, port, host, 0, host) >= 0);
}

static void begin_service(sd_bus_message *reply)
{
    assert_true(sd_bus_message_open_container(reply, 'a', "(qqqsa(iiay)s)") >= 0);
}

static void end_service(sd_bus_message *reply)
{
    close_list(reply);
    assert_true(sd_bus_message_append(reply, "aayssst", 0, "", "_ntp._udp", "example.net", (uint64_t) 1) >=
                0);
}

static void two_records(sd_bus_message *reply)
{
    begin_service(reply);
    append_record(reply, 20, 5, 1123, "b.example.net");
    append_record(reply, 10, 6, 123, "a.example.net");
    append_record(reply, 10, 6, 0, "port0.example.net");
    append_record(reply, 10, 6, 123, "no name");
    end_service(reply);
}

static void hundreds_of_records(sd_bus_message *reply)
{
    begin_service(reply);
    for (unsigned i = 0; i < 500; i++)
        append_record(reply, 500 - i, 0, 123, "x.example.net");
    end_service(reply);
}

static void no_record(sd_bus_message *reply)
{
    begin_service(reply);
    append_record(reply, 0, 0, 0, ".");
    end_service(reply);
}

static void reply_with(World *world, size_t question, Filler fill)
{
    sd_bus_message *reply = NULL;

    assert_true(sd_bus_message_new_method_return(world->questions[question], &reply) >= 0);
    fill(reply);
    assert_true(sd_bus_send(NULL, reply, NULL) >= 0);
    sd_bus_message_unref(reply);
}

static void test_answers(void **state)
{
    static const struct {
        const char *text, *name;
        IpFamily family;
        Filler fill;
        bool given_back; /* it does not look like an answer */
        size_t count;
        struct {
            uint8_t family;
            uint32_t scope;
        } places[3];
    } rows[] = {
        {"two families", "a.b", IP_UNSPEC, two_families, false, 2, {{IP_V6}, {IP_V4}}},
        {"one is wanted", "a.b", IP_V4, two_families, false, 1, {{IP_V4}}},
        {"scope", "a.b", IP_UNSPEC, with_scope, false, 3, {{IP_V6, 3}, {IP_V6, 4}, {IP_V6, 0}}},
        {"wrong addresses", "a.b", IP_UNSPEC, wrong_addresses, false, 0},
        {"hundreds", "a.b", IP_UNSPEC, hundreds, false, LOOKUP_PLACES_MAX, {{IP_V4}, {IP_V4}, {IP_V4}}},
        {"no address", "a.b", IP_UNSPEC, no_address, false, 0},
        {"other types", "a.b", IP_UNSPEC, other_types, true, 0},
        {"nothing", "a.b", IP_UNSPEC, nothing, true, 0},
        {"records for a host", "a.b", IP_UNSPEC, two_records, true, 0},
        {"no record", "_ntp._udp.b", IP_UNSPEC, no_record, false, 0},
        {"addresses for a service", "_ntp._udp.b", IP_UNSPEC, two_families, true, 0},
        {"nothing for a service", "_ntp._udp.b", IP_UNSPEC, nothing, true, 0},
    };
    World world;

    (void) state;
    start(&world, OWNER);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        LookupQuestion question = question_of(rows[i].name, rows[i].family);
        unsigned given_back = world.given_back;
        assert_true(resolved_ask(world.resolved, 100 + i, &question));
        wait_for_questions(&world, i + 1);
        reply_with(&world, i, rows[i].fill);
        wait_for_answers(&world, (unsigned) i + 1);
        assert_int_equal(world.last_ticket, 100 + i);
        if ((world.given_back > given_back) != rows[i].given_back || world.last.count != rows[i].count ||
            (world.last.verdict == LOOKUP_FOUND) != (rows[i].count > 0))
            fail_msg("%s: %zu places", rows[i].text, world.last.count);
        for (size_t k = 0; k < MIN(rows[i].count, ELEMENTS(rows[i].places)); k++) {
            const LookupPlace *place = &world.last.places[k];
            if (place->endpoint.address.family != rows[i].places[k].family ||
                place->endpoint.address.scope != rows[i].places[k].scope || place->endpoint.port != 0 ||
                place->record != 0)
                fail_msg("%s: place %zu", rows[i].text, k);
        }
    }
    end(&world);
}

/* --- services: first the records, then the hosts in them --- */

static void refuse(World *world, size_t question, const char *error)
{
    assert_true(sd_bus_reply_method_errorf(world->questions[question], error, "because") >= 0);
}

static void check_host_question(World *world, size_t question, const char *host)
{
    sd_bus_message *message = world->questions[question];
    const char *name;
    int32_t interface, family;
    uint64_t flags;

    assert_string_equal(sd_bus_message_get_member(message), "ResolveHostname");
    assert_true(sd_bus_message_read(message, "isit", &interface, &name, &family, &flags) > 0);
    assert_string_equal(name, host);
    assert_int_equal(interface, 0);
    assert_int_equal(flags, 1 << 8 | 1 << 10);
}

/* Asks for a service and answers with two records. */
static void begin_hosts(World *world, IpFamily family)
{
    LookupQuestion question = question_of("_ntp._udp.example.net", family);

    start(world, OWNER);
    assert_true(resolved_ask(world->resolved, 1, &question));
    wait_for_questions(world, 1);
    reply_with(world, 0, two_records);
    wait_for_questions(world, 3);
    settle(world);
    assert_int_equal(world->asked, 3);
    assert_int_equal(world->answers, 0);
    check_host_question(world, 1, "a.example.net.");
    check_host_question(world, 2, "b.example.net.");
}

static void check_place(const World *world, size_t index, IpFamily family, uint16_t port, uint16_t record,
                        uint16_t priority, uint16_t weight)
{
    const LookupPlace *place = &world->last.places[index];

    assert_int_equal(place->endpoint.address.family, family);
    assert_int_equal(place->endpoint.port, port);
    assert_int_equal(place->record, record);
    assert_int_equal(place->priority, priority);
    assert_int_equal(place->weight, weight);
}

static void test_service(void **state)
{
    World world;

    (void) state;
    begin_hosts(&world, IP_UNSPEC);
    reply_with(&world, 2, with_scope); /* in whatever order the answers come */
    reply_with(&world, 1, two_families);
    wait_for_answers(&world, 1);
    assert_int_equal(world.last.count, 5);
    check_place(&world, 0, IP_V6, 1123, 2, 20, 5);
    check_place(&world, 3, IP_V6, 123, 1, 10, 6);
    check_place(&world, 4, IP_V4, 123, 1, 10, 6);
    end(&world);
    assert_int_equal(world.answers, 1);
}

static void test_service_in_part(void **state)
{
    static const struct {
        const char *name, *first, *second; /* errors; NULL: an address */
        bool given_back;
        size_t count;
        LookupVerdict verdict;
    } rows[] = {
        {"one is not known", SERVICE ".DnsError.NXDOMAIN", NULL, false, 1, LOOKUP_FOUND},
        {"the other is not known", NULL, SERVICE ".DnsError.NXDOMAIN", false, 1, LOOKUP_FOUND},
        {"one is forged", SERVICE ".DnssecFailed", NULL, false, 1, LOOKUP_FOUND},
        {"the other is forged", NULL, SERVICE ".DnssecFailed", false, 1, LOOKUP_FOUND},
        {"none is known", SERVICE ".NoSuchRR", SERVICE ".NoSuchRR", false, 0, LOOKUP_NOT_FOUND},
        {"both are forged", SERVICE ".DnssecFailed", SERVICE ".DnssecFailed", false, 0, LOOKUP_BOGUS},
        {"one is forged, one not known", SERVICE ".DnssecFailed", SERVICE ".NoSuchRR", false, 0,
         LOOKUP_BOGUS},
        {"one not known, one is forged", SERVICE ".NoSuchRR", SERVICE ".DnssecFailed", false, 0,
         LOOKUP_BOGUS},
        {"the bus says no", NULL, DRIVER ".Error.NoReply", true, 0, LOOKUP_NOT_FOUND},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *errors[] = {rows[i].first, rows[i].second};
        World world;
        begin_hosts(&world, IP_V4);
        for (size_t k = 0; k < 2; k++)
            if (errors[k])
                refuse(&world, k + 1, errors[k]);
            else
                reply_with(&world, k + 1, two_families);
        wait_for_answers(&world, 1);
        if (world.given_back != rows[i].given_back || world.last.count != rows[i].count ||
            world.last.verdict != rows[i].verdict)
            fail_msg("%s", rows[i].name);
        end(&world);
        assert_int_equal(world.answers, 1);
    }
}

/* It goes between the two steps. */
static void test_service_gone_meanwhile(void **state)
{
    World world;

    (void) state;
    begin_hosts(&world, IP_UNSPEC);
    reply_with(&world, 1, two_families);
    settle(&world);
    tell_owner(&world, OWNER, "");
    wait_for_answers(&world, 1);
    assert_int_equal(world.given_back, 1);
    reply_with(&world, 2, two_families);
    end(&world);
    assert_int_equal(world.answers, 1);
}

/* Hundreds of records: only those of the lowest priority are looked up. */
static void test_many_records(void **state)
{
    LookupQuestion question = question_of("_ntp._udp.example.net", IP_UNSPEC);
    World world;

    (void) state;
    start(&world, OWNER);
    assert_true(resolved_ask(world.resolved, 1, &question));
    wait_for_questions(&world, 1);
    reply_with(&world, 0, hundreds_of_records);
    wait_for_questions(&world, 1 + LOOKUP_RECORDS_MAX);
    settle(&world);
    assert_int_equal(world.asked, 1 + LOOKUP_RECORDS_MAX);
    for (size_t i = 0; i < LOOKUP_RECORDS_MAX; i++)
        reply_with(&world, 1 + i, hundreds);
    wait_for_answers(&world, 1);
    assert_int_equal(world.last.count, LOOKUP_PLACES_MAX);
    for (size_t i = 0; i < world.last.count; i++)
        assert_true(world.last.places[i].priority <= LOOKUP_RECORDS_MAX);
    end(&world);
}

static void test_errors(void **state)
{
    static const struct {
        const char *name;
        bool given_back; /* it is not resolved that says so */
        LookupVerdict verdict;
    } rows[] = {
        {SERVICE ".DnsError.NXDOMAIN", false, LOOKUP_NOT_FOUND},
        {SERVICE ".NoSuchRR", false, LOOKUP_NOT_FOUND},
        {SERVICE ".NoNameServers", false, LOOKUP_NOT_FOUND},
        {SERVICE ".NetworkDown", false, LOOKUP_NOT_FOUND},
        {SERVICE ".DnssecFailed", false, LOOKUP_BOGUS},
        {SERVICE ".NoTrustAnchor", false, LOOKUP_BOGUS},
        {SERVICE "x.DnssecFailed", true, LOOKUP_NOT_FOUND},
        {DRIVER ".Error.ServiceUnknown", true, LOOKUP_NOT_FOUND},
        {DRIVER ".Error.NoReply", true, LOOKUP_NOT_FOUND},
        {DRIVER ".Error.AccessDenied", true, LOOKUP_NOT_FOUND},
        {DRIVER ".Error.UnknownMethod", true, LOOKUP_NOT_FOUND},
    };
    World world;

    (void) state;
    start(&world, OWNER);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        LookupQuestion question = question_of("ntp.example.net", IP_UNSPEC);
        unsigned given_back = world.given_back;
        assert_true(resolved_ask(world.resolved, i, &question));
        wait_for_questions(&world, i + 1);
        assert_true(sd_bus_reply_method_errorf(world.questions[i], rows[i].name, "because") >= 0);
        wait_for_answers(&world, (unsigned) i + 1);
        if ((world.given_back > given_back) != rows[i].given_back || world.last.verdict != rows[i].verdict)
            fail_msg("%s", rows[i].name);
    }
    end(&world);
}

/* --- coming and going --- */

static void test_absent(void **state)
{
    LookupQuestion question = question_of("ntp.example.net", IP_UNSPEC);
    World world;

    (void) state;
    start(&world, NULL);
    assert_false(resolved_ask(world.resolved, 1, &question));
    tell_owner(&world, "", OWNER);
    for (int i = 0; i < 1000 && world.changes == 0; i++)
        assert_true(sd_event_run(world.event, 10000) >= 0);
    assert_int_equal(world.changes, 1);
    assert_true(resolved_ask(world.resolved, 2, &question));
    wait_for_questions(&world, 1);
    end(&world);
    assert_int_equal(world.answers, 1);
    assert_int_equal(world.given_back, 1);
}

/* What it was asked before it went is given back at once, and only once; the next one is asked anew. */
static void test_restart(void **state)
{
    LookupQuestion question = question_of("ntp.example.net", IP_UNSPEC);
    World world;

    (void) state;
    start(&world, OWNER);
    for (uint64_t i = 0; i < 10; i++)
        assert_true(resolved_ask(world.resolved, i, &question));
    wait_for_questions(&world, 10);
    tell_owner(&world, OWNER, "");
    wait_for_answers(&world, 10);
    assert_int_equal(world.given_back, 10);
    assert_false(resolved_ask(world.resolved, 10, &question));
    reply_with(&world, 3, two_families); /* too late */
    tell_owner(&world, "", ":1.8");
    for (int i = 0; i < 1000 && world.changes < 2; i++)
        assert_true(sd_event_run(world.event, 10000) >= 0);
    assert_int_equal(world.changes, 2);
    assert_int_equal(world.answers, 10);
    assert_true(resolved_ask(world.resolved, 11, &question));
    wait_for_questions(&world, 11);
    reply_with(&world, 10, two_families);
    wait_for_answers(&world, 11);
    assert_int_equal(world.last_ticket, 11);
    assert_int_equal(world.last.count, 2);
    /* One goes and the next is there at once: they are not the same. */
    assert_true(resolved_ask(world.resolved, 12, &question));
    tell_owner(&world, ":1.8", ":1.9");
    wait_for_answers(&world, 12);
    assert_int_equal(world.given_back, 11);
    end(&world);
}

static void test_too_many(void **state)
{
    LookupQuestion question = question_of("ntp.example.net", IP_UNSPEC);
    World world;
    uint64_t taken = 0;

    (void) state;
    start(&world, OWNER);
    while (taken < 1000 && resolved_ask(world.resolved, taken, &question))
        taken++;
    assert_in_range(taken, 16, 256);
    wait_for_questions(&world, taken);
    reply_with(&world, 0, two_families);
    wait_for_answers(&world, 1);
    assert_true(resolved_ask(world.resolved, taken, &question));
    end(&world);
    assert_int_equal(world.given_back, taken);
}

/* --- whom it asks --- */

static void test_changes(void **state)
{
    static const struct {
        const char *name, *sender, *changed, *invalidated;
        bool news;
    } rows[] = {
        {"servers", OWNER, "DNS", NULL, true},
        {"invalidated", OWNER, NULL, "DNSEx", true},
        {"the one that is asked at present", OWNER, "CurrentDNSServer", NULL, false},
        {"statistics", OWNER, "CacheStatistics", NULL, false},
        {"of somebody else", ":1.66", "DNS", NULL, false},
        {"nothing", OWNER, NULL, NULL, false},
    };
    World world;

    (void) state;
    start(&world, OWNER);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        sd_bus_message *signal = NULL;
        unsigned before = world.changes;
        assert_true(sd_bus_message_new_signal(world.theirs, &signal, "/org/freedesktop/resolve1",
                                              "org.freedesktop.DBus.Properties", "PropertiesChanged") >= 0);
        assert_true(sd_bus_message_set_sender(signal, rows[i].sender) >= 0);
        assert_true(sd_bus_message_append(signal, "s", SERVICE ".Manager") >= 0);
        assert_true(sd_bus_message_open_container(signal, 'a', "{sv}") >= 0);
        if (rows[i].changed)
            assert_true(sd_bus_message_append(signal, "{sv}", rows[i].changed, "s", "value") >= 0);
        assert_true(sd_bus_message_close_container(signal) >= 0);
        assert_true(sd_bus_message_append(signal, "as", rows[i].invalidated ? 1 : 0, rows[i].invalidated) >=
                    0);
        assert_true(sd_bus_send(world.theirs, signal, NULL) >= 0);
        sd_bus_message_unref(signal);
        assert_true(sd_bus_flush(world.theirs) >= 0);
        settle(&world);
        if ((world.changes > before) != rows[i].news)
            fail_msg("%s", rows[i].name);
    }
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions),       cmocka_unit_test(test_answers),
        cmocka_unit_test(test_errors),          cmocka_unit_test(test_service),
        cmocka_unit_test(test_service_in_part), cmocka_unit_test(test_service_gone_meanwhile),
        cmocka_unit_test(test_many_records),    cmocka_unit_test(test_absent),
        cmocka_unit_test(test_restart),         cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_changes),
    };

    return cmocka_run_group_tests_name("resolved", tests, NULL, NULL);
}
