// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The parser: texts in, a Config and its problems out. It opens nothing. Where a file names others, it stops
 * and says so; whoever can read files supplies their texts and lets it go on:
 *
 *     config_parser_new(TAKE_PTR(config), &problems, &parser);
 *     config_parser_supply(parser, the main file);
 *     while ((r = config_parser_next(parser, &step)) > 0)
 *         if (step.kind == CONFIG_STEP_INCLUDE) ... config_parser_supply(parser, each file that matches) ...
 *     config = config_parser_finish(parser);
 */

#include "core/config/config.h"
#include "core/config/problem.h"
#include "core/config/words.h"

typedef struct ConfigParser ConfigParser;

/* Files within files, files in all, bytes of one file, sources in all. */
#define CONFIG_DEPTH_MAX   10
#define CONFIG_FILES_MAX   1000
#define CONFIG_FILE_MAX    (1 << 20)
#define CONFIG_SOURCES_MAX 4096

/* Bytes and sources of one .sources file: others write it, of what others have told them. */
#define CONFIG_SOURCES_FILE_MAX         (1 << 18)
#define CONFIG_SOURCES_FILE_SOURCES_MAX 256

/* Directories on one line of confdir or sourcedir. */
#define CONFIG_DIRECTORIES_MAX 10

typedef enum ConfigTextKind {
    CONFIG_TEXT_FILE = 0,
    CONFIG_TEXT_ARGUMENT, /* one line of the command line; file is unused */
    CONFIG_TEXT_SOURCES,  /* a .sources file */
} ConfigTextKind;

/* A text to be read. Borrowed by config_parser_supply(), which copies it. */
typedef struct ConfigText {
    ConfigTextKind kind;
    const char *file;   /* as it was opened */
    uint32_t argument;  /* its number, from 1 */
    const char *origin; /* base name of a .sources file */
    const char *bytes;
    size_t length;
} ConfigText;

typedef enum ConfigStepKind {
    CONFIG_STEP_STATEMENT = 0, /* a line without an error, taken over */
    CONFIG_STEP_INCLUDE,       /* supply the files that the pattern names, which is word 1 */
    CONFIG_STEP_CONFDIR,       /* supply the *.conf of the directories, which are the words from 1 on */
} ConfigStepKind;

/* Lent until the next call. */
typedef struct ConfigStep {
    ConfigStepKind kind;
    const Words *words;
    const char *file; /* "": the command line */
    uint32_t line;
} ConfigStep;

/* start: what is there already, with all it owns; it now belongs to the parser, even on failure. problems:
 * where they go; must stay as long as the parser. */
int config_parser_new(Config *start, ConfigProblems *problems, ConfigParser **ret) must_check_;
ConfigParser *config_parser_free(ConfigParser *parser);
DEFINE_CLEANUP(ConfigParser, config_parser_free);

/* Texts are read in the order in which they are supplied, before the rest of the file that named them. What
 * goes beyond a limit is a problem, reported by the parser. Returns 0 or -ENOMEM. */
int config_parser_supply(ConfigParser *parser, const ConfigText *text) must_check_;

/* Reads on. Returns 1 with a step, 0 at the end of all texts, or -ENOMEM. */
int config_parser_next(ConfigParser *parser, ConfigStep *ret) must_check_;

/* What was read so far. */
const Config *config_parser_peek(const ConfigParser *parser);

/* What kept a file from being read. */
typedef struct ConfigFileProblem {
    ConfigSeverity severity;
    const char *path;
    const char *detail; /* why, and what to do about it */
} ConfigFileProblem;

/* A problem of a file that word i of the step named (0: the line as a whole); step NULL: no line did. */
void config_parser_report_file(ConfigParser *parser, const ConfigStep *step, size_t i,
                               const ConfigFileProblem *what);

/* Hands out the configuration, also when there were errors: the problems know. Once, after the end. Never
 * NULL. */
Config *config_parser_finish(ConfigParser *parser) must_check_;
