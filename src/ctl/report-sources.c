// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `sources` and `sourcestats`. Offsets and frequencies of these tables are positive when our clock is ahead
 * or runs fast: the opposite of the bus. */

#include "core/api/bus-names.h"
#include "ctl/format.h"
#include "ctl/name.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

static const char sources_legend[] =
    "\n"
    "  .-- Kind of source: '^' server, '=' peer, '#' reference clock.\n"
    " / .- Selection: '*' followed, '+' combined with it, '-' good, but not used,\n"
    "| /            'x' disagrees, '~' too much jitter, '?' not selectable.\n"
    "||                                                 .- xxxx [ yyyy ] +/- zzzz\n"
    "||      The last eight polls (octal) -.            |  xxxx = offset by now,\n"
    "||      Polls every 2^n seconds -.    |            |  yyyy = as measured,\n"
    "||                                \\   |            |  zzzz = error bound;\n"
    "||                                 |  |            \\  + when we are ahead.\n";

static const char sourcestats_legend[] =
    "                             .- Samples that the estimate is made of.\n"
    "                            /    .- Runs of residuals with one sign.\n"
    "                           |    /    .- Time between oldest and newest sample.\n"
    "                           |   |    /      .- Our frequency error by it (ppm).\n"
    "                           |   |   |      /           .- Bound on its error.\n"
    "                           |   |   |     |           /         .- Our offset.\n"
    "                           |   |   |     |          |          |   Scatter -.\n"
    "                           |   |   |     |          |          |  of samples \\\n"
    "                           |   |   |     |          |          |             |\n";

/* What a source without samples is said to have: nothing known about its frequency, nor its offset. */
#define UNKNOWN_SKEW_PPM  2000.0
#define UNKNOWN_DEVIATION 4.0

static void print_source(const Options *options, const SourceReport *s)
{
    char name[DISPLAY_NAME_MAX];
    Cell age, offset, measured, error;
    Tone tone = source_tone(s->state);

    printf("%s%c%c %-27s  %2u  %2d   %3o  %s  %s[%s] +/- %s%s\n", tone_begin(tone, options->color),
           source_mode_letter(s->kind), source_state_mark(s->state), source_display_name(options, s, name),
           s->stratum, s->poll, s->reachability, format_interval(interval_from_age(s->since_sample), age),
           format_offset(0.0 - s->offset, offset), format_offset(0.0 - s->measured_offset, measured),
           format_error(s->offset_error, error), tone_end(tone, options->color));
}

static void print_source_csv(const Options *options, const SourceReport *s)
{
    char name[DISPLAY_NAME_MAX];

    printf("%c,%c,%s,%u,%d,%o,%u,%.9f,%.9f,%.9f\n", source_mode_letter(s->kind), source_state_mark(s->state),
           source_display_name(options, s, name), s->stratum, s->poll, s->reachability,
           interval_from_age(s->since_sample), 0.0 - s->offset, 0.0 - s->measured_offset, s->offset_error);
}

static void print_statistics(const Options *options, const SourceReport *s)
{
    char name[DISPLAY_NAME_MAX];
    Cell span, frequency, skew, offset, deviation;
    Tone tone = source_tone(s->state);
    bool known = s->samples > 0;

    printf("%s%-25s  %2u  %2u  %s %s %s  %s  %s%s\n", tone_begin(tone, options->color),
           source_display_name(options, s, name), s->samples, s->runs,
           format_interval(interval_from_age(s->span), span),
           format_frequency(0.0 - s->residual_frequency * 1e6, frequency),
           format_skew(known ? s->skew * 1e6 : UNKNOWN_SKEW_PPM, skew),
           format_offset(0.0 - s->estimated_offset, offset),
           format_error(known ? s->standard_deviation : UNKNOWN_DEVIATION, deviation),
           tone_end(tone, options->color));
}

static void print_statistics_csv(const Options *options, const SourceReport *s)
{
    char name[DISPLAY_NAME_MAX];
    bool known = s->samples > 0;

    printf("%s,%u,%u,%u,%.3f,%.3f,%.9f,%.9f\n", source_display_name(options, s, name), s->samples, s->runs,
           interval_from_age(s->span), 0.0 - s->residual_frequency * 1e6,
           known ? s->skew * 1e6 : UNKNOWN_SKEW_PPM, 0.0 - s->estimated_offset,
           known ? s->standard_deviation : UNKNOWN_DEVIATION);
}

/* "networkd, eth0"; the file or interface is left out where there is none. */
static void print_origin(const Options *options, const SourceReport *s)
{
    char name[DISPLAY_NAME_MAX], origin[4 * ORIGIN_NAME_MAX];

    printf("%-25s  %s%s%s\n", source_display_name(options, s, name), source_origin_name(s->origin),
           s->origin_name[0] != '\0' ? ", " : "", text_escape(s->origin_name, origin, sizeof(origin)));
}

static void print_origins(const Options *options, const SourceList *list)
{
    putchar('\n');
    table_header("Name/IP Address            Named by                                           ");
    for (size_t i = 0; i < list->count; i++)
        if (source_is_shown(options, &list->entries[i].source))
            print_origin(options, &list->entries[i].source);
}

/* One table over the Source interface. */
typedef struct SourceTable {
    const char *legend, *header;
    void (*row)(const Options *options, const SourceReport *source);
    void (*csv_row)(const Options *options, const SourceReport *source);
    bool origins; /* a second one with -v: who has named them */
} SourceTable;

static int print_table(Client *client, const SourceTable *table)
{
    const Options *options = &client->options;
    SourceList list;
    int r = client_sources(client, false, false, &list);

    if (r < 0)
        return r;
    if (options->json != JSON_OFF) {
        r = report_json_sources(client, &list, NULL, BUS_INTERFACE_SOURCE);
        source_list_clear(&list);
        return r;
    }
    if (!options->csv) {
        if (options->verbose)
            fputs(table->legend, stdout);
        table_header(table->header);
    }
    for (size_t i = 0; i < list.count; i++)
        if (source_is_shown(options, &list.entries[i].source))
            (options->csv ? table->csv_row : table->row)(options, &list.entries[i].source);
    if (table->origins && options->verbose && !options->csv && !options->as_chronyc)
        print_origins(options, &list);
    source_list_clear(&list);
    return 0;
}

int verb_sources(Client *client, int argc, char **argv)
{
    static const SourceTable table = {
        sources_legend, "MS Name/IP address         Stratum Poll Reach LastRx Last sample               ",
        print_source,   print_source_csv,
        true,
    };

    (void) argc, (void) argv;
    return print_table(client, &table);
}

int verb_sourcestats(Client *client, int argc, char **argv)
{
    static const SourceTable table = {
        sourcestats_legend,
        "Name/IP Address            NP  NR  Span  Frequency  Freq Skew  Offset  Std Dev",
        print_statistics,
        print_statistics_csv,
        false,
    };

    (void) argc, (void) argv;
    return print_table(client, &table);
}
