// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What the reports share; see report.h. */

#include "ctl/report.h"

#include "base/text.h"
#include "core/api/bus-names.h"
#include "ctl/json.h"
#include "ctl/name.h"

int report_json(Client *client, const char *interface)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = client_properties(client, BUS_ROOT_PATH, interface, &reply);

    if (r < 0)
        return r;
    Json json = json_init(stdout, client->options.json);
    json_begin(&json, '{');
    r = json_members(&json, reply);
    json_end(&json, '}');
    json_finish(&json);
    return r;
}

static int source_object(Client *client, Json *json, const SourceEntry *entry, const char *interface)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = client_properties(client, entry->path, interface, &reply);

    if (r < 0)
        return r;
    json_begin(json, '{');
    if (!text_equal(interface, BUS_INTERFACE_SOURCE)) {
        json_name(json, "Name");
        json_string(json, entry->source.name);
    }
    r = json_members(json, reply);
    json_end(json, '}');
    return r;
}

int report_json_sources(Client *client, const SourceList *list, const SourceEntry *only,
                        const char *interface)
{
    Json json = json_init(stdout, client->options.json);
    bool ntp = text_equal(interface, BUS_INTERFACE_NTP);
    int r = 0;

    if (only) {
        r = source_object(client, &json, only, interface);
        json_finish(&json);
        return r;
    }
    json_begin(&json, '[');
    for (size_t i = 0; i < list->count && r >= 0; i++) {
        const SourceEntry *entry = &list->entries[i];
        if (!source_is_shown(&client->options, &entry->source) || (ntp && !entry->has_ntp))
            continue;
        json_element(&json);
        r = source_object(client, &json, entry, interface);
    }
    json_end(&json, ']');
    json_finish(&json);
    return r;
}

Tone source_tone(SourceState state)
{
    switch (source_state_mark(state)) {
    case '*': return TONE_BEST;
    case '+': return TONE_GOOD;
    case 'x': return TONE_BAD;
    case '~': return TONE_DOUBTFUL;
    case '?': return TONE_FAINT;
    default: return TONE_PLAIN;
    }
}

char source_mode_letter(SourceKind kind)
{
    switch (kind) {
    case SOURCE_SERVER:
    case SOURCE_POOL: return '^';
    case SOURCE_PEER: return '=';
    case SOURCE_REFCLOCK: return '#';
    }
    return ' ';
}
