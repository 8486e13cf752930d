// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `settime` and `manual`. On the bus an offset is what to add to our clock; chronyc prints how far it is
 * ahead. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "core/api/bus-names.h"
#include "ctl/date.h"
#include "ctl/report.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* Now, in us; 0 when the daemon runs on another machine, whose clock this is not. */
static uint64_t monotonic_usec(const Client *client)
{
    struct timespec now;

    if (client->options.host || clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        return 0;
    return (uint64_t) ns_from_timespec(now) / NSEC_PER_USEC;
}

int verb_settime(Client *client, int argc, char **argv)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    uint64_t entered = monotonic_usec(client);
    double offset, change, frequency;
    char date[128];
    Text text = TEXT(date);
    time_t seconds;

    for (int i = 1; i < argc; i++) {
        text_append(&text, i > 1 ? " " : "");
        text_append(&text, argv[i]);
    }
    if (text.truncated || !date_parse(date, time(NULL), &seconds) || seconds < 0) {
        puts("510 - Could not parse date string");
        return 1;
    }
    int r = client_command(client, &reply, BUS_ROOT_PATH, BUS_INTERFACE_CLOCK, "SetTime", "tt",
                           (uint64_t) seconds * 1000000, entered);
    if (r >= 0)
        r = sd_bus_message_read(reply, "ddd", &offset, &change, &frequency);
    if (r < 0)
        return r;
    printf("200 OK\nClock was %.2f seconds fast.  Frequency change = %.2fppm, new frequency = %.2fppm\n",
           0.0 - offset, 0.0 - change, 0.0 - frequency);
    return 0;
}

static int change(Client *client, const char *member)
{
    int r = client_command(client, NULL, BUS_ROOT_PATH, BUS_INTERFACE_MANUAL, member, NULL);

    if (r < 0)
        return r;
    puts("200 OK");
    return 0;
}

static int delete_entry(Client *client, const char *word)
{
    int64_t entry;

    if (!word || !text_to_int(word, &entry) || entry < 0 || entry > UINT32_MAX) {
        fputs("Bad syntax for manual delete command\n", stderr);
        return 1;
    }
    int r =
        client_command(client, NULL, BUS_ROOT_PATH, BUS_INTERFACE_MANUAL, "Delete", "u", (uint32_t) entry);
    if (r < 0)
        return r;
    puts("200 OK");
    return 0;
}

static void print_entry(const Options *options, unsigned number, const ManualEntryReport *entry)
{
    struct timespec time = timespec_from_ns(entry->time.ns);
    char date[32] = "";
    struct tm broken;

    if (gmtime_r(&time.tv_sec, &broken))
        (void) strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &broken);
    printf(options->csv ? "%u,%s,%.2f,%.2f,%.2f\n" : "%2u %s %10.2f %10.2f %10.2f\n", number, date,
           0.0 - entry->slewed, 0.0 - entry->original, 0.0 - entry->residual);
}

static int read_entries(sd_bus_message *m, ManualReport *ret)
{
    uint64_t usec;
    ManualEntryReport entry;
    int r = sd_bus_message_enter_container(m, 'v', "a(tddd)");

    *ret = (ManualReport) {0};
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "(tddd)");
    if (r < 0)
        return r;
    while (ret->count < MANUAL_ENTRIES_MAX &&
           (r = sd_bus_message_read(m, "(tddd)", &usec, &entry.slewed, &entry.original, &entry.residual)) >
               0) {
        entry.time.ns = (int64_t) (usec % (INT64_MAX / NSEC_PER_USEC)) * NSEC_PER_USEC;
        ret->entries[ret->count++] = entry;
    }
    return r;
}

static int list(Client *client)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    ManualReport report;

    if (client->options.json != JSON_OFF)
        return report_json(client, BUS_INTERFACE_MANUAL);
    int r = client_call(client, &reply, BUS_ROOT_PATH, "org.freedesktop.DBus.Properties", "Get", "ss",
                        BUS_INTERFACE_MANUAL, "Entries");
    if (r >= 0)
        r = read_entries(reply, &report);
    if (r < 0)
        return r;
    if (!client->options.csv) {
        printf("210 n_samples = %zu\n", report.count);
        table_header("#    Date     Time(UTC)    Slewed   Original   Residual");
    }
    for (unsigned i = 0; i < report.count; i++)
        print_entry(&client->options, i, &report.entries[i]);
    return 0;
}

int verb_manual(Client *client, int argc, char **argv)
{
    static const struct {
        const char *word, *member;
    } changes[] = {{"on", "On"}, {"off", "Off"}, {"reset", "Reset"}};

    if (text_equal(argv[1], "delete"))
        return delete_entry(client, argc > 2 ? argv[2] : NULL);
    if (argc > 2)
        return syntax_error(argv[0]);
    if (text_equal(argv[1], "list"))
        return list(client);
    for (size_t i = 0; i < ELEMENTS(changes); i++)
        if (text_equal(argv[1], changes[i].word))
            return change(client, changes[i].member);
    return syntax_error(argv[0]);
}
