// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What becomes of a request is decided when it is sent: when it arrives, what the server's clock says then,
 * when the answer is back. */

#include "network.h"

#include <math.h>
#include <string.h>

#include "nts.h"
#include "random.h"

#define IN_FLIGHT_MAX  256
#define PACKET_LENGTH  48
#define LOOKUP_TIME    (10 * NSEC_PER_SEC / 1000)
#define PROCESSING     200e-6 /* s in the server */
#define SERVER_STRATUM 1

typedef struct ServerState {
    SimServer server;
    double walk;                  /* of its frequency */
    double walked;                /* s, what that made of its clock */
    double last_there, last_back; /* jitter of the last packet */
    NtpTime receive;              /* timestamp of the last answer; 0: none */
    double sent;                  /* s, by its clock, when that left */
} ServerState;

struct Network {
    Random random;
    ServerState servers[SIM_SERVERS_MAX];
    size_t server_count;
    Delivery in_flight[IN_FLIGHT_MAX];
    size_t in_flight_count;
};

Network *network_new(uint64_t seed)
{
    Network *network = calloc(1, sizeof(*network));

    if (!network)
        abort();
    network->random = random_seeded(seed);
    return network;
}

Network *network_free(Network *network)
{
    free(network);
    return NULL;
}

size_t network_add_server(Network *network, const SimServer *server)
{
    if (network->server_count == SIM_SERVERS_MAX)
        abort();
    network->servers[network->server_count].server = *server;
    return network->server_count++;
}

SimServer *network_server(Network *network, size_t server)
{
    return &network->servers[server].server;
}

void network_on_second(Network *network)
{
    for (size_t i = 0; i < network->server_count; i++) {
        ServerState *s = &network->servers[i];

        if (s->server.wander <= 0)
            continue;
        s->walk += s->server.wander * random_normal(&network->random);
        s->walked += s->walk;
    }
}

/* Drawn for every packet, lost or not, so that a changed loss leaves the other numbers as they were. */
static double draw_delay(Network *network, const SimPath *path, double *last, double time, bool *lost)
{
    double jitter = path->jitter * random_exponential(&network->random);
    double chance = random_uniform(&network->random), heavy = random_exponential(&network->random);
    double delay;

    *last = path->memory * *last + (1 - path->memory) * jitter;
    delay = path->delay + *last;
    if (time >= path->added_from && time < path->added_until)
        delay += path->added;
    if (heavy > 0 && random_uniform(&network->random) < path->heavy_chance)
        delay += path->heavy * heavy;
    *lost |= chance < path->loss;
    return delay;
}

static double server_clock(const ServerState *state, double time)
{
    const SimServer *s = &state->server;
    double offset = s->offset + state->walked;

    if (time >= s->wrong_from)
        offset += s->wrong_offset + s->frequency * (time - s->wrong_from);
    return offset;
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t) (value >> (24 - 8 * i));
}

static void put_time(uint8_t *at, double time, double offset)
{
    uint64_t value = ntp_time_from_ns(SIM_EPOCH + ns_from_seconds(time) + ns_from_seconds(offset)).value;

    put32(at, (uint32_t) (value >> 32));
    put32(at + 4, (uint32_t) value);
}

static NtpTime get_time(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return (NtpTime) {value};
}

/* 16.16 seconds. */
static uint32_t short_time(double seconds)
{
    return (uint32_t) (seconds * 65536);
}

/* The server keeps what it needs for one interleaved answer, and gives it if this request asks for it. */
static void interleave(ServerState *state, const uint8_t *request, double sent, uint8_t *answer)
{
    NtpTime asked = get_time(request + 24);
    bool known = asked.value != 0 && asked.value == state->receive.value;

    if (known && memcmp(request + 32, request + 40, 8) != 0) {
        memcpy(answer + 24, request + 32, 8);
        put_time(answer + 40, state->sent, 0);
    }
    state->receive = get_time(answer + 32);
    state->sent = sent;
}

/* Returns s by which its timestamps make the offset wrong. queued: s until the answer leaves. */
static double write_answer(Network *network, ServerState *state, const uint8_t *request, double arrival,
                           double queued, uint8_t *ret)
{
    const SimServer *s = &state->server;
    bool unsynchronized = arrival >= s->unsynchronized_from && arrival < s->unsynchronized_until;
    LeapStatus leap = unsynchronized ? LEAP_UNSYNCHRONIZED : s->leap;
    double offset = server_clock(state, arrival);
    double noise_in = s->there.noise * random_normal(&network->random);
    double noise_out = s->back.noise * random_normal(&network->random);

    memset(ret, 0, PACKET_LENGTH);
    ret[0] = (uint8_t) ((unsigned) leap << 6 | (request[0] & 0x38) | 4);
    ret[1] = s->stratum > 0 ? s->stratum : SERVER_STRATUM;
    ret[2] = request[2];
    ret[3] = (uint8_t) -25; /* 30 ns */
    put32(ret + 4, short_time(s->root_delay));
    put32(ret + 8, short_time(s->root_dispersion));
    memcpy(ret + 12, "SIM", 4);
    put_time(ret + 16, arrival - 8, offset);
    memcpy(ret + 24, request + 40, 8);
    put_time(ret + 32, arrival, offset + noise_in);
    put_time(ret + 40, arrival + PROCESSING, offset + noise_out);
    if (s->interleaves)
        interleave(state, request, arrival + PROCESSING + queued + offset + noise_out, ret);
    return offset + (noise_in + noise_out - queued) / 2;
}

static bool is_out(const SimServer *server, double time)
{
    for (size_t i = 0; i < SIM_CHANGES_MAX; i++)
        if (time >= server->outages[i].from && time < server->outages[i].until)
            return true;
    return false;
}

static ServerState *find_server(Network *network, const IpAddress *address)
{
    for (size_t i = 0; i < network->server_count; i++) {
        IpAddress own = sim_server_address(i);

        if (ip_address_equal(&own, address))
            return &network->servers[i];
    }
    return NULL;
}

int network_way(Network *network, const IpAddress *remote)
{
    const ServerState *server = find_server(network, remote);

    return server ? server->server.way_error : 0;
}

static void launch(Network *network, const Delivery *delivery)
{
    if (network->in_flight_count == IN_FLIGHT_MAX)
        abort();
    network->in_flight[network->in_flight_count++] = *delivery;
}

void network_send(Network *network, int64_t now, const Action *send)
{
    ServerState *state = find_server(network, &send->send.remote.address);
    double time = (double) now * 1e-9, arrival, back, queued = 0;
    Delivery delivery = {.exchange = send->send.exchange,
                         .remote = send->send.remote,
                         .length = PACKET_LENGTH};
    bool lost = false;

    if (!state || send->send.length < PACKET_LENGTH)
        return;
    arrival = time + draw_delay(network, &state->server.there, &state->last_there, time, &lost);
    if (state->server.queue > 0)
        queued = state->server.queue * random_exponential(&network->random);
    back = arrival + PROCESSING + queued;
    back += draw_delay(network, &state->server.back, &state->last_back, back, &lost);
    delivery.server = (size_t) (state - network->servers);
    if (state->server.refuses)
        delivery.kind = DELIVERY_REFUSED;
    else if (state->server.world)
        lost |= !sim_answer(state->server.world, arrival, arrival + PROCESSING, send, delivery.bytes,
                            &delivery.error);
    else
        delivery.error = write_answer(network, state, send->send.bytes, arrival, queued, delivery.bytes);
    delivery.length =
        sim_authenticate(delivery.server, send, delivery.bytes, delivery.length, sizeof(delivery.bytes));
    delivery.noise = state->server.back.noise * random_normal(&network->random);
    delivery.at = ns_from_seconds(back);
    delivery.delay = back - time - PROCESSING;
    delivery.error += ((arrival - time) - (back - arrival - PROCESSING - queued) - delivery.noise) / 2;
    if (!lost && !is_out(&state->server, time))
        launch(network, &delivery);
}

void network_look_up(Network *network, int64_t now, const Action *resolve)
{
    Delivery delivery = {.kind = DELIVERY_NAME, .at = now + LOOKUP_TIME, .source = resolve->resolve.source};

    for (size_t i = 0; i < network->server_count; i++) {
        const char *name = network->servers[i].server.name;

        /* Who knows the names is where the servers are. */
        if (name[0] && network->servers[i].server.way_error == 0 &&
            strcmp(name, resolve->resolve.question.name) == 0)
            lookup_answer_add(&delivery.answer, &(LookupPlace) {.endpoint.address = sim_server_address(i)});
    }
    launch(network, &delivery);
}

/* As long as the client waits for an answer, s. */
#define ESTABLISHMENT_MAX 16

void network_establish(Network *network, int64_t now, const Action *establish)
{
    const ServerState *state = find_server(network, &establish->establish.server.address);
    Delivery delivery = {.kind = DELIVERY_KEYS, .source = establish->establish.source};
    double takes = ESTABLISHMENT_MAX;

    if (state && state->server.validity.to != 0 && !is_out(&state->server, (double) now * 1e-9)) {
        takes = state->server.establishing;
        sim_establish((size_t) (state - network->servers), &state->server.validity, state->server.host_key,
                      establish, &delivery.establishment);
    } else {
        delivery.establishment.failure = NTS_TIMEOUT;
    }
    delivery.at = now + ns_from_seconds(takes);
    launch(network, &delivery);
}

static void remove_delivery(Network *network, size_t index)
{
    network->in_flight[index] = network->in_flight[--network->in_flight_count];
}

void network_close(Network *network, ExchangeId exchange)
{
    for (size_t i = network->in_flight_count; i-- > 0;)
        if (network->in_flight[i].kind != DELIVERY_NAME && network->in_flight[i].kind != DELIVERY_KEYS &&
            network->in_flight[i].exchange.value == exchange.value)
            remove_delivery(network, i);
}

void network_clear(Network *network)
{
    network->in_flight_count = 0;
}

static size_t find_next(const Network *network)
{
    size_t next = 0;

    for (size_t i = 1; i < network->in_flight_count; i++)
        if (network->in_flight[i].at < network->in_flight[next].at)
            next = i;
    return next;
}

int64_t network_next(const Network *network)
{
    return network->in_flight_count > 0 ? network->in_flight[find_next(network)].at : INT64_MAX;
}

bool network_receive(Network *network, int64_t now, Delivery *ret)
{
    size_t next = find_next(network);

    if (network->in_flight_count == 0 || network->in_flight[next].at > now)
        return false;
    *ret = network->in_flight[next];
    remove_delivery(network, next);
    return true;
}
