// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Words into fields, by the description that the directive table gives; see value.h. */

#include "core/config/value.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/host-name.h"
#include "base/strings.h"
#include "base/text.h"
#include "core/config/config.h"

static_assert(sizeof(AuthSelectMode) == sizeof(uint32_t), "VALUE_CHOICE");

ConfigProblem statement_problem(const Statement *statement, ConfigProblemKind kind, size_t i)
{
    ConfigProblem problem = {
        .severity = statement->severity,
        .kind = kind,
        .line = statement->line,
        .column =
            i < statement->words->count ? statement->words->list[i].column : statement->words->end_column,
    };

    (void) text_copy(problem.file, sizeof(problem.file), statement->file);
    if (i < statement->words->count)
        (void) text_copy(problem.word, sizeof(problem.word), statement->words->list[i].text);
    if (statement->directive)
        (void) text_copy(problem.directive, sizeof(problem.directive), statement->directive);
    return problem;
}

void statement_report(Statement *statement, const ConfigProblem *problem)
{
    if (problem->severity >= statement->severity)
        statement->failed = true;
    config_problems_add(statement->problems, problem);
}

void statement_error(Statement *statement, ConfigProblemKind kind, size_t i)
{
    ConfigProblem problem = statement_problem(statement, kind, i);

    statement_report(statement, &problem);
}

bool statement_is_comment(const Statement *statement, size_t i)
{
    return strchr("#!;%", statement->words->list[i].text[0]);
}

bool statement_check_count(Statement *statement, size_t min, size_t max, const char *expected)
{
    size_t count = statement->words->count, arguments = count - 1;

    if (arguments >= min && arguments <= max)
        return true;
    bool missing = arguments < min;
    size_t place = missing ? count : max + 1;
    bool comment = !missing && statement_is_comment(statement, place);
    ConfigProblem problem = statement_problem(statement,
                                              missing   ? PROBLEM_MISSING_ARGUMENT
                                              : comment ? PROBLEM_TRAILING_COMMENT
                                                        : PROBLEM_TOO_MANY_ARGUMENTS,
                                              place);
    problem.expected = expected;
    statement_report(statement, &problem);
    return false;
}

size_t value_word_count(ValueType type)
{
    return type == VALUE_NONE || type == VALUE_FLAG || type == VALUE_IPV4 || type == VALUE_IPV6 ? 0 : 1;
}

static bool is_integer(ValueType type)
{
    return type != VALUE_DOUBLE;
}

/* chrony takes a poll below the range for the default, one above it for the maximum. */
static double poll_in_range(const ValueField *field, double value)
{
    return value < field->min ? 6 : field->max;
}

/* The word as a number within the range of the field; false when it is not one, which is reported. */
static bool read_number(Statement *statement, const ValueField *field, size_t i, double *ret)
{
    const char *word = statement->words->list[i].text;
    double value;

    if (!text_to_double(word, &value)) {
        statement_error(statement, PROBLEM_NOT_A_NUMBER, i);
        return false;
    }
    int64_t whole;
    if (is_integer(field->type) && !text_to_int(word, &whole) && fabs(value) < 1e18) {
        statement_error(statement, PROBLEM_NOT_AN_INTEGER, i);
        return false;
    }
    if (value >= field->min && value <= field->max) {
        *ret = value;
        return true;
    }

    bool is_poll = field->type == VALUE_POLL;
    bool clamp = is_poll || (value < field->min ? field->clamp_low : field->clamp_high);
    ConfigProblem problem = statement_problem(statement, clamp ? PROBLEM_CLAMPED : PROBLEM_OUT_OF_RANGE, i);

    problem.min = field->min;
    problem.max = field->max;
    if (clamp) {
        problem.used = is_poll ? poll_in_range(field, value) : CLAMP(value, field->min, field->max);
        problem.severity = CONFIG_WARNING;
        config_problems_add(statement->problems, &problem);
        *ret = problem.used;
        return true;
    }
    statement_report(statement, &problem);
    return false;
}

static void store_number(const ValueField *field, double value, void *target)
{
    switch (field->type) {
    case VALUE_INT32:
    case VALUE_POLL: *(int32_t *) target = (int32_t) value; break;
    case VALUE_UINT16: *(uint16_t *) target = (uint16_t) value; break;
    case VALUE_UINT8: *(uint8_t *) target = (uint8_t) value; break;
    case VALUE_UINT32: *(uint32_t *) target = (uint32_t) value; break;
    case VALUE_DOUBLE: *(double *) target = field->scale > 0 ? value * field->scale : value; break;
    case VALUE_NONE:
    case VALUE_FLAG:
    case VALUE_CHOICE:
    case VALUE_TEXT:
    case VALUE_STRING:
    case VALUE_STRINGS:
    case VALUE_HOST:
    case VALUE_IPV4:
    case VALUE_IPV6:
    case VALUE_EXTENSION: assert(!"not a number");
    }
}

static void store_text(Statement *statement, const ValueField *field, size_t i, char *target)
{
    const char *word = statement->words->list[i].text;
    size_t max = (size_t) field->max;

    if (strlen(word) <= max) {
        (void) text_copy(target, max + 1, word);
        return;
    }
    ConfigProblem problem = statement_problem(statement, PROBLEM_TOO_LONG, i);
    problem.max = field->max;
    statement_report(statement, &problem);
}

/* The enumeration's number of the word, whatever its case. */
static void store_choice(Statement *statement, const ValueField *field, size_t i, uint32_t *target)
{
    const char *word = statement->words->list[i].text;
    size_t length = strlen(word);
    uint32_t number = 0;

    for (const char *choice = field->choices; *choice; number++) {
        size_t n = strcspn(choice, "|");
        if (n == length && strncasecmp(choice, word, n) == 0) {
            *target = number;
            return;
        }
        choice += n + (choice[n] == '|');
    }
    ConfigProblem problem = statement_problem(statement, PROBLEM_NOT_A_CHOICE, i);
    problem.expected = field->choices;
    statement_report(statement, &problem);
}

/* Extension fields go by their type. */
static void store_extension(Statement *statement, size_t i, bool *target)
{
    const char *word = statement->words->list[i].text;

    if (text_equal_ignore_case(word, "F323")) {
        *target = true;
        return;
    }
    ConfigProblem problem = statement_problem(statement, PROBLEM_VALUE_LATER, i);
    (void) text_copy(problem.directive, sizeof(problem.directive), "extfield");
    problem.expected = "F323";
    statement_report(statement, &problem);
}

static int store_host(Statement *statement, size_t i, char **target)
{
    const char *word = statement->words->list[i].text;

    if (host_name_is_valid(word))
        return config_set_string(target, word);
    statement_error(statement, PROBLEM_INVALID_NAME, i);
    return 0;
}

int value_store(Statement *statement, const ValueField *field, size_t i, void *base)
{
    void *target = (char *) base + field->offset;
    double value;

    switch (field->type) {
    case VALUE_NONE: break;
    case VALUE_FLAG: *(bool *) target = true; break;
    case VALUE_IPV4: *(IpFamily *) target = IP_V4; break;
    case VALUE_IPV6: *(IpFamily *) target = IP_V6; break;
    case VALUE_INT32:
    case VALUE_POLL:
    case VALUE_UINT16:
    case VALUE_UINT8:
    case VALUE_UINT32:
    case VALUE_DOUBLE:
        if (read_number(statement, field, i, &value))
            store_number(field, value, target);
        break;
    case VALUE_CHOICE: store_choice(statement, field, i, target); break;
    case VALUE_TEXT: store_text(statement, field, i, target); break;
    case VALUE_EXTENSION: store_extension(statement, i, target); break;
    case VALUE_STRING: return config_set_string(target, statement->words->list[i].text);
    case VALUE_STRINGS: return strings_add(target, statement->words->list[i].text);
    case VALUE_HOST: return store_host(statement, i, target);
    }
    return 0;
}

bool value_equal(const ValueField *field, const void *a, const void *b)
{
    const void *x = (const char *) a + field->offset, *y = (const char *) b + field->offset;

    switch (field->type) {
    case VALUE_NONE: return true;
    case VALUE_FLAG:
    case VALUE_EXTENSION: return *(const bool *) x == *(const bool *) y;
    case VALUE_IPV4:
    case VALUE_IPV6: return *(const IpFamily *) x == *(const IpFamily *) y;
    case VALUE_INT32:
    case VALUE_POLL: return *(const int32_t *) x == *(const int32_t *) y;
    case VALUE_UINT16: return *(const uint16_t *) x == *(const uint16_t *) y;
    case VALUE_CHOICE:
    case VALUE_UINT32: return *(const uint32_t *) x == *(const uint32_t *) y;
    case VALUE_UINT8: return *(const uint8_t *) x == *(const uint8_t *) y;
    case VALUE_DOUBLE: return *(const double *) x == *(const double *) y;
    case VALUE_TEXT: return text_equal(x, y);
    case VALUE_STRING:
    case VALUE_HOST: return text_equal(*(char *const *) x, *(char *const *) y);
    case VALUE_STRINGS: return strings_equal(*(char *const *const *) x, *(char *const *const *) y);
    }
    return true;
}
