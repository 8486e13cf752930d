// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Answers to look-ups, bounded; see name-lookup.h. */

#include "core/api/name-lookup.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const char *const verdict_names[] = {
    [LOOKUP_NOT_FOUND] = "not-found",
    [LOOKUP_FOUND] = "found",
    [LOOKUP_BOGUS] = "bogus",
};
static_assert(ELEMENTS(verdict_names) == LOOKUP_VERDICT_COUNT, "one row for each member");

const char *lookup_verdict_name(LookupVerdict verdict)
{
    return (unsigned) verdict < ELEMENTS(verdict_names) ? verdict_names[verdict] : "invalid";
}

bool lookup_is_service(const char *name)
{
    static const size_t length = sizeof(LOOKUP_SERVICE_PREFIX) - 1;

    return strncasecmp(name, LOOKUP_SERVICE_PREFIX, length) == 0 && name[length] != '\0' &&
           name[length] != '.';
}

static bool is_possible(const LookupPlace *place)
{
    return place->endpoint.address.family != IP_UNSPEC && (place->record == 0 || place->endpoint.port != 0);
}

/* There already, or one too many of its record. */
static bool is_surplus(const LookupAnswer *answer, const LookupPlace *place)
{
    size_t same = 0;

    for (size_t i = 0; i < answer->count; i++) {
        if (ip_endpoint_equal(&answer->places[i].endpoint, &place->endpoint))
            return true;
        same += answer->places[i].record == place->record;
    }
    return place->record != 0 && same >= LOOKUP_RECORD_MAX;
}

/* Makes room by taking out the last of those that come last. */
static bool make_room(LookupAnswer *answer, const LookupPlace *place)
{
    size_t last = 0;

    for (size_t i = 1; i < answer->count; i++)
        if (answer->places[i].priority >= answer->places[last].priority)
            last = i;
    if (answer->places[last].priority <= place->priority)
        return false;
    answer->count--;
    memmove(answer->places + last, answer->places + last + 1,
            (answer->count - last) * sizeof(answer->places[0]));
    return true;
}

void lookup_answer_add(LookupAnswer *answer, const LookupPlace *place)
{
    if (!is_possible(place) || is_surplus(answer, place))
        return;
    if (answer->count == LOOKUP_PLACES_MAX && !make_room(answer, place))
        return;
    answer->places[answer->count++] = *place;
    answer->verdict = LOOKUP_FOUND;
}

LookupAnswer lookup_answer_literal(const IpAddress *address, IpFamily family)
{
    LookupAnswer answer = {0};

    if (family == IP_UNSPEC || address->family == family)
        lookup_answer_add(&answer, &(LookupPlace) {.endpoint.address = *address});
    return answer;
}
