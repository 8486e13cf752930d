// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* One thread's share of the server: who may ask, its own log of clients with their limits, its own counters.
 * It is given one request after another and says what to send. Nothing in here is shared, so nothing is
 * locked; nothing allocates or calls the system. */

#include "core/api/action.h"
#include "core/ntp/access.h"
#include "core/ntp/authenticator.h"
#include "core/ntp/client-log.h"
#include "core/ntp/nts-server.h"
#include "core/ntp/server-interleave.h"

typedef struct ServerShard ServerShard;

/* An answer is as long as its request at most. */
#define SERVER_ANSWER_MAX NTP_PACKET_MAX

typedef struct ServerShardSetup {
    RateLimitConfig limit;
    Authenticator authenticator;          /* who has the keys; without functions: nobody */
    NtsServer nts;                        /* without functions: none */
    size_t log_limit;                     /* bytes for the log of clients; 0: no log, and no limit of rates */
    uint8_t secret[2 * SIPHASH_KEY_SIZE]; /* unpredictable: order of the log, random bits of answers */
} ServerShardSetup;

int server_shard_new(const ServerShardSetup *setup, ServerShard **ret) must_check_;
ServerShard *server_shard_free(ServerShard *shard);
DEFINE_CLEANUP(ServerShard, server_shard_free);

/* Other limits from now on. A log of the same size is kept. On failure nothing is changed. */
int server_shard_configure(ServerShard *shard, const RateLimitConfig *limit, size_t log_limit) must_check_;

/* Who may ask from now on: a table that stays until another one is given. NULL: nobody. */
void server_shard_set_access(ServerShard *shard, const AccessTable *access);

/* What answers tell of the shortest poll, see ServerBatch. */
int8_t server_shard_min_poll(const ServerShard *shard);

/* Decides about a request. SERVER_ANSWERED, SERVER_KISSED and SERVER_NTS_NAK: *ret_length bytes of `ret` are
 * to be sent to where it came from, not more than it had. SERVER_MS_SNTP: the same when Samba has signed
 * them. Anything else: nothing is sent. mono: the present. */
ServerVerdict server_shard_on_request(ServerShard *shard, const ServerBatch *batch,
                                      const ServerRequest *request, MonoTime mono,
                                      uint8_t ret[static SERVER_ANSWER_MAX], size_t *ret_length);

/* Whether a better transmit timestamp of the answer that was just given would be of use, and what to tell
 * with it then. */
bool server_shard_wants_sent(const ServerShard *shard, ServerSent *ret);

/* That answer left at this instant, as the kernel or the daemon says; snapshot: what our time is about then.
 */
void server_shard_on_sent(ServerShard *shard, const ServerSnapshot *snapshot, const ServerSent *sent,
                          RawTime when, TimestampOrigin origin);

/* The network did not take an answer. */
void server_shard_on_send_failed(ServerShard *shard);

/* Adds this shard's counters to a report. Cheap. */
void server_shard_report(const ServerShard *shard, ServerReport *report);

/* Adds the exchanges that are kept for interleaved mode in `count` records of the log, from the first one on.
 * Returns whether there are more records. */
bool server_shard_report_exchanges(const ServerShard *shard, size_t first, size_t count, MonoTime now,
                                   ServerReport *report);

/* NULL: there is none. */
ClientLog *server_shard_log(ServerShard *shard);
