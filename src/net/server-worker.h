// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A thread that answers requests, with sockets and a shard of its own. It shares nothing with anybody but
 * what it is told our time to be (the handlers) and the counters that it publishes. Everything else that has
 * to be done to it is done by it, between two batches: server_worker_call(). */

#include "net/request-batch.h"

typedef struct ServerWorker ServerWorker;

/* Starts the thread. The shard belongs to it until server_worker_free(), but not to be freed; handlers are
 * called from the thread. */
int server_worker_new(ServerShard *shard, const RequestBatchHandlers *handlers, void *userdata,
                      ServerWorker **ret) must_check_;
/* Ends the thread. */
ServerWorker *server_worker_free(ServerWorker *worker);
DEFINE_CLEANUP(ServerWorker, server_worker_free);

/* Has the function run by the thread and returns when it has. Takes as long as some batches at most. */
void server_worker_call(ServerWorker *worker, void (*function)(void *userdata), void *userdata);

/* The sockets from now on. They are borrowed until the next of these calls, after which they are not touched
 * any more. */
int server_worker_set_sockets(ServerWorker *worker, RequestSocket *const *sockets, size_t count) must_check_;
void server_worker_take_sockets(ServerWorker *worker);

/* Adds its counters, as they were when it last waited or a few batches ago. */
void server_worker_report(const ServerWorker *worker, ServerReport *report);
