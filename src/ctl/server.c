// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The verbs that change what the server does: who may ask, and the local reference. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/subnet.h"
#include "base/text.h"
#include "core/api/bus-names.h"
#include "ctl/verbs.h"

static int done(int r)
{
    if (r < 0)
        return r;
    puts("200 OK");
    return 0;
}

/* --- who may ask --- */

/* Why a network could not be read, as chronyc says it. */
static int bad_network(const char *text)
{
    char address[IP_ADDRESS_TEXT_MAX];
    size_t length = strcspn(text, "/");
    IpAddress parsed;
    uint8_t prefix;

    if (text[length] == '/' && length < sizeof(address)) {
        memcpy(address, text, length);
        address[length] = '\0';
        if (ip_subnet_parse(address, &parsed, &prefix)) {
            puts("507 Bad subnet");
            return 1;
        }
    }
    fputs("Could not read address\n", stderr);
    return 1;
}

/* "allow", "allow 192.0.2.0/24", "allow all 10". */
static int change_access(Client *client, int argc, char **argv, const char *member)
{
    bool all = argc > 1 && text_equal(argv[1], "all");
    int at = all ? 2 : 1;
    const char *network = argc > at ? argv[at] : "";
    IpAddress address;
    uint8_t prefix;

    if (argc > at + 1)
        return syntax_error(argv[0]);
    if (network[0] != '\0' && !ip_subnet_parse(network, &address, &prefix))
        return bad_network(network);
    return done(
        client_command(client, NULL, BUS_ROOT_PATH, BUS_INTERFACE_SERVER, member, "sb", network, (int) all));
}

int verb_allow(Client *client, int argc, char **argv)
{
    return change_access(client, argc, argv, "Allow");
}

int verb_deny(Client *client, int argc, char **argv)
{
    return change_access(client, argc, argv, "Deny");
}

int verb_accheck(Client *client, int argc, char **argv)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    IpAddress address;
    int allowed;

    (void) argc;
    if (!ip_address_parse(argv[1], &address)) {
        fputs("Could not read address\n", stderr);
        return 1;
    }
    int r = client_call(client, &reply, BUS_ROOT_PATH, BUS_INTERFACE_SERVER, "CheckAccess", "s", argv[1]);
    if (r >= 0)
        r = sd_bus_message_read(reply, "b", &allowed);
    if (r < 0)
        return r;
    puts(allowed ? "208 Access allowed" : "209 Access denied");
    return 0;
}

/* --- the local reference --- */

static const struct {
    const char *word, *name;
} local_options[] = {
    {"distance", "Distance"},
    {"activate", "Activate"},
    {"waitsynced", "WaitSynced"},
    {"waitunsynced", "WaitUnsynced"},
};

/* One option with its value; -EINVAL: it is none. */
static int append_local_option(sd_bus_message *m, const char *word, const char *value)
{
    int64_t stratum;
    double number;

    if (text_equal(word, "stratum")) {
        if (!text_to_int(value, &stratum) || stratum < 1 || stratum > 15)
            return -EINVAL;
        return sd_bus_message_append(m, "{sv}", "Stratum", "u", (uint32_t) stratum);
    }
    for (size_t i = 0; i < ELEMENTS(local_options); i++)
        if (text_equal(word, local_options[i].word) && text_to_double(value, &number))
            return sd_bus_message_append(m, "{sv}", local_options[i].name, "d", number);
    return -EINVAL;
}

int verb_local(Client *client, int argc, char **argv)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

    if (argc == 2 && text_equal(argv[1], "off"))
        return done(client_command(client, NULL, BUS_ROOT_PATH, BUS_INTERFACE_LOCAL, "Disable", NULL));
    int r = client_command_new(client, &m, BUS_ROOT_PATH, BUS_INTERFACE_LOCAL, "Enable");
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    for (int i = 1; r >= 0 && i < argc; i++) {
        if (text_equal(argv[i], "orphan")) {
            r = sd_bus_message_append(m, "{sv}", "Orphan", "b", 1);
        } else {
            r = i + 1 < argc ? append_local_option(m, argv[i], argv[i + 1]) : -EINVAL;
            i++;
        }
        if (r == -EINVAL)
            return syntax_error(argv[0]);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    if (r >= 0)
        r = client_command_send(client, m, NULL);
    return done(r);
}
