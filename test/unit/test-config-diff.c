// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Differences of two configurations, each row two texts. */

#include "core/config/config-diff.h"

#include <string.h>

#include "core/config/parser.h"
#include "unit.h"

static Config *parse(const char *bytes)
{
    ConfigProblems problems = {0};
    cleanup_(config_parser_freep) ConfigParser *parser = NULL;
    Config *config;
    ConfigStep step;
    ConfigText text = {.file = "t", .bytes = bytes, .length = strlen(bytes)};

    assert_int_equal(config_new(&config), 0);
    assert_int_equal(config_parser_new(config, &problems, &parser), 0);
    assert_int_equal(config_parser_supply(parser, &text), 0);
    while (config_parser_next(parser, &step) > 0)
        ;
    assert_int_equal(problems.count, 0);
    return config_parser_finish(parser);
}

static const struct {
    const char *name, *from, *to;
    const char *kept_from; /* a digit for each new source, '+': added */
    const char *removed;   /* '-' for each old source that goes, '.' that stays */
    const char *sections;
} ROWS[] = {
    {"nothing", "", "", "", "", ""},
    {"same", "server a iburst\npool b\n", "server a iburst\npool b\n", "01", "..", ""},
    {"added", "server a\n", "server a\nserver b\n", "0+", ".", ""},
    {"removed", "server a\nserver b\n", "server b\n", "1", "-.", ""},
    {"order", "server a\nserver b\n", "server b\nserver a\n", "10", "..", ""},
    {"option", "server a\n", "server a iburst\n", "+", "-", ""},
    {"default said", "server a\n", "server a minpoll 6 maxpoll 10 port 123\n", "0", ".", ""},
    {"kind", "server a\n", "pool a\n", "+", "-", ""},
    {"case of a name", "server a\n", "server A\n", "0", ".", ""},
    {"twice to once", "pool a\npool a\n", "pool a\n", "0", ".-", ""},
    {"once to twice", "pool a\n", "pool a\npool a\n", "0+", ".", ""},
    {"samples by directive", "server a\n", "server a\nminsamples 9\n", "+", "-", ""},
    {"selection", "", "maxdistance 1\n", "", "", "selection"},
    {"clock", "makestep 1 3\n", "makestep 1 4\n", "", "", "clock"},
    {"flag", "", "rtcsync\n", "", "", "clock"},
    {"precision", "", "clockprecision 1e-6\n", "", "", "clock, restart"},
    {"net", "", "dscp 46\n", "", "", "net"},
    {"address", "", "bindacqaddress 192.0.2.1\n", "", "", "net"},
    {"device", "bindacqdevice a\n", "bindacqdevice b\n", "", "", "net"},
    {"drift file", "driftfile /a\n", "driftfile /b\n", "", "", "drift"},
    {"drift interval", "driftfile /a\n", "driftfile /a interval 9\n", "", "", "drift"},
    {"initstepslew", "initstepslew 1 a b\n", "initstepslew 1 A b\n", "", "", ""},
    {"initstepslew, threshold", "initstepslew 1 a\n", "initstepslew 2 a\n", "", "", "restart"},
    {"initstepslew, host", "initstepslew 1 a b\n", "initstepslew 1 a c\n", "", "", "restart"},
    {"initstepslew, one more", "initstepslew 1 a\n", "initstepslew 1 a b\n", "", "", "restart"},
    {"initstepslew, new", "", "initstepslew 1 a\n", "", "", "restart"},
    {"initstepslew, gone", "initstepslew 1 a\n", "", "", "", "restart"},
    {"user", "user a\n", "user b\n", "", "", "restart"},
    {"restart, unset", "pidfile /a\n", "", "", "", "restart"},
};

static const char *sections_of(const ConfigDiff *diff)
{
    if (diff->clock && diff->restart)
        return "clock, restart";
    if (diff->selection + diff->clock + diff->net + diff->drift_file + diff->restart > 1)
        return "several";
    return diff->selection    ? "selection"
           : diff->clock      ? "clock"
           : diff->net        ? "net"
           : diff->drift_file ? "drift"
           : diff->restart    ? "restart"
                              : "";
}

static void check_sources(const ConfigDiff *diff, size_t row, size_t from_count, size_t to_count)
{
    char kept[8] = "", removed[8] = "";

    for (size_t i = 0; i < to_count; i++)
        kept[i] = diff->kept_from[i] == CONFIG_NO_SOURCE ? '+' : (char) ('0' + diff->kept_from[i]);
    for (size_t i = 0; i < from_count; i++)
        removed[i] = diff->removed[i] ? '-' : '.';
    if (strcmp(kept, ROWS[row].kept_from) != 0 || strcmp(removed, ROWS[row].removed) != 0)
        fail_msg("%s: kept from \"%s\", removed \"%s\"", ROWS[row].name, kept, removed);
}

static void test_rows(void **state unused_)
{
    for (size_t i = 0; i < ELEMENTS(ROWS); i++) {
        cleanup_(config_freep) Config *from = parse(ROWS[i].from), *to = parse(ROWS[i].to);
        cleanup_(config_diff_freep) ConfigDiff *diff = NULL;

        assert_int_equal(config_diff_new(from, to, &diff), 0);
        check_sources(diff, i, from->source_count, to->source_count);
        if (strcmp(sections_of(diff), ROWS[i].sections) != 0)
            fail_msg("%s: section \"%s\"", ROWS[i].name, sections_of(diff));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
