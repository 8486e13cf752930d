// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Names of sources; see name.h. */

#include "ctl/name.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ctl/format.h"
#include "ctl/table.h"

/* Looks the address up in the DNS; its text when it has no name. */
static void look_up(const IpAddress *address, char buffer[static DISPLAY_NAME_MAX])
{
    IpEndpoint endpoint = {.address = *address};
    struct sockaddr_storage storage;
    socklen_t length = ip_endpoint_to_sockaddr(&endpoint, &storage);
    char host[NI_MAXHOST], text[IP_ADDRESS_TEXT_MAX];

    if (getnameinfo((struct sockaddr *) &storage, length, host, sizeof(host), NULL, 0, NI_NAMEREQD) != 0)
        text_copy(buffer, DISPLAY_NAME_MAX, ip_address_format(address, text));
    else
        text_escape(host, buffer, DISPLAY_NAME_MAX);
    if (strlen(buffer) > NAME_COLUMNS)
        memcpy(buffer + NAME_COLUMNS - 1, ">", 2);
}

static void address_name(const Options *options, const IpAddress *address,
                         char buffer[static DISPLAY_NAME_MAX])
{
    char text[IP_ADDRESS_TEXT_MAX];

    if (options->numeric || options->csv)
        text_copy(buffer, DISPLAY_NAME_MAX, ip_address_format(address, text));
    else
        look_up(address, buffer);
}

const char *source_configured_name(const SourceReport *source, char *buffer, size_t size)
{
    text_copy(buffer, size, source->name);
    if (source->kind != SOURCE_REFCLOCK)
        buffer[strcspn(buffer, "#")] = '\0';
    return buffer;
}

const char *source_display_name(const Options *options, const SourceReport *source,
                                char buffer[static DISPLAY_NAME_MAX])
{
    char name[SOURCE_NAME_MAX];
    Cell cell;

    if (source->kind == SOURCE_REFCLOCK)
        return text_copy(buffer, DISPLAY_NAME_MAX, format_reference_id(source->reference_id, cell)), buffer;
    if (options->original_names)
        return text_escape(source_configured_name(source, name, sizeof(name)), buffer, DISPLAY_NAME_MAX);
    if (source->remote.address.family == IP_UNSPEC)
        snprintf(buffer, DISPLAY_NAME_MAX, "ID#%010u", source->reference_id);
    else
        address_name(options, &source->remote.address, buffer);
    return buffer;
}

const char *reference_display_name(const Options *options, const ClockReport *clock,
                                   char buffer[static DISPLAY_NAME_MAX])
{
    SourceReport source = {.remote.address = clock->reference_address, .reference_id = clock->reference_id};

    buffer[0] = '\0';
    if (clock->reference_address.family != IP_UNSPEC) {
        text_copy(source.name, sizeof(source.name), clock->reference_name);
        source_display_name(options, &source, buffer);
    } else if (clock->reference_name[0] != '\0') {
        source.kind = SOURCE_REFCLOCK;
        source_display_name(options, &source, buffer);
    }
    return buffer;
}

bool source_is_shown(const Options *options, const SourceReport *source)
{
    return options->all || source->kind == SOURCE_REFCLOCK || source->remote.address.family != IP_UNSPEC;
}

static const SourceEntry *find_address(const SourceList *list, const IpAddress *address)
{
    for (size_t i = 0; i < list->count; i++)
        if (ip_address_equal(&list->entries[i].source.remote.address, address))
            return &list->entries[i];
    return NULL;
}

/* By a name of the DNS, such as `sources` prints. */
static const SourceEntry *find_by_lookup(const SourceList *list, const char *text)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    const SourceEntry *found = NULL;
    struct addrinfo *results;

    if (getaddrinfo(text, NULL, &hints, &results) != 0)
        return NULL;
    for (struct addrinfo *i = results; i && !found; i = i->ai_next) {
        IpEndpoint endpoint;
        if (ip_endpoint_from_sockaddr(i->ai_addr, i->ai_addrlen, &endpoint))
            found = find_address(list, &endpoint.address);
    }
    freeaddrinfo(results);
    return found;
}

/* "ID#0000000001", or a reference ID as `tracking` prints it; for sources without an address. */
static bool reads_as_id(const char *text, uint32_t *ret)
{
    unsigned id;
    int end = 0;

    if (sscanf(text, "ID#%10u%n", &id, &end) != 1 || text[end] != '\0')
        if (strlen(text) != 8 || sscanf(text, "%8x%n", &id, &end) != 1 || text[end] != '\0')
            return false;
    *ret = id;
    return true;
}

const SourceEntry *source_list_find(const SourceList *list, const char *text)
{
    IpAddress address;
    uint32_t id;

    for (size_t i = 0; i < list->count; i++)
        if (text_equal(list->entries[i].path, text) ||
            text_equal_ignore_case(list->entries[i].source.name, text))
            return &list->entries[i];
    if (ip_address_parse(text, &address))
        return find_address(list, &address);
    if (reads_as_id(text, &id))
        for (size_t i = 0; i < list->count; i++)
            if (list->entries[i].source.reference_id == id)
                return &list->entries[i];
    return find_by_lookup(list, text);
}
