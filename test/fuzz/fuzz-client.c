// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The whole engine as a client under arbitrary packets, times and answers of the world. The input is a
 * program: each step is an operation and its arguments, read from the bytes until they run out. Packets are
 * made for the request that went out last, half of them with its secret, or the fuzzer would never get beyond
 * test 2; with NTS, whose ciphers are toys, some are even proven. Clock and entropy are fixed. After each
 * step all reports are asked for and must make sense. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "core/engine/engine.h"
#include "core/ntp/nts-fields.h"
#include "core/ntp/packet.h"
#include "fuzz.h"
#include "toy-nts.h"

#define START   (INT64_C(1772323200) * NSEC_PER_SEC)
#define STEPS   400
#define SOURCES 64
#define SECRET  UINT64_C(0x5bd1e995cafef00d)

typedef struct World {
    Engine *engine;
    ByteReader input;
    Now now;
    double frequency;
    ExchangeId exchange; /* of the last request */
    NtpTime secret;
    uint8_t version; /* of it */
    bool no_keys;    /* the key file lost its keys */
    IpEndpoint asked;
    SourceId lookup; /* last one asked for */
    bool lookup_due;
    SourceId keys_of; /* last one whose keys were asked for */
    bool keys_due;
    NtsKeys keys; /* that it got */
    uint8_t request[NTP_PACKET_MAX];
    size_t request_length;
    bool ended;
} World;

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void fixed_random(void *userdata, void *buffer, size_t size)
{
    uint64_t secret = SECRET;

    (void) userdata;
    memset(buffer, 0x55, size);
    memcpy(buffer, &secret, MIN(size, sizeof(secret)));
}

/* Key 5 with a digest that everybody can make: a sum. */
static bool find_key(void *userdata, uint32_t key, KeyInfo *ret)
{
    const World *world = userdata;

    if (key != 5 || world->no_keys)
        return false;
    *ret = (KeyInfo) {.type = KEY_TYPE_MD5, .bits = 128, .mac_length = 16};
    return true;
}

static size_t sign(void *userdata, uint32_t key, const uint8_t *bytes, size_t length,
                   uint8_t ret[static NTP_DIGEST_MAX])
{
    KeyInfo info;
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum = (uint8_t) (sum + bytes[i]);
    memset(ret, sum, 16);
    return find_key(userdata, key, &info) ? 16 : 0;
}

static Authenticator authenticator_of(World *world)
{
    return (Authenticator) {.find = find_key, .sign = sign, .userdata = world};
}

static void pass(World *world, int64_t ns)
{
    world->now.mono.ns += ns;
    world->now.raw.ns += ns;
}

static void carry_out(World *world, const Action *action)
{
    uint8_t how = byte_reader_u8(&world->input);
    NtpPacket packet;

    require(!world->ended || action->kind == ACTION_CLOSE, "nothing after the end");
    switch (action->kind) {
    case ACTION_SEND:
        require(ntp_packet_parse(action->send.bytes, action->send.length, &packet), "own request");
        require(packet.transmit.value != 0 && packet.mode == NTP_MODE_CLIENT, "own request's secret");
        world->exchange = action->send.exchange;
        world->asked = action->send.remote;
        world->secret = packet.transmit;
        world->version = packet.version;
        world->request_length = action->send.length;
        memcpy(world->request, action->send.bytes, action->send.length);
        if (how != 1)
            engine_on_sent(world->engine, action->send.exchange,
                           (Timestamp) {world->now.raw, TIMESTAMP_DAEMON}, (IpAddress) {0}, world->now);
        break;
    case ACTION_SET_FREQUENCY:
        require(fabs(action->frequency.frequency) <= 0.1 + 1e-9, "frequency in range");
        engine_on_frequency_set(world->engine, how != 1, world->now.raw,
                                action->frequency.frequency + (how == 2 ? 1e-7 : 0));
        break;
    case ACTION_STEP:
        if (how != 1)
            world->now.raw.ns += action->step.offset_ns;
        engine_on_stepped(world->engine, how != 1, action->step.offset_ns, world->now);
        break;
    case ACTION_RESOLVE:
        world->lookup = action->resolve.source;
        world->lookup_due = true;
        break;
    case ACTION_SET_STATUS: require(action->status.max_error >= 0, "a bound"); break;
    case ACTION_ESTABLISH_KEYS:
        require(action->establish.aead_count > 0 && action->establish.name[0] != '\0', "an establishment");
        world->keys_of = action->establish.source;
        world->keys_due = true;
        break;
    case ACTION_KEEP_KEYS:
        require(action->keep.kept.cookie_count <= NTS_COOKIES && action->keep.kept.keys.length > 0,
                "what is kept");
        break;
    case ACTION_SAVE_DRIFT:
        require(isfinite(action->drift.frequency_ppm) && action->drift.skew_ppm >= 0, "a drift");
        break;
    case ACTION_SAVE_UPDATES: require(action->updates > 0, "a number of updates"); break;
    case ACTION_EXIT: world->ended = true; break;
    case ACTION_SAVE_STAMP: require(action->stamp_s > 0, "a time"); break;
    case ACTION_TEST_WAY:
        engine_on_way(world->engine, action->way.source, how == 1 ? ENETUNREACH : 0, world->now);
        break;
    case ACTION_CLOSE:
    case ACTION_KIND_COUNT: break;
    }
}

static void drain(World *world)
{
    Action action;
    Event event;

    for (int i = 0; i < 1000 && engine_next_action(world->engine, &action); i++)
        carry_out(world, &action);
    require(!engine_next_action(world->engine, &action), "actions end");
    while (engine_next_event(world->engine, &event))
        require(event.kind < EVENT_KIND_COUNT && memchr(event.name, 0, sizeof(event.name)), "an event");
}

static void check_reports(World *world)
{
    SourceId ids[SOURCES];
    size_t count = engine_sources(world->engine, ids, ELEMENTS(ids));
    ActivityReport activity;
    ClockReport clock;

    engine_clock_report(world->engine, world->now, &clock);
    require(clock.max_error >= 0 && isfinite(clock.frequency) && isfinite(clock.system_offset), "the clock");
    require(!clock.synchronized || (clock.stratum >= 1 && clock.stratum <= 16), "stratum");
    require(clock.synchronized == (clock.reason == CLOCK_SYNCHRONIZED), "reason");
    engine_activity_report(world->engine, &activity);
    require(activity.online + activity.offline + activity.burst_online + activity.burst_offline +
                    activity.unresolved ==
                count,
            "activity");
    for (size_t i = 0; i < count && i < ELEMENTS(ids); i++) {
        SourceReport source;
        NtpReport ntp;
        Explanation explanation;
        require(engine_source_report(world->engine, ids[i], world->now, &source), "a source");
        require(engine_ntp_report(world->engine, ids[i], &ntp), "its packets");
        require(engine_explain(world->engine, ids[i], world->now, &explanation), "its explanation");
        require(isfinite(source.offset) && isfinite(source.offset_error), "its offset");
        require(isfinite(source.estimated_offset) && source.skew >= 0, "its statistics");
        require(ntp.good_received <= ntp.valid_received && ntp.valid_received <= ntp.received, "counters");
        require(isfinite(ntp.root_delay) && ntp.peer_delay == ntp.peer_delay, "its delays");
    }
}

static void deliver(World *world, const uint8_t *bytes, size_t length, uint8_t flags)
{
    Incoming packet = {
        .exchange = world->exchange,
        .remote = world->asked,
        .received = {world->now.raw, (flags & 1) != 0 ? TIMESTAMP_KERNEL : TIMESTAMP_DAEMON},
        .bytes = bytes,
        .length = length,
    };

    if ((flags & 2) != 0)
        packet.received.time.ns = (int64_t) byte_reader_u64(&world->input);
    if ((flags & 4) != 0)
        packet.remote.port++;
    if ((flags & 8) != 0)
        packet.exchange.value = byte_reader_u64(&world->input);
    engine_on_packet(world->engine, &packet, world->now);
}

/* An answer that is right but for what the input changes. */
static void answer(World *world, uint8_t flags)
{
    int64_t offset = (int32_t) byte_reader_u32(&world->input);
    uint8_t spoilt = byte_reader_u8(&world->input);
    Authenticator authenticator = authenticator_of(world);
    uint8_t bytes[NTP_HEADER_SIZE + NTP_MAC_MAX];
    size_t length = NTP_HEADER_SIZE;
    NtpPacket packet = {
        .version = world->version,
        .mode = NTP_MODE_SERVER,
        .stratum = 1,
        .precision = -20,
        .reference_id = 0x47505300,
        .origin = world->secret,
        .receive = ntp_time_from_ns(world->now.raw.ns + offset),
        .transmit = ntp_time_from_ns(world->now.raw.ns + offset + 1000),
    };

    pass(world, byte_reader_u32(&world->input) >> 4);
    ntp_packet_build(&packet, bytes);
    for (int i = 0; i < (spoilt & 7); i++)
        bytes[byte_reader_u8(&world->input) % NTP_HEADER_SIZE] = byte_reader_u8(&world->input);
    if ((flags & 32) != 0)
        length = MAX(authenticator_append(&authenticator, 5, world->version, bytes, length, sizeof(bytes)),
                     length);
    deliver(world, bytes, length, flags);
}

static NtsFields fields_of_request(const World *world)
{
    NtsFields fields = {0};
    NtpPacket packet;

    if (ntp_packet_parse(world->request, world->request_length, &packet))
        require(nts_fields_find(world->request, &packet, &fields), "own fields");
    return fields;
}

/* As many cookies as the input wants, of what length it wants. */
static size_t hide_cookies(World *world, uint8_t *ret, size_t size)
{
    uint8_t count = byte_reader_u8(&world->input) % 32, length = byte_reader_u8(&world->input),
            cookie[2 * 256];
    size_t used = 0;

    memset(cookie, length, sizeof(cookie));
    for (uint8_t i = 0; i < count; i++) {
        size_t after = nts_field_append(NTS_FIELD_COOKIE, (AeadText) {cookie, (size_t) length + (count & 16)},
                                        ret, used, size);
        if (after == 0)
            break;
        used = after;
    }
    return used;
}

/* The same with NTS. */
static void answer_nts(World *world, uint8_t flags)
{
    const Aead aead = toy_aead();
    static const uint8_t nonce[AEAD_NONCE_MAX];
    uint8_t bytes[NTP_PACKET_MAX], hidden[600], spoilt = byte_reader_u8(&world->input);
    NtsFields asked = fields_of_request(world);
    size_t length = NTP_HEADER_SIZE;
    NtpPacket packet = {
        .version = world->version,
        .mode = NTP_MODE_SERVER,
        .stratum = 1,
        .precision = -20,
        .reference_id = 0x47505300,
        .origin = world->secret,
        .receive = ntp_time_from_ns(world->now.raw.ns + spoilt),
        .transmit = ntp_time_from_ns(world->now.raw.ns + spoilt + 1000),
    };

    if ((flags & 32) != 0) {
        packet.leap = LEAP_UNSYNCHRONIZED;
        packet.stratum = 0;
        packet.reference_id = (flags & 64) != 0 ? NTP_KISS_NTS_NAK : NTP_KISS_RATE;
    }
    ntp_packet_build(&packet, bytes);
    if (asked.unique_id.bytes)
        length = nts_field_append(NTS_FIELD_UNIQUE_ID, asked.unique_id, bytes, length, sizeof(bytes));
    if ((flags & 128) == 0 && world->keys.length > 0) {
        const NtsSeal seal = {&aead,
                              world->keys.aead,
                              world->keys.s2c,
                              nonce,
                              {hidden, hide_cookies(world, hidden, sizeof(hidden))}};
        length = nts_authenticator_append(&seal, bytes, length, sizeof(bytes));
        require(length > 0, "room");
    }
    for (int i = 0; i < (spoilt & 3); i++)
        bytes[byte_reader_u16(&world->input) % length] = byte_reader_u8(&world->input);
    deliver(world, bytes, length, flags & 7);
}

static void establish(World *world, uint8_t flags)
{
    NtsEstablishment establishment = {.failure = (NtsFailure) (flags % (NTS_FAILURE_COUNT + 16))};
    uint8_t length = byte_reader_u8(&world->input);

    if (!world->keys_due)
        return;
    world->keys_due = false;
    if (establishment.failure >= NTS_FAILURE_COUNT)
        establishment.failure = NTS_OK;
    if (establishment.failure == NTS_OK) {
        establishment.keys = world->keys = toy_keys(byte_reader_u8(&world->input));
        establishment.cookie_count = 1 + flags % NTS_COOKIES;
        for (size_t i = 0; i < establishment.cookie_count; i++)
            establishment.cookies[i].length = (uint16_t) (1 + length);
        establishment.provisional = (flags & 64) != 0;
        establishment.validity = (NtsValidity) {0, START / NSEC_PER_SEC + (int64_t) length * 100000};
        if (flags > 128)
            (void) snprintf(establishment.server, sizeof(establishment.server), "192.0.2.%d", flags % 4 + 1);
    }
    engine_on_keys_established(world->engine, world->keys_of, &establishment, world->now);
}

static void deliver_raw(World *world, uint8_t flags)
{
    size_t length = byte_reader_u8(&world->input);
    const uint8_t *bytes = byte_reader_skip(&world->input, length);
    uint8_t *copy;

    if (!bytes)
        return;
    /* An own block of the exact size, so that a sanitizer sees the first byte too much. */
    copy = malloc(length > 0 ? length : 1);
    require(copy != NULL, "memory");
    memcpy(copy, bytes, length);
    if ((flags & 16) != 0 && length >= NTP_HEADER_SIZE)
        for (size_t i = 0; i < 8; i++)
            copy[24 + i] = (uint8_t) (world->secret.value >> (56 - 8 * i));
    deliver(world, copy, length, flags);
    free(copy);
}

static void resolve(World *world, uint8_t flags)
{
    LookupAnswer answer = {0};
    size_t count = flags % 17;

    for (size_t i = 0; i < count; i++) {
        LookupPlace place = {0};
        place.endpoint.address.family = (uint8_t) (byte_reader_u8(&world->input) % 3);
        place.endpoint.address.bytes[0] = 198;
        place.endpoint.address.bytes[3] = byte_reader_u8(&world->input);
        lookup_answer_add(&answer, &place);
    }
    if (world->lookup_due)
        engine_on_resolved(world->engine, world->lookup, &answer, world->now);
    world->lookup_due = false;
}

static void command(World *world, uint8_t flags)
{
    Command given = {
        .kind = (CommandKind) (flags % COMMAND_KIND_COUNT),
        .sources = {.id = {byte_reader_u8(&world->input) % 16U}},
    };
    int32_t a = (int8_t) byte_reader_u8(&world->input), b = (int8_t) byte_reader_u8(&world->input);
    CommandReply reply;

    if (given.kind == COMMAND_SET_ONLINE)
        given.online = a > 0;
    else if (given.kind == COMMAND_BURST)
        given.burst.good = a, given.burst.total = b;
    else if (given.kind == COMMAND_SET_SOURCE_OPTION)
        given.set.option = (SourceOption) ((uint32_t) a % SOURCE_OPTION_COUNT), given.set.value = b;
    else if (given.kind == COMMAND_SET_STEP_POLICY)
        given.step.threshold = a, given.step.limit = b;
    else if (given.kind == COMMAND_SET_MAX_UPDATE_SKEW)
        given.skew = fabs(a * 1e-6);
    else if (given.kind == COMMAND_REKEY) {
        world->no_keys = !world->no_keys;
        engine_on_keys_changed(world->engine, world->now);
    }
    if (command_check(&given, &reply) == COMMAND_OK)
        (void) engine_apply(world->engine, &given, world->now, &reply);
}

static void step(World *world)
{
    uint8_t operation = byte_reader_u8(&world->input), flags = byte_reader_u8(&world->input);
    MonoTime deadline;

    if (operation >= 240) {
        if (operation >= 248)
            answer_nts(world, flags);
        else
            establish(world, flags);
        return;
    }
    switch (operation % 10) {
    case 0:
    case 1: /* the timer, when it is due */
        deadline = engine_deadline(world->engine);
        if (mono_is_set(deadline) && deadline.ns > world->now.mono.ns)
            pass(world, deadline.ns - world->now.mono.ns);
        engine_on_timer(world->engine, world->now);
        break;
    case 2: /* at some other time */
        pass(world, (int64_t) byte_reader_u32(&world->input) << (flags % 10));
        engine_on_timer(world->engine, world->now);
        break;
    case 3:
    case 4: answer(world, flags); break;
    case 5: deliver_raw(world, flags); break;
    case 6:
        engine_on_sent(world->engine, world->exchange,
                       (Timestamp) {{(int64_t) byte_reader_u64(&world->input)}, TIMESTAMP_KERNEL},
                       (IpAddress) {0}, world->now);
        break;
    case 7:
        if ((flags & 1) != 0)
            engine_on_send_failed(world->engine, world->exchange, 111, world->now);
        else
            world->now.raw.ns += (int64_t) (int32_t) byte_reader_u32(&world->input) * 100;
        break;
    case 8: resolve(world, flags); break;
    default: command(world, flags); break;
    }
}

static Config *make_config(World *world)
{
    uint8_t kinds = byte_reader_u8(&world->input), options = byte_reader_u8(&world->input);
    static const char *const names[] = {"192.0.2.1", "192.0.2.2", "a.example", "2001:db8::1"};
    Config *config;

    require(config_new(&config) == 0, "memory");
    for (size_t i = 0; i < 1 + kinds % ELEMENTS(names); i++) {
        SourceConfig source =
            source_config_default((kinds & 16) != 0 ? SOURCE_POOL : SOURCE_SERVER, names[i]);
        source.key = (kinds & 32) != 0 && i == 0 ? 5 : 0;
        source.version = (kinds & 64) != 0 ? 3 : 0;
        source.nts = (kinds & 128) != 0 && i == 0;
        source.iburst = (options & 1) != 0;
        source.burst = (options & 2) != 0;
        source.minpoll = (options & 4) != 0 ? -6 : 6;
        source.filter = (options & 8) != 0 ? 3 : 0;
        source.auto_offline = (options & 16) != 0;
        source.max_delay_quantile = (options & 32) != 0 ? 0.2 : 0;
        require(config_add_source(config, &source) == 0, "memory");
    }
    if ((options & 64) != 0) {
        config->clock.step_threshold = 0.1;
        config->clock.step_limit = -1;
    }
    if ((options & 128) != 0) {
        config->clock.max_change_offset = 0.5;
        config->clock.max_change_ignore = 2;
    }
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    World world = {
        .input = byte_reader(data, size),
        .now = {.mono = {NSEC_PER_SEC}, .raw = {START}},
    };
    EngineSetup setup = {
        .mode = (EngineMode) (byte_reader_u8(&world.input) % 4),
        .precision = 1e-7,
        .drift_frequency = NAN,
        .drift_skew = NAN,
        .random = fixed_random,
        .authenticator = authenticator_of(&world),
        .aead = toy_aead(),
    };
    Config *config = make_config(&world);

    require(engine_new(&setup, config, world.now, &world.engine) == 0, "start");
    config_free(config);
    drain(&world);
    for (int i = 0; i < STEPS && !world.input.failed && !world.ended; i++) {
        step(&world);
        drain(&world);
        check_reports(&world);
    }
    world.ended = false;
    engine_stop(world.engine, world.now);
    drain(&world);
    engine_free(world.engine);
    return 0;
}
