// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `authdata`. The columns from Last on are of NTS: nothing for symmetric keys. */

#include <inttypes.h>
#include <math.h>

#include "core/api/bus-names.h"
#include "ctl/format.h"
#include "ctl/name.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

static const char legend[] = "                             .- Mechanism (SK - symmetric key, NTS)\n"
                             "                            |   Bits of key -.    Bytes of a cookie -.\n"
                             "                            |                |  Cookies left ---.    |\n"
                             "                            |                |  Attempts        |    |\n"
                             "                            |                |        |         |    |\n";

static const char *const marks[] = {
    [AUTHENTICATION_NONE] = "-",
    [AUTHENTICATION_SYMMETRIC] = "SK",
    [AUTHENTICATION_NTS] = "NTS",
};

/* The numbers that chrony has for keys go on with IANA's for AEADs. */
static unsigned type_of(const AuthenticationReport *a)
{
    return a->mode == AUTHENTICATION_NTS ? (unsigned) a->aead : (unsigned) a->info.type;
}

static uint32_t since(const AuthenticationReport *a)
{
    return a->since_establishment >= 0 ? (uint32_t) fmin(a->since_establishment, UINT32_MAX - 1)
                                       : INTERVAL_NONE;
}

static void print_row(const Options *options, const SourceEntry *entry, const AuthenticationReport *a)
{
    char name[DISPLAY_NAME_MAX];
    Cell last;

    printf("%-27s %4s %5" PRIu32 " %4u %4" PRIu32 " %s %4" PRIu32 " %4" PRIu32 " %4" PRIu32 " %4" PRIu32 "\n",
           source_display_name(options, &entry->source, name), marks[a->mode], a->key, type_of(a),
           a->info.bits, format_interval(since(a), last), a->attempts, a->naks, a->cookies, a->cookie_length);
}

static void print_row_csv(const Options *options, const SourceEntry *entry, const AuthenticationReport *a)
{
    char name[DISPLAY_NAME_MAX];

    printf("%s,%s,%" PRIu32 ",%u,%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 "\n",
           source_display_name(options, &entry->source, name), marks[a->mode], a->key, type_of(a),
           a->info.bits, since(a), a->attempts, a->naks, a->cookies, a->cookie_length);
}

static int print_rows(Client *client, const SourceList *list)
{
    const Options *options = &client->options;

    for (size_t i = 0; i < list->count; i++) {
        AuthenticationReport report;
        if (!source_is_shown(options, &list->entries[i].source))
            continue;
        int r = client_authentication(client, &list->entries[i], &report);
        if (r < 0)
            return r;
        (options->csv ? print_row_csv : print_row)(options, &list->entries[i], &report);
    }
    return 0;
}

int verb_authdata(Client *client, int argc, char **argv)
{
    const Options *options = &client->options;
    SourceList list;

    (void) argc, (void) argv;
    int r = client_sources(client, false, false, &list);
    if (r < 0)
        return r;
    if (options->json != JSON_OFF) {
        r = report_json_sources(client, &list, NULL, BUS_INTERFACE_AUTHENTICATION);
    } else {
        if (!options->csv && options->verbose)
            fputs(legend, stdout);
        if (!options->csv)
            table_header("Name/IP address             Mode KeyID Type KLen Last Atmp  NAK Cook CLen");
        r = print_rows(client, &list);
    }
    source_list_clear(&list);
    return r;
}
