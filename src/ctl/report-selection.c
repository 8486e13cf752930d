// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `selectdata`. Its interval is of our offset, positive when we are ahead: the bus' interval mirrored. */

#include "core/api/bus-names.h"
#include "ctl/format.h"
#include "ctl/name.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

static const char legend[] = "  . State: N - noselect, s - not synchronised, M - needs more samples,\n"
                             " /         r - bad stratum, d/D - too distant, ~ - too much jitter,\n"
                             "|          w/W - waits for others, S - stale, O - orphan, T - not trusted,\n"
                             "|          P - not preferred, U - waits for a sample, x - disagrees,\n"
                             "|          + - combined, * - followed.\n"
                             "|   Options in force  -----------.  (N - noselect, P - prefer,\n"
                             "|   Options as configured  -.     \\  T - trust, R - require)\n"
                             "|   Authenticated (Y/N) -.   \\     \\     Our offset lies in -.\n"
                             "|                        |    |     |                         |\n";

static char letter(bool set, char c)
{
    return set ? c : '-';
}

/* The fifth place is reserved in chronyc, too. */
static void format_options(const SelectOptions *options, char buffer[static 6])
{
    buffer[0] = letter(options->noselect, 'N');
    buffer[1] = letter(options->prefer, 'P');
    buffer[2] = letter(options->trust, 'T');
    buffer[3] = letter(options->require, 'R');
    buffer[4] = '-';
    buffer[5] = '\0';
}

static void print_row(const Options *options, const SourceEntry *entry)
{
    const SelectionReport *s = &entry->selection;
    char name[DISPLAY_NAME_MAX], configured[6], effective[6];
    Cell age, low, high;
    Tone tone = source_tone(s->state);

    format_options(&s->configured, configured);
    format_options(&s->effective, effective);
    printf("%s%c %-25s %c %s %s %s %5.1f %s %s  %c%s\n", tone_begin(tone, options->color),
           source_state_letter(s->state), source_display_name(options, &entry->source, name),
           s->authenticated ? 'Y' : 'N', configured, effective,
           format_interval(interval_from_age(s->since_sample), age), s->score,
           format_offset(0.0 - s->high_limit, low), format_offset(0.0 - s->low_limit, high),
           leap_status_letter(s->leap), tone_end(tone, options->color));
}

static void print_row_csv(const Options *options, const SourceEntry *entry)
{
    const SelectionReport *s = &entry->selection;
    char name[DISPLAY_NAME_MAX], c[6], e[6];

    format_options(&s->configured, c);
    format_options(&s->effective, e);
    printf("%c,%s,%c,%c,%c,%c,%c,%c,%c,%c,%c,%c,%c,%u,%.1f,%.9f,%.9f,%s\n", source_state_letter(s->state),
           source_display_name(options, &entry->source, name), s->authenticated ? 'Y' : 'N', c[0], c[1], c[2],
           c[3], c[4], e[0], e[1], e[2], e[3], e[4], interval_from_age(s->since_sample), s->score,
           0.0 - s->high_limit, 0.0 - s->low_limit, leap_status_title(s->leap));
}

int verb_selectdata(Client *client, int argc, char **argv)
{
    const Options *options = &client->options;
    SourceList list;

    (void) argc, (void) argv;
    int r = client_sources(client, true, false, &list);
    if (r < 0)
        return r;
    if (options->json != JSON_OFF) {
        r = report_json_sources(client, &list, NULL, BUS_INTERFACE_SELECTION);
        source_list_clear(&list);
        return r;
    }
    if (!options->csv) {
        if (options->verbose)
            fputs(legend, stdout);
        table_header("S Name/IP Address        Auth COpts EOpts Last Score     Interval  Leap");
    }
    for (size_t i = 0; i < list.count; i++)
        if (source_is_shown(options, &list.entries[i].source))
            (options->csv ? print_row_csv : print_row)(options, &list.entries[i]);
    source_list_clear(&list);
    return 0;
}
