// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Requests as the network gives and takes them: as many as wait are received at once, with the kernel's
 * timestamps and the addresses that were asked; each goes to the shard; the answers leave at once, from these
 * addresses. Two system calls and one reading of the clock for all of them, and a few more in interleaved
 * mode, whose clients are told when an answer really left. Belongs to one thread. */

#include <sys/socket.h>

#include "core/ntp/ms-sntp.h"
#include "net/request-socket.h"

/* Requests that are received at once. */
#define REQUEST_BATCH_MAX 32

typedef struct RequestBatch RequestBatch;

/* Room for the control data of an answer: the address that it leaves from. */
#define ANSWER_CONTROL_SIZE 64

/* By which an answer leaves that could not leave with its batch. */
typedef struct AnswerWay {
    int fd;             /* borrowed: the way is good for as long as that is open */
    int64_t valid_from; /* of the snapshot that the answer is made of: after a step it is of no use */
    struct sockaddr_storage to;
    socklen_t to_length;
    size_t control_length; /* 0: by any address */
    _Alignas(struct cmsghdr) uint8_t control[ANSWER_CONTROL_SIZE];
} AnswerWay;

typedef struct RequestBatchHandlers {
    /* The present, both clocks read together. */
    Now (*now)(void);
    /* What our time is at that instant, once for batches that are served one after another. */
    void (*snapshot)(void *userdata, Now now, ServerSnapshot *ret);
    /* An answer that Samba has to sign first. NULL: there will be none. */
    void (*to_sign)(void *userdata, const MsSntpAnswer *answer, const AnswerWay *way);
} RequestBatchHandlers;

/* shard and handlers must live as long as the object. */
int request_batch_new(ServerShard *shard, const RequestBatchHandlers *handlers, void *userdata,
                      RequestBatch **ret) must_check_;
RequestBatch *request_batch_free(RequestBatch *batch);
DEFINE_CLEANUP(RequestBatch, request_batch_free);

/* Serves what waits on a socket, so many batches at most, during which the caller changes nothing of what our
 * time is. Returns whether there may be more. */
bool request_batch_serve(RequestBatch *batch, RequestSocket *socket, size_t batches);

/* Sends an answer that could not leave with its batch; not when the clock was stepped meanwhile. */
void request_batch_send(RequestBatch *batch, const AnswerWay *way, const uint8_t *bytes, size_t length);

/* The socket says that there is something else: timestamps of answers that have left, or that an earlier
 * answer did not arrive, which is nothing to us. */
void request_batch_on_error(RequestBatch *batch, RequestSocket *socket);
