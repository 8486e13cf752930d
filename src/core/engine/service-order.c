// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Order among the hosts of a service; see service-order.h. The places that are in order already are at the
 * front; one record after the other is brought there. */

#include "core/engine/service-order.h"

#include <string.h>

/* The lowest priority among the places from `begin` on. */
static uint16_t next_priority(const LookupAnswer *answer, size_t begin)
{
    uint16_t lowest = UINT16_MAX;

    for (size_t i = begin; i < answer->count; i++)
        lowest = MIN(lowest, answer->places[i].priority);
    return lowest;
}

static bool is_first_of_record(const LookupAnswer *answer, size_t begin, size_t place)
{
    for (size_t i = begin; i < place; i++)
        if (answer->places[i].record == answer->places[place].record)
            return false;
    return true;
}

/* Whether the place stands for a record that may be drawn: of that priority, and of that kind (those without
 * weight are in front of the others, so that they have hardly a chance). */
static bool is_candidate(const LookupAnswer *answer, size_t begin, size_t place, uint16_t priority,
                         bool weightless)
{
    const LookupPlace *p = &answer->places[place];

    return p->priority == priority && (p->weight == 0) == weightless &&
           is_first_of_record(answer, begin, place);
}

/* Draws a record among those of one priority from `begin` on: the first at which the running sum of the
 * weights is not below a number from 0 to their whole sum. Returns its first place. */
static size_t draw(const LookupAnswer *answer, size_t begin, double noise)
{
    uint16_t priority = next_priority(answer, begin);
    uint32_t sum = 0, running = 0;

    for (size_t i = begin; i < answer->count; i++)
        if (is_candidate(answer, begin, i, priority, false))
            sum += answer->places[i].weight;
    uint32_t drawn = (uint32_t) (noise * ((double) sum + 1));
    for (int heavy = 0; heavy <= 1; heavy++)
        for (size_t i = begin; i < answer->count; i++) {
            if (!is_candidate(answer, begin, i, priority, heavy == 0))
                continue;
            running += answer->places[i].weight;
            if (running >= drawn)
                return i;
        }
    return begin; /* not reached: at the last one the sum is whole */
}

/* Brings the addresses of a record to the front, in their order. */
static size_t bring_forward(LookupAnswer *answer, size_t begin, uint16_t record)
{
    for (size_t i = begin; i < answer->count; i++) {
        LookupPlace place = answer->places[i];
        if (place.record != record)
            continue;
        memmove(answer->places + begin + 1, answer->places + begin, (i - begin) * sizeof(place));
        answer->places[begin++] = place;
    }
    return begin;
}

void service_order(LookupAnswer *answer, double (*noise)(void *userdata), void *userdata)
{
    for (size_t begin = 0; begin < answer->count;) {
        size_t place = draw(answer, begin, noise(userdata));
        begin = bring_forward(answer, begin, answer->places[place].record);
    }
}
