// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The thread; see server-worker.h.
 *
 * It waits for its sockets and for an eventfd, which says that somebody has left a call. A call is a function
 * in the caller's frame, who waits for a semaphore: rare, and over in microseconds. */

#include "net/server-worker.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/shared-words.h"
#include "net/thread.h"

/* Batches before it looks for calls and publishes. */
#define BATCHES_AT_ONCE 16
/* Without what a batch needs, which is on the heap. */
#define STACK_SIZE      (128 * 1024)

static_assert(sizeof(ServerReport) % sizeof(uint64_t) == 0 &&
                  sizeof(ServerReport) <= SHARED_WORDS_MAX * sizeof(uint64_t),
              "it is published word by word");

typedef struct Call {
    void (*function)(void *userdata);
    void *userdata;
} Call;

/* What is waited for. */
typedef struct Polled {
    struct pollfd *events;   /* owned; the first is wake, the others are of the sockets */
    RequestSocket **sockets; /* owned, but not what it points to */
    size_t count;            /* sockets */
} Polled;

struct ServerWorker {
    pthread_t thread;
    ServerShard *shard;
    RequestBatch *batch;
    int wake; /* eventfd */
    _Atomic(const Call *) call;
    sem_t called; /* back */
    SharedWords report;

    /* the thread's alone */
    bool ends;
    Polled polled;
};

/* --- in the thread --- */

static void publish(ServerWorker *worker)
{
    ServerReport report;

    memset(&report, 0, sizeof report);
    server_shard_report(worker->shard, &report);
    shared_words_write(&worker->report, &report, sizeof report);
}

static void take_call(ServerWorker *worker)
{
    eventfd_t count;

    const Call *call = atomic_exchange_explicit(&worker->call, NULL, memory_order_acquire);
    if (!call)
        return;
    (void) eventfd_read(worker->wake, &count);
    call->function(call->userdata);
    publish(worker);
    (void) sem_post(&worker->called);
}

/* Returns whether there may be more to do at once. */
static bool serve_socket(ServerWorker *worker, RequestSocket *socket, short events)
{
    bool more = true;

    if (events & POLLERR)
        request_batch_on_error(worker->batch, socket);
    /* One at a time: the event loop may say something new meanwhile. */
    for (int i = 0; i < BATCHES_AT_ONCE && more; i++)
        more = request_batch_serve(worker->batch, socket, 1);
    return more;
}

static void *work(void *userdata)
{
    ServerWorker *worker = userdata;
    bool more = false;

    while (!worker->ends) {
        const Polled *polled = &worker->polled;
        int ready = poll(polled->events, polled->count + 1, more ? 0 : -1);
        more = false;
        for (size_t i = 0; ready > 0 && i < polled->count; i++)
            if (polled->events[i + 1].revents != 0)
                more |= serve_socket(worker, polled->sockets[i], polled->events[i + 1].revents);
        publish(worker);
        take_call(worker);
    }
    return NULL;
}

/* --- from outside --- */

void server_worker_call(ServerWorker *worker, void (*function)(void *userdata), void *userdata)
{
    const Call call = {function, userdata};

    atomic_store_explicit(&worker->call, &call, memory_order_release);
    (void) eventfd_write(worker->wake, 1);
    while (sem_wait(&worker->called) < 0 && errno == EINTR)
        ;
}

typedef struct SocketChange {
    ServerWorker *worker;
    Polled polled;
} SocketChange;

static void change_sockets(void *userdata)
{
    SocketChange *change = userdata;
    Polled old = change->worker->polled;

    change->worker->polled = change->polled;
    change->polled = old;
}

static void polled_clear(Polled *polled)
{
    free(polled->events);
    free(polled->sockets);
    *polled = (Polled) {};
}

static int polled_make(const ServerWorker *worker, RequestSocket *const *sockets, size_t count, Polled *ret)
{
    Polled polled = {.events = calloc(count + 1, sizeof *polled.events),
                     .sockets = calloc(count + 1, sizeof *polled.sockets),
                     .count = count};

    if (!polled.events || !polled.sockets) {
        polled_clear(&polled);
        return -ENOMEM;
    }
    polled.events[0] = (struct pollfd) {.fd = worker->wake, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        polled.events[i + 1] = (struct pollfd) {.fd = request_socket_fd(sockets[i]), .events = POLLIN};
        polled.sockets[i] = sockets[i];
    }
    *ret = polled;
    return 0;
}

int server_worker_set_sockets(ServerWorker *worker, RequestSocket *const *sockets, size_t count)
{
    SocketChange change = {.worker = worker};

    int r = polled_make(worker, sockets, count, &change.polled);
    if (r < 0)
        return r;
    server_worker_call(worker, change_sockets, &change);
    polled_clear(&change.polled);
    return 0;
}

static void take_sockets(void *userdata)
{
    ServerWorker *worker = userdata;

    worker->polled.count = 0;
}

void server_worker_take_sockets(ServerWorker *worker)
{
    server_worker_call(worker, take_sockets, worker);
}

void server_worker_report(const ServerWorker *worker, ServerReport *report)
{
    ServerReport own;

    shared_words_read(&worker->report, &own, sizeof own);
    server_report_add(report, &own);
}

static int start_thread(ServerWorker *worker)
{
    const ThreadSetup setup = {.name = "timeball-server",
                               .stack_size = STACK_SIZE,
                               .work = work,
                               .userdata = worker};

    return thread_start(&setup, &worker->thread);
}

static void free_parts(ServerWorker *worker)
{
    if (worker->wake >= 0)
        close(worker->wake);
    sem_destroy(&worker->called);
    request_batch_free(worker->batch);
    polled_clear(&worker->polled);
    free(worker);
}

int server_worker_new(ServerShard *shard, const RequestBatchHandlers *handlers, void *userdata,
                      ServerWorker **ret)
{
    ServerWorker *worker = calloc(1, sizeof *worker);
    int r;

    if (!worker)
        return -ENOMEM;
    worker->shard = shard;
    (void) sem_init(&worker->called, 0, 0);
    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = worker->wake < 0 ? -errno : 0;
    if (r >= 0)
        r = request_batch_new(shard, handlers, userdata, &worker->batch);
    if (r >= 0)
        r = polled_make(worker, NULL, 0, &worker->polled);
    if (r >= 0)
        r = start_thread(worker);
    if (r < 0) {
        free_parts(worker);
        return r;
    }
    *ret = worker;
    return 0;
}

static void end(void *userdata)
{
    ServerWorker *worker = userdata;

    worker->ends = true;
}

ServerWorker *server_worker_free(ServerWorker *worker)
{
    if (!worker)
        return NULL;
    server_worker_call(worker, end, worker);
    pthread_join(worker->thread, NULL);
    free_parts(worker);
    return NULL;
}
