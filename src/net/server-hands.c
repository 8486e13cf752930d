// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Who serves; see server-hands.h.
 *
 * Whatever is done to a hand's shard is done by the hand. */

#include "net/server-hands.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "net/server-board.h"
#include "net/server-worker.h"

/* How often the threads are told what our time is when nothing happens, us. */
#define POST_INTERVAL UINT64_C(1000000)

/* Clients that are fetched from a hand at once; places of its log that are looked at in one call. */
#define FETCH_MAX  64
#define PLACES_MAX 1024
/* Where the number of the hand is in a position. */
#define HAND_SHIFT 48

typedef struct Hand {
    ServerShard *shard;
    ServerWorker *worker; /* NULL: the event loop */
} Hand;

/* Clients that were fetched, and where to go on behind each of them. */
typedef struct Fetched {
    ClientReport clients[FETCH_MAX];
    uint64_t positions[FETCH_MAX];
    size_t count, taken;
    uint64_t next; /* position of the next one to be taken */
} Fetched;

struct ServerHands {
    ServerHandsSetup setup;
    RequestBatchHandlers worker_handlers;
    Hand *list; /* owned */
    size_t count;
    RequestBatch *batch; /* the event loop's; NULL: there are threads */
    ServerBoard *board;  /* NULL: there are none */
    sd_event_source *alarm, *pulse;
    const AccessTable *access;
    RateLimitConfig limit;
    size_t log_limit;  /* of each hand */
    ServerReport past; /* counters of hands that are gone */
    Fetched fetched;
};

/* Has a function run by a hand. */
static void call(const Hand *hand, void (*function)(void *userdata), void *userdata)
{
    if (hand->worker)
        server_worker_call(hand->worker, function, userdata);
    else
        function(userdata);
}

/* --- starting --- */

/* Each shard draws its own random bits; where a client is in its log is nobody's business either. */
static void derive_secret(const uint8_t *secret, size_t index, uint8_t *ret)
{
    const SipKey key = siphash_key(secret);

    for (size_t i = 0; i < 2 * SIPHASH_KEY_SIZE / sizeof(uint64_t); i++) {
        uint64_t word = siphash_word(&key, index * 2 * SIPHASH_KEY_SIZE + i);
        memcpy(ret + i * sizeof word, &word, sizeof word);
    }
}

static int hand_start(ServerHands *hands, size_t index, bool thread, Hand *hand)
{
    ServerShardSetup setup = {.limit = hands->limit,
                              .log_limit = hands->log_limit,
                              .authenticator = hands->setup.authenticator,
                              .nts = hands->setup.nts};
    int r;

    derive_secret(hands->setup.secret, index, setup.secret);
    if ((r = server_shard_new(&setup, &hand->shard)) < 0)
        return r;
    server_shard_set_access(hand->shard, hands->access);
    return thread ? server_worker_new(hand->shard, &hands->worker_handlers, hands, &hand->worker) : 0;
}

static void free_list(Hand *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        server_worker_free(list[i].worker);
        server_shard_free(list[i].shard);
    }
    free(list);
}

/* On failure *ret is not written. */
static int start_list(ServerHands *hands, size_t threads, Hand **ret)
{
    size_t count = MAX(threads, (size_t) 1);
    Hand *list = calloc(count, sizeof *list);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int r = hand_start(hands, i, threads > 0, &list[i]);
        if (r < 0) {
            free_list(list, count);
            return r;
        }
    }
    *ret = list;
    return 0;
}

static void report_counters(const ServerHands *hands, ServerReport *report);

/* The log is lost, and so all who were in it are told as dropped. */
static void retire(ServerHands *hands)
{
    ServerReport all = {};

    report_counters(hands, &all);
    hands->past = all;
    hands->past.log_dropped += hands->past.clients;
    hands->past.clients = 0;
    free_list(hands->list, hands->count);
    hands->list = NULL;
    hands->count = 0;
}

/* --- what our time is --- */

static void read_board(void *userdata, Now now, ServerSnapshot *ret)
{
    const ServerHands *hands = userdata;

    server_board_read(hands->board, now, ret);
}

void server_hands_post(ServerHands *hands)
{
    const RequestBatchHandlers *handlers = &hands->setup.handlers;
    ServerSnapshot snapshot;

    if (!hands->board)
        return;
    Now now = handlers->now();
    handlers->snapshot(hands->setup.userdata, now, &snapshot);
    server_board_post(hands->board, now, &snapshot);
}

/* What happens goes through the event loop, which posts then; this finds what only time changes. */
static int on_pulse(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void) usec;
    server_hands_post(userdata);
    int r = sd_event_source_set_time_relative(source, POST_INTERVAL);
    return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_alarm(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    eventfd_t count;

    (void) source;
    (void) revents;
    (void) eventfd_read(fd, &count);
    server_hands_post(userdata);
    return 0;
}

/* What the threads read has to be there before them. */
static int put_up_board(ServerHands *hands)
{
    int r;

    if (hands->board)
        return 0;
    if ((r = server_board_new(&hands->board)) < 0)
        return r;
    if ((r = sd_event_add_io(hands->setup.event, &hands->alarm, server_board_alarm(hands->board), EPOLLIN,
                             on_alarm, hands)) < 0 ||
        (r = sd_event_add_time_relative(hands->setup.event, &hands->pulse, CLOCK_MONOTONIC, POST_INTERVAL, 0,
                                        on_pulse, hands)) < 0)
        return r;
    server_hands_post(hands);
    return 0;
}

static void take_board_down(ServerHands *hands)
{
    hands->pulse = sd_event_source_disable_unref(hands->pulse);
    hands->alarm = sd_event_source_disable_unref(hands->alarm);
    hands->board = server_board_free(hands->board);
}

int server_hands_set_threads(ServerHands *hands, size_t threads)
{
    bool had_threads = hands->board;
    RequestBatch *batch = NULL;
    Hand *list = NULL;
    int r;

    if (hands->count > 0 && threads == (had_threads ? hands->count : 0))
        return 0;
    r = threads > 0 ? put_up_board(hands) : 0;
    if (r >= 0)
        r = start_list(hands, threads, &list);
    if (r >= 0 && threads == 0)
        r = request_batch_new(list[0].shard, &hands->setup.handlers, hands->setup.userdata, &batch);
    if (r < 0) {
        free_list(list, list ? MAX(threads, (size_t) 1) : 0);
        if (!had_threads)
            take_board_down(hands);
        return r;
    }
    retire(hands);
    if (threads == 0)
        take_board_down(hands);
    request_batch_free(hands->batch);
    hands->batch = batch;
    hands->list = list;
    hands->count = MAX(threads, (size_t) 1);
    return 0;
}

int server_hands_new(const ServerHandsSetup *setup, ServerHands **ret)
{
    cleanup_(server_hands_freep) ServerHands *hands = calloc(1, sizeof *hands);

    if (!hands)
        return -ENOMEM;
    hands->setup = *setup;
    sd_event_ref(setup->event);
    hands->worker_handlers = (RequestBatchHandlers) {.now = setup->handlers.now, .snapshot = read_board};
    int r = server_hands_set_threads(hands, 0);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(hands);
    return 0;
}

ServerHands *server_hands_free(ServerHands *hands)
{
    if (!hands)
        return NULL;
    free_list(hands->list, hands->count);
    request_batch_free(hands->batch);
    take_board_down(hands);
    sd_event_unref(hands->setup.event);
    free(hands);
    return NULL;
}

size_t server_hands_count(const ServerHands *hands)
{
    return hands->count;
}

RequestBatch *server_hands_batch(const ServerHands *hands)
{
    return hands->batch;
}

void server_hands_send(ServerHands *hands, const AnswerWay *way, const uint8_t *bytes, size_t length)
{
    /* Threads leave nothing to be signed. */
    if (hands->batch)
        request_batch_send(hands->batch, way, bytes, length);
}

int server_hands_give(ServerHands *hands, size_t i, RequestSocket *const *sockets, size_t count)
{
    ServerWorker *worker = hands->list[i].worker;

    return worker ? server_worker_set_sockets(worker, sockets, count) : 0;
}

void server_hands_take_away(ServerHands *hands)
{
    for (size_t i = 0; i < hands->count; i++)
        if (hands->list[i].worker)
            server_worker_take_sockets(hands->list[i].worker);
}

/* --- shards --- */

typedef struct Change {
    ServerShard *shard;
    const AccessTable *access;
    const RateLimitConfig *limit;
    size_t log_limit;
    int result;
} Change;

static void change_limits(void *userdata)
{
    Change *change = userdata;

    change->result = server_shard_configure(change->shard, change->limit, change->log_limit);
}

int server_hands_configure(ServerHands *hands, const RateLimitConfig *limit, size_t log_limit)
{
    /* At least 1, or it would mean that there is none. */
    size_t share = log_limit > 0 ? MAX(log_limit / hands->count, (size_t) 1) : 0;

    hands->limit = *limit;
    hands->log_limit = share;
    for (size_t i = 0; i < hands->count; i++) {
        Change change = {.shard = hands->list[i].shard, .limit = limit, .log_limit = share};
        call(&hands->list[i], change_limits, &change);
        if (change.result < 0)
            return change.result;
    }
    return 0;
}

static void change_access(void *userdata)
{
    Change *change = userdata;

    server_shard_set_access(change->shard, change->access);
}

void server_hands_set_access(ServerHands *hands, const AccessTable *access)
{
    hands->access = access;
    for (size_t i = 0; i < hands->count; i++) {
        Change change = {.shard = hands->list[i].shard, .access = access};
        call(&hands->list[i], change_access, &change);
    }
}

static void report_counters(const ServerHands *hands, ServerReport *report)
{
    server_report_add(report, &hands->past);
    for (size_t i = 0; i < hands->count; i++)
        if (hands->list[i].worker)
            server_worker_report(hands->list[i].worker, report);
        else
            server_shard_report(hands->list[i].shard, report);
}

typedef struct Count {
    const ServerShard *shard;
    size_t first;
    bool more;
    MonoTime now;
    ServerReport *report;
} Count;

static void count_exchanges(void *userdata)
{
    Count *count = userdata;

    count->more =
        server_shard_report_exchanges(count->shard, count->first, PLACES_MAX, count->now, count->report);
    count->first += PLACES_MAX;
}

void server_hands_report(const ServerHands *hands, MonoTime now, ServerReport *report)
{
    report_counters(hands, report);
    for (size_t i = 0; i < hands->count; i++) {
        Count count = {.shard = hands->list[i].shard, .more = true, .now = now, .report = report};
        while (count.more)
            call(&hands->list[i], count_exchanges, &count);
    }
}

bool server_hands_log_clients(const ServerHands *hands)
{
    return hands->log_limit > 0;
}

static void reset_log(void *userdata)
{
    ClientLog *log = server_shard_log(userdata);

    if (log)
        client_log_reset(log);
}

void server_hands_reset_clients(ServerHands *hands)
{
    for (size_t i = 0; i < hands->count; i++)
        call(&hands->list[i], reset_log, hands->list[i].shard);
}

/* --- the clients of all --- */

typedef struct Search {
    ServerShard *shard;
    const IpAddress *address;
    bool found;
} Search;

static void search_client(void *userdata)
{
    Search *search = userdata;
    const ClientLog *log = server_shard_log(search->shard);
    ClientReport client;

    search->found = log && client_log_find(log, search->address, (MonoTime) {0}, &client);
}

bool server_hands_knows(const ServerHands *hands, const IpAddress *address)
{
    Search search = {.address = address};

    for (size_t i = 0; i < hands->count && !search.found; i++) {
        search.shard = hands->list[i].shard;
        call(&hands->list[i], search_client, &search);
    }
    return search.found;
}

typedef struct Fetch {
    ServerShard *shard;
    uint64_t position; /* in: where to begin; out: where to go on */
    uint64_t hand;
    bool end; /* there are no more places in this log */
    MonoTime now;
    Fetched *to;
} Fetch;

static void fetch_clients(void *userdata)
{
    Fetch *fetch = userdata;
    const ClientLog *log = server_shard_log(fetch->shard);
    uint64_t size = log ? client_log_size(log) : 0;
    uint64_t end = MIN(size, fetch->position + PLACES_MAX);

    while (fetch->position < end && fetch->to->count < FETCH_MAX) {
        ClientReport *client = &fetch->to->clients[fetch->to->count];
        if (client_log_at(log, fetch->position++, fetch->now, client))
            fetch->to->positions[fetch->to->count++] = fetch->hand << HAND_SHIFT | fetch->position;
    }
    fetch->end = fetch->position >= size;
}

/* Fetches some from a position on; false: there are none behind it. */
static bool fetch_from(ServerHands *hands, uint64_t position, MonoTime now)
{
    Fetched *fetched = &hands->fetched;

    fetched->count = fetched->taken = 0;
    uint64_t place = position & ((UINT64_C(1) << HAND_SHIFT) - 1);
    for (uint64_t hand = position >> HAND_SHIFT; hand < hands->count; hand++, place = 0) {
        Fetch fetch = {
            .shard = hands->list[hand].shard, .position = place, .hand = hand, .now = now, .to = fetched};
        while (!fetch.end && fetched->count == 0)
            call(&hands->list[hand], fetch_clients, &fetch);
        if (fetched->count > 0)
            return true;
    }
    return false;
}

bool server_hands_next_client(ServerHands *hands, uint64_t *position, MonoTime now, ClientReport *ret)
{
    Fetched *fetched = &hands->fetched;

    if ((*position == 0 || *position != fetched->next || fetched->taken == fetched->count) &&
        !fetch_from(hands, *position, now))
        return false;
    *ret = fetched->clients[fetched->taken];
    *position = fetched->next = fetched->positions[fetched->taken++];
    return true;
}
