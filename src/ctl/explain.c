// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `explain` and `sourcename`: why things are as they are, in the daemon's own sentences. */

#include "base/text.h"
#include "core/api/bus-names.h"
#include "ctl/json.h"
#include "ctl/name.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

/* Calls Explain and reads the sentence; the message stays at the fields behind it. */
static int ask(Client *client, const char *path, const char *interface, sd_bus_message **ret,
               const char **ret_sentence)
{
    int r = client_call(client, ret, path, interface, "Explain", NULL);

    return r < 0 ? r : sd_bus_message_read_basic(*ret, 's', ret_sentence);
}

static int json_explanation(Client *client, Json *json, const char *name, const char *path,
                            const char *interface)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const char *sentence;
    int r = ask(client, path, interface, &reply, &sentence);

    if (r < 0)
        return r;
    json_begin(json, '{');
    if (name) {
        json_name(json, "Name");
        json_string(json, name);
    }
    json_name(json, "Explanation");
    json_string(json, sentence);
    json_name(json, "Fields");
    json_begin(json, '{');
    r = json_members(json, reply);
    json_end(json, '}');
    json_end(json, '}');
    return r;
}

static int print_source(Client *client, const SourceEntry *entry)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const Options *options = &client->options;
    const SourceReport *source = &entry->source;
    char name[DISPLAY_NAME_MAX], address[IP_ADDRESS_TEXT_MAX];
    const char *sentence;
    int r = ask(client, entry->path, BUS_INTERFACE_SOURCE, &reply, &sentence);

    if (r < 0)
        return r;
    Tone tone = source_tone(source->state);
    text_escape(source->name, name, sizeof(name));
    ip_address_format(&source->remote.address, address);
    printf("%s%c %s", tone_begin(tone, options->color), source_state_letter(source->state), name);
    if (address[0] != '\0' && !text_equal(address, name))
        printf(" (%s)", address);
    printf(": %s%s\n    ", source_state_name(source->state), tone_end(tone, options->color));
    table_write_escaped(stdout, sentence);
    putchar('\n');
    return 0;
}

static int print_clock(Client *client)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const char *sentence;
    int r = ask(client, BUS_ROOT_PATH, BUS_INTERFACE_CLOCK, &reply, &sentence);

    if (r < 0)
        return r;
    table_write_escaped(stdout, sentence[0] != '\0' ? sentence : "The clock is synchronised.");
    putchar('\n');
    return 0;
}

static int json_all(Client *client, const SourceList *list)
{
    Json json = json_init(stdout, client->options.json);
    int r;

    json_begin(&json, '{');
    json_name(&json, "Clock");
    r = json_explanation(client, &json, NULL, BUS_ROOT_PATH, BUS_INTERFACE_CLOCK);
    json_name(&json, "Sources");
    json_begin(&json, '[');
    for (size_t i = 0; i < list->count && r >= 0; i++) {
        json_element(&json);
        r = json_explanation(client, &json, list->entries[i].source.name, list->entries[i].path,
                             BUS_INTERFACE_SOURCE);
    }
    json_end(&json, ']');
    json_end(&json, '}');
    json_finish(&json);
    return r;
}

static int explain_all(Client *client, const SourceList *list)
{
    if (client->options.json != JSON_OFF)
        return json_all(client, list);
    int r = print_clock(client);
    for (size_t i = 0; i < list->count && r >= 0; i++)
        r = print_source(client, &list->entries[i]);
    return r;
}

static int explain_one(Client *client, const SourceList *list, const char *text)
{
    const SourceEntry *entry = source_list_find(list, text);

    if (!entry) {
        puts("503 No such source");
        return 1;
    }
    if (client->options.json == JSON_OFF)
        return print_source(client, entry);
    Json json = json_init(stdout, client->options.json);
    int r = json_explanation(client, &json, entry->source.name, entry->path, BUS_INTERFACE_SOURCE);
    json_finish(&json);
    return r;
}

int verb_explain(Client *client, int argc, char **argv)
{
    SourceList list;
    int r = client_sources(client, false, false, &list);

    if (r < 0)
        return r;
    r = argc > 1 ? explain_one(client, &list, argv[1]) : explain_all(client, &list);
    source_list_clear(&list);
    return r;
}

int verb_sourcename(Client *client, int argc, char **argv)
{
    char name[SOURCE_NAME_MAX], escaped[DISPLAY_NAME_MAX];
    SourceList list;

    (void) argc;
    int r = client_sources(client, false, false, &list);
    if (r < 0)
        return r;
    const SourceEntry *entry = source_list_find(&list, argv[1]);
    if (entry)
        puts(text_escape(source_configured_name(&entry->source, name, sizeof(name)), escaped,
                         sizeof(escaped)));
    else
        puts("503 No such source");
    source_list_clear(&list);
    return entry ? 0 : 1;
}
