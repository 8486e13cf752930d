// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The configuration parser under arbitrary bytes. The input is several texts, separated by the byte 0x1e: the
 * first is the main file, each line that names files is given the next two, and whatever is left is .sources
 * files. The first two also go, as C strings, the way of a source that is added over the bus. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host-name.h"
#include "core/config/config-diff.h"
#include "core/config/parse-source.h"
#include "core/config/parser.h"
#include "fuzz.h"

#define SEPARATOR 0x1e

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

typedef struct Input {
    const char *bytes;
    size_t left;
} Input;

/* Cuts the next text off; false when there is none. */
static bool next_text(Input *input, ConfigText *ret)
{
    const char *begin = input->bytes;
    const char *end = input->left > 0 ? memchr(begin, SEPARATOR, input->left) : NULL;
    size_t length = end ? (size_t) (end - begin) : input->left;

    if (input->left == 0)
        return false;
    ret->bytes = begin;
    ret->length = length;
    input->bytes += length + (end ? 1 : 0);
    input->left -= length + (end ? 1 : 0);
    return true;
}

static void supply(ConfigParser *parser, Input *input, ConfigTextKind kind, size_t max)
{
    ConfigText text = {.kind = kind, .file = "file", .origin = "origin.sources"};

    for (size_t i = 0; i < max && next_text(input, &text); i++)
        require(config_parser_supply(parser, &text) == 0, "supply");
}

static void run(ConfigParser *parser, Input *input)
{
    ConfigStep step;
    int r;

    while ((r = config_parser_next(parser, &step)) > 0) {
        require(step.words->count > 0 && step.words->list[0].text[0] != '\0', "a step has words");
        if (step.kind != CONFIG_STEP_STATEMENT)
            supply(parser, input, CONFIG_TEXT_FILE, 2);
    }
    require(r == 0, "end");
}

static void check_source(const SourceConfig *source)
{
    require(host_name_is_valid(source->name), "name");
    require(source->minpoll >= -7 && source->minpoll <= source->maxpoll && source->maxpoll <= 24, "polls");
    require(source->min_samples >= 1 && source->min_samples <= source->max_samples, "minsamples");
    require(source->max_samples <= 64, "maxsamples");
    require(source->max_sources >= 1 && source->max_sources <= 16, "maxsources");
    require(source->port > 0 && source->poll_target > 0 && source->filter >= 0, "counts");
    require(source->max_delay >= 0 && source->max_delay <= 1000, "maxdelay");
}

static void check_config(const Config *config)
{
    for (size_t i = 0; i < config->source_count; i++)
        check_source(&config->sources[i]);
    require(config->clock.max_drift >= 0 && config->clock.max_drift <= 0.1 + 1e-12, "maxdrift");
    require(config->clock.corr_time_ratio > 0, "corrtimeratio");
    require(config->selection.min_sources > 0, "minsources");

    /* A copy differs in nothing. */
    cleanup_(config_freep) Config *copy = NULL;
    cleanup_(config_diff_freep) ConfigDiff *diff = NULL;
    require(config_copy(config, &copy) == 0, "copy");
    /* Beyond that it is only slow. */
    if (config->source_count > 50)
        return;
    require(config_diff_new(config, copy, &diff) == 0, "diff");
    require(diff->added_count == 0 && diff->removed_count == 0, "the same sources");
    require(!diff->selection && !diff->clock && !diff->net && !diff->drift_file && !diff->restart,
            "the same sections");
}

/* Every sentence fits on a terminal and into a log line. */
static void check_sentence(const ConfigProblem *problem)
{
    char buffer[512];
    Text text = TEXT(buffer);

    config_problem_format(problem, &text);
    require(!text.truncated && text.length > 0, "a sentence");
    for (const char *c = buffer; *c; c++)
        require(*c >= ' ' && *c <= '~', "a printable sentence");
}

static void parse_files(Input input)
{
    ConfigProblems problems = {0};
    cleanup_(config_parser_freep) ConfigParser *parser = NULL;
    cleanup_(config_freep) Config *config = NULL;
    Config *start;

    require(config_new(&start) == 0 && config_parser_new(start, &problems, &parser) == 0, "new");
    supply(parser, &input, CONFIG_TEXT_FILE, 1);
    run(parser, &input);
    supply(parser, &input, CONFIG_TEXT_SOURCES, SIZE_MAX);
    run(parser, &input);
    config = config_parser_finish(parser);
    require(problems.count <= problems.errors + problems.warnings, "count of problems");
    for (size_t i = 0; i < problems.count; i++)
        check_sentence(&problems.items[i]);
    check_config(config);
    config_problems_clear(&problems);
}

static char *string_of(Input *input)
{
    ConfigText text = {.bytes = "", .length = 0};

    (void) next_text(input, &text);
    return strndup(text.bytes, text.length);
}

static void parse_from_bus(Input input)
{
    cleanup_(config_freep) Config *defaults = NULL;
    char *name = string_of(&input), *options = string_of(&input);
    SourceConfig source;
    ConfigProblem problem;

    require(name && options && config_new(&defaults) == 0, "memory");
    if (config_parse_source(defaults, SOURCE_POOL, name, options, &source, &problem)) {
        require(strcmp(name, source.name) == 0, "the same name");
        require(!strpbrk(options, "\n#;"), "clean options");
        check_source(&source);
    } else {
        check_sentence(&problem);
    }
    free(name);
    free(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = {(const char *) data, size};

    parse_files(input);
    parse_from_bus(input);
    return 0;
}
