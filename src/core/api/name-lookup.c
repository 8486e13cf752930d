// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Answers to look-ups, bounded; see name-lookup.h. */

#include "core/api/name-lookup.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

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

void lookup_records_add(LookupRecords *records, uint16_t priority, uint16_t weight, uint16_t port,
                        const char *host)
{
    LookupRecord record = {.priority = priority, .weight = weight, .port = port};
    Text text = TEXT(record.host);
    size_t at = records->count, length = strlen(host);

    if (port == 0 || !host_name_is_valid(host))
        return;
    text_append(&text, host);
    if (host[length - 1] != '.')
        text_append(&text, "."); /* nothing is to be appended, and it is no address */
    while (at > 0 && records->items[at - 1].priority > priority)
        at--;
    if (at == LOOKUP_RECORDS_MAX || text.truncated)
        return;
    records->count = MIN(records->count + 1, (size_t) LOOKUP_RECORDS_MAX);
    memmove(records->items + at + 1, records->items + at, (records->count - at - 1) * sizeof(record));
    records->items[at] = record;
}

LookupPlace lookup_record_place(const LookupRecords *records, size_t index, const IpAddress *address)
{
    const LookupRecord *record = &records->items[index];

    return (LookupPlace) {
        .endpoint = {.address = *address, .port = record->port},
        .record = (uint16_t) (index + 1),
        .priority = record->priority,
        .weight = record->weight,
    };
}

LookupAnswer lookup_answer_literal(const IpAddress *address, IpFamily family)
{
    LookupAnswer answer = {0};

    if (family == IP_UNSPEC || address->family == family)
        lookup_answer_add(&answer, &(LookupPlace) {.endpoint.address = *address});
    return answer;
}
