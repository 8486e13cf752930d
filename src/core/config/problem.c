// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Problems of a configuration: the list, and the one table of their sentences. A sentence is written once,
 * with placeholders that are filled from the fields of the problem: %w word, quoted   %d directive   %e
 * expected   %m min   %M max   %u used   %t detail */

#include "core/config/problem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct ProblemText {
    const char *name;
    const char *sentence;
} ProblemText;

static const ProblemText TEXTS[] = {
    [PROBLEM_UNKNOWN_DIRECTIVE] = {"unknown-directive", "unknown directive %w"},
    [PROBLEM_UNKNOWN_OPTION] = {"unknown-option", "unknown option %w of %d"},
    [PROBLEM_DIRECTIVE_LATER] = {"directive-later", "directive %w is not supported by this version"},
    [PROBLEM_OPTION_LATER] = {"option-later", "option %w of %d is not supported by this version"},
    [PROBLEM_VALUE_LATER] = {"value-later", "%w is not supported by this version: only \"%d %e\" is"},
    [PROBLEM_OBSOLETE] = {"obsolete", "directive %w is no longer supported and has no effect"},
    [PROBLEM_MISSING_ARGUMENT] = {"missing-argument", "missing argument; expected: %f"},
    [PROBLEM_TOO_MANY_ARGUMENTS] = {"too-many-arguments",
                                    "too many arguments, beginning with %w; expected: %f"},
    [PROBLEM_TRAILING_COMMENT] = {"trailing-comment", "a comment must stand on a line of its own"},
    [PROBLEM_NOT_A_NUMBER] = {"not-a-number", "%w is not a number"},
    [PROBLEM_NOT_AN_INTEGER] = {"not-an-integer", "%w is not a whole number"},
    [PROBLEM_OUT_OF_RANGE] = {"out-of-range", "%w is out of range: %m to %M"},
    [PROBLEM_CLAMPED] = {"clamped", "%w is out of range: %m to %M; %u is used instead"},
    [PROBLEM_RAISED_TO_MINPOLL] = {"raised-to-minpoll",
                                   "maxpoll %w is less than minpoll; %u is used instead"},
    [PROBLEM_TOO_LONG] = {"too-long", "%w is too long: at most %M bytes"},
    [PROBLEM_NOT_A_CHOICE] = {"not-a-choice", "%w is not one of: %e"},
    [PROBLEM_NOT_AN_ADDRESS] = {"not-an-address", "%w is not an IPv4 or IPv6 address"},
    [PROBLEM_NOT_A_NETWORK] = {"not-a-network", "%w is neither a network nor a host name"},
    [PROBLEM_INVALID_NAME] = {"invalid-name", "%w is neither a host name nor an address"},
    [PROBLEM_NO_HOSTS] = {"no-hosts", "%w names no host to ask and has no effect; expected: %f"},
    [PROBLEM_WRONG_FAMILY] = {"wrong-family",
                              "%w is an address of the other family than the option %e asks for"},
    [PROBLEM_INVALID_CHARACTER] = {"invalid-character", "invalid character%t"},
    [PROBLEM_LINE_TOO_LONG] = {"line-too-long", "line is too long: at most %M bytes"},
    [PROBLEM_TOO_MANY_WORDS] = {"too-many-words", "too many words on one line: at most %M"},
    [PROBLEM_UNTERMINATED_LINE] =
        {"unterminated-line",
         "last line has no newline at its end and is ignored: the file may be incomplete"},
    [PROBLEM_NOT_IN_SOURCE_FILE] = {"not-in-source-file",
                                    "%w may not stand in a .sources file: only server, pool and peer may"},
    [PROBLEM_TOO_DEEP] = {"too-deep", "too many includes within includes: at most %M"},
    [PROBLEM_TOO_MANY_FILES] = {"too-many-files", "too many files in all: at most %M"},
    [PROBLEM_TOO_MANY_SOURCES] = {"too-many-sources", "too many sources: at most %M"},
    [PROBLEM_NO_CLIENT_LOG] =
        {"no-client-log",
         "ratelimit and ntsratelimit need the log of clients, which noclientlog switches off"},
    [PROBLEM_UNKNOWN_AEAD] = {"unknown-aead", "%w is not an AEAD known here (15 and 30 are) and is ignored"},
    [PROBLEM_NTS_OF_PEER] = {"nts-of-peer", "peers cannot use nts, it has no effect; give both sides a key"},
    [PROBLEM_KEY_WITH_NTS] = {"key-with-nts", "with nts, the key has no effect"},
    [PROBLEM_SERVICE_OF_PEER] = {"service-of-peer", "%w is the name of a service, whose hosts are servers; "
                                                    "use server or pool, or name the peer itself"},
    [PROBLEM_SERVICE_WITH_NTS] =
        {"service-with-nts", "nts cannot be used with the name of a service: its records tell of hosts that "
                             "no certificate of that name vouches for, and not where keys are established; "
                             "name each server in a line of its own"},
    [PROBLEM_SERVICE_WITH_PORT] =
        {"service-with-port", "port cannot be used with the name of a service, whose records say the ports"},
    [PROBLEM_UNPAIRED_KEYS] = {"unpaired-keys",
                               "each ntsservercert needs its ntsserverkey, in the same order: "
                               "there are %m of the first and %M of the second"},
    [PROBLEM_FILE] = {"file", "cannot read %w: %t"},
    [PROBLEM_MEMORY] = {"memory", "not enough memory"},
};
static_assert(ELEMENTS(TEXTS) == PROBLEM_KIND_COUNT, "a sentence for every kind");

void config_problems_add(ConfigProblems *problems, const ConfigProblem *problem)
{
    if (problem->severity == CONFIG_ERROR)
        problems->errors++;
    else
        problems->warnings++;
    if (problems->count >= CONFIG_PROBLEMS_MAX)
        return;

    /* Room is the next power of two. */
    if ((problems->count & (problems->count - 1)) == 0) {
        size_t room = problems->count == 0 ? 1 : 2 * problems->count;
        ConfigProblem *items = reallocarray(problems->items, room, sizeof(*items));

        if (!items)
            return;
        problems->items = items;
    }
    problems->items[problems->count++] = *problem;
}

void config_problems_clear(ConfigProblems *problems)
{
    free(problems->items);
    *problems = (ConfigProblems) {0};
}

/* Bytes of the file, made safe for terminals, logs and the bus. */
static void append_printable(Text *text, const char *string)
{
    for (; *string; string++) {
        char c[2] = {*string >= ' ' && *string <= '~' ? *string : '?', '\0'};

        text_append(text, c);
    }
}

static void append_quoted(Text *text, const ConfigProblem *problem)
{
    text_append(text, "\"");
    append_printable(text, problem->word);
    /* A full buffer means that it was cut; nobody needs the last byte of such a word. */
    text_append(text, strlen(problem->word) == sizeof(problem->word) - 1 ? "...\"" : "\"");
}

/* A directive or option with its arguments, as the manual writes them. */
static void append_form(Text *text, const ConfigProblem *problem)
{
    append_printable(text, problem->directive);
    if (problem->expected && problem->expected[0] != '\0') {
        text_append(text, " ");
        append_printable(text, problem->expected);
    }
}

static void append_placeholder(Text *text, char letter, const ConfigProblem *problem)
{
    switch (letter) {
    case 'w': append_quoted(text, problem); break;
    case 'd': append_printable(text, problem->directive); break;
    case 'e': append_printable(text, problem->expected ? problem->expected : ""); break;
    case 'f': append_form(text, problem); break;
    case 'm': text_append_format(text, "%.10g", problem->min); break;
    case 'M': text_append_format(text, "%.10g", problem->max); break;
    case 'u': text_append_format(text, "%.10g", problem->used); break;
    case 't': append_printable(text, problem->detail); break;
    default: assert(!"placeholder of the table");
    }
}

void config_problem_format_sentence(const ConfigProblem *problem, Text *ret)
{
    for (const char *p = TEXTS[problem->kind].sentence; *p; p++) {
        char c[2] = {*p, '\0'};

        if (*p == '%')
            append_placeholder(ret, *++p, problem);
        else
            text_append(ret, c);
    }
    if (problem->nearest)
        text_append_format(ret, "; did you mean \"%s\"?", problem->nearest);
}

static void append_place(Text *text, const ConfigProblem *problem)
{
    if (problem->file[0] == '\0')
        text_append_format(text, "argument %u", (unsigned) problem->line);
    else
        append_printable(text, problem->file);
    if (problem->file[0] != '\0' && problem->line > 0)
        text_append_format(text, ":%u", (unsigned) problem->line);
    if (problem->line > 0 && problem->column > 0)
        text_append_format(text, ":%u", (unsigned) problem->column);
    text_append(text, ": ");
}

void config_problem_format(const ConfigProblem *problem, Text *ret)
{
    if (problem->file[0] != '\0' || problem->line > 0)
        append_place(ret, problem);
    if (problem->severity == CONFIG_WARNING)
        text_append(ret, "warning: ");
    config_problem_format_sentence(problem, ret);
}

const char *config_problem_kind_name(ConfigProblemKind kind)
{
    return TEXTS[kind].name;
}
