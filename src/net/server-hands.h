// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Who answers requests: the event loop with one shard, or worker threads with one each. */

#include <systemd/sd-event.h>

#include "net/request-batch.h"

/* More threads than that are not started. */
#define SERVER_THREADS_MAX 64

typedef struct ServerHands ServerHands;

typedef struct ServerHandsSetup {
    sd_event *event;               /* referenced */
    RequestBatchHandlers handlers; /* called by the event loop; `now` by the threads too */
    void *userdata;
    Authenticator authenticator;          /* called by the threads too; must stay as long as the object */
    NtsServer nts;                        /* the same */
    uint8_t secret[2 * SIPHASH_KEY_SIZE]; /* unpredictable */
} ServerHandsSetup;

/* Without threads. */
int server_hands_new(const ServerHandsSetup *setup, ServerHands **ret) must_check_;
ServerHands *server_hands_free(ServerHands *hands);
DEFINE_CLEANUP(ServerHands, server_hands_free);

/* 0: the event loop serves. Another number than before forgets the clients; counters go on. No thread may
 * have sockets. On failure nothing is changed. */
int server_hands_set_threads(ServerHands *hands, size_t threads) must_check_;

/* Sends an answer that Samba has signed. */
void server_hands_send(ServerHands *hands, const AnswerWay *way, const uint8_t *bytes, size_t length);

/* How many sockets are needed for each address. */
size_t server_hands_count(const ServerHands *hands);

/* The event loop's; NULL: threads serve. */
RequestBatch *server_hands_batch(const ServerHands *hands);

/* The sockets of thread i from now on, see server_worker_set_sockets(). Nothing without threads. */
int server_hands_give(ServerHands *hands, size_t i, RequestSocket *const *sockets, size_t count) must_check_;

/* No thread has sockets any more. */
void server_hands_take_away(ServerHands *hands);

/* Tells the threads what our time is; nothing without threads. Has to be called whenever it may have changed;
 * each second it is by itself. */
void server_hands_post(ServerHands *hands);

/* The following are as those of the shard (core/ntp/server-shard.h), for all shards together. The log of
 * clients is divided among them: log_limit is what they have together. */
int server_hands_configure(ServerHands *hands, const RateLimitConfig *limit, size_t log_limit) must_check_;
void server_hands_set_access(ServerHands *hands, const AccessTable *access);
void server_hands_report(const ServerHands *hands, MonoTime now, ServerReport *report);
bool server_hands_log_clients(const ServerHands *hands);
void server_hands_reset_clients(ServerHands *hands);

/* Whether the address is in the log of clients. */
bool server_hands_knows(const ServerHands *hands, const IpAddress *address);

/* See client_log_next(). */
bool server_hands_next_client(ServerHands *hands, uint64_t *position, MonoTime now,
                              ClientReport *ret) must_check_;
