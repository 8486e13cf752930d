// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Rings of actions and events; see engine-queue.h. An empty ring starts again at its first slot, so that in
 * quiet times only few of them are ever touched. */

#include "core/engine/engine-queue.h"

#include <errno.h>
#include <string.h>

/* For the clock and whatever else does not come once for each source. */
#define ACTIONS_BASE 32
#define EVENTS_BASE  32
#define LOGS_BASE    16
/* A request, an end of the last one, a look-up, a test of the way, and keys; some news. */
#define ACTIONS_EACH 5
#define EVENTS_EACH  4

/* A larger ring with the same content, from its first slot on. */
static int grow(void **items, size_t *first, size_t count, size_t *capacity, size_t wanted, size_t size)
{
    if (wanted <= *capacity)
        return 0;

    uint8_t *larger = malloc(wanted * size);
    if (!larger)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        memcpy(larger + i * size, (const uint8_t *) *items + (*first + i) % *capacity * size, size);
    free(*items);
    *items = larger;
    *first = 0;
    *capacity = wanted;
    return 0;
}

int action_queue_reserve(ActionQueue *queue, size_t sources)
{
    return grow((void **) &queue->items, &queue->first, queue->count, &queue->capacity,
                ACTIONS_BASE + ACTIONS_EACH * sources, sizeof(queue->items[0]));
}

int event_queue_reserve(EventQueue *queue, size_t sources)
{
    return grow((void **) &queue->items, &queue->first, queue->count, &queue->capacity,
                EVENTS_BASE + EVENTS_EACH * sources, sizeof(queue->items[0]));
}

int log_queue_reserve(LogQueue *queue, size_t sources, size_t each)
{
    return grow((void **) &queue->items, &queue->first, queue->count, &queue->capacity,
                LOGS_BASE + each * sources, sizeof(queue->items[0]));
}

void action_queue_clear(ActionQueue *queue)
{
    free(queue->items);
    *queue = (ActionQueue) {0};
}

void event_queue_clear(EventQueue *queue)
{
    free(queue->items);
    *queue = (EventQueue) {0};
}

void log_queue_clear(LogQueue *queue)
{
    free(queue->items);
    *queue = (LogQueue) {0};
}

/* The slot behind the last one. */
static size_t next_slot(size_t *first, size_t *count, size_t capacity)
{
    if (*count == 0)
        *first = 0;
    if (*count == capacity) {
        *first = (*first + 1) % capacity;
        (*count)--;
    }
    return (*first + (*count)++) % capacity;
}

QueuedAction *action_queue_push(ActionQueue *queue, ActionKind kind)
{
    QueuedAction *action = &queue->items[next_slot(&queue->first, &queue->count, queue->capacity)];

    *action = (QueuedAction) {.kind = kind};
    return action;
}

bool action_queue_pop(ActionQueue *queue, QueuedAction *ret)
{
    if (queue->count == 0)
        return false;
    *ret = queue->items[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    return true;
}

bool action_queue_has_room(const ActionQueue *queue)
{
    return queue->count + ACTIONS_BASE <= queue->capacity;
}

/* "It changed" is said once, and after everything else that is said of the source. */
static void drop_earlier_change(EventQueue *queue, SourceId source)
{
    for (size_t i = 0; i < queue->count; i++) {
        const Event *event = &queue->items[(queue->first + i) % queue->capacity];
        if (event->kind != EVENT_SOURCE_CHANGED || !source_id_equal(event->source, source))
            continue;
        for (; i + 1 < queue->count; i++)
            queue->items[(queue->first + i) % queue->capacity] =
                queue->items[(queue->first + i + 1) % queue->capacity];
        queue->count--;
    }
}

Event *event_queue_push(EventQueue *queue, EventKind kind, SourceId source)
{
    if (kind == EVENT_SOURCE_CHANGED)
        drop_earlier_change(queue, source);

    Event *event = &queue->items[next_slot(&queue->first, &queue->count, queue->capacity)];
    *event = (Event) {.kind = kind, .source = source};
    return event;
}

bool event_queue_pop(EventQueue *queue, Event *ret)
{
    if (queue->count == 0)
        return false;
    *ret = queue->items[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    return true;
}

LogRecord *log_queue_push(LogQueue *queue, LogKind kind)
{
    if (queue->capacity == 0)
        return NULL;

    LogRecord *record = &queue->items[next_slot(&queue->first, &queue->count, queue->capacity)];
    *record = (LogRecord) {.kind = kind};
    return record;
}

bool log_queue_pop(LogQueue *queue, LogRecord *ret)
{
    if (queue->count == 0)
        return false;
    *ret = queue->items[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    return true;
}
