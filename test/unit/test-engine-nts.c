// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Sources with Network Time Security in a whole engine: when it has keys established, what it makes of the
 * outcome, when it asks. Establishments are values that the test gives; ciphers are real ones. */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "core/api/explain.h"
#include "core/engine/engine.h"
#include "core/ntp/nts-client.h"
#include "nts/aead.h"
#include "unit.h"

#define EPOCH_S INT64_C(1772323200)
#define NAME    "ntp.example.net"
#define FIRST   ((SourceId) {1})

typedef struct World {
    Engine *engine;
    int64_t ns;            /* since the start */
    bool silent;           /* nobody answers requests for the time */
    bool refuses;          /* the server answers with a NAK, if it is not silent */
    bool attacked;         /* ... and somebody else with one before it */
    uint8_t server_secret; /* of the server: cookies with another one are refused */
    uint32_t sent, events[EVENT_KIND_COUNT], establishments, kept_count, exits;
    int exit_status;
    Event last_event[EVENT_KIND_COUNT];
    Action establish, resolve, kept, send; /* the last ones */
    NtsEstablishment answer;               /* to the next establishment, when there is one to be given */
    bool gives;
    IpAddress known; /* of every name that is asked for; IP_UNSPEC: resolve() answers */
} World;

static void fill_random(void *userdata, void *buffer, size_t size)
{
    static uint8_t state;

    (void) userdata;
    memset(buffer, ++state, size);
}

static Now now_of(const World *world)
{
    return (Now) {.mono = {world->ns + NSEC_PER_SEC}, .raw = {EPOCH_S * NSEC_PER_SEC + world->ns}};
}

static NtsKeys keys_of(uint8_t secret)
{
    NtsKeys keys = {.aead = NTS_AEAD_AES_SIV_CMAC_256, .length = 32};

    memset(keys.c2s, secret, 32);
    memset(keys.s2c, 0xff - secret, 32);
    return keys;
}

/* A cookie of the server with this secret; its first byte tells. */
static NtsCookie cookie_of(uint8_t secret)
{
    NtsCookie cookie = {.length = 100};

    memset(cookie.bytes, secret, cookie.length);
    return cookie;
}

static NtsEstablishment success(uint8_t secret)
{
    NtsEstablishment establishment = {
        .keys = keys_of(secret),
        .cookie_count = NTS_COOKIES,
        .validity = {EPOCH_S - 86400, EPOCH_S + 86400},
    };

    for (size_t i = 0; i < NTS_COOKIES; i++)
        establishment.cookies[i] = cookie_of(secret);
    return establishment;
}

static NtsEstablishment failure(NtsFailure why)
{
    return (NtsEstablishment) {.failure = why};
}

/* --- the server's side of the time --- */

static size_t put(uint8_t *bytes, size_t length, uint16_t type, AeadText body)
{
    length = nts_field_append(type, body, bytes, length, NTP_PACKET_MAX);
    assert_true(length > 0);
    return length;
}

static size_t put_answer(const Action *send, uint8_t *bytes, NtsFields *ret_asked, bool kiss)
{
    NtpPacket request, answer = {.version = 4, .mode = NTP_MODE_SERVER, .stratum = 2, .precision = -24};

    assert_true(ntp_packet_parse(send->send.bytes, send->send.length, &request));
    assert_true(nts_fields_find(send->send.bytes, &request, ret_asked));
    assert_true(ret_asked->unique_id.bytes && ret_asked->cookie.bytes && ret_asked->sealed.bytes);
    answer.origin = request.transmit;
    if (kiss) {
        answer.stratum = 0;
        answer.leap = LEAP_UNSYNCHRONIZED;
        answer.reference_id = UINT32_C(0x4e54534e);
    }
    return (size_t) (ntp_packet_build(&answer, bytes), NTP_HEADER_SIZE);
}

static void deliver(World *world, const Action *send, const uint8_t *bytes, size_t length)
{
    Incoming packet = {
        .exchange = send->send.exchange,
        .remote = send->send.remote,
        .received = {now_of(world).raw, TIMESTAMP_KERNEL},
        .bytes = bytes,
        .length = length,
    };

    engine_on_packet(world->engine, &packet, now_of(world));
}

static void answer_nak(World *world, const Action *send)
{
    uint8_t bytes[NTP_PACKET_MAX];
    NtsFields asked;
    size_t length = put_answer(send, bytes, &asked, true);

    length = put(bytes, length, NTS_FIELD_UNIQUE_ID, asked.unique_id);
    deliver(world, send, bytes, length);
}

static void answer_good(World *world, const Action *send)
{
    static const uint8_t nonce[AEAD_NONCE_MAX] = "a nonce";
    uint8_t bytes[NTP_PACKET_MAX], hidden[NTP_PACKET_MAX];
    int64_t server_ns = now_of(world).raw.ns + 1000;
    NtsFields asked;
    size_t length = put_answer(send, bytes, &asked, false), used = 0;
    uint8_t secret = asked.cookie.bytes[0];
    const Aead aead = aead_ciphers();
    const NtsKeys keys = keys_of(secret);
    const NtsCookie cookie = cookie_of(secret);
    const NtsSeal seal = {&aead, keys.aead, keys.s2c, nonce, {hidden, 0}};
    NtsSeal filled = seal;
    NtpPacket answer;

    assert_true(ntp_packet_parse(bytes, length, &answer));
    answer.receive = ntp_time_from_ns(server_ns);
    answer.transmit = ntp_time_from_ns(server_ns + 1000);
    ntp_packet_build(&answer, bytes);
    length = put(bytes, length, NTS_FIELD_UNIQUE_ID, asked.unique_id);
    for (size_t i = 0; i <= asked.placeholders; i++)
        used = put(hidden, used, NTS_FIELD_COOKIE, (AeadText) {cookie.bytes, cookie.length});
    filled.plain.length = used;
    length = nts_authenticator_append(&filled, bytes, length, sizeof(bytes));
    assert_true(length > 0);
    deliver(world, send, bytes, length);
}

static uint8_t secret_of(const Action *send)
{
    uint8_t bytes[NTP_PACKET_MAX];
    NtsFields asked;

    (void) put_answer(send, bytes, &asked, false);
    return asked.cookie.bytes[0];
}

static void on_send(World *world, const Action *send)
{
    world->sent++;
    world->send = *send;
    engine_on_sent(world->engine, send->send.exchange, (Timestamp) {now_of(world).raw, TIMESTAMP_KERNEL},
                   (IpAddress) {0}, now_of(world));
    if (world->attacked)
        answer_nak(world, send);
    if (world->silent)
        return;
    world->ns += 1000000;
    if (world->refuses || secret_of(send) != world->server_secret)
        answer_nak(world, send);
    else
        answer_good(world, send);
}

/* --- the world --- */

static void drain(World *world);

static void on_establish(World *world, const Action *action)
{
    world->establishments++;
    world->establish = *action;
    if (world->gives)
        engine_on_keys_established(world->engine, action->establish.source, &world->answer, now_of(world));
}

/* What a name stands for. */
static void tell_address(World *world, SourceId source, const IpAddress *address)
{
    const LookupAnswer answer = lookup_answer_literal(address, IP_UNSPEC);

    engine_on_resolved(world->engine, source, &answer, now_of(world));
}

static void carry_out(World *world, const Action *action)
{
    switch (action->kind) {
    case ACTION_SEND: on_send(world, action); break;
    case ACTION_ESTABLISH_KEYS: on_establish(world, action); break;
    case ACTION_RESOLVE:
        world->resolve = *action;
        if (world->known.family != IP_UNSPEC)
            tell_address(world, action->resolve.source, &world->known);
        break;
    case ACTION_KEEP_KEYS:
        world->kept = *action;
        world->kept_count++;
        break;
    case ACTION_EXIT:
        world->exits++;
        world->exit_status = action->exit_status;
        break;
    case ACTION_SET_FREQUENCY:
        engine_on_frequency_set(world->engine, true, now_of(world).raw, action->frequency.frequency);
        break;
    case ACTION_STEP: engine_on_stepped(world->engine, false, action->step.offset_ns, now_of(world)); break;
    case ACTION_CLOSE:
    case ACTION_SET_STATUS:
    case ACTION_SAVE_DRIFT:
    case ACTION_SAVE_UPDATES:
    case ACTION_SAVE_STAMP:
    case ACTION_TEST_WAY:
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
        world->last_event[event.kind] = event;
    }
}

static void run(World *world, double seconds)
{
    int64_t end = world->ns + (int64_t) (seconds * 1e9);

    while (world->ns < end) {
        MonoTime deadline = engine_deadline(world->engine);
        int64_t next = mono_is_set(deadline) ? deadline.ns - NSEC_PER_SEC : end;
        world->ns = MIN(MAX(next, world->ns + 1), end);
        engine_on_timer(world->engine, now_of(world));
        drain(world);
    }
}

typedef struct Start {
    const char *name; /* NAME unless said otherwise */
    SourceKind kind;
    EngineMode mode;
    bool no_ciphers;
    void (*change)(Config *config);
} Start;

static void start(World *world, const Start *how)
{
    cleanup_(config_freep) Config *config = NULL;
    EngineSetup setup = {
        .mode = how->mode,
        .precision = 1e-7,
        .drift_frequency = NAN,
        .drift_skew = NAN,
        .random = fill_random,
        .lower_bound_s = EPOCH_S - 1000,
    };

    if (!how->no_ciphers)
        setup.aead = aead_ciphers();
    *world = (World) {.server_secret = 1};
    assert_int_equal(config_new(&config), 0);
    SourceConfig source = source_config_default(how->kind, how->name ? how->name : NAME);
    source.nts = true;
    source.iburst = true;
    source.maxpoll = source.minpoll;
    assert_int_equal(config_add_source(config, &source), 0);
    if (how->change)
        how->change(config);
    assert_int_equal(engine_new(&setup, config, now_of(world), &world->engine), 0);
    run(world, 0.01);
}

static void resolve(World *world, SourceId id, const char *text)
{
    IpAddress address;

    assert_true(ip_address_parse(text, &address));
    tell_address(world, id, &address);
    drain(world);
}

static void resolve_in_vain(World *world, SourceId id)
{
    const LookupAnswer answer = {.verdict = LOOKUP_NOT_FOUND};

    engine_on_resolved(world->engine, id, &answer, now_of(world));
    drain(world);
}

static void give_to(World *world, SourceId id, NtsEstablishment establishment)
{
    engine_on_keys_established(world->engine, id, &establishment, now_of(world));
    drain(world);
}

static void give(World *world, NtsEstablishment establishment)
{
    give_to(world, FIRST, establishment);
}

static void give_always(World *world, NtsEstablishment establishment)
{
    world->answer = establishment;
    world->gives = true;
}

static AuthenticationReport report_of(const World *world, SourceId id)
{
    AuthenticationReport report;

    assert_true(engine_authentication_report(world->engine, id, &report));
    return report;
}

static AuthenticationReport report(const World *world)
{
    return report_of(world, FIRST);
}

static ClockReport clock_of(const World *world)
{
    ClockReport report;

    engine_clock_report(world->engine, now_of(world), &report);
    return report;
}

static void assert_explained(const World *world, const char *words)
{
    Explanation explanation;
    char buffer[512];
    Text text = TEXT(buffer);

    assert_true(engine_explain(world->engine, FIRST, now_of(world), &explanation));
    explain_source(&explanation, &text);
    if (!strstr(buffer, words))
        fail_msg("\"%s\" is not in: %s", words, buffer);
}

/* A source that has its keys, and time to use them. */
static void start_with_keys(World *world)
{
    start(world, &(Start) {0});
    resolve(world, FIRST, "192.0.2.1");
    run(world, 0.1);
    give(world, success(1));
    run(world, 20);
    assert_true(clock_of(world).synchronized);
}

/* --- tests --- */

static void test_keys_come_first(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {0});
    assert_int_equal(world.establishments, 0);
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 60);
    assert_int_equal(world.establishments, 1); /* and it takes as long as it takes */
    assert_int_equal(world.sent, 0);
    assert_string_equal(world.establish.establish.name, NAME);
    assert_int_equal(world.establish.establish.server.port, 4460);
    assert_int_equal(world.establish.establish.server.address.bytes[3], 1);
    assert_false(world.establish.establish.anew);
    assert_int_equal(world.establish.establish.lower_bound_s, EPOCH_S - 1000);
    assert_int_equal(world.establish.establish.now_s, EPOCH_S);
    assert_int_equal(world.establish.establish.dates, NTS_DATES_PROVISIONAL);
    assert_int_equal(report(&world).attempts, 1);
    assert_explained(&world, "are being established");

    give(&world, success(1));
    assert_true(report(&world).unproven);
    run(&world, 20);
    assert_true(world.sent >= 4);
    assert_true(clock_of(&world).synchronized);
    AuthenticationReport r = report(&world);
    assert_int_equal(r.mode, AUTHENTICATION_NTS);
    assert_int_equal(r.key, 1);
    assert_int_equal(r.aead, 15);
    assert_int_equal(r.aead_bits, 256);
    assert_int_equal(r.cookies, 8);
    assert_int_equal(r.cookie_length, 100);
    assert_int_equal(r.attempts, 0);
    assert_int_equal(r.naks, 0);
    assert_true(fabs(r.since_establishment - 20) < 1);
    assert_true(r.has_key);
    assert_false(r.unproven);
    assert_true(r.validity.from == EPOCH_S - 86400 && r.validity.to == EPOCH_S + 86400);
    assert_int_equal(world.events[EVENT_KEYS_ESTABLISHED], 1);
    assert_int_equal(world.events[EVENT_KEYS_FAILED], 0);
    engine_free(world.engine);
}

/* Each attempt is later than the one before, by what is the matter; the log hears of it once. */
static void test_failures(void **state)
{
    static const struct {
        NtsFailure failure;
        double first; /* s until the second attempt */
    } rows[] = {
        {NTS_LOCAL, 2},           {NTS_UNREACHABLE, 16},      {NTS_REFUSED, 16},
        {NTS_TIMEOUT, 16},        {NTS_CLOSED, 16},           {NTS_NO_TLS, 1024},
        {NTS_NO_ALPN, 1024},      {NTS_CERT_UNTRUSTED, 1024}, {NTS_CERT_NAME, 1024},
        {NTS_CERT_EXPIRED, 1024}, {NTS_CERT_NOT_YET, 1024},   {NTS_CERT_BAD, 1024},
        {NTS_BAD_RECORD, 1024},   {NTS_BAD_REQUEST, 1024},    {NTS_SERVER_ERROR, 1024},
        {NTS_NO_PROTOCOL, 1024},  {NTS_NO_AEAD, 1024},        {NTS_NO_COOKIES, 1024},
        {NTS_BAD_SERVER, 1024},
    };
    static_assert(ELEMENTS(rows) == NTS_FAILURE_COUNT - 1, "each failure");

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World world;
        double wait = rows[i].first;

        start(&world, &(Start) {0});
        give_always(&world, failure(rows[i].failure));
        resolve(&world, FIRST, "192.0.2.1");
        run(&world, 0.5);
        world.known = (IpAddress) {IP_V4, {192, 0, 2, 1}, 0};
        for (uint32_t attempt = 1; attempt < 6; attempt++, wait = fmin(2 * wait, exp2(19))) {
            assert_int_equal(world.establishments, attempt);
            assert_int_equal(report(&world).attempts, attempt);
            run(&world, wait - 1);
            assert_int_equal(world.establishments, attempt);
            run(&world, 1);
        }
        assert_int_equal(world.sent, 0);
        assert_int_equal(world.events[EVENT_KEYS_FAILED], 1);
        assert_int_equal(world.last_event[EVENT_KEYS_FAILED].failure, rows[i].failure);
        assert_int_equal(report(&world).failure, rows[i].failure);
        assert_int_equal(clock_of(&world).reason, CLOCK_NO_KEYS);
        assert_explained(&world, nts_failure_name(rows[i].failure));
        assert_explained(&world, nts_failure_text(rows[i].failure));
        engine_free(world.engine);
    }
}

static void test_another_failure_is_told(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {0});
    give_always(&world, failure(NTS_REFUSED));
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 100);
    assert_int_equal(world.events[EVENT_KEYS_FAILED], 1);
    give_always(&world, failure(NTS_CERT_NAME));
    run(&world, 100);
    assert_int_equal(world.events[EVENT_KEYS_FAILED], 2);
    give_always(&world, success(1));
    run(&world, 20000);
    assert_int_equal(report(&world).failure, NTS_OK);
    assert_true(clock_of(&world).synchronized);
    engine_free(world.engine);
}

static void without_aeads(Config *config)
{
    config->nts.aead_count = 0;
}

static void only_gcm(Config *config)
{
    config->nts.aeads[0] = NTS_AEAD_AES_128_GCM_SIV;
    config->nts.aead_count = 1;
}

/* A cipher that this machine does not have is not offered; without any, nobody is asked. */
static void test_no_cipher(void **state)
{
    Aead ciphers = aead_ciphers();
    bool has_gcm = ciphers.nonce_length(ciphers.userdata, NTS_AEAD_AES_128_GCM_SIV) > 0;
    const struct {
        Start start;
        uint32_t attempts;
    } rows[] = {
        {{.change = without_aeads}, 0},
        {{.no_ciphers = true}, 0},
        {{.change = only_gcm}, has_gcm},
        {{0}, 1},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World world;
        start(&world, &rows[i].start);
        resolve(&world, FIRST, "192.0.2.1");
        run(&world, 10);
        assert_int_equal(world.establishments, rows[i].attempts);
        assert_int_equal(report(&world).failure, rows[i].attempts ? NTS_OK : NTS_NO_AEAD);
        if (i == 3) {
            assert_int_equal(world.establish.establish.aead_count, has_gcm ? 2 : 1);
            assert_int_equal(world.establish.establish.aeads[has_gcm], NTS_AEAD_AES_SIV_CMAC_256);
        }
        engine_free(world.engine);
    }
}

/* Who answers NTP is what the host of keys says, unless that cannot be. */
static void test_negotiated_address(void **state)
{
    static const struct {
        const char *name, *server;
        uint16_t port;
        const char *asked; /* NULL: nobody */
        uint16_t asked_port;
    } rows[] = {
        {"the same", "", 0, "192.0.2.1", 123},
        {"another port", "", 1123, "192.0.2.1", 1123},
        {"another address", "192.0.2.9", 0, "192.0.2.9", 123},
        {"both", "2001:db8::9", 4123, "2001:db8::9", 4123},
        {"this machine", "127.0.0.1", 0, NULL, 0},
        {"this machine, by IPv6", "::1", 0, NULL, 0},
        {"many", "224.0.1.1", 0, NULL, 0},
        {"nobody", "0.0.0.0", 0, NULL, 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        NtsEstablishment establishment = success(1);
        char text[IP_ADDRESS_TEXT_MAX];
        World world;

        start(&world, &(Start) {0});
        resolve(&world, FIRST, "192.0.2.1");
        run(&world, 0.1);
        (void) text_copy(establishment.server, sizeof(establishment.server), rows[i].server);
        establishment.port = rows[i].port;
        give(&world, establishment);
        run(&world, 10);
        if (rows[i].asked) {
            assert_string_equal(ip_address_format(&world.send.send.remote.address, text), rows[i].asked);
            assert_int_equal(world.send.send.remote.port, rows[i].asked_port);
            assert_int_equal(report(&world).failure, NTS_OK);
        } else {
            assert_int_equal(world.sent, 0);
            assert_int_equal(report(&world).failure, NTS_BAD_SERVER);
        }
        engine_free(world.engine);
    }
}

/* A name that the host of keys gives is looked up as it is; keys go on coming from the host. */
static void test_negotiated_name(void **state)
{
    NtsEstablishment establishment = success(1);
    World world;

    (void) state;
    start(&world, &(Start) {0});
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 0.1);
    (void) text_copy(establishment.server, sizeof(establishment.server), "time.example.net");
    give_always(&world, establishment);
    give(&world, establishment);
    run(&world, 1);
    assert_string_equal(world.resolve.resolve.question.name, "time.example.net.");
    assert_int_equal(world.sent, 0);
    resolve(&world, FIRST, "127.0.0.1");
    assert_int_equal(report(&world).failure, NTS_BAD_SERVER);
    run(&world, 1100);
    assert_int_equal(world.establishments, 2);
    resolve(&world, FIRST, "192.0.2.7");
    run(&world, 10);
    assert_int_equal(world.send.send.remote.address.bytes[3], 7);
    assert_int_equal(world.establish.establish.server.address.bytes[3], 1);
    assert_string_equal(world.establish.establish.name, NAME);
    assert_int_equal(report(&world).cookies, 8);
    engine_free(world.engine);
}

/* Anybody who sees a request can forge a NAK; as long as good answers come, too, that is all. */
static void test_forged_nak(void **state)
{
    World world;

    (void) state;
    start_with_keys(&world);
    world.attacked = true;
    run(&world, 64 * 100);
    assert_int_equal(world.establishments, 1);
    assert_true(clock_of(&world).synchronized);
    assert_int_equal(report(&world).cookies, 8);

    /* Answers are kept from us as well: the rate of establishments goes down. */
    world.silent = true;
    give_always(&world, success(1));
    run(&world, 64 * 1000);
    assert_in_range(world.establishments, 2, 8 + 64 * 1000 / 1024);
    world.attacked = world.silent = false;
    run(&world, 1024 + 64 * 4);
    assert_int_equal(report(&world).cookies, 8);
    assert_true(clock_of(&world).synchronized);
    engine_free(world.engine);
}

/* The server has lost its keys: other cookies are there for the second poll after that at the latest. */
static void test_rotation(void **state)
{
    World world;

    (void) state;
    start_with_keys(&world);
    give_always(&world, success(2));
    world.server_secret = 2;
    uint32_t sent = world.sent;
    while (world.sent < sent + 2)
        run(&world, 1);
    run(&world, 1);
    assert_int_equal(world.establishments, 2);
    assert_int_equal(report(&world).key, 2);
    assert_int_equal(report(&world).naks, 0);
    assert_int_equal(secret_of(&world.send), 2);
    assert_true(clock_of(&world).synchronized);
    engine_free(world.engine);
}

/* The server understands the export of keys in the other way: they are tried before new ones are wanted. */
static void test_other_keys(void **state)
{
    NtsEstablishment establishment = success(1);
    World world;

    (void) state;
    start(&world, &(Start) {0});
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 0.1);
    establishment.other_keys = establishment.keys;
    memset(establishment.keys.s2c, 0x77, 32);
    world.refuses = true;
    give(&world, establishment);
    uint32_t sent = world.sent;
    while (world.sent < sent + 1)
        run(&world, 0.1);
    world.refuses = false;
    run(&world, 20);
    assert_int_equal(world.establishments, 1);
    assert_true(clock_of(&world).synchronized);
    engine_free(world.engine);
}

/* No answer brings cookies: when the last one is spent, others are established; the source is not lost. */
static void test_cookies_run_out(void **state)
{
    World world;

    (void) state;
    start_with_keys(&world);
    world.silent = true;
    uint32_t sent = world.sent;
    run(&world, 64 * 12);
    assert_int_equal(world.sent - sent, 8);
    assert_int_equal(report(&world).cookies, 0);
    assert_int_equal(world.establishments, 2);
    world.silent = false;
    give(&world, success(1));
    run(&world, 64 * 8);
    assert_int_equal(report(&world).cookies, 8);
    assert_true(clock_of(&world).synchronized);
    engine_free(world.engine);
}

static void only_ipv4(Config *config)
{
    config->sources[0].family = IP_V4;
}

static void refresh_hourly(Config *config)
{
    config->nts.refresh = 3600;
}

static void test_refresh(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {.change = refresh_hourly});
    give_always(&world, success(1));
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 3500);
    assert_int_equal(world.establishments, 1);
    uint32_t sent = world.sent;
    run(&world, 300);
    assert_int_equal(world.establishments, 2);
    assert_true(world.sent > sent + 2); /* it was asked all the time */
    assert_int_equal(report(&world).key, 2);

    /* They cannot be renewed: the old ones go on, while they last. */
    give_always(&world, failure(NTS_REFUSED));
    run(&world, 7200);
    assert_true(clock_of(&world).synchronized);
    assert_int_equal(report(&world).cookies, 8);
    assert_int_equal(report(&world).failure, NTS_REFUSED);
    engine_free(world.engine);
}

/* The daemon ends and starts again: no key establishment. */
static void test_kept(void **state)
{
    World first, world;

    (void) state;
    start_with_keys(&first);
    engine_stop(first.engine, now_of(&first));
    drain(&first);
    assert_int_equal(first.kept_count, 1);
    NtsKept kept = first.kept.keep.kept;
    assert_string_equal(kept.name, NAME);
    assert_int_equal(first.kept.keep.server.bytes[3], 1);
    assert_int_equal(kept.cookie_count, 8);
    assert_int_equal(kept.serial, 1);
    assert_true(llabs(kept.established_s - EPOCH_S) <= 1);
    engine_free(first.engine);

    start(&world, &(Start) {0});
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 0.1);
    assert_int_equal(world.establishments, 1); /* asked for, and answered by what was kept */
    assert_true(engine_on_keys_kept(world.engine, FIRST, &kept, now_of(&world)));
    drain(&world);
    run(&world, 20);
    assert_int_equal(world.establishments, 1);
    assert_int_equal(world.events[EVENT_KEYS_RESTORED], 1);
    assert_int_equal(world.events[EVENT_KEYS_ESTABLISHED], 0);
    assert_true(clock_of(&world).synchronized);
    assert_int_equal(report(&world).key, 1);
    assert_int_equal(report(&world).cookies, 8);
    engine_free(world.engine);
}

/* A machine that falls asleep, and perhaps never wakes up: whoever starts after that must not find cookies
 * that we have used since. */
static void test_sleep(void **state)
{
    World world;

    (void) state;
    start_with_keys(&world);
    engine_on_sleep(world.engine, true, now_of(&world));
    drain(&world);
    engine_on_sleep(world.engine, false, now_of(&world));
    drain(&world);
    run(&world, 1000);
    assert_int_equal(world.kept_count, 0);
    engine_stop(world.engine, now_of(&world));
    drain(&world);
    assert_int_equal(world.kept_count, 1);
    engine_free(world.engine);
}

static void spoil_name(NtsKept *kept)
{
    kept->name[0] = 'x';
}

static void spoil_cookies(NtsKept *kept)
{
    kept->cookie_count = 0;
}

static void spoil_age(NtsKept *kept)
{
    kept->established_s -= 2419200 + 100;
}

static void spoil_aead(NtsKept *kept)
{
    kept->keys.aead = (NtsAead) 16;
}

static void spoil_address(NtsKept *kept)
{
    assert_true(ip_address_parse("127.0.0.1", &kept->remote.address));
}

static void test_kept_and_useless(void **state)
{
    static void (*const rows[])(NtsKept *) = {spoil_name, spoil_cookies, spoil_age, spoil_aead,
                                              spoil_address};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World world;
        NtsKept kept = {.name = NAME,
                        .established_s = EPOCH_S,
                        .remote = {{IP_V4, {192, 0, 2, 1}, 0}, 123},
                        .serial = 1,
                        .keys = keys_of(1),
                        .cookies = {cookie_of(1)},
                        .cookie_count = 1};

        start(&world, &(Start) {0});
        resolve(&world, FIRST, "192.0.2.1");
        run(&world, 0.1);
        rows[i](&kept);
        assert_false(engine_on_keys_kept(world.engine, FIRST, &kept, now_of(&world)));
        give(&world, success(1)); /* the answer is still due */
        run(&world, 20);
        assert_true(clock_of(&world).synchronized);
        engine_free(world.engine);
    }
}

/* Members of a pool are known by its name, each with the host that it is. */
static void test_pool(void **state)
{
    World world;
    LookupAnswer answer = {0};

    (void) state;
    start(&world, &(Start) {.kind = SOURCE_POOL, .change = refresh_hourly});
    give_always(&world, success(1));
    for (uint8_t i = 1; i <= 3; i++)
        lookup_answer_add(&answer, &(LookupPlace) {.endpoint.address = {IP_V4, {192, 0, 2, i}, 0}});
    engine_on_resolved(world.engine, FIRST, &answer, now_of(&world));
    drain(&world);
    run(&world, 20);
    assert_int_equal(world.establishments, 3);
    assert_string_equal(world.establish.establish.name, NAME);
    assert_true(clock_of(&world).synchronized);
    run(&world, 3600 + 200);
    assert_true(world.establishments >= 6);
    assert_string_equal(world.establish.establish.name, NAME);
    engine_free(world.engine);
}

/* A member that is somebody else is replaced by another address of the name. */
static void test_wrong_member(void **state)
{
    static const NtsFailure rows[] = {NTS_CERT_NAME, NTS_REFUSED};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        NtsEstablishment good = success(1), bad = failure(rows[i]);
        World world;

        start(&world, &(Start) {.change = only_ipv4});
        give_always(&world, bad);
        world.known = (IpAddress) {IP_V4, {192, 0, 2, 2}, 0};
        resolve(&world, FIRST, "192.0.2.1");
        for (int k = 0; k < 3600 && world.establish.establish.server.address.bytes[3] != 2; k++)
            run(&world, 1);
        assert_int_equal(world.establish.establish.server.address.bytes[3], 2);
        assert_int_equal(world.establishments, rows[i] == NTS_REFUSED ? 5 : 2);
        give_always(&world, good);
        run(&world, 3600);
        assert_true(clock_of(&world).synchronized);
        engine_free(world.engine);
    }
}

/* Two sources cannot be asked at one address, whoever brought them there. */
static void test_address_of_another(void **state)
{
    SourceConfig other = source_config_default(SOURCE_SERVER, "192.0.2.9");
    NtsEstablishment establishment = success(1);
    World world;

    (void) state;
    start(&world, &(Start) {0});
    world.silent = true;
    assert_int_equal(engine_add_source(world.engine, &other, now_of(&world), NULL), COMMAND_OK);
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 0.1);
    (void) text_copy(establishment.server, sizeof(establishment.server), "192.0.2.9");
    give(&world, establishment);
    assert_int_equal(report(&world).failure, NTS_BAD_SERVER);
    engine_free(world.engine);
}

/* A second source with Network Time Security, under another name. */
static SourceId add_second(World *world)
{
    SourceConfig other = source_config_default(SOURCE_SERVER, "other.example.net");
    CommandReply reply;

    other.nts = other.iburst = true;
    assert_int_equal(engine_add_source(world->engine, &other, now_of(world), &reply), COMMAND_OK);
    run(world, 0.01);
    return reply.source;
}

static NtsEstablishment success_at(const char *server)
{
    NtsEstablishment establishment = success(1);

    (void) text_copy(establishment.server, sizeof(establishment.server), server);
    return establishment;
}

static bool has_address(const World *world, SourceId id)
{
    SourceReport report;

    assert_true(engine_source_report(world->engine, id, now_of(world), &report));
    return report.remote.address.family != IP_UNSPEC;
}

/* A name that stands for the address of another one, and has no certificate for it, does not keep the other
 * one from its own address. */
static void test_address_without_keys(void **state)
{
    SourceConfig plain = source_config_default(SOURCE_SERVER, "192.0.2.1");
    World world;

    (void) state;
    start(&world, &(Start) {0});
    world.silent = true;
    SourceId other = add_second(&world);
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 0.1);
    resolve(&world, other, "192.0.2.1"); /* the first may yet get keys */
    assert_false(has_address(&world, other));

    give(&world, failure(NTS_CERT_NAME));
    assert_int_equal(engine_add_source(world.engine, &plain, now_of(&world), NULL), COMMAND_EXISTS);
    run(&world, 30);
    resolve(&world, other, "192.0.2.1");
    assert_true(has_address(&world, other));
    run(&world, 0.1);
    assert_int_equal(world.establish.establish.source.value, other.value);
    give_to(&world, other, success(1));
    run(&world, 10);
    assert_int_equal(report_of(&world, other).failure, NTS_OK);
    assert_int_equal(world.send.send.exchange.value >> 32, other.value);

    /* Too late: nobody has an address twice. */
    run(&world, 1100);
    assert_int_equal(world.establish.establish.source.value, FIRST.value);
    give(&world, success(1));
    assert_int_equal(report(&world).failure, NTS_BAD_SERVER);
    assert_int_equal(report_of(&world, other).failure, NTS_OK);
    engine_free(world.engine);
}

/* A host of keys that sends us to the address of another source, before that one has it. */
static void test_sent_to_address_of_another(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {0});
    SourceId other = add_second(&world);
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 0.1);
    give(&world, success_at("192.0.2.9"));
    run(&world, 10);
    assert_int_equal(world.send.send.remote.address.bytes[3], 9);
    assert_int_equal(report(&world).failure, NTS_OK);

    resolve(&world, other, "192.0.2.9");
    assert_true(has_address(&world, other));
    assert_int_equal(report(&world).failure, NTS_BAD_SERVER);
    world.sent = 0;
    run(&world, 0.1);
    give_to(&world, other, success(1));
    run(&world, 600);
    assert_int_not_equal(world.sent, 0);
    assert_int_equal(world.send.send.exchange.value >> 32, other.value);

    /* It is sent there again and again, and each time that is somebody's home. */
    run(&world, 1100);
    assert_int_equal(world.establish.establish.source.value, FIRST.value);
    give(&world, success_at("192.0.2.9"));
    assert_int_equal(report(&world).failure, NTS_BAD_SERVER);
    assert_int_equal(report_of(&world, other).failure, NTS_OK);
    engine_free(world.engine);
}

/* The keys of who is at home were lost for a moment, and somebody was sent there meanwhile. */
static void test_home_again(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {0});
    world.silent = true;
    SourceId other = add_second(&world);
    resolve(&world, other, "192.0.2.9");
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 0.1);
    give_to(&world, other, failure(NTS_REFUSED));
    give(&world, success_at("192.0.2.9"));
    assert_int_equal(report(&world).failure, NTS_OK);
    run(&world, 20);
    give_to(&world, other, success(1));
    assert_int_equal(report_of(&world, other).failure, NTS_OK);
    assert_int_equal(report(&world).failure, NTS_BAD_SERVER);
    engine_free(world.engine);
}

/* Keys for a server whose name is not found, four times, later and later. */
static void start_with_unknown_server(World *world)
{
    static const double waits[] = {28, 56, 112, 224};

    start(world, &(Start) {0});
    resolve(world, FIRST, "192.0.2.1");
    run(world, 0.1);
    give(world, success_at("time.example.net"));
    run(world, 1);
    for (size_t i = 0; i < ELEMENTS(waits); i++) {
        resolve_in_vain(world, FIRST);
        assert_int_equal(report(world).failure, NTS_OK);
        assert_int_equal(report(world).cookies, 8);
        assert_int_equal(world->events[EVENT_RESOLVE_FAILED], 1);
        assert_string_equal(world->last_event[EVENT_RESOLVE_FAILED].name, "time.example.net");
        world->resolve.kind = ACTION_KIND_COUNT;
        run(world, waits[i] - 1);
        assert_int_equal(world->resolve.kind, ACTION_KIND_COUNT);
        run(world, 2);
        assert_string_equal(world->resolve.resolve.question.name, "time.example.net.");
    }
    assert_int_equal(world->sent, 0);
    assert_int_equal(world->establishments, 1);
}

/* The keys wait while the server's name is not found; but not for ever: then the host may know another one.
 */
static void test_negotiated_name_not_found(void **state)
{
    World world;

    (void) state;
    start_with_unknown_server(&world);
    resolve(&world, FIRST, "192.0.2.7");
    run(&world, 10);
    assert_int_equal(world.send.send.remote.address.bytes[3], 7);
    assert_int_equal(world.establishments, 1);
    engine_free(world.engine);

    start_with_unknown_server(&world);
    resolve_in_vain(&world, FIRST);
    assert_int_equal(report(&world).failure, NTS_BAD_SERVER);
    run(&world, 1100);
    assert_int_equal(world.establishments, 2);
    engine_free(world.engine);
}

static void set_online(World *world, bool online)
{
    Command command = {.kind = COMMAND_SET_ONLINE, .online = online};
    CommandReply reply;

    assert_int_equal(engine_apply(world->engine, &command, now_of(world), &reply), COMMAND_OK);
    drain(world);
}

static void test_offline(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {0});
    give_always(&world, failure(NTS_CERT_BAD));
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 1);
    set_online(&world, false);
    run(&world, 10000);
    assert_int_equal(world.establishments, 1);
    set_online(&world, true);
    run(&world, 1);
    assert_int_equal(world.establishments, 2); /* whatever went wrong may have been the network's fault */
    engine_free(world.engine);
}

/* A reload: whoever mended something wants to see it work. */
static void test_reload(void **state)
{
    cleanup_(config_freep) Config *config = NULL;
    World world;

    (void) state;
    start(&world, &(Start) {0});
    give_always(&world, failure(NTS_CERT_UNTRUSTED));
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 5000);
    uint32_t before = world.establishments;
    assert_int_equal(config_new(&config), 0);
    SourceConfig source = source_config_default(SOURCE_SERVER, NAME);
    source.nts = source.iburst = true;
    source.maxpoll = source.minpoll;
    assert_int_equal(config_add_source(config, &source), 0);
    assert_int_equal(nts_config_add_trust(&config->nts, 0, "/ca"), 0);
    give_always(&world, success(1));
    assert_int_equal(engine_reconfigure(world.engine, config, now_of(&world)), 0);
    run(&world, 20);
    assert_int_equal(world.establishments, before + 1);
    assert_true(clock_of(&world).synchronized);
    assert_int_equal(engine_reconfigure(world.engine, config, now_of(&world)), 0);
    run(&world, 20);
    assert_int_equal(world.establishments, before + 1);
    engine_free(world.engine);
}

static void without_time_check(Config *config)
{
    config->nts.no_time_check = 1;
}

static void test_no_time_check(void **state)
{
    World world;

    (void) state;
    start(&world, &(Start) {.change = without_time_check});
    resolve(&world, FIRST, "192.0.2.1");
    run(&world, 0.1);
    assert_int_equal(world.establish.establish.dates, NTS_DATES_IGNORED);
    give(&world, success(1));
    run(&world, 20);
    give_always(&world, success(2));
    world.server_secret = 2;
    run(&world, 200);
    assert_int_equal(world.establishments, 2);
    assert_int_equal(world.establish.establish.dates, NTS_DATES_CHECKED);
    engine_free(world.engine);
}

/* -Q: shows the offset, or gives up as soon as there are no keys. */
static void test_once(void **state)
{
    static const struct {
        NtsFailure failure;
        int status;
    } rows[] = {{NTS_OK, 0}, {NTS_REFUSED, 1}, {NTS_CERT_NAME, 1}};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World world;
        start(&world, &(Start) {.mode = ENGINE_SHOW_ONCE});
        resolve(&world, FIRST, "192.0.2.1");
        run(&world, 5);
        assert_int_equal(world.exits, 0);
        give(&world, rows[i].failure == NTS_OK ? success(1) : failure(rows[i].failure));
        run(&world, 20);
        assert_int_equal(world.exits, 1);
        assert_int_equal(world.exit_status, rows[i].status);
        engine_free(world.engine);
    }
}

/* What nobody asked for changes nothing. */
static void test_unasked(void **state)
{
    World world;
    NtsEstablishment establishment = success(3);
    NtsKept kept = {.name = NAME, .cookie_count = 1, .keys = keys_of(3), .established_s = EPOCH_S};

    (void) state;
    start_with_keys(&world);
    engine_on_keys_established(world.engine, FIRST, &establishment, now_of(&world));
    engine_on_keys_established(world.engine, (SourceId) {77}, &establishment, now_of(&world));
    assert_true(engine_on_keys_kept(world.engine, FIRST, &kept, now_of(&world)));
    drain(&world);
    assert_int_equal(report(&world).key, 1);
    run(&world, 100);
    assert_true(clock_of(&world).synchronized);
    engine_free(world.engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_come_first),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_another_failure_is_told),
        cmocka_unit_test(test_no_cipher),
        cmocka_unit_test(test_negotiated_address),
        cmocka_unit_test(test_negotiated_name),
        cmocka_unit_test(test_forged_nak),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_other_keys),
        cmocka_unit_test(test_cookies_run_out),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_kept_and_useless),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_wrong_member),
        cmocka_unit_test(test_negotiated_name_not_found),
        cmocka_unit_test(test_address_of_another),
        cmocka_unit_test(test_address_without_keys),
        cmocka_unit_test(test_sent_to_address_of_another),
        cmocka_unit_test(test_home_again),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_no_time_check),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_unasked),
    };

    return cmocka_run_group_tests_name("engine-nts", tests, NULL, NULL);
}
