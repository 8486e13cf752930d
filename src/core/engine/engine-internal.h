// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the files of the engine share; nobody else includes it.
 *
 *   engine.c          entrances: timer, packets, what the world answers; deadline
 *   engine-sources.c  the list of sources: adding, removing, names, pools, online and offline
 *   engine-broadcast.c our time, unasked
 *   engine-peer.c     what is different with peers
 *   engine-prelude.c  initstepslew, before all that
 *   engine-poll.c     requests and answers of one source
 *   engine-keys.c     the keys of sources
 *   engine-select.c   selection, and what it tells
 *   engine-clock.c    what follows from it for the clock
 *   engine-leap.c     leap seconds
 *   engine-server.c   what the server tells; the local reference
 *   engine-log.c      rows of log files
 *   engine-manual.c   the time as people enter it
 *   engine-command.c  commands
 *   engine-report.c   reports */

#include "core/clock/clock.h"
#include "core/clock/discipline.h"
#include "core/clock/local.h"
#include "core/clock/manual.h"
#include "core/clock/reference.h"
#include "core/engine/engine-queue.h"
#include "core/engine/engine.h"
#include "core/ntp/client.h"
#include "core/ntp/poll.h"
#include "core/select/select.h"
#include "core/stats/sample-filter.h"

/* Wire timestamps are taken to be near the present, but a clock that starts in 1970 does not
 * know the present: it is not before this (2026-01-01). ns since 1970. */
#define ERA_PIVOT_MIN (INT64_C(1767225600) * NSEC_PER_SEC)

/* Standard deviations of offset and frequency that the bound of the error allows for. */
#define ENGINE_BOUND_SIGMAS 3.0

/* What was told of a source's key. */
typedef enum KeyNews {
    KEY_NEWS_NONE = 0, /* there is nothing to tell */
    KEY_NEWS_MISSING,
    KEY_NEWS_WEAK,
} KeyNews;

/* Who wants a source. */
typedef enum SourceOrigin {
    SOURCE_OF_CONFIGURATION = 0,
    SOURCE_OF_COMMAND, /* a new configuration leaves it alone */
    SOURCE_OF_PRELUDE, /* a host of initstepslew: nobody sees it in the list of sources */
} SourceOrigin;

typedef struct Source {
    SourceId id;
    char name[SOURCE_NAME_MAX]; /* unique */
    SourceConfig config;        /* as it is now; commands change it */
    SourceConfig line;          /* as it was given: what a new configuration is compared with */
    SourceOrigin origin;
    uint32_t pool;  /* members of a pool share it; 0: none */
    bool tentative; /* of a pool, and has not answered yet */
    bool online;

    IpEndpoint remote; /* address IP_UNSPEC: unresolved */
    bool literal;      /* its name is an address */
    struct {
        MonoTime deadline; /* to ask (again); unset: not to be asked */
        bool asked;        /* an answer is due */
        uint32_t failures; /* in a row */
        bool told;         /* EVENT_RESOLVE_FAILED was emitted */
        bool replacing;    /* of a source that has an address, but a bad one */
    } lookup;

    KeyNews key_news;
    Client client;
    Poll poll;
    MonoTime poll_deadline;     /* next request; unset: offline or unresolved */
    MonoTime exchange_deadline; /* the open exchange is given up; unset: none */
    MonoTime last_request;
    uint32_t attempts;    /* requests since it came online, or lost its samples */
    uint32_t presends;    /* requests that still precede the next one that counts */
    bool presending;      /* the last request was one of them */
    uint32_t bad_updates; /* selections in a row in which it was no good */

    SourceStats *stats;
    SampleFilter *filter; /* NULL: none */
    bool has_last;
    Sample last;             /* last good sample */
    double measured_offset;  /* s, of it, by the clock of that time */
    MonoTime last_good;      /* unset: never */
    CookedTime last_receive; /* unset: never */

    struct {
        double frequency, skew; /* skew 0: none yet */
    } logged;                   /* in the last row of statistics */

    SelectOptions select; /* effective */
    SelectMemory memory;
    SelectOutcome outcome;
    bool updated; /* a good sample since the last selection */
} Source;

struct Engine {
    EngineSetup setup;
    Config *config;
    Now now; /* of the call that is running, or of the last one */

    Clock clock;
    Discipline discipline;
    Reference reference;
    LocalReference local;
    bool local_told; /* the local reference was active when it was looked at last */
    Manual manual;
    MonoTime slew_deadline;   /* the slew ends; unset: none runs */
    double slew_sd;           /* s, uncertainty of what is being slewed */
    bool told_start;          /* the log knows that we are not synchronised yet */
    bool disrupted;           /* the clock jumped, no update since */
    bool refused;             /* maxchange refused the last update */
    MonoTime prelude_end;     /* initstepslew is over then at the latest; unset: it is over */
    bool step_pending;        /* ACTION_STEP is out, its outcome not known */
    double step_offset;       /* s, of it */
    MonoTime last_status;     /* ACTION_SET_STATUS; unset: never */
    MonoTime last_drift;      /* ACTION_SAVE_DRIFT, or the start */
    LeapStatus leap_told;     /* by EVENT_LEAP_PENDING: comes at the end of the day */
    MonoTime leap_guard;      /* samples are dropped until then: a leap second was just now; unset: no */
    MonoTime broadcast_start; /* turns of `broadcast` are counted from here */
    MonoTime broadcast_last;  /* what was due until then has been sent */
    MonoTime next_refresh;    /* all names are looked up again; unset: never */
    MonoTime next_replace;    /* of a bad source: not before */

    Source **sources; /* in the order of their ids */
    size_t source_count, source_capacity;
    SelectCandidate *candidates; /* room for source_capacity */
    SelectOutcome *outcomes;
    SelectResult selection; /* of the last run */
    SourceId selected;      /* 0: none */

    uint32_t last_source, last_pool;
    uint32_t last_exchange;
    uint64_t noise; /* state of a generator for what needs no secrecy */
    bool ended;     /* ACTION_EXIT is out */

    ActionQueue actions;
    EventQueue events;
    LogQueue logs;
};

/* engine.c */
void engine_enter(Engine *engine, Now now);                               /* every entrance begins with it */
Event *engine_emit(Engine *engine, EventKind kind, const Source *source); /* NULL: of no source */
double engine_noise(Engine *engine);                                      /* 0 <= x < 1 */
static inline bool engine_steers(const Engine *engine)
{
    return engine->setup.mode == ENGINE_STEER || engine->setup.mode == ENGINE_SET_ONCE;
}

static inline bool engine_runs_once(const Engine *engine)
{
    return engine->setup.mode == ENGINE_SET_ONCE || engine->setup.mode == ENGINE_SHOW_ONCE;
}

/* Asked and selected are the hosts of the prelude at first, the others when it is over. */
static inline bool engine_asks(const Engine *engine, const Source *source)
{
    return engine_in_prelude(engine) == (source->origin == SOURCE_OF_PRELUDE);
}

/* engine-sources.c */
Source *engine_find(const Engine *engine, SourceId id); /* NULL: none */
CommandResult engine_insert(Engine *engine, const SourceConfig *line, SourceOrigin origin, CommandReply *ret);
void engine_remove(Engine *engine, Source *source);
void engine_set_online(Engine *engine, Source *source, bool online);
void engine_lookup_due(Engine *engine, Source *source);
void engine_refresh(Engine *engine);
void engine_pool_answered(Engine *engine, Source *source);
void engine_replace_bad(Engine *engine);
static inline bool source_is_resolved(const Source *source)
{
    return source->remote.address.family != IP_UNSPEC;
}

/* engine-prelude.c */
int engine_begin_prelude(Engine *engine) must_check_;
void engine_advance_prelude(Engine *engine);

/* engine-poll.c */
void source_start_polling(Engine *engine, Source *source);
void source_stop_polling(Engine *engine, Source *source);
void source_drop_samples(Engine *engine, Source *source);
void source_poll_due(Engine *engine, Source *source);
void source_exchange_due(Engine *engine, Source *source);
void source_schedule(Engine *engine, Source *source, double seconds);
void source_on_packet(Engine *engine, Source *source, const Incoming *packet);

/* engine-keys.c */
bool source_has_key(Engine *engine, Source *source);

/* engine-peer.c */
ExchangeId source_peer_exchange(const Source *source);
SymmetricOwn engine_tell_peer(const Engine *engine);
IpAddress engine_server_address(const Engine *engine, IpFamily family);
double source_peer_interval(const Engine *engine, const Source *source, double own);
static inline bool source_is_peer(const Source *source)
{
    return source->config.kind == SOURCE_PEER;
}

/* engine-broadcast.c */
void engine_broadcast(Engine *engine);
MonoTime engine_broadcast_deadline(const Engine *engine);

/* engine-leap.c */
bool engine_is_near_leap(const Engine *engine, CookedTime time);
void engine_pass_leap(Engine *engine);

/* engine-log.c: each does nothing unless the configuration asks for it */
int engine_log_reserve(Engine *engine) must_check_; /* room for the sources that there is room for */
void engine_log_measurement(Engine *engine, const Source *source, const ClientResult *result);
void engine_log_statistics(Engine *engine, Source *source);
void engine_log_selection(Engine *engine);
/* reference_id: what stands in the place of the source; 0: the reference does. */
void engine_log_tracking(Engine *engine, const LogTracking *tracking, uint32_t reference_id);

/* engine-select.c */
void engine_select(Engine *engine);
bool engine_select_hosts(Engine *engine); /* of the prelude; false: nothing can be said yet */
uint32_t source_samples_needed(const Source *source);

/* engine-server.c */
void engine_tell(const Engine *engine, Now now, ServerSnapshot *ret);
bool engine_is_local(const Engine *engine, Now now); /* the local reference is what we tell others */
void engine_check_local(Engine *engine);             /* tells when that has changed */
MonoTime engine_local_deadline(const Engine *engine);
void engine_set_local(Engine *engine, const LocalConfig *config);

/* engine-manual.c */
CommandResult engine_set_time(Engine *engine, const Command *command, CommandReply *ret);
void engine_change_manual(Engine *engine, const Command *command);
CommandResult engine_delete_manual(Engine *engine, const Command *command, CommandReply *ret);

/* engine-clock.c */
void engine_update_clock(Engine *engine, LocalTime at, CookedTime cooked);
/* What the entries by hand say. ret: what became of it. */
void engine_update_by_hand(Engine *engine, CommandReply *ret);
/* What the hosts of the prelude say. */
void engine_correct_start(Engine *engine);
void engine_lose_reference(Engine *engine, ClockReason reason);
void engine_slew_due(Engine *engine);
void engine_set_frequency(Engine *engine, double frequency);
void engine_step(Engine *engine, int64_t offset_ns);
void engine_on_jump(Engine *engine, int64_t jump_ns);
void engine_set_status(Engine *engine);
void engine_save_drift(Engine *engine);
