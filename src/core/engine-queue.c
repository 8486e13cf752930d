// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Rings of actions and events; see engine-queue.h. An empty ring starts again at its first slot, so that in
 * quiet times only few of them are ever touched. */

#include "core/engine-queue.h"

#include <string.h>

Action *action_queue_push(ActionQueue *queue, ActionKind kind)
{
    if (queue->count == 0)
        queue->first = 0;
    if (queue->count == ACTION_QUEUE_SIZE) {
        queue->first = (queue->first + 1) % ACTION_QUEUE_SIZE;
        queue->count--;
    }
    Action *action = &queue->items[(queue->first + queue->count++) % ACTION_QUEUE_SIZE];
    memset(action, 0, offsetof(Action, send.bytes));
    action->kind = kind;
    return action;
}

bool action_queue_pop(ActionQueue *queue, Action *ret)
{
    if (queue->count == 0)
        return false;
    *ret = queue->items[queue->first];
    queue->first = (queue->first + 1) % ACTION_QUEUE_SIZE;
    queue->count--;
    return true;
}

bool action_queue_has_room(const ActionQueue *queue)
{
    return queue->count + ACTION_QUEUE_RESERVE < ACTION_QUEUE_SIZE;
}

/* "It changed" is said once, and after everything else that is said of the source. */
static void drop_earlier_change(EventQueue *queue, SourceId source)
{
    for (size_t i = 0; i < queue->count; i++) {
        const Event *event = &queue->items[(queue->first + i) % EVENT_QUEUE_SIZE];
        if (event->kind != EVENT_SOURCE_CHANGED || !source_id_equal(event->source, source))
            continue;
        for (; i + 1 < queue->count; i++)
            queue->items[(queue->first + i) % EVENT_QUEUE_SIZE] =
                queue->items[(queue->first + i + 1) % EVENT_QUEUE_SIZE];
        queue->count--;
    }
}

Event *event_queue_push(EventQueue *queue, EventKind kind, SourceId source)
{
    if (queue->count == 0)
        queue->first = 0;
    if (kind == EVENT_SOURCE_CHANGED)
        drop_earlier_change(queue, source);
    if (queue->count == EVENT_QUEUE_SIZE) {
        queue->first = (queue->first + 1) % EVENT_QUEUE_SIZE;
        queue->count--;
    }
    Event *event = &queue->items[(queue->first + queue->count++) % EVENT_QUEUE_SIZE];
    *event = (Event) {.kind = kind, .source = source};
    return event;
}

bool event_queue_pop(EventQueue *queue, Event *ret)
{
    if (queue->count == 0)
        return false;
    *ret = queue->items[queue->first];
    queue->first = (queue->first + 1) % EVENT_QUEUE_SIZE;
    queue->count--;
    return true;
}
