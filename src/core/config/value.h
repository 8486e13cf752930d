// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* One line that is being read, and one word of it into one field of a value. Inside of core/config. */

#include <stdbool.h>

#include "core/config/directives.h"
#include "core/config/problem.h"
#include "core/config/words.h"

/* A line with where it stands and where its problems go. */
typedef struct Statement {
    const Words *words;
    const char *file; /* "": the command line */
    uint32_t line;
    ConfigSeverity severity; /* of errors: a bad line of a .sources file is only skipped */
    const char *directive;   /* as the table spells it; NULL: unknown */
    ConfigProblems *problems;
    bool failed; /* an error was found in it */
} Statement;

/* A problem at word number i of the statement (one behind the last: where it should have been); fill in the
 * rest and hand it to statement_report(). */
ConfigProblem statement_problem(const Statement *statement, ConfigProblemKind kind, size_t i);
void statement_report(Statement *statement, const ConfigProblem *problem);
/* The same in one, when there is nothing to fill in. */
void statement_error(Statement *statement, ConfigProblemKind kind, size_t i);

/* Whether there are min to max words behind the directive; if not, that is reported with the form of the
 * arguments that is expected. */
bool statement_check_count(Statement *statement, size_t min, size_t max, const char *expected);

/* Word i has the mark of a comment, which must not stand behind a directive. */
bool statement_is_comment(const Statement *statement, size_t i);

/* Words that a field takes: 0 or 1. */
size_t value_word_count(ValueType type);

/* Reads word i (ignored by types without a word) into the field of base. Returns 0 or -ENOMEM; a word that is
 * not right is reported and changes nothing. */
int value_store(Statement *statement, const ValueField *field, size_t i, void *base) must_check_;

/* The field has the same value in a and b. */
bool value_equal(const ValueField *field, const void *a, const void *b);
