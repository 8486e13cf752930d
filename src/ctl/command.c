// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The verbs that change something. Each is one call, answered by "200 OK" or one of chronyc's reply lines. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/api/bus-names.h"
#include "core/api/command.h"
#include "ctl/name.h"
#include "ctl/verbs.h"

int syntax_error(const char *verb)
{
    fprintf(stderr, "Invalid syntax for %s command\n", verb);
    return 1;
}

static int no_such_source(void)
{
    puts("503 No such source");
    return 1;
}

/* The end of a command: r as client_command() gave it. */
static int done(int r)
{
    if (r < 0)
        return r;
    puts("200 OK");
    return 0;
}

/* A command without arguments of the root object. */
static int simple(Client *client, const char *interface, const char *member)
{
    return done(client_command(client, NULL, BUS_ROOT_PATH, interface, member, NULL));
}

/* The object path of the source that text means: 1 found (ret_path is the caller's), 0 there is none. */
static int find_source(Client *client, const char *text, char **ret_path)
{
    SourceList list;
    int r = client_sources(client, false, false, &list);

    if (r < 0)
        return r;
    const SourceEntry *entry = source_list_find(&list, text);
    char *path = entry ? strdup(entry->path) : NULL;
    source_list_clear(&list);
    if (!path)
        return 0;
    *ret_path = path;
    return 1;
}

int verb_add(Client *client, int argc, char **argv)
{
    char options[SOURCE_OPTIONS_MAX];
    Text text = TEXT(options);

    if (!text_equal(argv[1], "server") && !text_equal(argv[1], "pool") && !text_equal(argv[1], "peer"))
        return syntax_error(argv[0]);
    for (int i = 3; i < argc; i++) {
        text_append(&text, i > 3 ? " " : "");
        text_append(&text, argv[i]);
    }
    if (text.truncated)
        return syntax_error(argv[0]);
    return done(client_command(client, NULL, BUS_ROOT_PATH, BUS_INTERFACE_SOURCES, "Add", "sss", argv[1],
                               argv[2], options));
}

int verb_delete(Client *client, int argc, char **argv)
{
    cleanup_(freep) char *path = NULL;
    int r = find_source(client, argv[1], &path);

    (void) argc;
    if (r < 0)
        return r;
    /* A name that no source has may be that of a pool: the daemon knows. */
    return done(client_command(client, NULL, BUS_ROOT_PATH, BUS_INTERFACE_SOURCES, "Remove", "s",
                               path ? path : argv[1]));
}

/* Bits of a netmask written as an address; -1 when they have a gap. */
static int mask_bits(const IpAddress *mask)
{
    int length = mask->family == IP_V4 ? 32 : 128, bits = 0;

    while (bits < length && mask->bytes[bits / 8] & 0x80 >> bits % 8)
        bits++;
    for (int i = bits; i < length; i++)
        if (mask->bytes[i / 8] & 0x80 >> i % 8)
            return -1;
    return bits;
}

/* chronyc's "255.255.255.0/192.0.2.0" into "192.0.2.0/24"; "192.0.2.0/24" stays. */
static bool translate_network(const char *word, Text *text)
{
    char first[IP_ADDRESS_TEXT_MAX];
    const char *slash = strchr(word, '/');
    IpAddress a, b;
    int64_t bits;

    if ((size_t) (slash - word) >= sizeof(first))
        return false;
    memcpy(first, word, (size_t) (slash - word));
    first[slash - word] = '\0';
    if (!ip_address_parse(first, &a))
        return false;
    if (ip_address_parse(slash + 1, &b)) {
        if (a.family != b.family || mask_bits(&a) < 0)
            return false;
        text_append_format(text, "%s/%d", slash + 1, mask_bits(&a));
        return true;
    }
    if (!text_to_int(slash + 1, &bits) || bits < 0 || bits > (a.family == IP_V4 ? 32 : 128))
        return false;
    text_append(text, word);
    return true;
}

/* The mask of a method out of the word of the command line; NULL: all. 1: written to text, 0: no such source.
 */
static int read_mask(Client *client, const char *word, Text *text, bool *ret_valid)
{
    cleanup_(freep) char *path = NULL;

    *ret_valid = true;
    if (!word)
        return 1;
    if (strchr(word, '/') && word[0] != '/') {
        *ret_valid = translate_network(word, text);
        return 1;
    }
    int r = find_source(client, word, &path);
    if (r > 0)
        text_append(text, path);
    return r;
}

/* The reply counts the sources that the mask met. */
static int done_with_count(sd_bus_message *reply, const char *mask)
{
    uint32_t count;
    int r = sd_bus_message_read(reply, "u", &count);

    if (r < 0)
        return r;
    return count == 0 && mask[0] != '\0' ? no_such_source() : done(0);
}

static int set_online(Client *client, int argc, char **argv, bool online)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    char mask[512];
    Text text = TEXT(mask);
    bool valid;
    int r = read_mask(client, argc > 1 ? argv[1] : NULL, &text, &valid);

    if (r <= 0)
        return r < 0 ? r : no_such_source();
    if (!valid)
        return syntax_error(argv[0]);
    r = client_command(client, &reply, BUS_ROOT_PATH, BUS_INTERFACE_SOURCES, "SetOnline", "sb", mask,
                       (int) online);
    return r < 0 ? r : done_with_count(reply, mask);
}

int verb_online(Client *client, int argc, char **argv)
{
    return set_online(client, argc, argv, true);
}

int verb_offline(Client *client, int argc, char **argv)
{
    return set_online(client, argc, argv, false);
}

int verb_burst(Client *client, int argc, char **argv)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    char mask[512];
    Text text = TEXT(mask);
    int good, total, end = 0, r;
    bool valid;

    if (sscanf(argv[1], "%9d/%9d%n", &good, &total, &end) != 2 || argv[1][end] != '\0')
        return syntax_error(argv[0]);
    r = read_mask(client, argc > 2 ? argv[2] : NULL, &text, &valid);
    if (r <= 0)
        return r < 0 ? r : no_such_source();
    if (!valid)
        return syntax_error(argv[0]);
    r = client_command(client, &reply, BUS_ROOT_PATH, BUS_INTERFACE_SOURCES, "Burst", "iis", good, total,
                       mask);
    return r < 0 ? r : done_with_count(reply, mask);
}

int verb_onoffline(Client *client, int argc, char **argv)
{
    (void) argc, (void) argv;
    return simple(client, BUS_INTERFACE_SOURCES, "OnOffline");
}

int verb_refresh(Client *client, int argc, char **argv)
{
    (void) argc, (void) argv;
    return simple(client, BUS_INTERFACE_SOURCES, "Refresh");
}

int verb_reselect(Client *client, int argc, char **argv)
{
    (void) argc, (void) argv;
    return simple(client, BUS_INTERFACE_SOURCES, "Reselect");
}

int verb_reset(Client *client, int argc, char **argv)
{
    (void) argc;
    return text_equal(argv[1], "sources") ? simple(client, BUS_INTERFACE_SOURCES, "Reset")
                                          : syntax_error(argv[0]);
}

int verb_reload(Client *client, int argc, char **argv)
{
    if (argc == 1)
        return simple(client, BUS_INTERFACE_MANAGER, "Reload");
    return text_equal(argv[1], "sources") ? simple(client, BUS_INTERFACE_MANAGER, "ReloadSources")
                                          : syntax_error(argv[0]);
}

int verb_dump(Client *client, int argc, char **argv)
{
    (void) argc, (void) argv;
    return simple(client, BUS_INTERFACE_MANAGER, "Dump");
}

int verb_rekey(Client *client, int argc, char **argv)
{
    (void) argc, (void) argv;
    return simple(client, BUS_INTERFACE_MANAGER, "Rekey");
}

int verb_cyclelogs(Client *client, int argc, char **argv)
{
    (void) argc, (void) argv;
    return simple(client, BUS_INTERFACE_MANAGER, "CycleLogs");
}

static int set_number(Client *client, char **argv, const char *interface, const char *member)
{
    double number;

    if (!text_to_double(argv[1], &number))
        return syntax_error(argv[0]);
    return done(client_command(client, NULL, BUS_ROOT_PATH, interface, member, "d", number));
}

int verb_reselectdist(Client *client, int argc, char **argv)
{
    (void) argc;
    return set_number(client, argv, BUS_INTERFACE_SOURCES, "SetReselectDistance");
}

int verb_maxupdateskew(Client *client, int argc, char **argv)
{
    (void) argc;
    return set_number(client, argv, BUS_INTERFACE_CLOCK, "SetMaxUpdateSkew");
}

int verb_makestep(Client *client, int argc, char **argv)
{
    double threshold;
    int64_t limit;

    if (argc == 1)
        return simple(client, BUS_INTERFACE_CLOCK, "MakeStep");
    if (argc != 3 || !text_to_double(argv[1], &threshold) || !text_to_int(argv[2], &limit) ||
        limit < INT32_MIN || limit > INT32_MAX)
        return syntax_error(argv[0]);
    return done(client_command(client, NULL, BUS_ROOT_PATH, BUS_INTERFACE_CLOCK, "SetStepPolicy", "di",
                               threshold, (int) limit));
}

/* minpoll, maxdelay...: one verb for each SourceOption, under its name. */
int verb_option(Client *client, int argc, char **argv)
{
    cleanup_(freep) char *path = NULL;
    double value;

    (void) argc;
    if (!text_to_double(argv[2], &value))
        return syntax_error(argv[0]);
    int r = find_source(client, argv[1], &path);
    if (r <= 0)
        return r < 0 ? r : no_such_source();
    return done(client_command(client, NULL, path, BUS_INTERFACE_SOURCE, "SetOption", "sd", argv[0], value));
}

static bool is_select_option(const char *word)
{
    return text_equal(word, "noselect") || text_equal(word, "prefer") || text_equal(word, "trust") ||
           text_equal(word, "require");
}

int verb_selectopts(Client *client, int argc, char **argv)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    cleanup_(freep) char *path = NULL;

    for (int i = 2; i < argc; i++)
        if ((argv[i][0] != '+' && argv[i][0] != '-') || !is_select_option(argv[i] + 1))
            return syntax_error(argv[0]);
    int r = find_source(client, argv[1], &path);
    if (r <= 0)
        return r < 0 ? r : no_such_source();

    r = client_command_new(client, &m, path, BUS_INTERFACE_SOURCE, "SetSelectOptions");
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sb}");
    for (int i = 2; i < argc && r >= 0; i++)
        r = sd_bus_message_append(m, "{sb}", argv[i] + 1, argv[i][0] == '+');
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    if (r >= 0)
        r = client_command_send(client, m, NULL);
    return done(r);
}
