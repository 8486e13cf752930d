// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The line of a source: of a file, or in pieces from the bus. */

#include "core/config/config.h"
#include "core/config/problem.h"
#include "core/config/value.h"

/* Reads NAME [OPTION [VALUE]]... from the second word on. The sample limits that are not said are left at
 * CONFIG_UNSET: the directives they fall back to may follow. When the statement has failed afterwards, *ret
 * is not to be used. */
int parse_source_statement(Statement *statement, SourceKind kind, SourceConfig *ret) must_check_;

/* Fills in what the source does not say from the directives. */
void source_config_resolve(SourceConfig *source, int32_t min_samples, int32_t max_samples);

/* A source that somebody asks for while we run: name and options may be anything. Returns true and *ret,
 * complete; or false and *ret_problem, whose column counts within options (within name for what is wrong with
 * that). defaults: the configuration, for minsamples and maxsamples. */
bool config_parse_source(const Config *defaults, SourceKind kind, const char *name, const char *options,
                         SourceConfig *ret, ConfigProblem *ret_problem) must_check_;
