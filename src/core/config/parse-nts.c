// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Lines of Network Time Security; see parse-nts.h. */

#include "core/config/parse-nts.h"

#include "base/text.h"

static bool is_known(int64_t id)
{
    return id == NTS_AEAD_AES_SIV_CMAC_256 || id == NTS_AEAD_AES_128_GCM_SIV;
}

static void add_aead(NtsConfig *config, NtsAead aead)
{
    for (size_t i = 0; i < config->aead_count; i++)
        if (config->aeads[i] == aead)
            return;
    config->aeads[config->aead_count++] = aead;
}

static void warn_unknown(Statement *statement, size_t i)
{
    ConfigProblem problem = statement_problem(statement, PROBLEM_UNKNOWN_AEAD, i);

    problem.severity = CONFIG_WARNING;
    config_problems_add(statement->problems, &problem);
}

void parse_aeads_statement(Statement *statement, NtsConfig *config)
{
    NtsConfig read = {0};

    for (size_t i = 1; i < statement->words->count; i++) {
        int64_t id;

        if (statement_is_comment(statement, i)) {
            statement_error(statement, PROBLEM_TRAILING_COMMENT, i);
            return;
        }
        if (!text_to_int(statement->words->list[i].text, &id))
            statement_error(statement, PROBLEM_NOT_AN_INTEGER, i);
        else if (is_known(id))
            add_aead(&read, (NtsAead) id);
        else
            warn_unknown(statement, i);
    }
    if (statement->failed)
        return;
    for (size_t i = 0; i < read.aead_count; i++)
        config->aeads[i] = read.aeads[i];
    config->aead_count = read.aead_count;
}

int parse_trust_statement(Statement *statement, const Directive *directive, NtsConfig *config)
{
    static const ValueField SET = {VALUE_UINT32, 0, .min = 0, .max = UINT32_MAX};
    const Words *words = statement->words;
    uint32_t set = 0;

    if (!statement_check_count(statement, 1, 2, directive->arguments))
        return 0;
    if (words->count > 2) {
        int r = value_store(statement, &SET, 1, &set);
        if (r < 0)
            return r;
    }
    return statement->failed ? 0 : nts_config_add_trust(config, set, words->list[words->count - 1].text);
}

static void warn(Statement *statement, ConfigProblemKind kind)
{
    ConfigProblem problem = statement_problem(statement, kind, 1);

    problem.severity = CONFIG_WARNING;
    config_problems_add(statement->problems, &problem);
}

void check_source_authentication(Statement *statement, const SourceConfig *source)
{
    if (!source->nts)
        return;
    if (source->kind == SOURCE_PEER)
        warn(statement, PROBLEM_NTS_OF_PEER);
    else if (source->key != 0)
        warn(statement, PROBLEM_KEY_WITH_NTS);
}
