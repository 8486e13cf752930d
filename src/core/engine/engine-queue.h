// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the engine has to say, in order, until it is fetched: rings that are made as large as the number of
 * sources may need, when that number changes. */

#include "base/macros.h"
#include "core/api/action.h"
#include "core/api/event.h"
#include "core/api/log-record.h"
#include "core/ntp/client.h"

/* An Action without what can be filled in when it is fetched, which is most of its size. */
typedef struct QueuedAction {
    ActionKind kind;
    union {
        struct {
            ExchangeId exchange;
            IpEndpoint remote;
            IpAddress local;
            uint16_t local_port;
            uint16_t length;
            uint8_t request[CLIENT_REQUEST_MAX];
        } send;
        ExchangeId close;
        SourceId resolve;
        SourceId way;
        typeof(((Action *) NULL)->frequency) frequency;
        typeof(((Action *) NULL)->step) step;
        typeof(((Action *) NULL)->status) status;
        SourceId keys; /* to establish, or to keep */
        typeof(((Action *) NULL)->drift) drift;
        uint32_t updates;
        int64_t stamp_s;
        int exit_status;
    };
} QueuedAction;

typedef struct ActionQueue {
    QueuedAction *items; /* owned */
    size_t first, count, capacity;
} ActionQueue;

typedef struct EventQueue {
    Event *items; /* owned */
    size_t first, count, capacity;
} EventQueue;

typedef struct LogQueue {
    LogRecord *items; /* owned */
    size_t first, count, capacity;
} LogQueue;

/* Makes room for what so many sources may cause between two fetches; never shrinks. 0 or -ENOMEM. */
int action_queue_reserve(ActionQueue *queue, size_t sources) must_check_;
int event_queue_reserve(EventQueue *queue, size_t sources) must_check_;
/* each: rows that a source may cause. */
int log_queue_reserve(LogQueue *queue, size_t sources, size_t each) must_check_;
void action_queue_clear(ActionQueue *queue);
void event_queue_clear(EventQueue *queue);
void log_queue_clear(LogQueue *queue);

/* Room for one more, to be filled in by the caller; kind is set, the rest is zero. Never NULL: a full queue
 * means that nobody fetches, and the oldest is given up. */
QueuedAction *action_queue_push(ActionQueue *queue, ActionKind kind);
bool action_queue_pop(ActionQueue *queue, QueuedAction *ret) must_check_;
/* Room for requests: what steers the clock always fits on top. */
bool action_queue_has_room(const ActionQueue *queue);

/* The same for events. A second "changed" of the same source before the first was fetched replaces it. */
Event *event_queue_push(EventQueue *queue, EventKind kind, SourceId source);
bool event_queue_pop(EventQueue *queue, Event *ret) must_check_;

/* The same for rows of log files; NULL when there is no room at all, which is so while nothing is logged. */
LogRecord *log_queue_push(LogQueue *queue, LogKind kind);
bool log_queue_pop(LogQueue *queue, LogRecord *ret) must_check_;
