// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The parser by itself: what a text does to the Config, how it asks for files, limits. What is refused, and
 * with which words, is in test/corpus/config. */

#include "core/config/parser.h"

#include <string.h>

#include "base/spelling.h"
#include "base/strings.h"
#include "core/config/directives.h"
#include "core/config/parse-source.h"
#include "unit.h"

static ConfigParser *start(ConfigProblems *problems)
{
    Config *config;
    ConfigParser *parser;

    *problems = (ConfigProblems) {0};
    assert_int_equal(config_new(&config), 0);
    assert_int_equal(config_parser_new(config, problems, &parser), 0);
    return parser;
}

static void supply(ConfigParser *parser, ConfigTextKind kind, const char *file, const char *bytes)
{
    ConfigText text = {
        .kind = kind, .file = file, .argument = 1, .origin = file, .bytes = bytes, .length = strlen(bytes)};

    assert_int_equal(config_parser_supply(parser, &text), 0);
}

/* Reads a text that must be free of problems. */
static Config *parse(const char *bytes)
{
    ConfigProblems problems;
    cleanup_(config_parser_freep) ConfigParser *parser = start(&problems);
    ConfigStep step;
    char buffer[512];

    supply(parser, CONFIG_TEXT_FILE, "t.conf", bytes);
    while (config_parser_next(parser, &step) > 0)
        assert_int_equal(step.kind, CONFIG_STEP_STATEMENT);
    if (problems.count > 0) {
        Text text = TEXT(buffer);

        config_problem_format(&problems.items[0], &text);
        fail_msg("%s", buffer);
    }
    return config_parser_finish(parser);
}

static void assert_near(double a, double b)
{
    assert_true(a >= b * (1 - 1e-12) - 1e-15 && a <= b * (1 + 1e-12) + 1e-15);
}

static void test_every_field(void **state unused_)
{
    cleanup_(config_freep) Config *c = parse("acquisitionport 1123\n"
                                             "bindacqaddress 192.0.2.1\n"
                                             "bindacqaddress 2001:db8::1\n"
                                             "bindacqdevice eth0\n"
                                             "clockprecision 1e-6\n"
                                             "combinelimit 2\n"
                                             "corrtimeratio 4\n"
                                             "driftfile /d interval 60\n"
                                             "dscp 46\n"
                                             "lock_all\n"
                                             "logchange 0.5\n"
                                             "makestep 0.1 -1\n"
                                             "maxchange 1000 1 2\n"
                                             "maxclockerror 2\n"
                                             "maxdistance 4\n"
                                             "maxdrift 500\n"
                                             "maxjitter 0.5\n"
                                             "maxsamples 32\n"
                                             "maxslewrate 1000\n"
                                             "maxstratum 5\n"
                                             "maxupdateskew 100\n"
                                             "minsamples 10\n"
                                             "minsources 2\n"
                                             "minstratum 1\n"
                                             "pidfile /p\n"
                                             "refresh 3600\n"
                                             "reselectdist 1e-3\n"
                                             "rtcsync\n"
                                             "sched_priority 50\n"
                                             "sourcedir /s1   /s2\n"
                                             "sourcedir /s3\n"
                                             "stratumweight 0.01\n"
                                             "user nobody\n");

    assert_int_equal(c->net.acquisition_port, 1123);
    assert_int_equal(c->net.acquisition_v4.family, IP_V4);
    assert_int_equal(c->net.acquisition_v6.family, IP_V6);
    assert_string_equal(c->net.acquisition_device, "eth0");
    assert_near(c->clock.precision, 1e-6);
    assert_near(c->selection.combine_limit, 2);
    assert_near(c->clock.corr_time_ratio, 4);
    assert_string_equal(c->daemon.drift_file, "/d");
    assert_near(c->daemon.drift_interval, 60);
    assert_int_equal(c->net.dscp, 46);
    assert_true(c->daemon.lock_all);
    assert_near(c->clock.log_change, 0.5);
    assert_near(c->clock.step_threshold, 0.1);
    assert_int_equal(c->clock.step_limit, -1);
    assert_near(c->clock.max_change_offset, 1000);
    assert_int_equal(c->clock.max_change_start, 1);
    assert_int_equal(c->clock.max_change_ignore, 2);
    assert_near(c->clock.max_clock_error, 2e-6);
    assert_near(c->selection.max_distance, 4);
    assert_near(c->clock.max_drift, 500e-6);
    assert_near(c->selection.max_jitter, 0.5);
    assert_int_equal(c->max_samples, 32);
    assert_near(c->clock.max_slew_rate, 1000e-6);
    assert_int_equal(c->selection.max_stratum, 5);
    assert_near(c->clock.max_update_skew, 100e-6);
    assert_int_equal(c->min_samples, 10);
    assert_int_equal(c->selection.min_sources, 2);
    assert_int_equal(c->selection.min_stratum, 1);
    assert_string_equal(c->daemon.pid_file, "/p");
    assert_near(c->net.refresh, 3600);
    assert_near(c->selection.reselect_distance, 1e-3);
    assert_true(c->clock.rtc_sync);
    assert_int_equal(c->daemon.sched_priority, 50);
    assert_string_equal(c->source_dirs[0], "/s1 /s2");
    assert_string_equal(c->source_dirs[1], "/s3");
    assert_near(c->selection.stratum_weight, 0.01);
    assert_string_equal(c->daemon.user, "nobody");
}

static void test_every_option(void **state unused_)
{
    cleanup_(config_freep) Config *c = parse(
        "pool ntp.example.net auto_offline burst filter 5 iburst ipv6 maxdelay 0.1 maxdelaydevratio 5 "
        "maxdelayquant 0.5 maxdelayratio 2 maxpoll 8 maxsamples 20 maxsources 3 maxunreach 100 minpoll -2 "
        "minsamples 7 minstratum 2 noselect offline offset -0.001 polltarget 16 port 1234 prefer require "
        "trust\n");
    const SourceConfig *s = &c->sources[0];

    assert_int_equal(c->source_count, 1);
    assert_int_equal(s->kind, SOURCE_POOL);
    assert_string_equal(s->name, "ntp.example.net");
    assert_true(s->auto_offline && s->burst && s->iburst && s->offline);
    assert_true(s->select.noselect && s->select.prefer && s->select.require && s->select.trust);
    assert_int_equal(s->filter, 5);
    assert_int_equal(s->family, IP_V6);
    assert_near(s->max_delay, 0.1);
    assert_near(s->max_delay_dev_ratio, 5);
    assert_near(s->max_delay_quantile, 0.5);
    assert_near(s->max_delay_ratio, 2);
    assert_int_equal(s->maxpoll, 8);
    assert_int_equal(s->max_samples, 20);
    assert_int_equal(s->max_sources, 3);
    assert_int_equal(s->max_unreach, 100);
    assert_int_equal(s->minpoll, -2);
    assert_int_equal(s->min_samples, 7);
    assert_int_equal(s->min_stratum, 2);
    assert_near(-s->offset, 0.001);
    assert_int_equal(s->poll_target, 16);
    assert_int_equal(s->port, 1234);
}

static void test_nts(void **state unused_)
{
    cleanup_(config_freep) Config *c = parse("server a nts certset 7 ntsport 4461\n"
                                             "ntstrustedcerts 7 /one\n"
                                             "nosystemcert\n"
                                             "ntstrustedcerts /two\n"
                                             "nocerttimecheck 3\n"
                                             "ntsrefresh 3600\n"
                                             "ntscachedir /cache\n"
                                             "ntsdumpdir /dump\n"
                                             "ntsaeads 15 30 15\n");
    cleanup_(config_freep) Config *bare = parse("server a\n"), *none = parse("ntsaeads\n"), *copy = NULL;
    const NtsConfig *nts = &c->nts;

    assert_true(c->sources[0].nts);
    assert_int_equal(c->sources[0].nts_port, 4461);
    assert_int_equal(c->sources[0].cert_set, 7);
    assert_int_equal(nts->trusted_count, 2);
    assert_int_equal(nts->trusted[0].set, 7);
    assert_string_equal(nts->trusted[0].path, "/one");
    assert_int_equal(nts->trusted[1].set, 0);
    assert_string_equal(nts->trusted[1].path, "/two");
    assert_true(nts->no_system_certs);
    assert_int_equal(nts->no_time_check, 3);
    assert_int_equal(nts->refresh, 3600);
    assert_string_equal(nts->dump_dir, "/dump");
    assert_int_equal(nts->aead_count, 2);
    assert_int_equal(nts->aeads[0], NTS_AEAD_AES_SIV_CMAC_256);
    assert_int_equal(nts->aeads[1], NTS_AEAD_AES_128_GCM_SIV);

    assert_false(bare->sources[0].nts);
    assert_int_equal(bare->sources[0].nts_port, 4460);
    assert_int_equal(bare->nts.aead_count, 2);
    assert_int_equal(bare->nts.aeads[0], NTS_AEAD_AES_128_GCM_SIV);
    assert_int_equal(none->nts.aead_count, 0);

    assert_int_equal(config_copy(c, &copy), 0);
    assert_true(nts_config_equal(&copy->nts, nts));
    assert_false(nts_config_equal(&bare->nts, nts));
    assert_ptr_not_equal(copy->nts.trusted[0].path, nts->trusted[0].path);
}

/* Symmetric mode knows no NTS, and a source that has NTS no other key. */
static void test_one_authentication(void **state unused_)
{
    cleanup_(config_freep) Config *defaults = parse("");
    SourceConfig source;
    ConfigProblem problem;

    assert_true(config_parse_source(defaults, SOURCE_PEER, "a", "nts key 1", &source, &problem));
    assert_false(source.nts);
    assert_int_equal(source.key, 1);
    assert_true(config_parse_source(defaults, SOURCE_SERVER, "a", "nts key 1", &source, &problem));
    assert_true(source.nts);
    assert_int_equal(source.key, 0);
}

/* A directive counts for the sources above it too; an option counts more. */
static void test_sample_limits(void **state unused_)
{
    cleanup_(config_freep) Config *c = parse("server a\nserver b minsamples 20 maxsamples 10\nserver c "
                                             "maxsamples 1\nminsamples 8\nmaxsamples 16\n");

    assert_int_equal(c->sources[0].min_samples, 8);
    assert_int_equal(c->sources[0].max_samples, 16);
    assert_int_equal(c->sources[1].min_samples, 10);
    assert_int_equal(c->sources[1].max_samples, 10);
    assert_int_equal(c->sources[2].min_samples, 1);
    assert_int_equal(c->sources[2].max_samples, 1);
}

static void test_language(void **state unused_)
{
    cleanup_(config_freep) Config *c =
        parse("\n  \t\n# x\n  ! x\n;x\n%x\nMaxDistance\t 1.0  \r\n"
              "maxdistance 2\nSERVER a IBURST minpoll 12\nserver a MINPOLL 4 maxpoll 4");

    assert_near(c->selection.max_distance, 2);
    assert_int_equal(c->source_count, 2);
    assert_int_equal(c->sources[0].maxpoll, 12);
    assert_true(c->sources[0].iburst);
    assert_int_equal(c->sources[1].maxpoll, 4);
}

/* Supplied files are read where they are named, in the order in which they were supplied. */
static void test_includes(void **state unused_)
{
    ConfigProblems problems;
    cleanup_(config_parser_freep) ConfigParser *parser = start(&problems);
    cleanup_(config_freep) Config *config = NULL;
    ConfigStep step;

    supply(parser, CONFIG_TEXT_FILE, "main", "server a\ninclude x\nserver d\n");
    assert_int_equal(config_parser_next(parser, &step), 1);
    assert_int_equal(config_parser_next(parser, &step), 1);
    assert_int_equal(step.kind, CONFIG_STEP_INCLUDE);
    assert_string_equal(step.words->list[1].text, "x");
    assert_string_equal(step.file, "main");
    assert_int_equal(step.line, 2);
    supply(parser, CONFIG_TEXT_FILE, "x1", "server b\nconfdir y\n");
    supply(parser, CONFIG_TEXT_FILE, "x2", "server c\n");
    assert_int_equal(config_parser_next(parser, &step), 1);
    assert_string_equal(step.file, "x1");
    assert_int_equal(config_parser_next(parser, &step), 1);
    assert_int_equal(step.kind, CONFIG_STEP_CONFDIR);
    while (config_parser_next(parser, &step) > 0)
        ;
    assert_int_equal(problems.errors, 0);

    config = config_parser_finish(parser);
    assert_int_equal(config->source_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(config->sources[i].name[0], 'a' + (int) i);
    assert_string_equal(config->files[0], "main");
    assert_string_equal(config->files[1], "x1");
    assert_string_equal(config->files[2], "x2");
    assert_null(config->files[3]);
}

/* A file that includes itself ends by the depth, one that does so often by the number of files; each says so.
 */
static void test_include_limits(void **state unused_)
{
    for (size_t copies = 1; copies <= 3; copies += 2) {
        ConfigProblems problems;
        cleanup_(config_parser_freep) ConfigParser *parser = start(&problems);
        cleanup_(config_freep) Config *config = NULL;
        const char *text = copies == 1 ? "include x\n" : "include x\ninclude x\ninclude x\n";
        ConfigStep step;
        size_t files = 1;

        supply(parser, CONFIG_TEXT_FILE, "x", text);
        while (config_parser_next(parser, &step) > 0) {
            supply(parser, CONFIG_TEXT_FILE, "x", text);
            files++;
        }
        assert_true(problems.errors > 0);
        assert_int_equal(problems.items[0].kind, PROBLEM_TOO_DEEP);
        if (copies == 1)
            assert_int_equal(files, CONFIG_DEPTH_MAX + 2);
        else
            assert_int_equal(problems.count, CONFIG_PROBLEMS_MAX);
        config = config_parser_finish(parser);
        size_t read = 0;
        while (config->files[read])
            read++;
        assert_true(read <= CONFIG_FILES_MAX);
        config_problems_clear(&problems);
    }
}

static void test_source_files(void **state unused_)
{
    ConfigProblems problems;
    cleanup_(config_parser_freep) ConfigParser *parser = start(&problems);
    cleanup_(config_freep) Config *config = NULL;
    ConfigStep step;

    supply(parser, CONFIG_TEXT_FILE, "main", "server a\n");
    while (config_parser_next(parser, &step) > 0)
        ;
    supply(parser, CONFIG_TEXT_SOURCES, "x.sources",
           "server b\nserver c minpol 4\nmakestep 1 3\nserver d iburst");
    while (config_parser_next(parser, &step) > 0)
        ;
    assert_int_equal(problems.errors, 0);
    assert_int_equal(problems.warnings, 3);
    config = config_parser_finish(parser);
    assert_int_equal(config->source_count, 2);
    assert_string_equal(config->sources[0].origin, "");
    assert_string_equal(config->sources[1].name, "b");
    assert_string_equal(config->sources[1].origin, "x.sources");
    assert_int_equal(config->clock.step_limit, 0);

    config_drop_source_files(config);
    assert_int_equal(config->source_count, 1);
    assert_string_equal(config->files[0], "main");
    assert_null(config->files[1]);
    config_problems_clear(&problems);
}

static void test_source_from_bus(void **state unused_)
{
    cleanup_(config_freep) Config *defaults = parse("minsamples 9\nmaxsamples 33\n");
    SourceConfig source;
    ConfigProblem problem;

    assert_true(
        config_parse_source(defaults, SOURCE_POOL, "ntp.example.net", "iburst maxpoll 9", &source, &problem));
    assert_int_equal(source.kind, SOURCE_POOL);
    assert_string_equal(source.name, "ntp.example.net");
    assert_true(source.iburst);
    assert_int_equal(source.maxpoll, 9);
    assert_int_equal(source.min_samples, 9);
    assert_int_equal(source.max_samples, 33);
    assert_true(config_parse_source(defaults, SOURCE_SERVER, "192.0.2.1", "", &source, &problem));
    assert_true(config_parse_source(defaults, SOURCE_SERVER, "2001:db8::1", "ipv6", &source, &problem));
}

static const struct {
    const char *name, *options;
    ConfigProblemKind kind;
    uint32_t column;
} HOSTILE[] = {
    {"", "", PROBLEM_INVALID_NAME, 1},
    {"a b", "", PROBLEM_INVALID_NAME, 1},
    {"a\nserver b", "", PROBLEM_INVALID_NAME, 1},
    {"#a", "", PROBLEM_INVALID_NAME, 1},
    {"../../etc", "", PROBLEM_INVALID_NAME, 1},
    {"a", "iburst\nuser root", PROBLEM_INVALID_CHARACTER, 7},
    {"a", "iburst # x", PROBLEM_INVALID_CHARACTER, 8},
    {"a", "iburst;", PROBLEM_INVALID_CHARACTER, 7},
    {"a", "\tiburst", PROBLEM_INVALID_CHARACTER, 1},
    {"a", "iburst\x7f", PROBLEM_INVALID_CHARACTER, 7},
    {"a", "\x1b[2J", PROBLEM_INVALID_CHARACTER, 1},
    {"a", "ibur\xc3\xbcst", PROBLEM_INVALID_CHARACTER, 5},
    {"a", "ibrust", PROBLEM_UNKNOWN_OPTION, 1},
    {"a", "iburst minpoll x", PROBLEM_NOT_A_NUMBER, 16},
    {"a", "iburst minpoll", PROBLEM_MISSING_ARGUMENT, 15},
    {"a", "iburst nts ntsport 0", PROBLEM_OUT_OF_RANGE, 20},
    {"192.0.2.1", "ipv6", PROBLEM_WRONG_FAMILY, 1},
};

static void test_hostile_source(void **state unused_)
{
    cleanup_(config_freep) Config *defaults = parse("");
    SourceConfig source;
    ConfigProblem problem;
    char big[10001];

    for (size_t i = 0; i < ELEMENTS(HOSTILE); i++) {
        if (config_parse_source(defaults, SOURCE_SERVER, HOSTILE[i].name, HOSTILE[i].options, &source,
                                &problem))
            fail_msg("row %zu is accepted", i);
        if (problem.kind != HOSTILE[i].kind || problem.column != HOSTILE[i].column)
            fail_msg("row %zu: %s at %u", i, config_problem_kind_name(problem.kind), problem.column);
    }

    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_false(config_parse_source(defaults, SOURCE_SERVER, big, "", &source, &problem));
    assert_int_equal(problem.kind, PROBLEM_INVALID_NAME);
    assert_false(config_parse_source(defaults, SOURCE_SERVER, "a", big, &source, &problem));
    assert_int_equal(problem.kind, PROBLEM_LINE_TOO_LONG);
    assert_true(config_parse_source(defaults, SOURCE_PEER, "a", "xleave", &source, &problem));
    assert_int_equal(source.kind, SOURCE_PEER);
    assert_false(config_parse_source(defaults, SOURCE_REFCLOCK, "a", "", &source, &problem));
    assert_int_equal(problem.kind, PROBLEM_DIRECTIVE_LATER);
}

/* What is kept of the problems of a long and wholly wrong file is bounded; all are counted. */
static void test_many_problems(void **state unused_)
{
    ConfigProblems problems;
    cleanup_(config_parser_freep) ConfigParser *parser = start(&problems);
    char text[3 * 5000 + 1];
    ConfigStep step;

    for (size_t i = 0; i < 5000; i++)
        memcpy(text + 3 * i, "zz\n", 4);
    supply(parser, CONFIG_TEXT_FILE, "x", text);
    assert_int_equal(config_parser_next(parser, &step), 0);
    assert_int_equal(problems.errors, 5000);
    assert_int_equal(problems.count, CONFIG_PROBLEMS_MAX);
    config_problems_clear(&problems);
    assert_int_equal(problems.count, 0);
}

/* Sources and files beyond the limit are told of once, however many there are. */
static void test_too_many(void **state unused_)
{
    static const char LINE[] = "server a\n";
    size_t length = sizeof(LINE) - 1, lines = CONFIG_SOURCES_MAX + 10;
    ConfigProblems problems;
    cleanup_(config_parser_freep) ConfigParser *parser = start(&problems);
    cleanup_(config_freep) Config *config = NULL;
    cleanup_(freep) char *text = malloc(lines * length + 1);
    ConfigStep step;

    for (size_t i = 0; i < lines; i++)
        memcpy(text + i * length, LINE, length + 1);
    supply(parser, CONFIG_TEXT_FILE, "x", text);
    for (size_t i = 1; i < CONFIG_FILES_MAX + 10; i++)
        supply(parser, CONFIG_TEXT_FILE, "y", "");
    while (config_parser_next(parser, &step) > 0)
        ;
    config = config_parser_finish(parser);
    assert_int_equal(config->source_count, CONFIG_SOURCES_MAX);
    assert_int_equal(problems.errors, 2);
    assert_int_equal(problems.items[0].kind, PROBLEM_TOO_MANY_FILES);
    assert_int_equal(problems.items[1].kind, PROBLEM_TOO_MANY_SOURCES);
    assert_int_equal(problems.items[1].line, CONFIG_SOURCES_MAX + 1);
    config_problems_clear(&problems);
}

/* A .sources file has its share, and a word about the rest; the next one has its own. */
static void test_too_many_of_a_file(void **state unused_)
{
    static const char LINE[] = "server a\n";
    size_t length = sizeof(LINE) - 1, lines = CONFIG_SOURCES_FILE_SOURCES_MAX + 10;
    ConfigProblems problems;
    cleanup_(config_parser_freep) ConfigParser *parser = start(&problems);
    cleanup_(config_freep) Config *config = NULL;
    cleanup_(freep) char *text = malloc(lines * length + 1);
    ConfigStep step;

    for (size_t i = 0; i < lines; i++)
        memcpy(text + i * length, LINE, length + 1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(config_parser_supply(parser, &(ConfigText) {.kind = CONFIG_TEXT_SOURCES,
                                                                     .file = i ? "d/b" : "d/a",
                                                                     .origin = i ? "b" : "a",
                                                                     .bytes = text,
                                                                     .length = lines * length}),
                         0);
    while (config_parser_next(parser, &step) > 0)
        ;
    config = config_parser_finish(parser);
    assert_int_equal(config->source_count, 2 * CONFIG_SOURCES_FILE_SOURCES_MAX);
    assert_int_equal(problems.errors, 0);
    assert_int_equal(problems.warnings, 2);
    assert_int_equal(problems.items[0].kind, PROBLEM_TOO_MANY_SOURCES);
    assert_int_equal(problems.items[0].line, CONFIG_SOURCES_FILE_SOURCES_MAX + 1);
    assert_string_equal(problems.items[1].file, "d/b");
    config_problems_clear(&problems);
}

static const struct {
    const char *a, *b;
    size_t distance;
} SPELLINGS[] = {
    {"server", "server", 0}, {"servr", "server", 1}, {"sevrer", "server", 1}, {"SERVER", "server", 0},
    {"srevre", "server", 2}, {"", "pool", 4},        {"pool", "", 4},         {"polo", "pool", 1},
    {"iburst", "burst", 1},  {"abc", "xyz", 3},
};

static void test_spelling(void **state unused_)
{
    for (size_t i = 0; i < ELEMENTS(SPELLINGS); i++)
        assert_int_equal(spelling_distance(SPELLINGS[i].a, SPELLINGS[i].b), SPELLINGS[i].distance);
    assert_true(spelling_distance("a", "a word that is far longer than any directive") == SIZE_MAX);

    assert_string_equal(directive_nearest("servr"), "server");
    assert_string_equal(directive_nearest("makstep"), "makestep");
    assert_string_equal(source_option_nearest("ibrust"), "iburst");
    assert_null(directive_nearest("zz"));
    assert_null(directive_nearest("listen"));
}

static void test_tables_are_sorted(void **state unused_)
{
    for (const Directive *d = DIRECTIVES; d[0].name && d[1].name; d++)
        assert_true(strcmp(d[0].name, d[1].name) < 0);
    for (const OptionEntry *o = SOURCE_OPTIONS; o[0].name && o[1].name; o++)
        assert_true(strcmp(o[0].name, o[1].name) < 0);
}

static void test_server(void **state)
{
    cleanup_(config_freep) Config *c =
        parse("allow\n"
              "deny all 192.0.2.77/24\n"
              "allow client.example.net\n"
              "bindaddress 127.0.0.1\n"
              "bindaddress ::1\n"
              "binddevice eth0\n"
              "port 1123\n"
              "clientloglimit 1048576\n"
              "ratelimit interval -4 burst 16 leak 3 kod 2\n"
              "local stratum 8 distance 0.5 activate 0.25 waitsynced 60 waitunsynced 300\n");
    const ServerConfig *s = &c->server;

    (void) state;
    assert_int_equal(s->access_count, 3);
    assert_true(s->access[0].rule.allow && s->access[0].rule.network.family == IP_UNSPEC &&
                !s->access[0].host);
    assert_true(!s->access[1].rule.allow && s->access[1].rule.all && s->access[1].rule.prefix == 24);
    assert_int_equal(s->access[1].rule.network.bytes[3], 0);
    assert_string_equal(s->access[2].host, "client.example.net");
    assert_int_equal(s->address_count, 2);
    assert_int_equal(s->addresses[1].family, IP_V6);
    assert_string_equal(s->device, "eth0");
    assert_int_equal(s->port, 1123);
    assert_int_equal(s->log_limit, 1048576);
    assert_true(s->rate_limit.enabled);
    assert_int_equal(s->rate_limit.interval, -4);
    assert_int_equal(s->rate_limit.burst, 16);
    assert_int_equal(s->rate_limit.leak, 3);
    assert_int_equal(s->rate_limit.kod, 2);
    assert_true(c->local.enabled && c->local.stratum == 8 && c->local.distance == 0.5);
    assert_true(c->local.activate == 0.25 && c->local.wait_synced == 60 && c->local.wait_unsynced == 300);
    assert_false(c->local.orphan);

    /* A copy has its own of everything. */
    cleanup_(config_freep) Config *copy = NULL;
    assert_int_equal(config_copy(c, &copy), 0);
    c = config_free(c);
    assert_string_equal(copy->server.access[2].host, "client.example.net");
    assert_int_equal(copy->server.addresses[1].family, IP_V6);
}

/* A later line begins with the defaults again. */
static void test_server_repeats(void **state)
{
    cleanup_(config_freep) Config *c =
        parse("local stratum 3 distance 5\nlocal\nratelimit kod 4 burst 1\nratelimit leak 1\n");

    (void) state;
    assert_true(c->local.enabled && c->local.stratum == 10 && c->local.distance == 1);
    assert_true(c->server.rate_limit.enabled && c->server.rate_limit.kod == 0);
    assert_int_equal(c->server.rate_limit.burst, 8);
    assert_int_equal(c->server.rate_limit.leak, 1);
}

static void test_nts_server(void **state)
{
    cleanup_(config_freep) Config *c = parse("ntsservercert /a.pem\n"
                                             "ntsserverkey /a.key\n"
                                             "ntsserverkey /b.key\n"
                                             "ntsservercert /b.pem\n"
                                             "ntsport 4461\n"
                                             "ntsprocesses 0\n"
                                             "maxntsconnections 1000\n"
                                             "ntsntpserver time.example.net\n"
                                             "ntsrotate 0\n"
                                             "ntsratelimit interval 3 burst 1 leak 4\n");

    (void) state;
    cleanup_(config_freep) Config *copy = NULL;
    assert_int_equal(config_copy(c, &copy), 0);
    c = config_free(c);
    const NtsServerConfig *n = &copy->nts_server;
    assert_int_equal(strings_count(n->certificates), 2);
    assert_string_equal(n->certificates[1], "/b.pem");
    assert_string_equal(n->keys[0], "/a.key");
    assert_string_equal(n->keys[1], "/b.key");
    assert_int_equal(n->port, 4461);
    assert_int_equal(n->threads, 0);
    assert_int_equal(n->max_connections, 1000);
    assert_string_equal(n->ntp_server, "time.example.net");
    assert_int_equal(n->rotate, 0);
    assert_true(n->rate_limit.enabled);
    assert_int_equal(n->rate_limit.interval, 3);
    assert_int_equal(n->rate_limit.burst, 1);
    assert_int_equal(n->rate_limit.leak, 4);
}

static void test_nts_server_defaults(void **state)
{
    cleanup_(config_freep) Config *c = parse("ntsratelimit burst 3\nntsratelimit\n");
    const NtsServerConfig *n = &c->nts_server;

    (void) state;
    assert_null(n->certificates);
    assert_null(n->keys);
    assert_null(n->ntp_server);
    assert_int_equal(n->rate_limit.interval, 6);
    assert_int_equal(n->rate_limit.burst, 8);
    assert_int_equal(n->rate_limit.leak, 2);
}

/* With orphan the local reference waits longer, unless the line says how long. */
static void test_local_orphan(void **state)
{
    static const struct {
        const char *line;
        bool orphan;
        double wait;
    } lines[] = {
        {"local stratum 8\n", false, 0},
        {"local orphan\n", true, 300},
        {"local waitunsynced 5 orphan\n", true, 5},
        {"local orphan waitunsynced 0 stratum 8\n", true, 0},
        {"local orphan\nlocal\n", false, 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        cleanup_(config_freep) Config *c = parse(lines[i].line);
        assert_true(c->local.enabled);
        assert_int_equal(c->local.orphan, lines[i].orphan);
        assert_true(c->local.wait_unsynced == lines[i].wait);
    }
}

/* The last line counts, whole. */
static void test_initstepslew(void **state)
{
    cleanup_(config_freep) Config *one = parse("initstepslew 0.5 ntp.example.net 192.0.2.1 2001:db8::1\n");
    cleanup_(config_freep) Config *last = parse("initstepslew 10 a b c\ninitstepslew 20 d\n");
    cleanup_(config_freep) Config *none = parse("server a\n"), *copy = NULL;

    (void) state;
    assert_true(one->initstepslew.threshold == 0.5);
    assert_string_equal(one->initstepslew.hosts[0], "ntp.example.net");
    assert_string_equal(one->initstepslew.hosts[2], "2001:db8::1");
    assert_null(one->initstepslew.hosts[3]);
    assert_true(last->initstepslew.threshold == 20);
    assert_string_equal(last->initstepslew.hosts[0], "d");
    assert_null(last->initstepslew.hosts[1]);
    assert_null(none->initstepslew.hosts);

    assert_int_equal(config_copy(one, &copy), 0);
    assert_ptr_not_equal(copy->initstepslew.hosts[1], one->initstepslew.hosts[1]);
    assert_string_equal(copy->initstepslew.hosts[1], "192.0.2.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_server_repeats),
        cmocka_unit_test(test_nts_server),
        cmocka_unit_test(test_nts_server_defaults),
        cmocka_unit_test(test_local_orphan),
        cmocka_unit_test(test_initstepslew),
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_nts),
        cmocka_unit_test(test_one_authentication),
        cmocka_unit_test(test_every_option),
        cmocka_unit_test(test_sample_limits),
        cmocka_unit_test(test_language),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_include_limits),
        cmocka_unit_test(test_source_files),
        cmocka_unit_test(test_source_from_bus),
        cmocka_unit_test(test_hostile_source),
        cmocka_unit_test(test_many_problems),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_too_many_of_a_file),
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_tables_are_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
