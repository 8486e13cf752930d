// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Lines of the server; see parse-server.h. */

#include "core/config/parse-server.h"

#include "base/host-name.h"
#include "base/spelling.h"
#include "base/subnet.h"
#include "base/text.h"

int parse_access_statement(Statement *statement, const Directive *directive, Config *config)
{
    const Words *words = statement->words;
    AccessRule rule = {.allow = text_equal(directive->name, "allow")};
    const char *host = NULL;
    size_t i = 1;

    /* chrony's rule: this one word has to be in lower case, or it is a host. */
    if (words->count > 1 && text_equal(words->list[1].text, "all")) {
        rule.all = true;
        i = 2;
    }
    if (!statement_check_count(statement, 0, i, directive->arguments))
        return 0;
    if (words->count > i && !ip_subnet_parse(words->list[i].text, &rule.network, &rule.prefix)) {
        if (!host_name_is_valid(words->list[i].text)) {
            statement_error(statement, PROBLEM_NOT_A_NETWORK, i);
            return 0;
        }
        host = words->list[i].text;
    }
    return server_config_add_access(&config->server, &rule, host);
}

int parse_listen_statement(Statement *statement, const Directive *directive, Config *config)
{
    IpAddress address;

    if (!statement_check_count(statement, 1, 1, directive->arguments))
        return 0;
    if (!ip_address_parse(statement->words->list[1].text, &address)) {
        statement_error(statement, PROBLEM_NOT_AN_ADDRESS, 1);
        return 0;
    }
    return server_config_add_address(&config->server, &address);
}

int parse_broadcast_statement(Statement *statement, const Directive *directive, Config *config)
{
    static const ValueField fields[] = {
        {VALUE_INT32, offsetof(BroadcastLine, interval), true, true, 1, 1 << 24, 0},
        {VALUE_UINT16, offsetof(BroadcastLine, destination.port), false, false, 1, 65535, 0},
    };
    BroadcastLine line = {.destination.port = 123};
    int r;

    if (!statement_check_count(statement, 2, 3, directive->arguments))
        return 0;
    if (!ip_address_parse(statement->words->list[2].text, &line.destination.address))
        statement_error(statement, PROBLEM_NOT_AN_ADDRESS, 2);
    if ((r = value_store(statement, &fields[0], 1, &line)) < 0 ||
        (statement->words->count > 3 && (r = value_store(statement, &fields[1], 3, &line)) < 0))
        return r;
    return statement->failed ? 0 : server_config_add_broadcast(&config->server, &line);
}

static const OptionEntry *find(const OptionEntry *options, const char *name)
{
    for (const OptionEntry *o = options; o->name; o++)
        if (text_equal_ignore_case(o->name, name))
            return o;
    return NULL;
}

static const char *nearest(const OptionEntry *options, const char *name)
{
    size_t best = spelling_tolerance(name) + 1;
    const char *found = NULL;

    for (const OptionEntry *o = options; o->name; o++) {
        size_t distance = spelling_distance(name, o->name);
        if (distance < best) {
            best = distance;
            found = o->name;
        }
    }
    return found;
}

/* Word i is no option. */
static void report_unknown(Statement *statement, const OptionEntry *options, size_t i)
{
    ConfigProblemKind kind =
        statement_is_comment(statement, i) ? PROBLEM_TRAILING_COMMENT : PROBLEM_UNKNOWN_OPTION;
    ConfigProblem problem = statement_problem(statement, kind, i);

    if (kind == PROBLEM_UNKNOWN_OPTION)
        problem.nearest = nearest(options, statement->words->list[i].text);
    statement_report(statement, &problem);
}

/* Reads the option at word i. Returns how many words it takes, 0 to stop, -ENOMEM. */
static int parse_option(Statement *statement, const OptionEntry *options, size_t i, Config *config)
{
    const OptionEntry *option = find(options, statement->words->list[i].text);

    if (!option) {
        report_unknown(statement, options, i);
        return 0;
    }
    if (option->status == DIRECTIVE_LATER) {
        statement_error(statement, PROBLEM_OPTION_LATER, i);
        return 0;
    }
    size_t taken = value_word_count(option->field.type);
    if (i + taken >= statement->words->count) {
        ConfigProblem problem = statement_problem(statement, PROBLEM_MISSING_ARGUMENT, i + 1);

        (void) text_copy(problem.directive, sizeof(problem.directive), option->name);
        problem.expected = option->arguments;
        statement_report(statement, &problem);
        return 0;
    }
    int r = value_store(statement, &option->field, i + 1, config);
    return r < 0 ? r : 1 + (int) taken;
}

/* The last line counts, without what an earlier one said. */
static void start_options(const OptionEntry *options, Config *config)
{
    if (options == LOCAL_OPTIONS)
        config->local = (LocalConfig) {.stratum = LOCAL_CONFIG_DEFAULT.stratum,
                                       .distance = LOCAL_CONFIG_DEFAULT.distance,
                                       .wait_unsynced = LOCAL_WAIT_UNSAID};
    else if (options == RATE_LIMIT_OPTIONS)
        config->server.rate_limit = RATE_LIMIT_CONFIG_DEFAULT;
    else
        config->nts_server.rate_limit = NTS_RATE_LIMIT_CONFIG_DEFAULT;
}

int parse_options_statement(Statement *statement, const Directive *directive, Config *config)
{
    start_options(directive->options, config);
    int r = value_store(statement, &directive->fields[0], 0, config);

    if (r < 0)
        return r;
    for (size_t i = 1; i < statement->words->count; i += (size_t) r) {
        r = parse_option(statement, directive->options, i, config);
        if (r <= 0)
            break;
    }
    local_config_resolve(&config->local);
    return MIN(r, 0);
}
