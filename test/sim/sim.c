// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The world moves from one thing that happens to the next: a second is over (the oscillator wanders), a
 * packet arrives, the engine's deadline has come. Between two of them all rates are constant, so that every
 * clock is its offset from true time and a rate. */

#include "sim.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "network.h"
#include "nts/aead.h"
#include "random.h"

/* Step of the kernel's frequency: 2^-16 ppm. */
#define KERNEL_STEP 0x1p-16
#define PPM         1e-6
/* An engine that wants to be called this often without time passing will never let it pass. */
#define CALLS_MAX   10000
#define PRECISION   3e-8

struct Sim {
    Random random;  /* of the oscillator */
    Random secrets; /* of the engine */
    Network *network;
    SimOscillator oscillator;
    int64_t now_ns;      /* true time since the start */
    double walk;         /* part of the oscillator's rate that wanders */
    double correction;   /* of the kernel, as the engine set it */
    double local_offset; /* s, bare oscillator less true time */
    int64_t set_ns;      /* kernel clock less true time: what setting and stepping it has added ... */
    double raw_offset;   /* s, ... and the rest, which is too small to be lost beside years */
    int64_t still_ns;    /* that CLOCK_MONOTONIC stood still, in sleep and out of it */
    int64_t asleep_ns;   /* that the kernel believes to have slept */
    double mono_offset;  /* s, without the steps */
    double bare_rate;    /* of the oscillator, less 1 */
    double rate;         /* of both kernel clocks, less 1 */
    Engine *engine;
    Config *config;
    EngineSetup setup;
    SimListener listener;
    void *listener_data;
    SimWitness witness;
    void *witness_data;
    SimCounters counters;
    IpAddress address;
    uint32_t calls; /* since time last moved */
};

static void draw_bytes(void *userdata, void *buffer, size_t size)
{
    random_fill(userdata, buffer, size);
}

static void find_rate(Sim *sim)
{
    sim->bare_rate = sim_oscillator_rate(sim);
    sim->rate = (1 + sim->bare_rate) * (1 + sim->correction) - 1;
}

Sim *sim_new(uint64_t seed, const SimOscillator *oscillator)
{
    Sim *sim = calloc(1, sizeof(*sim));

    if (!sim || config_new(&sim->config) < 0)
        abort();
    sim->random = random_seeded(seed * 4 + 1);
    sim->secrets = random_seeded(seed * 4 + 2);
    sim->network = network_new(seed * 4 + 3);
    sim->oscillator = *oscillator;
    sim->address = (IpAddress) {.family = IP_V4, .bytes = {192, 0, 2, 254}};
    sim->walk = oscillator->frequency;
    sim->raw_offset = sim->local_offset = oscillator->offset;
    sim->setup = (EngineSetup) {
        .precision = PRECISION,
        .drift_frequency = NAN,
        .entropy = seed,
        .random = draw_bytes,
        .random_userdata = &sim->secrets,
        .aead = aead_ciphers(),
    };
    find_rate(sim);
    return sim;
}

Sim *sim_free(Sim *sim)
{
    if (!sim)
        return NULL;
    engine_free(sim->engine);
    config_free(sim->config);
    network_free(sim->network);
    free(sim);
    return NULL;
}

size_t sim_add_server(Sim *sim, const SimServer *server)
{
    return network_add_server(sim->network, server);
}

SimServer *sim_server(Sim *sim, size_t server)
{
    return network_server(sim->network, server);
}

IpAddress sim_server_address(size_t server)
{
    return (IpAddress) {.family = IP_V4, .bytes = {192, 0, 2, (uint8_t) (server + 1)}};
}

void sim_set_address(Sim *sim, IpAddress address)
{
    sim->address = address;
}

Config *sim_config(Sim *sim)
{
    return sim->config;
}

EngineSetup *sim_setup(Sim *sim)
{
    return &sim->setup;
}

SourceConfig *sim_add_source(Sim *sim, size_t server)
{
    char text[IP_ADDRESS_TEXT_MAX];
    IpAddress address = sim_server_address(server);
    SourceConfig source = source_config_default(SOURCE_SERVER, ip_address_format(&address, text));

    if (config_add_source(sim->config, &source) < 0)
        abort();
    return &sim->config->sources[sim->config->source_count - 1];
}

void sim_listen(Sim *sim, SimListener listener, void *userdata)
{
    sim->listener = listener;
    sim->listener_data = userdata;
}

void sim_witness(Sim *sim, SimWitness witness, void *userdata)
{
    sim->witness = witness;
    sim->witness_data = userdata;
}

Engine *sim_engine(Sim *sim)
{
    return sim->engine;
}

double sim_time(const Sim *sim)
{
    return (double) sim->now_ns * 1e-9;
}

Now sim_now(const Sim *sim)
{
    return (Now) {
        .mono = {sim->now_ns - sim->still_ns + ns_from_seconds(sim->mono_offset)},
        .raw = {SIM_EPOCH + sim->now_ns + sim->set_ns + ns_from_seconds(sim->raw_offset)},
        .asleep_ns = sim->asleep_ns,
    };
}

double sim_error(const Sim *sim)
{
    return (double) sim->set_ns * 1e-9 + sim->raw_offset;
}

double sim_frequency_error(const Sim *sim)
{
    return sim->rate;
}

double sim_oscillator_rate(const Sim *sim)
{
    const SimOscillator *o = &sim->oscillator;
    double rate = sim->walk, time = sim_time(sim);

    if (o->cycle > 0)
        rate += o->cycle * sin(2 * M_PI * time / o->cycle_period);
    if (time >= o->jump_at)
        rate += o->jump;
    return rate;
}

double sim_oscillator_offset(const Sim *sim)
{
    return sim->local_offset;
}

const SimCounters *sim_counters(const Sim *sim)
{
    return &sim->counters;
}

bool sim_answer(Sim *sim, double arrival, double leaves, const Action *send, uint8_t *ret, double *ret_error)
{
    double ahead = arrival - sim_time(sim);
    Now now = sim_now(sim);
    ServerRequest request = {
        .bytes = send->send.bytes,
        .length = send->send.length,
        .remote = {.address = {.family = IP_V4, .bytes = {192, 0, 2, 254}},
                   .port = 40000}, /* no matter who */
        .received = raw_add(now.raw, ahead * (1 + sim->rate)),
        .origin = TIMESTAMP_KERNEL,
    };
    RawTime transmit = raw_add(now.raw, (ahead + leaves - arrival) * (1 + sim->rate));
    ServerSnapshot snapshot;
    ServerQuestion question;
    ServerBatch batch;
    uint64_t fuzz;

    if (!sim->engine || server_check(&request, &question) != SERVER_ANSWERED)
        return false;
    engine_server_snapshot(sim->engine, now, &snapshot);
    server_batch_start(&snapshot, transmit, INT8_MIN, &batch);
    random_fill(&sim->secrets, &fuzz, sizeof(fuzz));
    *ret_error = sim_error(sim);
    return server_answer(&batch, &request, &question, fuzz, ret) == SERVER_ANSWERED;
}

static void set_frequency(Sim *sim, double frequency)
{
    sim->correction = round(frequency / PPM / KERNEL_STEP) * KERNEL_STEP * PPM;
    find_rate(sim);
    sim->counters.updates++;
    engine_on_frequency_set(sim->engine, true, sim_now(sim).raw, sim->correction);
}

static void step(Sim *sim, int64_t offset_ns)
{
    sim->set_ns += offset_ns;
    sim->counters.steps++;
    sim->counters.step_sum += (double) offset_ns * 1e-9;
    engine_on_stepped(sim->engine, true, offset_ns, sim_now(sim));
}

static void send_packet(Sim *sim, const Action *action)
{
    Timestamp sent = {sim_now(sim).raw, TIMESTAMP_KERNEL};
    int error = network_way(sim->network, &action->send.remote.address);

    if (error != 0) {
        engine_on_send_failed(sim->engine, action->send.exchange, error, sim_now(sim));
        return;
    }
    sim->counters.sent++;
    engine_on_sent(sim->engine, action->send.exchange, sent, sim->address, sim_now(sim));
    network_send(sim->network, sim->now_ns, action);
}

static void carry_out(Sim *sim, const Action *action)
{
    switch (action->kind) {
    case ACTION_SEND: send_packet(sim, action); break;
    case ACTION_CLOSE: network_close(sim->network, action->close); break;
    case ACTION_RESOLVE:
        sim->counters.lookups++;
        network_look_up(sim->network, sim->now_ns, action);
        break;
    case ACTION_SET_FREQUENCY: set_frequency(sim, action->frequency.frequency); break;
    case ACTION_STEP: step(sim, action->step.offset_ns); break;
    case ACTION_SET_STATUS:
        sim->counters.synchronized = action->status.synchronized;
        sim->counters.max_error = action->status.max_error;
        break;
    case ACTION_SAVE_DRIFT:
        sim->counters.drift_saved++;
        sim->counters.drift_ppm = action->drift.frequency_ppm;
        /* The file speaks of what the oscillator gains; the engine is told a correction. */
        sim->setup.drift_frequency = -action->drift.frequency_ppm * PPM;
        sim->setup.drift_skew = action->drift.skew_ppm * PPM;
        break;
    case ACTION_ESTABLISH_KEYS: network_establish(sim->network, sim->now_ns, action); break;
    case ACTION_KEEP_KEYS: sim->counters.kept++; break; /* they are established anew all the same */
    case ACTION_SAVE_STAMP:
        sim->counters.stamps++;
        sim->setup.stamp_s = action->stamp_s;
        break;
    case ACTION_TEST_WAY:
        sim->counters.tests++;
        engine_on_way(sim->engine, action->way.source, network_way(sim->network, &action->way.remote.address),
                      sim_now(sim));
        break;
    case ACTION_SAVE_UPDATES: sim->setup.updates = action->updates; break;
    case ACTION_EXIT:
        sim->counters.exited = true;
        sim->counters.exit_status = action->exit_status;
        break;
    case ACTION_KIND_COUNT: abort();
    }
}

static void drain(Sim *sim)
{
    Action action;
    Event event;

    while (engine_next_action(sim->engine, &action))
        carry_out(sim, &action);
    while (engine_next_event(sim->engine, &event)) {
        sim->counters.events[event.kind]++;
        if (sim->listener)
            sim->listener(sim->listener_data, sim_time(sim), &event);
    }
    if (++sim->calls > CALLS_MAX) {
        fprintf(stderr, "sim: the engine is called for ever at %.9f\n", sim_time(sim));
        abort();
    }
}

void sim_start(Sim *sim)
{
    sim->setup.kernel_frequency = sim->correction;
    if (engine_new(&sim->setup, sim->config, sim_now(sim), &sim->engine) < 0)
        abort();
    drain(sim);
}

void sim_kill(Sim *sim)
{
    sim->engine = engine_free(sim->engine);
    network_clear(sim->network);
}

void sim_stop(Sim *sim)
{
    engine_stop(sim->engine, sim_now(sim));
    drain(sim);
}

void sim_set_clock(Sim *sim, double error)
{
    sim->set_ns = ns_from_seconds(error);
    sim->raw_offset = 0;
}

/* As hw/clock-watch does. */
static void wake(Sim *sim)
{
    if (!sim->engine)
        return;
    engine_on_timer(sim->engine, sim_now(sim));
    drain(sim);
}

void sim_jump(Sim *sim, double seconds)
{
    sim->set_ns += ns_from_seconds(seconds);
    wake(sim);
}

/* True time passes, and nothing else. */
static void stand_still(Sim *sim, int64_t ns)
{
    Delivery delivery;

    sim->now_ns += ns;
    sim->still_ns += ns;
    sim->calls = 0;
    while (network_receive(sim->network, sim->now_ns, &delivery))
        ;
}

void sim_sleep(Sim *sim, double seconds, double error)
{
    stand_still(sim, ns_from_seconds(seconds));
    sim->asleep_ns += ns_from_seconds(seconds + error);
    sim->set_ns += ns_from_seconds(error);
    wake(sim);
}

void sim_pause(Sim *sim, double seconds)
{
    stand_still(sim, ns_from_seconds(seconds));
    sim->set_ns -= ns_from_seconds(seconds);
}

void sim_tell_sleep(Sim *sim, bool begins)
{
    engine_on_sleep(sim->engine, begins, sim_now(sim));
    drain(sim);
}

void sim_change_network(Sim *sim)
{
    engine_on_network_changed(sim->engine, sim_now(sim));
    drain(sim);
}

void sim_reconfigure(Sim *sim, const Config *config)
{
    if (engine_reconfigure(sim->engine, config, sim_now(sim)) < 0)
        abort();
    drain(sim);
}

CommandResult sim_apply(Sim *sim, const Command *command, CommandReply *ret)
{
    CommandResult result = engine_apply(sim->engine, command, sim_now(sim), ret);

    drain(sim);
    return result;
}

void sim_tell_network(Sim *sim, Connectivity connectivity, bool metered)
{
    const NetworkState state = {.connectivity = connectivity, .metered = metered};

    engine_on_network_state(sim->engine, &state, sim_now(sim));
    drain(sim);
}

void sim_offer(Sim *sim, const char *interface, const char *servers)
{
    OfferedServers offered = {.provider = OFFER_NETWORKD, .servers = servers};

    (void) text_copy(offered.interface, sizeof(offered.interface), interface);
    engine_on_offered(sim->engine, &offered, sim_now(sim));
    drain(sim);
}

static void deliver(Sim *sim, const Delivery *delivery)
{
    Now now = sim_now(sim);
    Incoming packet = {
        .exchange = delivery->exchange,
        .remote = delivery->remote,
        .received = {raw_add(now.raw, delivery->noise), TIMESTAMP_KERNEL},
        .bytes = delivery->bytes,
        .length = delivery->length,
    };

    switch (delivery->kind) {
    case DELIVERY_PACKET:
        if (sim->witness)
            sim->witness(sim->witness_data, sim_time(sim), delivery->server, delivery->error,
                         delivery->delay);
        engine_on_packet(sim->engine, &packet, now);
        break;
    case DELIVERY_REFUSED: engine_on_send_failed(sim->engine, delivery->exchange, ECONNREFUSED, now); break;
    case DELIVERY_NAME: engine_on_resolved(sim->engine, delivery->source, &delivery->answer, now); break;
    case DELIVERY_KEYS:
        engine_on_keys_established(sim->engine, delivery->source, &delivery->establishment, now);
        break;
    }
    drain(sim);
}

/* Nanoseconds of true time until the engine's deadline. */
static int64_t until_deadline(const Sim *sim)
{
    MonoTime deadline = engine_deadline(sim->engine);
    int64_t distance;

    if (!mono_is_set(deadline))
        return INT64_MAX;
    distance = deadline.ns - sim_now(sim).mono.ns;
    if (distance <= 0)
        return 0;
    return (int64_t) ceil((double) distance / (1 + sim->rate));
}

static void advance(Sim *sim, int64_t ns)
{
    double gained = (double) ns * 1e-9 * sim->rate;
    double local = (double) ns * 1e-9 * sim->bare_rate;

    sim->now_ns += ns;
    sim->raw_offset += gained;
    sim->mono_offset += gained;
    sim->local_offset += local;
    if (ns > 0)
        sim->calls = 0;
    if (sim->now_ns % NSEC_PER_SEC == 0 && ns > 0) {
        sim->walk += sim->oscillator.wander * random_normal(&sim->random);
        find_rate(sim);
        network_on_second(sim->network);
    }
}

void sim_run(Sim *sim, double seconds)
{
    int64_t end = sim->now_ns + ns_from_seconds(seconds);

    for (;;) {
        int64_t second = (sim->now_ns / NSEC_PER_SEC + 1) * NSEC_PER_SEC - sim->now_ns;
        int64_t left = MIN(second, end - sim->now_ns), arrival = network_next(sim->network), timer;
        Delivery delivery;

        arrival = arrival == INT64_MAX ? INT64_MAX : arrival - sim->now_ns;
        timer = sim->engine ? until_deadline(sim) : INT64_MAX;
        left = MIN(left, arrival);
        left = MIN(left, timer);
        advance(sim, left);
        while (network_receive(sim->network, sim->now_ns, &delivery))
            if (sim->engine)
                deliver(sim, &delivery);
        if (sim->engine && timer <= left) {
            engine_on_timer(sim->engine, sim_now(sim));
            drain(sim);
        }
        if (sim->now_ns >= end)
            return;
    }
}
