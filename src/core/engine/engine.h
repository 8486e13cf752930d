// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The engine: owns sources, selection and clock. Events of the world go in, actions and events come out, and
 * it says when it wants to be called next. It reads no clock, opens nothing, draws no random number: the same
 * code runs in the daemon, in the simulator and under the fuzzer.
 *
 * After every call that takes a Now, drain engine_next_action(), engine_next_event() and engine_next_log()
 * until they return false, then arm a timer for engine_deadline(). Inside, nothing calls back. */

#include "core/api/action.h"
#include "core/api/command.h"
#include "core/api/event.h"
#include "core/api/local-config.h"
#include "core/api/log-record.h"
#include "core/api/network.h"
#include "core/config/config.h"
#include "core/ntp/aead.h"
#include "core/ntp/authenticator.h"
#include "core/ntp/server.h"

typedef struct Engine Engine;

typedef enum EngineMode {
    ENGINE_STEER = 0, /* keep the clock right */
    ENGINE_OBSERVE,   /* -x or no CAP_SYS_TIME: everything but touching the clock */
    ENGINE_SET_ONCE,  /* -q: step once, ACTION_EXIT */
    ENGINE_SHOW_ONCE, /* -Q: say how wrong it is, ACTION_EXIT */
} EngineMode;

typedef struct EngineSetup {
    EngineMode mode;
    double precision; /* of reading the kernel clock, s; 1e-9..1 */
    double
        kernel_frequency; /* correction that the kernel applies now (left by who ran before), dimensionless */
    double drift_frequency; /* from the drift file, as a correction; NaN: no file */
    double drift_skew;      /* from the drift file */
    uint64_t entropy;       /* seed of whatever needs no secrecy: jitter of polls, order of addresses */
    /* Fills buffer with unpredictable bytes, for transmit timestamps. The daemon passes getrandom(), the
     * simulator a seeded generator. */
    void (*random)(void *userdata, void *buffer, size_t size);
    void *random_userdata;
    Aead aead;                   /* ciphers of NTS; without functions: none */
    int64_t lower_bound_s;       /* it is certainly later, seconds since 1970 */
    int64_t stamp_s;             /* ACTION_SAVE_STAMP of an earlier run; 0: none */
    Authenticator authenticator; /* who has the keys; without functions: nobody */
    bool follows_routes; /* somebody calls engine_on_network_changed(); without, no source goes offline
                            for want of a way unless that is asked for */
    bool restarted;      /* -R: no stepping by makestep's positive limit */
    uint32_t updates;    /* ACTION_SAVE_UPDATES of a daemon that crashed: they count on; 0: none */
} EngineSetup;

/* Takes a copy of config. */
int engine_new(const EngineSetup *setup, const Config *config, Now now, Engine **ret) must_check_;
Engine *engine_free(Engine *engine);
DEFINE_CLEANUP(Engine, engine_free);

/* Applies the difference between the present configuration and this one: untouched sources keep all they
 * have. */
int engine_reconfigure(Engine *engine, const Config *config, Now now) must_check_;

/* The same for its sources alone, and what commands have removed or changed stays so. */
int engine_reconfigure_sources(Engine *engine, const Config *config, Now now) must_check_;

/* The keys behind the authenticator are others now. */
void engine_on_keys_changed(Engine *engine, Now now);

/* The hosts of initstepslew are being asked: the start is not over. */
bool engine_in_prelude(const Engine *engine);

/* A deadline has come (calling too early or too late is harmless). */
void engine_on_timer(Engine *engine, Now now);

typedef struct Timestamp {
    RawTime time;
    TimestampOrigin origin;
} Timestamp;

/* A packet came in on the socket of an exchange. The bytes are the network's: anything may be in them. */
typedef struct Incoming {
    ExchangeId exchange;
    IpEndpoint remote;  /* from whom */
    IpAddress local;    /* to which address; IP_UNSPEC: unknown */
    Timestamp received; /* best there is */
    const uint8_t *bytes;
    size_t length;
} Incoming;
void engine_on_packet(Engine *engine, const Incoming *packet, Now now);

/* A request went out; may come again for the same exchange with a better timestamp, also after the answer. */
void engine_on_sent(Engine *engine, ExchangeId exchange, Timestamp sent, IpAddress local, Now now);
/* It could not be sent: error is a positive errno. ECONNREFUSED: it was sent, and the network said (ICMP)
 * that nobody listens there; anybody may forge that. */
void engine_on_send_failed(Engine *engine, ExchangeId exchange, int error, Now now);

/* Answer to ACTION_RESOLVE. */
void engine_on_resolved(Engine *engine, SourceId source, const LookupAnswer *answer, Now now);

/* Answer to ACTION_TEST_WAY: 0, or the positive errno with which the kernel refuses a socket to that address.
 */
void engine_on_way(Engine *engine, SourceId source, int error, Now now);

/* Routes, addresses, links, or what a network manager knows of them may be others now. Whoever calls this in
 * a storm costs one test of each source for each call, and few look-ups. */
void engine_on_network_changed(Engine *engine, Now now);

/* What a manager of the network says, or does not say any more. */
void engine_on_network_state(Engine *engine, const NetworkState *state, Now now);

/* Whether the kernel's clock can be held against the dates of signatures: it was found right, and nothing has
 * disturbed it since. Not whether there is somebody to follow at present: who can keep the servers from us
 * could switch the check of signatures off with it. */
bool engine_clock_is_right(const Engine *engine, Now now);

/* Answer to ACTION_ESTABLISH_KEYS. */
void engine_on_keys_established(Engine *engine, SourceId source, const NtsEstablishment *establishment,
                                Now now);
/* Another answer: what was kept from an earlier run. False: it is of no use any more, and the answer is still
 * due. */
bool engine_on_keys_kept(Engine *engine, SourceId source, const NtsKept *kept, Now now) must_check_;

/* Servers that a network offers: all of one provider for one interface, in place of what it offered there
 * before. They become sources where the configuration says so (config_takes_offers()). */
void engine_on_offered(Engine *engine, const OfferedServers *offered, Now now);
/* complete false: the provider has vanished; what it offered stays for a while. True: it is there, and has
 * told all of its offers; what was of an earlier life and has not been told again is over. */
void engine_on_provider(Engine *engine, OfferProvider provider, bool complete, Now now);

/* ACTION_SET_FREQUENCY took effect at that instant with that frequency (the kernel rounds); ok false:
 * refused, and nothing changed. Called from inside the interpreter, before further actions are taken out. */
void engine_on_frequency_set(Engine *engine, bool ok, RawTime when, double frequency);
/* ACTION_STEP was carried out, or not. */
void engine_on_stepped(Engine *engine, bool ok, int64_t offset_ns, Now now);
/* The kernel clock's frequency is not what we set: another program steers it. */
void engine_on_interference(Engine *engine, double frequency, Now now);

/* The machine is about to sleep, or has woken up: somebody says so. Whether it really slept the clocks tell.
 */
void engine_on_sleep(Engine *engine, bool begins, Now now);
/* The machine was restored from a snapshot, or is another one's copy: somebody says so, the clocks need not.
 */
void engine_on_restored(Engine *engine, Now now);

/* The daemon ends: takes the rest of a slew out of the clock, saves the drift, closes what is open. Drain the
 * actions once more, then free. */
void engine_stop(Engine *engine, Now now);

/* All commands but RELOAD, RELOAD_SOURCES, REKEY and CYCLE_LOGS, which are the daemon's, and ADD_SOURCE,
 * whose text the daemon has read by the parser first (engine_add_source()): COMMAND_NOT_ENABLED for these. */
CommandResult engine_apply(Engine *engine, const Command *command, Now now, CommandReply *ret);

/* ADD_SOURCE. ret may be NULL. */
CommandResult engine_add_source(Engine *engine, const SourceConfig *source, Now now, CommandReply *ret);

bool engine_next_action(Engine *engine, Action *ret) must_check_;
bool engine_next_event(Engine *engine, Event *ret) must_check_;
/* Rows for the log files that the configuration asks for. */
bool engine_next_log(Engine *engine, LogRecord *ret) must_check_;
MonoTime engine_deadline(const Engine *engine);

/* What the server tells of our time at that instant. */
void engine_server_snapshot(Engine *engine, Now now, ServerSnapshot *ret);

/* Reports; see service.h. */
void engine_clock_report(const Engine *engine, Now now, ClockReport *ret);
void engine_local_report(const Engine *engine, Now now, LocalReport *ret);
void engine_manual_report(const Engine *engine, ManualReport *ret);
void engine_activity_report(const Engine *engine, ActivityReport *ret);
size_t engine_sources(const Engine *engine, SourceId *ret, size_t max);
bool engine_source_report(const Engine *engine, SourceId id, Now now, SourceReport *ret);
bool engine_selection_report(const Engine *engine, SourceId id, Now now, SelectionReport *ret);
bool engine_ntp_report(const Engine *engine, SourceId id, NtpReport *ret);
bool engine_authentication_report(const Engine *engine, SourceId id, AuthenticationReport *ret);
bool engine_explain(const Engine *engine, SourceId id, Now now, Explanation *ret);
