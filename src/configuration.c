// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See configuration.h. */

#include "configuration.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/strings.h"
#include "config-files.h"
#include "core/config/config-diff.h"

#define LINE_MAX_TEXT 512

static bool is_among(const char *line, char *const *lines)
{
    for (; lines && *lines; lines++)
        if (text_equal(*lines, line))
            return true;
    return false;
}

/* What both have in common is not told again. told may be NULL. */
static void log_problems(Journal *journal, const ConfigProblems *problems, char *const *told, Text *detail)
{
    for (size_t i = 0; i < problems->count; i++) {
        const ConfigProblem *problem = &problems->items[i];
        bool is_error = problem->severity == CONFIG_ERROR;
        char buffer[LINE_MAX_TEXT];
        Text line = TEXT(buffer);

        config_problem_format(problem, &line);
        if (!is_among(buffer, told))
            journal_print(journal, is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s", line.data);
        if (is_error && detail && detail->length == 0)
            text_append(detail, line.data);
    }
    if (problems->errors + problems->warnings > problems->count)
        journal_print(journal, LOG_LEVEL_ERROR, "%zu further problems of the configuration are not shown",
                      problems->errors + problems->warnings - problems->count);
}

/* Without memory some will be told again. */
static void remember_problems(const ConfigProblems *problems, char ***told)
{
    strings_clear(told);
    for (size_t i = 0; i < problems->count; i++) {
        char buffer[LINE_MAX_TEXT];
        Text line = TEXT(buffer);

        config_problem_format(&problems->items[i], &line);
        if (strings_add(told, buffer) < 0)
            return;
    }
}

static ConfigInput input_of(const Options *options)
{
    return (ConfigInput) {.file = options->config_file,
                          .arguments = options->directives,
                          .argument_count = options->directive_count};
}

int configuration_load(const Options *options, Journal *journal, Text *detail, Config **ret)
{
    const ConfigInput input = input_of(options);
    ConfigProblems problems = {};

    int r = config_load(&input, &problems, ret);
    log_problems(journal, &problems, NULL, detail);
    config_problems_clear(&problems);
    return r;
}

int configuration_reload_sources(const Config *config, Journal *journal, char ***told, Config **ret)
{
    ConfigProblems problems = {};

    int r = config_reload_sources(config, &problems, ret);
    if (journal)
        log_problems(journal, &problems, *told, NULL);
    remember_problems(&problems, told);
    config_problems_clear(&problems);
    return r;
}

bool configuration_differs_in_sources(const Config *from, const Config *to)
{
    cleanup_(config_diff_freep) ConfigDiff *diff = NULL;

    return config_diff_new(from, to, &diff) < 0 || diff->added_count > 0 || diff->removed_count > 0;
}

void configuration_log_changes(const Config *from, const Config *to, Journal *journal)
{
    cleanup_(config_diff_freep) ConfigDiff *diff = NULL;

    /* Without memory for it the log is shorter, and all else is as well. */
    if (config_diff_new(from, to, &diff) < 0)
        return;
    journal_print(journal, LOG_LEVEL_INFO, "Sources of the configuration: %zu added, %zu removed, %zu kept",
                  diff->added_count, diff->removed_count, to->source_count - diff->added_count);
    if (diff->restart)
        journal_print(journal, LOG_LEVEL_WARNING,
                      "Changes of clockprecision, initstepslew, lock_all, pidfile, sched_priority and user "
                      "wait for a restart");
}

int configuration_print(const Options *options, Journal *journal)
{
    const ConfigInput input = input_of(options);
    ConfigProblems problems = {};

    int r = config_print(&input, stdout, &problems);
    log_problems(journal, &problems, NULL, NULL);
    bool good = r >= 0 && problems.errors == 0;
    config_problems_clear(&problems);
    if (fflush(stdout) != 0)
        good = false;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
