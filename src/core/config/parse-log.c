// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The words of the directive log; see parse-log.h. Unlike most words of the language, their case matters. */

#include "core/config/parse-log.h"

#include "base/spelling.h"
#include "base/text.h"

static const struct {
    const char *name;
    DirectiveStatus status;
    size_t offset; /* of its switch in LogConfig */
} files[] = {
    {"measurements", DIRECTIVE_SUPPORTED, offsetof(LogConfig, measurements)},
    {"rawmeasurements", DIRECTIVE_SUPPORTED, offsetof(LogConfig, raw_measurements)},
    {"refclocks", DIRECTIVE_LATER, 0},
    {"rtc", DIRECTIVE_LATER, 0},
    {"selection", DIRECTIVE_SUPPORTED, offsetof(LogConfig, selection)},
    {"statistics", DIRECTIVE_SUPPORTED, offsetof(LogConfig, statistics)},
    {"tempcomp", DIRECTIVE_LATER, 0},
    {"tracking", DIRECTIVE_SUPPORTED, offsetof(LogConfig, tracking)},
};

static const char *nearest(const char *word)
{
    size_t least = spelling_tolerance(word) + 1;
    const char *found = NULL;

    for (size_t i = 0; i < ELEMENTS(files); i++) {
        size_t distance = spelling_distance(word, files[i].name);
        if (distance < least) {
            least = distance;
            found = files[i].name;
        }
    }
    return found;
}

static void parse_file(Statement *statement, size_t word, LogConfig *config)
{
    const char *text = statement->words->list[word].text;

    for (size_t i = 0; i < ELEMENTS(files); i++) {
        if (!text_equal(text, files[i].name))
            continue;
        if (files[i].status == DIRECTIVE_LATER)
            statement_error(statement, PROBLEM_OPTION_LATER, word);
        else
            *(bool *) ((char *) config + files[i].offset) = true;
        return;
    }
    ConfigProblem problem = statement_problem(statement,
                                              statement_is_comment(statement, word) ? PROBLEM_TRAILING_COMMENT
                                                                                    : PROBLEM_UNKNOWN_OPTION,
                                              word);
    problem.nearest = nearest(text);
    statement_report(statement, &problem);
}

void parse_log_statement(Statement *statement, const Directive *directive, LogConfig *config)
{
    if (!statement_check_count(statement, 1, CONFIG_WORDS_MAX, directive->arguments))
        return;
    for (size_t i = 1; i < statement->words->count && !statement->failed; i++)
        parse_file(statement, i, config);
}
