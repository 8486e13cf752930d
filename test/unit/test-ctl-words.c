// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <stdio.h>
#include <string.h>

#include "ctl/options.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "unit.h"

#define WORDS_MAX 12

static const struct OptionsRow {
    const char *name;
    const char *line[WORDS_MAX]; /* without the program */
    const char *words;           /* that stay, joined by '|'; NULL: refused */
    Options expected;
} rows[] = {
    {"nothing", {NULL}, "", {.pager = true, .ask_password = true}},
    {"before",
     {"-c", "-n", "sources"},
     "sources",
     {.csv = true, .numeric = true, .pager = true, .ask_password = true}},
    {"bundle",
     {"-cnN", "sources"},
     "sources",
     {.csv = true, .numeric = true, .original_names = true, .pager = true, .ask_password = true}},
    {"behind",
     {"sources", "-a", "-v"},
     "sources",
     {.all = true, .verbose = true, .pager = true, .ask_password = true}},
    {"between", {"explain", "-n", "a"}, "explain|a", {.numeric = true, .pager = true, .ask_password = true}},
    {"negative number", {"makestep", "-1", "-1"}, "makestep|-1|-1", {.pager = true, .ask_password = true}},
    {"negative fraction",
     {"offset", "a", "-.5e-3"},
     "offset|a|-.5e-3",
     {.pager = true, .ask_password = true}},
    {"selectopts",
     {"selectopts", "a", "-prefer", "+trust"},
     "selectopts|a|-prefer|+trust",
     {.pager = true, .ask_password = true}},
    {"option of selectopts", {"selectopts", "a", "--no-ask-password"}, "selectopts|a", {.pager = true}},
    {"only words", {"--", "-x", "-c"}, "-x|-c", {.pager = true, .ask_password = true}},
    {"only words later", {"explain", "--", "-x"}, "explain|-x", {.pager = true, .ask_password = true}},
    {"json", {"--json=short", "status"}, "status", {.json = JSON_SHORT, .pager = true, .ask_password = true}},
    {"json, two words", {"--json", "pretty"}, "", {.json = JSON_PRETTY, .pager = true, .ask_password = true}},
    {"json off", {"--json=off"}, "", {.pager = true, .ask_password = true}},
    {"no pager", {"--no-pager"}, "", {.ask_password = true}},
    {"json of nothing", {"--json=long"}, NULL, {0}},
    {"unknown", {"-q"}, NULL, {0}},
    {"unknown long", {"--nonsense"}, NULL, {0}},
    {"host without a name", {"-H"}, NULL, {0}},
};

static void assert_options(const struct OptionsRow *row, const Options *found)
{
    const Options *e = &row->expected;

    if (found->json != e->json || found->csv != e->csv || found->numeric != e->numeric ||
        found->original_names != e->original_names || found->all != e->all || found->verbose != e->verbose ||
        found->pager != e->pager || found->ask_password != e->ask_password)
        fail_msg("%s: other options", row->name);
}

static void assert_words(const struct OptionsRow *row, int argc, char **argv)
{
    char joined[256] = "";

    for (int i = 1; i < argc; i++) {
        strcat(joined, i > 1 ? "|" : "");
        strcat(joined, argv[i]);
    }
    if (strcmp(joined, row->words) != 0)
        fail_msg("%s: \"%s\"", row->name, joined);
    assert_null(argv[argc]);
}

static void test_options(void **state)
{
    /* getopt() keeps a pointer into the last word that it has read: each row has words of its own */
    static char all[ELEMENTS(rows)][WORDS_MAX][32];

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char(*copies)[32] = all[i], *argv[WORDS_MAX + 1] = {copies[0]};
        Options options = options_default();
        int argc = 1;

        for (; rows[i].line[argc - 1]; argc++) {
            strcpy(copies[argc], rows[i].line[argc - 1]);
            argv[argc] = copies[argc];
        }
        int r = options_parse(&options, argc, argv);
        if ((r < 0) != (rows[i].words == NULL))
            fail_msg("%s: %d", rows[i].name, r);
        if (r < 0)
            continue;
        assert_words(&rows[i], r, argv);
        assert_options(&rows[i], &options);
    }
}

static void test_host(void **state)
{
    char program[] = "timectl", option[] = "-H", host[] = "me@there", *argv[] = {program, option, host, NULL};
    Options options = options_default();

    (void) state;
    assert_int_equal(options_parse(&options, 3, argv), 1);
    assert_string_equal(options.host, "me@there");
}

static void test_escape(void **state)
{
    static const struct {
        const char *text, *expected;
    } texts[] = {
        {"ntp.example.net", "ntp.example.net"},
        {"a\033[2Jb", "a\\x1b[2Jb"},
        {"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},
        {"\xe2\x80\xaegro", "\\xe2\\x80\\xaegro"},
        {"m\xc3\xbcnster", "m\xc3\xbcnster"},
        {"\xc2", "\xc2"},
        {"\xe2\x80", "\xe2\x80"},
    };
    char buffer[64];

    (void) state;
    for (size_t i = 0; i < ELEMENTS(texts); i++)
        assert_string_equal(text_escape(texts[i].text, buffer, sizeof(buffer)), texts[i].expected);
    assert_string_equal(text_escape("abcdef", buffer, 4), "abc");
}

static void test_verbs(void **state)
{
    const Verb *verb;

    (void) state;
    for (size_t i = 0; (verb = verb_at(i)); i++) {
        assert_ptr_equal(verb_find(verb->name), verb);
        assert_true(verb->run && verb->help[0] != '\0' && verb->min >= 0);
        assert_true(verb->max < 0 || verb->max >= verb->min);
        assert_int_equal(verb->arguments[0] == '\0', verb->max == 0);
    }
    assert_null(verb_find("nonsense"));
    assert_string_equal(verb_nearest("sorces"), "sources");
    assert_null(verb_nearest("xyzzy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_verbs),
    };

    return cmocka_run_group_tests_name("ctl-words", tests, NULL, NULL);
}
