// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the files of the engine share; nobody else includes it.
 *
 *   engine.c          entrances: timer, packets, what the world answers; deadline
 *   engine-sources.c  the list of sources: adding, removing
 *   engine-names.c    what their names stand for; members of pools; bad ones are replaced
 *   engine-online.c   which of them are asked: the will of people, and the way that the network has
 *   engine-broadcast.c our time, unasked
 *   engine-offers.c   servers that networks offer
 *   engine-peer.c     what is different with peers
 *   engine-prelude.c  initstepslew, before all that
 *   engine-network.c  what managers of the network know: portals, and what costs money
 *   engine-poll.c     requests and answers of one source
 *   engine-keys.c     the keys of sources
 *   engine-nts.c      keys and cookies of sources with Network Time Security
 *   engine-dates.c    the dates of their certificates, and a clock that does not fit them
 *   engine-select.c   selection, and what it tells
 *   engine-clock.c    what follows from it for the clock
 *   engine-disruption.c clocks that are set, machines that sleep
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
#include "core/config/offered.h"
#include "core/engine/engine-queue.h"
#include "core/engine/engine.h"
#include "core/ntp/client.h"
#include "core/ntp/poll.h"
#include "core/select/select.h"
#include "core/stats/sample-filter.h"

/* Standard deviations of offset and frequency that the bound of the error allows for. */
#define ENGINE_BOUND_SIGMAS 3.0

/* What was told of a source's key. */
typedef enum KeyNews {
    KEY_NEWS_NONE = 0, /* there is nothing to tell */
    KEY_NEWS_MISSING,
    KEY_NEWS_WEAK,
} KeyNews;

/* Who wants a source. */
typedef enum SourceOwner {
    SOURCE_OF_CONFIGURATION = 0,
    SOURCE_OF_COMMAND, /* a new configuration leaves it alone */
    SOURCE_OF_PRELUDE, /* a host of initstepslew: nobody sees it in the list of sources */
    SOURCE_OF_OFFER,   /* a network offers it: there as long as one does, and nobody else has the same */
} SourceOwner;

/* What a source with Network Time Security has besides. */
typedef struct SourceNts {
    NtsClient *client;         /* owned; keys and cookies */
    IpAddress host;            /* whom keys are established with; IP_UNSPEC: its name is not resolved yet */
    char server[NTS_NAME_MAX]; /* who answers NTP, a name that has to be resolved before it can be asked; "":
                                  remote is right */
    MonoTime deadline;         /* keys are established then; unset: there is no need */
    MonoTime not_before;       /* ... nor sooner than this */
    bool asked;                /* an answer to ACTION_ESTABLISH_KEYS is due */
    bool held;                 /* the deadline has been put off because of a portal */
    bool anew;                 /* what was kept from an earlier run has been used, or is of no use */
    MonoTime begun;            /* the last one; unset: never */
    MonoTime established;      /* the keys that we have; unset: never */
    uint32_t serial;           /* how many establishments have succeeded */
    uint32_t attempts;         /* since the last success */
    uint32_t fruitless;        /* successes in a row without an answer that their keys prove */
    NtsFailure failure;        /* of the last attempt */
    NtsFailure told;           /* the last failure that was told; NTS_OK: none since the last success */
    NtsValidity validity;      /* of the certificates */
    NtsHostKey host_key;       /* of the host that has given us the keys */
    bool unproven;             /* the truth has not been held against it yet */
    NtsKeys other_keys;        /* to be tried when the server does not take the keys; NTS_AEAD_NONE: none */
} SourceNts;

/* Whether a source may and can be asked; see engine-online.c. */
typedef struct SourceWay {
    bool held;          /* somebody wants it offline */
    bool insisted;      /* somebody wants it online, until the next test */
    bool demanded;      /* somebody wants a test to decide, also where nobody follows the routes */
    bool asked;         /* an answer to ACTION_TEST_WAY is due */
    int error;          /* errno of the last test; 0: there is a way, as far as anybody knows */
    int send_error;     /* auto_offline: of a request since the last test that found a way; 0: none */
    int32_t failures;   /* how often that came without an answer in between */
    MonoTime deadline;  /* it is tested again; unset: no need */
    OfflineReason told; /* by an event, and its error */
    int told_error;
} SourceWay;

typedef struct Source {
    SourceId id;
    char name[SOURCE_NAME_MAX]; /* unique */
    SourceConfig config;        /* as it is now; commands change it */
    SourceConfig line;          /* as it was given: what a new configuration is compared with */
    SourceOwner owner;
    uint32_t pool;  /* members of a pool share it; 0: none */
    bool tentative; /* of a pool, and has not answered yet */
    struct {
        OfferProvider provider;
        char interface[INTERFACE_NAME_MAX];
    } offer;     /* that it is of, or the first of them */
    bool online; /* it is asked */
    SourceWay way;

    IpEndpoint remote; /* address IP_UNSPEC: unresolved */
    bool literal;      /* its name is an address */
    bool doubtful;     /* its name was looked up where nobody had said that all is well */
    struct {
        MonoTime deadline; /* to ask (again); unset: not to be asked */
        bool asked;        /* an answer is due */
        bool hurried;      /* the network has changed since it was asked */
        MonoTime begun;    /* the last one; unset: never */
        uint32_t failures; /* in a row */
        uint32_t told;  /* by EVENT_RESOLVE_FAILED and _BOGUS since it succeeded: bits 1 << LookupVerdict */
        bool replacing; /* of a source that has an address, but a bad one */
        bool stale;     /* the answer that is due comes from behind a portal: it is to be asked again */
        bool uncached;  /* ... and so may be what the resolver remembers, until there is an answer */
        bool gentle;    /* only because the network has changed: an address that answers stays */
        bool doubted;   /* the name does not stand for the address any more: does that still answer? */
    } lookup;

    KeyNews key_news;
    SourceNts *nts; /* owned; NULL: it is without */
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
    bool contradicts;        /* it and our clock cannot both be within their bounds */
    MonoTime last_surprise;  /* others were asked because of that; unset: never */
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

/* What one provider has told of one interface. */
typedef struct Offer {
    OfferProvider provider;
    char interface[INTERFACE_NAME_MAX];
    OfferedNames servers;
    bool dismissed[OFFERED_MAX]; /* somebody has removed it by a command */
    bool told_refused;           /* those that were refused */
    bool told_surplus;           /* those for which there was no room beside those of other interfaces */
    MonoTime gone; /* the provider has vanished: forgotten then; unset: it is there, or has told it again */
} Offer;

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
    MonoTime slew_deadline; /* the slew ends; unset: none runs */
    double slew_sd;         /* s, uncertainty of what is being slewed */
    bool told_start;        /* the log knows that we are not synchronised yet */
    uint32_t bursts;        /* that disruptions have had of late ... */
    MonoTime last_burst;    /* ... and since when that is */
    ClockReason
        disruption; /* what has come over the clock since the last update; CLOCK_SYNCHRONIZED: nothing */
    bool refused;   /* maxchange refused the last update */
    MonoTime prelude_end;     /* initstepslew is over then at the latest; unset: it is over */
    bool step_pending;        /* ACTION_STEP is out, its outcome not known */
    double step_offset;       /* s, of it */
    MonoTime last_status;     /* ACTION_SET_STATUS; unset: never */
    MonoTime last_drift;      /* ACTION_SAVE_DRIFT, or the start */
    LeapStatus leap_told;     /* by EVENT_LEAP_PENDING: comes at the end of the day */
    MonoTime leap_guard;      /* samples are dropped until then: a leap second was just now; unset: no */
    MonoTime broadcast_start; /* turns of `broadcast` are counted from here */
    MonoTime broadcast_last;  /* what was due until then has been sent */
    bool knows_time;          /* selection has found the time since the last jump */
    int64_t stamp_s;          /* it was that late once, seconds since 1970; 0: unknown */
    MonoTime last_stamp;      /* ACTION_SAVE_STAMP; unset: never */
    MonoTime next_refresh;    /* all names are looked up again; unset: never */
    struct {                  /* of what names stand for, after changes of the network */
        MonoTime changed;     /* the network has changed; unset: never */
        MonoTime deadline;    /* names that have addresses are looked up again for it; unset: no need */
        MonoTime last;        /* they were; unset: never */
        double gap;           /* s, to the next time at least */
    } renewal;
    MonoTime next_replace; /* of a bad source: not before */

    struct {
        Offer *list; /* owned; in the order in which they came */
        size_t count;
        MonoTime deadline; /* something may be different then; unset: no */
    } offers;
    NetworkState network;
    bool portal;         /* one was found, and nobody has said that it is passed */
    MonoTime keys_begin; /* behind a portal: keys are not established before; unset: there is none */

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
    return engine_in_prelude(engine) == (source->owner == SOURCE_OF_PRELUDE);
}

/* engine-sources.c */
Source *engine_find(const Engine *engine, SourceId id); /* NULL: none */
CommandResult engine_insert(Engine *engine, const SourceConfig *line, SourceOwner owner, CommandReply *ret);
void engine_remove(Engine *engine, Source *source);
/* Another source than `except` that asks there, has keys if it needs any, and does not give way to another
 * one. NULL: none. */
Source *engine_find_asked(const Engine *engine, const IpEndpoint *remote, const Source *except);
/* Somebody asks there, or establishes keys there for a server elsewhere, and does not give way to a source of
 * that line. */
bool engine_is_asked(const Engine *engine, const IpEndpoint *remote, const SourceConfig *from,
                     SourceOwner owner);
/* It is asked there from now on, and begins anew. */
void source_set_remote(Engine *engine, Source *source, const IpEndpoint *remote);
/* The same, and its name stands for that address: keys are established there. */
void source_set_address(Engine *engine, Source *source, const IpEndpoint *remote);
static inline bool source_is_resolved(const Source *source)
{
    return source->remote.address.family != IP_UNSPEC;
}

/* engine-offers.c */
SourceOrigin source_origin(const Source *source);
/* Of whose offer a source is. Returns whether that is another one now. */
bool source_attribute_offer(const Engine *engine, Source *source);
void engine_check_offers(Engine *engine); /* makes sources of them, and lets go of those that are no more */
/* Names or addresses of sources are others now: they are checked soon. */
void engine_review_offers(Engine *engine);
/* Somebody else wants a source with that line: an offered one with its name goes. */
void engine_withdraw_offered(Engine *engine, const SourceConfig *line, SourceOwner owner);
/* Somebody does not want that one, whoever offers it. */
void engine_dismiss_offered(Engine *engine, const Source *source);
void engine_restore_offered(Engine *engine); /* undoes that, of all */
void engine_clear_offers(Engine *engine);

/* engine-names.c */
void engine_lookup_due(Engine *engine, Source *source);
void engine_fill_question(const Engine *engine, const Source *source, Action *ret); /* ACTION_RESOLVE */
void engine_refresh(Engine *engine);
void engine_pool_answered(Engine *engine, Source *source);
void engine_replace_bad(Engine *engine);
void engine_hurry_lookups(Engine *engine);       /* the network has changed */
void engine_refresh_for_network(Engine *engine); /* its deadline has come */

/* engine-online.c */
/* It begins: held back if its line says so. */
void source_way_start(Source *source);
/* It has an address, or another one. */
void source_way_on_address(Engine *engine, Source *source);
void source_way_on_send_failed(Engine *engine, Source *source, int error);
void source_way_due(Engine *engine, Source *source);
void source_command_online(Engine *engine, Source *source, bool online);
void source_command_onoffline(Engine *engine, Source *source);
void engine_test_ways(Engine *engine); /* of all sources */
OfflineReason source_offline_reason(const Source *source);
/* What people have said about sources of the configuration that may go: their next ones of the same names
 * shall keep to it. */
typedef struct SourceWill {
    char name[SOURCE_NAME_MAX];
    bool held;
} SourceWill;
typedef struct SourceWills {
    SourceWill *list;
    size_t count;
} SourceWills;
int source_wills_take(const Engine *engine, SourceWills *ret) must_check_;
void source_wills_restore(Engine *engine, SourceWills *wills); /* and frees them */
/* errno of what that reason is about; 0: nothing. */
int source_offline_error(const Source *source);

/* engine-prelude.c */
int engine_begin_prelude(Engine *engine) must_check_;
void engine_advance_prelude(Engine *engine);

/* engine-network.c */
/* It has got an address for its name just now. */
void engine_note_address(const Engine *engine, Source *source);
/* What the name of a source that has an address stands for is not to be believed now. */
static inline bool engine_is_behind_portal(const Engine *engine)
{
    return engine->network.connectivity == CONNECTIVITY_PORTAL;
}
/* Its name is being looked up, and the answer is of no use: it is to be asked again now, or not at all. */
bool engine_drops_answer(Engine *engine, Source *source);
/* Log2 s, as it is asked at present. */
static inline int8_t source_poll(const Engine *engine, const Source *source)
{
    return engine->network.metered ? (int8_t) source->config.maxpoll : source->poll.poll;
}

/* engine-poll.c */
void source_start_polling(Engine *engine, Source *source);
/* What it has said is of no use any more: it is asked at once, in a burst (iburst or not), or else after its
 * shortest interval. */
void source_ask_anew(Engine *engine, Source *source, bool burst);
/* It is asked soon, besides its turn, until so many good samples have come. */
void source_ask_soon(Engine *engine, Source *source, int32_t good);
void source_stop_polling(Engine *engine, Source *source);
void source_drop_samples(Engine *engine, Source *source);
void source_poll_due(Engine *engine, Source *source);
void source_exchange_due(Engine *engine, Source *source);
void source_schedule(Engine *engine, Source *source, double seconds);
void source_reschedule(Engine *engine,
                       Source *source); /* by the interval as it is now, from the last request */
void source_on_packet(Engine *engine, Source *source, const Incoming *packet);
IpAddress source_local(const Engine *engine, const Source *source); /* that its requests leave from */

/* engine-keys.c */
bool source_has_key(Engine *engine, Source *source);

/* engine-nts.c */
int source_nts_new(const SourceConfig *config, SourceNts **ret) must_check_; /* *ret NULL: it is without */
SourceNts *source_nts_free(SourceNts *nts);
/* Keys come from another address from now on: those that we have are of no use. */
void source_nts_set_host(Source *source, const IpAddress *host);
/* An address becomes the home of this source: one that was only sent there leaves. False: another one is at
 * home there. */
bool source_nts_make_room(Engine *engine, const Source *source, const IpEndpoint *remote);
/* It is to be asked (again): true when it can be; otherwise keys are established first. */
bool source_nts_start(Engine *engine, Source *source);
void source_nts_stop(Source *source);
/* A request is due: sees to keys that are missing or old. */
void source_nts_before_request(Engine *engine, Source *source);
/* The keys have proven an answer. */
void source_nts_on_proof(Source *source);
/* A request had no answer that counts. */
void source_nts_on_silence(Engine *engine, Source *source);
void source_nts_due(Engine *engine, Source *source);
void source_nts_on_resolved(Engine *engine, Source *source, const LookupAnswer *answer);
/* Forgets keys and samples, for that reason. */
void source_nts_revoke(Engine *engine, Source *source, NtsFailure failure);
void source_nts_fill_action(const Engine *engine, const Source *source, Action *ret);
void source_nts_report(const Engine *engine, const Source *source, AuthenticationReport *ret);
bool source_nts_has_cookies(const Source *source);
/* It is being brought up, and nothing has gone wrong or been put off yet. */
bool source_nts_is_starting(const Source *source);
/* Its keys cannot be established. */
static inline bool source_nts_is_stuck(const Source *source)
{
    return source->nts && source->nts->failure != NTS_OK && !source_nts_has_cookies(source);
}
/* ... and another address of its name may well be better. */
bool source_nts_is_lost(const Source *source);
static inline MonoTime source_nts_deadline(const Source *source)
{
    return source->nts ? source->nts->deadline : MONO_UNSET;
}
static inline bool source_is_authenticated(const Source *source)
{
    return source->nts || source->config.key != 0;
}
/* The address that its name stands for. */
static inline const IpAddress *source_host(const Source *source)
{
    return source->nts ? &source->nts->host : &source->remote.address;
}
/* What stood in the way of keys may be gone: those that have none need not wait. */
void engine_retry_keys(Engine *engine);
void engine_keep_keys(Engine *engine); /* for the next start */

/* engine-dates.c */
int64_t engine_now_s(const Engine *engine);  /* seconds since 1970, by the corrected clock */
NtsDates engine_dates(const Engine *engine); /* what the dates of certificates mean at present */
/* The clock is wrong, or may be: no source that is still being brought up is left out. */
bool engine_hears_all(const Engine *engine);
/* Keys come from certificates with that validity. Anything but NTS_OK: they must not be used. */
NtsFailure source_take_dates(Engine *engine, Source *source, const NtsValidity *validity);
/* What the dates say about a candidate, whose samples are filled in. */
void source_judge_dates(const Engine *engine, const Source *source, SelectCandidate *c);
/* Our clock has just been found right; doubted: it did not fit the certificates of those who say so. */
/* About what time it is, for the era of timestamps; ns since 1970. */
int64_t engine_era_pivot(const Engine *engine);
void engine_learn_time(Engine *engine, bool doubted);
void engine_forget_time(Engine *engine);
void engine_save_stamp(Engine *engine);

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

/* engine-disruption.c */
void engine_on_disruption(Engine *engine, const ClockDisruption *disruption);
/* A sample has come, and is not taken into account yet. */
void engine_on_sample(Engine *engine, Source *source, const Sample *sample);

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
void engine_set_status(Engine *engine);
void engine_save_drift(Engine *engine);
