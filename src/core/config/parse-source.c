// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Lines of sources; see parse-source.h. After an unknown option reading goes on at the next known one, so
 * that one misspelled word does not make a string of errors and all misspelled words are told at once. */

#include "core/config/parse-source.h"

#include <string.h>

#include "base/host-name.h"
#include "base/text.h"
#include "core/api/command.h"
#include "core/api/name-lookup.h"
#include "core/config/parse-nts.h"

static void report_unknown_option(Statement *statement, size_t i)
{
    ConfigProblem problem = statement_problem(statement, PROBLEM_UNKNOWN_OPTION, i);

    problem.nearest = source_option_nearest(statement->words->list[i].text);
    statement_report(statement, &problem);
}

static size_t skip_to_known_option(const Words *words, size_t i)
{
    while (i < words->count && !source_option_find(words->list[i].text))
        i++;
    return i;
}

/* Reads the option at word i and its value. *next: the word after it. */
static int parse_option(Statement *statement, size_t i, SourceConfig *source, size_t *next)
{
    const Words *words = statement->words;
    const OptionEntry *option = source_option_find(words->list[i].text);

    if (!option && statement_is_comment(statement, i)) {
        statement_error(statement, PROBLEM_TRAILING_COMMENT, i);
        *next = words->count;
        return 0;
    }
    if (!option) {
        report_unknown_option(statement, i);
        *next = skip_to_known_option(words, i + 1);
        return 0;
    }
    if (option->status == DIRECTIVE_LATER) {
        statement_error(statement, PROBLEM_OPTION_LATER, i);
        *next = skip_to_known_option(words, i + 1);
        return 0;
    }

    size_t taken = value_word_count(option->field.type);
    *next = i + 1 + taken;
    if (*next > words->count) {
        ConfigProblem problem = statement_problem(statement, PROBLEM_MISSING_ARGUMENT, words->count);

        (void) text_copy(problem.directive, sizeof(problem.directive), option->name);
        problem.expected = option->arguments;
        statement_report(statement, &problem);
        return 0;
    }
    return value_store(statement, &option->field, i + 1, source);
}

static void check_polls(Statement *statement, SourceConfig *source, size_t maxpoll_word)
{
    if (source->maxpoll >= source->minpoll)
        return;
    source->maxpoll = source->minpoll;
    if (maxpoll_word == 0)
        return;

    ConfigProblem problem = statement_problem(statement, PROBLEM_RAISED_TO_MINPOLL, maxpoll_word);
    problem.severity = CONFIG_WARNING;
    problem.used = source->minpoll;
    config_problems_add(statement->problems, &problem);
}

static void check_family(Statement *statement, const SourceConfig *source)
{
    IpAddress address;

    if (source->family == IP_UNSPEC || !ip_address_parse(source->name, &address) ||
        address.family == source->family)
        return;
    ConfigProblem problem = statement_problem(statement, PROBLEM_WRONG_FAMILY, 1);
    problem.expected = source->family == IP_V4 ? "ipv4" : "ipv6";
    statement_report(statement, &problem);
}

/* The name of a service stands for hosts and ports that its records tell. */
static void check_service(Statement *statement, const SourceConfig *source)
{
    if (!lookup_is_service(source->name))
        return;
    if (source->kind == SOURCE_PEER)
        statement_error(statement, PROBLEM_SERVICE_OF_PEER, 1);
    else if (source->nts)
        statement_error(statement, PROBLEM_SERVICE_WITH_NTS, 1);
    else if (source->port != source_config_default(source->kind, source->name).port)
        statement_error(statement, PROBLEM_SERVICE_WITH_PORT, 1);
}

int parse_source_statement(Statement *statement, SourceKind kind, SourceConfig *ret)
{
    const Words *words = statement->words;
    size_t maxpoll_word = 0, next;

    if (!statement_check_count(statement, 1, SIZE_MAX, "NAME [OPTION]..."))
        return 0;
    SourceConfig source = source_config_default(kind, words->list[1].text);
    source.min_samples = source.max_samples = CONFIG_UNSET;
    if (!host_name_is_valid(words->list[1].text))
        statement_error(statement, PROBLEM_INVALID_NAME, 1);
    for (size_t i = 2; i < words->count; i = next) {
        int r = parse_option(statement, i, &source, &next);
        if (r < 0)
            return r;
        if (text_equal_ignore_case(words->list[i].text, "maxpoll"))
            maxpoll_word = i + 1;
    }
    check_polls(statement, &source, maxpoll_word);
    check_family(statement, &source);
    check_service(statement, &source);
    check_source_authentication(statement, &source);
    source.nts = source.nts && kind != SOURCE_PEER;
    source.key = source.nts ? 0 : source.key;
    *ret = source;
    return 0;
}

void source_config_resolve(SourceConfig *source, int32_t min_samples, int32_t max_samples)
{
    if (source->max_samples == CONFIG_UNSET)
        source->max_samples = max_samples;
    if (source->min_samples == CONFIG_UNSET)
        source->min_samples = min_samples;
    source->min_samples = MIN(source->min_samples, source->max_samples);
}

static const char *directive_of(SourceKind kind)
{
    switch (kind) {
    case SOURCE_SERVER: return "server";
    case SOURCE_POOL: return "pool";
    case SOURCE_PEER: return "peer";
    case SOURCE_REFCLOCK: return "refclock";
    }
    return "";
}

/* Only printable ASCII and blanks, and nothing that begins a comment or could pass for a second line. */
static bool is_safe(const char *text, size_t max, uint32_t *ret_column)
{
    for (size_t i = 0; text[i] != '\0'; i++)
        if (i >= max || text[i] < ' ' || text[i] > '~' || strchr("#;!%\"'\\", text[i])) {
            *ret_column = (uint32_t) i + 1;
            return false;
        }
    return true;
}

static ConfigProblem refusal(ConfigProblemKind kind, SourceKind source, const char *word, uint32_t column)
{
    ConfigProblem problem = {.severity = CONFIG_ERROR, .kind = kind, .column = column};

    (void) text_copy(problem.directive, sizeof(problem.directive), directive_of(source));
    (void) text_copy(problem.word, sizeof(problem.word), word);
    return problem;
}

/* The line "KIND NAME OPTIONS" as words. */
static WordsVerdict split_source(SourceKind kind, const char *name, const char *options, Words *words)
{
    char line[CONFIG_LINE_MAX + 1];
    Text text = TEXT(line);
    uint32_t column;

    text_append(&text, directive_of(kind));
    text_append(&text, " ");
    text_append(&text, name);
    text_append(&text, " ");
    text_append(&text, options);
    return text.truncated ? WORDS_LINE_TOO_LONG : words_split(line, text.length, words, &column);
}

/* Cuts what somebody sent into words; false, with the reason, when it must not even be looked at. */
static bool accept_words(SourceKind kind, const char *name, const char *options, Words *words,
                         ConfigProblem *ret_problem)
{
    uint32_t column;

    if (kind == SOURCE_REFCLOCK) {
        *ret_problem = refusal(PROBLEM_DIRECTIVE_LATER, kind, directive_of(kind), 0);
        return false;
    }
    if (!host_name_is_valid(name)) {
        *ret_problem = refusal(PROBLEM_INVALID_NAME, kind, name, 1);
        return false;
    }
    if (!is_safe(options, SOURCE_OPTIONS_MAX - 1, &column)) {
        bool too_long = column >= SOURCE_OPTIONS_MAX;

        *ret_problem =
            refusal(too_long ? PROBLEM_LINE_TOO_LONG : PROBLEM_INVALID_CHARACTER, kind, "", column);
        ret_problem->max = too_long ? SOURCE_OPTIONS_MAX - 1 : 0;
        return false;
    }
    if (split_source(kind, name, options, words) != WORDS_GOOD) {
        *ret_problem = refusal(PROBLEM_TOO_MANY_WORDS, kind, "", 0);
        ret_problem->max = CONFIG_WORDS_MAX;
        return false;
    }
    return true;
}

/* The first error of the list, with its column counted from the first byte of the options. */
static ConfigProblem first_error(const ConfigProblems *problems, SourceKind kind, const char *name)
{
    uint32_t prefix = (uint32_t) (strlen(directive_of(kind)) + 1 + strlen(name) + 1);
    ConfigProblem problem = refusal(PROBLEM_MEMORY, kind, "", 0);

    for (size_t i = 0; i < problems->count && problem.kind == PROBLEM_MEMORY; i++)
        if (problems->items[i].severity == CONFIG_ERROR)
            problem = problems->items[i];
    problem.column = problem.column > prefix ? problem.column - prefix : 1;
    return problem;
}

bool config_parse_source(const Config *defaults, SourceKind kind, const char *name, const char *options,
                         SourceConfig *ret, ConfigProblem *ret_problem)
{
    ConfigProblems problems = {0};
    SourceConfig source;
    Words words;

    if (!accept_words(kind, name, options, &words, ret_problem))
        return false;

    Statement statement = {.words = &words,
                           .file = "",
                           .severity = CONFIG_ERROR,
                           .directive = directive_of(kind),
                           .problems = &problems};
    bool good = parse_source_statement(&statement, kind, &source) == 0 && !statement.failed;
    if (good) {
        source_config_resolve(&source, defaults->min_samples, defaults->max_samples);
        *ret = source;
    } else {
        *ret_problem = first_error(&problems, kind, name);
    }
    config_problems_clear(&problems);
    return good;
}
