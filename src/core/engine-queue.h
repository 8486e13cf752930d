// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the engine has to say, in order, until it is fetched: bounded rings. */

#include "base/macros.h"
#include "core/api/action.h"
#include "core/api/event.h"

#define ACTION_QUEUE_SIZE    64
#define EVENT_QUEUE_SIZE     128
/* Sending and resolving wait for the next call when there is less room than this, so that whatever steers the
 * clock always fits. */
#define ACTION_QUEUE_RESERVE 16

typedef struct ActionQueue {
    Action items[ACTION_QUEUE_SIZE];
    size_t first, count;
} ActionQueue;

typedef struct EventQueue {
    Event items[EVENT_QUEUE_SIZE];
    size_t first, count;
} EventQueue;

/* Room for one more, to be filled in by the caller; kind is set, the rest is zero (of bytes: only the
 * length). Never NULL: when the queue is full, nobody fetches, and the oldest is given up. */
Action *action_queue_push(ActionQueue *queue, ActionKind kind);
bool action_queue_pop(ActionQueue *queue, Action *ret) must_check_;
bool action_queue_has_room(const ActionQueue *queue);

/* The same for events. A second "changed" of the same source before the first was fetched adds nothing. */
Event *event_queue_push(EventQueue *queue, EventKind kind, SourceId source);
bool event_queue_pop(EventQueue *queue, Event *ret) must_check_;
