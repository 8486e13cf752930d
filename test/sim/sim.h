// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A world for one engine, in virtual time: an oscillator that drifts and wanders, the kernel clock on top of
 * it, links that delay and lose packets, servers that are right or wrong. All times are true time in seconds
 * since the start of the world; the world begins at SIM_EPOCH.
 *
 *     Sim *sim = sim_new(seed, &clock);
 *     size_t server = sim_add_server(sim, &perfect);
 *     SourceConfig *source = sim_add_source(sim, server);   // may be changed until sim_start()
 *     sim_start(sim);
 *     while (sim_time(sim) < 3600)
 *         sim_run(sim, 1), error = sim_error(sim);
 */

#include "core/engine/engine.h"

#define SIM_EPOCH       (INT64_C(1795000000) * NSEC_PER_SEC) /* ns since 1970 */
#define SIM_SERVERS_MAX 16
#define SIM_CHANGES_MAX 4

/* The client's oscillator; rates are dimensionless, positive: it gains. */
typedef struct SimOscillator {
    double offset;       /* s by which the clock is ahead at the start */
    double frequency;    /* at the start */
    double wander;       /* standard deviation of a normal step of the frequency each second */
    double cycle;        /* amplitude of a sine on top, as the temperature makes */
    double cycle_period; /* s */
    double jump;         /* of the frequency, once */
    double jump_at;      /* s */
} SimOscillator;

typedef struct SimPath {
    double delay;        /* s, one way */
    double jitter;       /* s, mean of an exponential on top */
    double noise;        /* s, standard deviation of a normal error of the timestamps */
    double loss;         /* probability */
    double added;        /* s of delay on top ... */
    double added_from;   /* ... from here */
    double added_until;  /* ... to here */
    double memory;       /* 0..1: share of the jitter that comes from the previous packet (queues) */
    double heavy_chance; /* probability of a delay ... */
    double heavy;        /* ... of this mean, exponential, on top */
} SimPath;

typedef struct Sim Sim;

typedef struct SimOutage {
    double from, until; /* s */
} SimOutage;

typedef struct SimServer {
    SimPath there, back;
    double offset;       /* s by which its clock is ahead */
    double frequency;    /* at which that grows, from `wrong_from` on */
    double wander;       /* normal step of its frequency each second; its clock is never corrected */
    double wrong_offset; /* s, on top from `wrong_from` on */
    double wrong_from;   /* s */
    double unsynchronized_from, unsynchronized_until;
    SimOutage outages[SIM_CHANGES_MAX]; /* nothing comes back */
    int way_error;                      /* errno: there is no way to it; 0: there is one */
    bool refuses;                       /* its host answers that nobody listens */
    LeapStatus leap;
    uint8_t stratum;   /* 0 stands for 1 */
    double root_delay; /* s */
    double root_dispersion;
    double queue;     /* s, mean of an exponential: from its transmit timestamp to when the answer leaves */
    bool interleaves; /* knows interleaved mode, and with it when that was */
    Sim *world;       /* it is the engine of another world, which runs beside this one: sim_run() both by
                         turns in small steps. NULL: what stands above says what it answers */
    char name[64];    /* for lookups; "": only its address */
    NtsValidity validity; /* of the certificates of its host of keys, seconds since 1970; 0 and 0: it has
                             none, and nobody answers */
    double establishing;  /* s that an establishment takes */
    uint8_t host_key;     /* that it proves to have; 0: one of its own */
} SimServer;

Sim *sim_new(uint64_t seed, const SimOscillator *oscillator);
Sim *sim_free(Sim *sim);
DEFINE_CLEANUP(Sim, sim_free);

/* Returns the index of the server, whose address is sim_server_address() of it. */
size_t sim_add_server(Sim *sim, const SimServer *server);
SimServer *sim_server(Sim *sim, size_t server);
IpAddress sim_server_address(size_t server);

/* Our own address: that of the server that we are to other worlds. */
void sim_set_address(Sim *sim, IpAddress address);

/* The configuration that the engine is started with, and what else it is given. */
Config *sim_config(Sim *sim);
EngineSetup *sim_setup(Sim *sim);
/* Adds a `server` line with the server's address. Valid until the next one is added. */
SourceConfig *sim_add_source(Sim *sim, size_t server);

/* Called for each event of the engine. */
typedef void (*SimListener)(void *userdata, double time, const Event *event);
void sim_listen(Sim *sim, SimListener listener, void *userdata);

/* Called for each answer that reaches the client, before the engine sees it. error: s by which the offset
 * that it shows is wrong; delay: s of its round trip. */
typedef void (*SimWitness)(void *userdata, double time, size_t server, double error, double delay);
void sim_witness(Sim *sim, SimWitness witness, void *userdata);

/* A second engine, after the first was killed: the kernel clock runs on as it was left, the drift file is
 * what was saved last. */
void sim_start(Sim *sim);
void sim_kill(Sim *sim);

/* The daemon ends in order; sim_kill() takes it away. */
void sim_stop(Sim *sim);

/* Somebody else sets the kernel clock: from now on it is ahead of true time by so many seconds. */
void sim_set_clock(Sim *sim, double error);

/* The same, but the daemon hears of it at once, as it does from the kernel. */
void sim_jump(Sim *sim, double seconds);

/* The machine sleeps for so long. The kernel adds to its clock what the RTC says of that, which is wrong by
 * `error` s, and the daemon hears of it as above. What arrives meanwhile is lost. */
void sim_sleep(Sim *sim, double seconds, double error);

/* The machine stands still, and no clock of it notices: a snapshot that is taken up again later. The daemon
 * hears of nothing. */
void sim_pause(Sim *sim, double seconds);

/* Logind says that the machine is about to sleep, or has woken up. */
void sim_tell_sleep(Sim *sim, bool begins);

/* The engine hears that the network has changed: of way_error, say. */
void sim_change_network(Sim *sim);

/* A new configuration, of which a copy is taken. */
void sim_reconfigure(Sim *sim, const Config *config);

/* A command to the engine; what it wants done for it is done. */
CommandResult sim_apply(Sim *sim, const Command *command, CommandReply *ret);

/* What a manager of the network says from now on. */
void sim_tell_network(Sim *sim, Connectivity connectivity, bool metered);

/* What the network behind an interface offers from now on: names and addresses with blanks between them. */
void sim_offer(Sim *sim, const char *interface, const char *servers);

/* Lets the world run for so many seconds. */
void sim_run(Sim *sim, double seconds);

/* NULL while killed. */
Engine *sim_engine(Sim *sim);
Now sim_now(const Sim *sim);
double sim_time(const Sim *sim);
double sim_error(const Sim *sim);             /* s by which the kernel clock is ahead of true time */
double sim_frequency_error(const Sim *sim);   /* rate of the kernel clock now, slew included, less 1 */
double sim_oscillator_rate(const Sim *sim);   /* rate of the bare oscillator less 1 */
double sim_oscillator_offset(const Sim *sim); /* s by which the bare oscillator is ahead */

/* What happened so far. */
typedef struct SimCounters {
    uint64_t sent;    /* requests */
    uint64_t tests;   /* ACTION_TEST_WAY */
    uint64_t lookups; /* ACTION_RESOLVE */
    uint64_t steps;   /* of the kernel clock */
    double step_sum;  /* s */
    uint64_t updates; /* of the kernel's frequency */
    uint64_t drift_saved;
    double drift_ppm;  /* last saved */
    uint64_t kept;     /* ACTION_KEEP_KEYS */
    uint64_t stamps;   /* ACTION_SAVE_STAMP; sim_setup() has the last one */
    bool synchronized; /* last ACTION_SET_STATUS */
    double max_error;  /* of it */
    bool exited;       /* ACTION_EXIT came */
    int exit_status;   /* of it */
    uint64_t events[EVENT_KIND_COUNT];
} SimCounters;
const SimCounters *sim_counters(const Sim *sim);
