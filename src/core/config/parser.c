// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A stack of texts that are being read; see parser.h. The one on top is read line by line; a line that names
 * files makes room for theirs on top of itself. Errors do not stop anything: all lines of all texts are
 * looked at. */

#include "core/config/parser.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/host-name.h"
#include "base/strings.h"
#include "base/text.h"
#include "core/config/directives.h"
#include "core/config/parse-log.h"
#include "core/config/parse-nts.h"
#include "core/config/parse-server.h"
#include "core/config/parse-source.h"
#include "core/config/value.h"

typedef struct Frame {
    ConfigTextKind kind;
    char *file;   /* heap; "" for the command line */
    char *bytes;  /* heap */
    char *origin; /* heap */
    size_t length, position;
    uint32_t line; /* of the line that was read last, or the number of the argument */
    uint32_t depth;
    size_t sources; /* that it has named */
} Frame;

struct ConfigParser {
    Config *config;
    ConfigProblems *problems;
    Frame *frames; /* the last one is read */
    size_t frame_count, frame_room;
    size_t base;     /* of the stack for the texts supplied next: those supplied earlier go on top */
    uint32_t depth;  /* of the texts supplied next */
    size_t supplied; /* texts so far */
    bool told_too_many_files, told_too_many_sources;
    Words words;        /* of the line that was read last */
    ConfigStep current; /* where we are, for reports; its file belongs to the frame */
};

int config_parser_new(Config *start, ConfigProblems *problems, ConfigParser **ret)
{
    ConfigParser *parser = calloc(1, sizeof(*parser));

    if (!parser) {
        config_free(start);
        return -ENOMEM;
    }
    parser->config = start;
    parser->problems = problems;
    *ret = parser;
    return 0;
}

static void frame_clear(Frame *frame)
{
    free(frame->file);
    free(frame->bytes);
    free(frame->origin);
}

ConfigParser *config_parser_free(ConfigParser *parser)
{
    if (!parser)
        return NULL;
    for (size_t i = 0; i < parser->frame_count; i++)
        frame_clear(&parser->frames[i]);
    free(parser->frames);
    config_free(parser->config);
    free(parser);
    return NULL;
}

static ConfigProblem problem_here(const ConfigParser *parser, ConfigProblemKind kind, double max)
{
    ConfigProblem problem = {.severity = CONFIG_ERROR,
                             .kind = kind,
                             .line = parser->current.line,
                             .max = max};

    (void) text_copy(problem.file, sizeof(problem.file), parser->current.file ? parser->current.file : "");
    return problem;
}

static bool may_supply(ConfigParser *parser)
{
    if (parser->depth > CONFIG_DEPTH_MAX) {
        ConfigProblem problem = problem_here(parser, PROBLEM_TOO_DEEP, CONFIG_DEPTH_MAX);

        config_problems_add(parser->problems, &problem);
        return false;
    }
    if (parser->supplied >= CONFIG_FILES_MAX) {
        ConfigProblem problem = problem_here(parser, PROBLEM_TOO_MANY_FILES, CONFIG_FILES_MAX);

        if (!parser->told_too_many_files)
            config_problems_add(parser->problems, &problem);
        parser->told_too_many_files = true;
        return false;
    }
    return true;
}

static int frame_init(Frame *frame, const ConfigText *text, uint32_t depth)
{
    *frame = (Frame) {
        .kind = text->kind,
        .file = strdup(text->kind == CONFIG_TEXT_ARGUMENT ? "" : text->file),
        .bytes = malloc(text->length + 1),
        .origin = strdup(text->kind == CONFIG_TEXT_SOURCES ? text->origin : ""),
        .length = text->length,
        .line = text->kind == CONFIG_TEXT_ARGUMENT ? text->argument : 0,
        .depth = depth,
    };
    if (!frame->file || !frame->bytes || !frame->origin) {
        frame_clear(frame);
        return -ENOMEM;
    }
    memcpy(frame->bytes, text->bytes, text->length);
    return 0;
}

int config_parser_supply(ConfigParser *parser, const ConfigText *text)
{
    Frame frame;

    if (!may_supply(parser))
        return 0;
    if (parser->frame_count == parser->frame_room) {
        size_t room = 2 * parser->frame_room + 8;
        Frame *frames = reallocarray(parser->frames, room, sizeof(*frames));

        if (!frames)
            return -ENOMEM;
        parser->frames = frames;
        parser->frame_room = room;
    }
    if (text->kind != CONFIG_TEXT_ARGUMENT) {
        int r = strings_add(&parser->config->files, text->file);
        if (r < 0)
            return r;
        if (text->kind == CONFIG_TEXT_SOURCES)
            parser->config->source_file_count++;
    }
    int r = frame_init(&frame, text, parser->depth);
    if (r < 0)
        return r;

    memmove(parser->frames + parser->base + 1, parser->frames + parser->base,
            (parser->frame_count - parser->base) * sizeof(frame));
    parser->frames[parser->base] = frame;
    parser->frame_count++;
    parser->supplied++;
    return 0;
}

/* The fixed words of a directive, each into its field. */
static int apply_fields(Statement *statement, const Directive *directive, Config *config)
{
    size_t wanted = 0, taken = 1;

    for (size_t i = 0; i < DIRECTIVE_FIELDS_MAX; i++)
        wanted += value_word_count(directive->fields[i].type);
    if (!statement_check_count(statement, wanted, wanted, directive->arguments))
        return 0;
    for (size_t i = 0; i < DIRECTIVE_FIELDS_MAX; i++) {
        int r = value_store(statement, &directive->fields[i], taken, config);
        if (r < 0)
            return r;
        taken += value_word_count(directive->fields[i].type);
    }
    return 0;
}

static int apply_driftfile(Statement *statement, const Directive *directive, Config *config)
{
    static const ValueField INTERVAL = {VALUE_DOUBLE, offsetof(Config, daemon.drift_interval), .min = 0,
                                        .max = INT32_MAX};
    const Words *words = statement->words;

    if (!statement_check_count(statement, 1, 3, directive->arguments))
        return 0;
    if (words->count > 2 && !text_equal_ignore_case(words->list[2].text, "interval")) {
        ConfigProblem problem = statement_problem(statement, PROBLEM_UNKNOWN_OPTION, 2);

        problem.nearest = "interval";
        statement_report(statement, &problem);
        return 0;
    }
    if (words->count == 3) {
        statement_check_count(statement, 3, 3, directive->arguments);
        return 0;
    }
    if (words->count > 3) {
        int r = value_store(statement, &INTERVAL, 3, config);
        if (r < 0)
            return r;
    }
    return config_set_string(&config->daemon.drift_file, words->list[1].text);
}

static void apply_address(Statement *statement, const Directive *directive, Config *config)
{
    IpAddress address;

    if (!statement_check_count(statement, 1, 1, directive->arguments))
        return;
    if (!ip_address_parse(statement->words->list[1].text, &address))
        statement_error(statement, PROBLEM_NOT_AN_ADDRESS, 1);
    else if (address.family == IP_V4)
        config->net.acquisition_v4 = address;
    else
        config->net.acquisition_v6 = address;
}

static void apply_only(Statement *statement, const Directive *directive)
{
    if (!statement_check_count(statement, 1, 1, directive->arguments))
        return;
    if (text_equal(statement->words->list[1].text, directive->arguments))
        return;
    ConfigProblem problem = statement_problem(statement, PROBLEM_VALUE_LATER, 1);
    problem.expected = directive->arguments;
    statement_report(statement, &problem);
}

/* Once for all files, and once for each .sources file that has more than its share. */
static bool has_room(ConfigParser *parser, Statement *statement, Frame *frame)
{
    bool share = frame->kind != CONFIG_TEXT_SOURCES || frame->sources < CONFIG_SOURCES_FILE_SOURCES_MAX;
    bool all = parser->config->source_count < CONFIG_SOURCES_MAX;
    ConfigProblem problem = problem_here(parser, PROBLEM_TOO_MANY_SOURCES,
                                         all ? CONFIG_SOURCES_FILE_SOURCES_MAX : CONFIG_SOURCES_MAX);

    problem.severity = statement->severity;
    if ((!all && !parser->told_too_many_sources) ||
        (all && !share && frame->sources == CONFIG_SOURCES_FILE_SOURCES_MAX))
        statement_report(statement, &problem);
    parser->told_too_many_sources |= !all;
    frame->sources++;
    return all && share;
}

static int apply_source(ConfigParser *parser, Statement *statement, Frame *frame)
{
    const char *word = statement->words->list[0].text;
    SourceKind kind = text_equal_ignore_case(word, "pool")   ? SOURCE_POOL
                      : text_equal_ignore_case(word, "peer") ? SOURCE_PEER
                                                             : SOURCE_SERVER;
    SourceConfig source;

    int r = parse_source_statement(statement, kind, &source);
    if (r < 0 || statement->failed)
        return r;
    if (!has_room(parser, statement, frame))
        return 0;
    (void) text_copy(source.origin, sizeof(source.origin), frame->origin);
    return config_add_source(parser->config, &source);
}

static int apply_sourcedir(Statement *statement, const Directive *directive, Config *config)
{
    char buffer[CONFIG_LINE_MAX + 1];
    Text line = TEXT(buffer);

    if (!statement_check_count(statement, 1, CONFIG_DIRECTORIES_MAX, directive->arguments))
        return 0;
    for (size_t i = 1; i < statement->words->count; i++) {
        text_append(&line, i > 1 ? " " : "");
        text_append(&line, statement->words->list[i].text);
    }
    return strings_add(&config->source_dirs, buffer);
}

/* The last line counts, whole. */
static int apply_initstepslew(Statement *statement, const Directive *directive, Config *config)
{
    const Words *words = statement->words;
    char ***hosts = &config->initstepslew.hosts;

    if (!statement_check_count(statement, 1, CONFIG_WORDS_MAX, directive->arguments))
        return 0;
    int r = value_store(statement, &directive->fields[0], 1, config);
    strings_clear(hosts);
    for (size_t i = 2; r >= 0 && i < words->count; i++) {
        if (host_name_is_valid(words->list[i].text))
            r = strings_add(hosts, words->list[i].text);
        else
            statement_error(statement,
                            statement_is_comment(statement, i) ? PROBLEM_TRAILING_COMMENT
                                                               : PROBLEM_INVALID_NAME,
                            i);
    }
    if (words->count == 2 && !statement->failed) {
        ConfigProblem problem = statement_problem(statement, PROBLEM_NO_HOSTS, 0);

        problem.severity = CONFIG_WARNING;
        problem.expected = directive->arguments;
        config_problems_add(statement->problems, &problem);
    }
    return r;
}

static int apply_supported(ConfigParser *parser, Statement *statement, const Directive *directive,
                           Frame *frame)
{
    switch (directive->form) {
    case FORM_FIELDS: return apply_fields(statement, directive, parser->config);
    case FORM_SOURCE: return apply_source(parser, statement, frame);
    case FORM_DRIFTFILE: return apply_driftfile(statement, directive, parser->config);
    case FORM_ADDRESS: apply_address(statement, directive, parser->config); return 0;
    case FORM_ONLY: apply_only(statement, directive); return 0;
    case FORM_LOG: parse_log_statement(statement, directive, &parser->config->log); return 0;
    case FORM_INCLUDE: statement_check_count(statement, 1, 1, directive->arguments); return 0;
    case FORM_CONFDIR:
        statement_check_count(statement, 1, CONFIG_DIRECTORIES_MAX, directive->arguments);
        return 0;
    case FORM_SOURCEDIR: return apply_sourcedir(statement, directive, parser->config);
    case FORM_LISTEN: return parse_listen_statement(statement, directive, parser->config);
    case FORM_BROADCAST: return parse_broadcast_statement(statement, directive, parser->config);
    case FORM_ACCESS: return parse_access_statement(statement, directive, parser->config);
    case FORM_INITSTEPSLEW: return apply_initstepslew(statement, directive, parser->config);
    case FORM_AEADS: parse_aeads_statement(statement, &parser->config->nts); return 0;
    case FORM_TRUST: return parse_trust_statement(statement, directive, &parser->config->nts);
    case FORM_OPTIONS: return parse_options_statement(statement, directive, parser->config);
    }
    return 0;
}

static void report_obsolete(Statement *statement)
{
    ConfigProblem problem = statement_problem(statement, PROBLEM_OBSOLETE, 0);

    problem.severity = CONFIG_WARNING;
    config_problems_add(statement->problems, &problem);
}

static int apply_directive(ConfigParser *parser, Statement *statement, const Directive *directive,
                           Frame *frame)
{
    switch (directive->status) {
    case DIRECTIVE_SUPPORTED: return apply_supported(parser, statement, directive, frame);
    case DIRECTIVE_LATER: statement_error(statement, PROBLEM_DIRECTIVE_LATER, 0); return 0;
    case DIRECTIVE_OBSOLETE: report_obsolete(statement); return 0;
    case DIRECTIVE_IGNORED: return 0;
    }
    return 0;
}

/* Carries out the line in parser->words. Returns 1 with a step, 0 when it gave none, or -ENOMEM. */
static int read_statement(ConfigParser *parser, Frame *frame, ConfigStep *ret)
{
    const Directive *directive = directive_find(parser->words.list[0].text);
    Statement statement = {
        .words = &parser->words,
        .file = frame->file,
        .line = frame->line,
        .severity = frame->kind == CONFIG_TEXT_SOURCES ? CONFIG_WARNING : CONFIG_ERROR,
        .directive = directive ? directive->name : NULL,
        .problems = parser->problems,
    };

    if (!directive) {
        ConfigProblem problem = statement_problem(&statement, PROBLEM_UNKNOWN_DIRECTIVE, 0);

        problem.nearest = directive_nearest(parser->words.list[0].text);
        statement_report(&statement, &problem);
        return 0;
    }
    if (frame->kind == CONFIG_TEXT_SOURCES && directive->form != FORM_SOURCE) {
        statement_error(&statement, PROBLEM_NOT_IN_SOURCE_FILE, 0);
        return 0;
    }

    int r = apply_directive(parser, &statement, directive, frame);
    if (r < 0)
        return r;
    if (statement.failed)
        return 0;
    *ret = parser->current;
    ret->kind = directive->form == FORM_INCLUDE   ? CONFIG_STEP_INCLUDE
                : directive->form == FORM_CONFDIR ? CONFIG_STEP_CONFDIR
                                                  : CONFIG_STEP_STATEMENT;
    return 1;
}

/* The next line of a text; false at its end. An argument is one line, whatever is in it. */
static bool next_line(Frame *frame, const char **ret_line, size_t *ret_length, bool *ret_terminated)
{
    if (frame->position >= frame->length)
        return false;
    const char *line = frame->bytes + frame->position;
    size_t rest = frame->length - frame->position;
    const char *newline = frame->kind == CONFIG_TEXT_ARGUMENT ? NULL : memchr(line, '\n', rest);

    *ret_line = line;
    *ret_length = newline ? (size_t) (newline - line) : rest;
    *ret_terminated = newline;
    frame->position += *ret_length + (newline ? 1 : 0);
    if (frame->kind != CONFIG_TEXT_ARGUMENT)
        frame->line++;
    return true;
}

static void report_line(ConfigParser *parser, const Frame *frame, ConfigProblemKind kind, uint32_t column,
                        double max)
{
    ConfigProblem problem = problem_here(parser, kind, max);

    problem.column = column;
    if (frame->kind == CONFIG_TEXT_SOURCES)
        problem.severity = CONFIG_WARNING;
    config_problems_add(parser->problems, &problem);
}

/* Cuts the line into parser->words; false when there is nothing in it to be carried out. */
static bool split_line(ConfigParser *parser, const Frame *frame, const char *line, size_t length,
                       bool terminated)
{
    uint32_t column;

    switch (words_split(line, length, &parser->words, &column)) {
    case WORDS_GOOD: break;
    case WORDS_LINE_TOO_LONG:
        report_line(parser, frame, PROBLEM_LINE_TOO_LONG, column, CONFIG_LINE_MAX);
        return false;
    case WORDS_BAD_CHARACTER: report_line(parser, frame, PROBLEM_INVALID_CHARACTER, column, 0); return false;
    case WORDS_TOO_MANY:
        report_line(parser, frame, PROBLEM_TOO_MANY_WORDS, column, CONFIG_WORDS_MAX);
        return false;
    }
    if (parser->words.count == 0)
        return false;
    if (frame->kind == CONFIG_TEXT_SOURCES && !terminated) {
        report_line(parser, frame, PROBLEM_UNTERMINATED_LINE, 0, 0);
        return false;
    }
    return true;
}

/* Reads one line of the topmost text, or drops the text at its end. */
static int read_line(ConfigParser *parser, ConfigStep *ret)
{
    size_t top = parser->frame_count - 1;
    Frame *frame = &parser->frames[top];
    const char *line;
    size_t length;
    bool terminated;

    if (!next_line(frame, &line, &length, &terminated)) {
        frame_clear(frame);
        parser->frame_count = top;
        return 0;
    }
    parser->current = (ConfigStep) {.words = &parser->words, .file = frame->file, .line = frame->line};
    parser->base = top + 1;
    parser->depth = frame->depth + 1;
    return split_line(parser, frame, line, length, terminated) ? read_statement(parser, frame, ret) : 0;
}

int config_parser_next(ConfigParser *parser, ConfigStep *ret)
{
    while (parser->frame_count > 0) {
        int r = read_line(parser, ret);
        if (r != 0)
            return r;
    }
    /* Whatever is supplied now is not inside of anything. */
    parser->base = 0;
    parser->depth = 0;
    parser->current = (ConfigStep) {0};
    return 0;
}

const Config *config_parser_peek(const ConfigParser *parser)
{
    return parser->config;
}

void config_parser_report_file(ConfigParser *parser, const ConfigStep *step, size_t i,
                               const ConfigFileProblem *what)
{
    ConfigProblem problem = problem_here(parser, PROBLEM_FILE, 0);

    problem.severity = what->severity;
    if (step && i < step->words->count)
        problem.column = step->words->list[i].column;
    (void) text_copy(problem.word, sizeof(problem.word), what->path);
    (void) text_copy(problem.detail, sizeof(problem.detail), what->detail);
    config_problems_add(parser->problems, &problem);
}

/* What does not go together, whichever line came first. */
static void check_server(const Config *config, ConfigProblems *problems)
{
    const ServerConfig *server = &config->server;
    ConfigProblem problem = {.severity = CONFIG_ERROR};

    if (server->no_client_log && (server->rate_limit.enabled || config->nts_server.rate_limit.enabled)) {
        problem.kind = PROBLEM_NO_CLIENT_LOG;
        config_problems_add(problems, &problem);
    }
    problem.min = (double) strings_count(config->nts_server.certificates);
    problem.max = (double) strings_count(config->nts_server.keys);
    if (problem.min != problem.max) {
        problem.kind = PROBLEM_UNPAIRED_KEYS;
        config_problems_add(problems, &problem);
    }
}

Config *config_parser_finish(ConfigParser *parser)
{
    Config *config = parser->config;

    assert(config && parser->frame_count == 0);
    check_server(config, parser->problems);
    if (config->max_samples == 0)
        config->max_samples = SOURCE_MAX_SAMPLES;
    config->min_samples = CLAMP(config->min_samples, 1, config->max_samples);
    for (size_t i = 0; i < config->source_count; i++)
        source_config_resolve(&config->sources[i], config->min_samples, config->max_samples);
    return TAKE_PTR(parser->config);
}
