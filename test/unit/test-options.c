// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <string.h>

#include "options.h"
#include "unit.h"

#define WORDS_MAX 12

/* Parses words (NULL-terminated, without the program's name). */
static OptionsResult parse(const char *const *words, Options *ret, Text *problem)
{
    static char *arguments[WORDS_MAX + 2];
    int count = 1;

    arguments[0] = (char *) "timeballd";
    for (; words[count - 1]; count++)
        arguments[count] = (char *) words[count - 1];
    arguments[count] = NULL;
    return options_parse(count, arguments, ret, problem);
}

static void test_results(void **state)
{
    static const struct {
        const char *words[WORDS_MAX];
        OptionsResult expected;
        const char *problem;
    } rows[] = {
        {{NULL}, OPTIONS_RUN, ""},
        {{"-h"}, OPTIONS_HELP, ""},
        {{"--help"}, OPTIONS_HELP, ""},
        {{"-v"}, OPTIONS_VERSION, ""},
        {{"-d", "--version"}, OPTIONS_VERSION, ""},
        {{"-p"}, OPTIONS_PRINT_CONFIG, ""},
        {{"-p", "-f", "x"}, OPTIONS_PRINT_CONFIG, ""},
        {{"-C"}, OPTIONS_WRONG, "Unknown option -C"},
        {{"--colour"}, OPTIONS_WRONG, "Unknown option"},
        {{"-f"}, OPTIONS_WRONG, "Option -f needs a value"},
        {{"-t", "soon"}, OPTIONS_WRONG, "Bad value soon of option -t"},
        {{"-t", "-1"}, OPTIONS_WRONG, "Bad value -1 of option -t"},
        {{"-t", "nan"}, OPTIONS_WRONG, "Bad value nan of option -t"},
        {{"-L", "4"}, OPTIONS_WRONG, "Bad value 4 of option -L"},
        {{"-L", "0.5"}, OPTIONS_WRONG, "Bad value 0.5 of option -L"},
        {{"-P", "101"}, OPTIONS_WRONG, "Bad value 101 of option -P"},
        {{"-s"},
         OPTIONS_WRONG,
         "Option -s is refused: setting the clock from the RTC is not supported by this version"},
        {{"-F", "1"},
         OPTIONS_WRONG,
         "Option -F is refused: filtering of system calls is left to the service unit (SystemCallFilter=)"},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char buffer[200];
        Text problem = TEXT(buffer);
        Options options;
        assert_int_equal(parse(rows[i].words, &options, &problem), rows[i].expected);
        assert_string_equal(problem.data, rows[i].problem);
    }
}

static void test_values(void **state)
{
    char buffer[200];
    Text problem = TEXT(buffer);
    Options o;

    (void) state;
    assert_int_equal(parse((const char *[]) {"-Q", "-t", "3", "server 127.0.0.1 iburst", "maxdistance 1",
                                             NULL},
                           &o, &problem),
                     OPTIONS_RUN);
    assert_int_equal(o.mode, ENGINE_SHOW_ONCE);
    assert_true(o.run_time > 2.9 && o.run_time < 3.1);
    assert_true(o.log_to_stderr);
    assert_int_equal(o.directive_count, 2);
    assert_string_equal(o.directives[0], "server 127.0.0.1 iburst");
    assert_string_equal(o.directives[1], "maxdistance 1");

    assert_int_equal(parse((const char *[]) {"-ddx4", "-L", "2", "-u", "ntp", "-P", "50", "-mR", "-l", "log",
                                             NULL},
                           &o, &problem),
                     OPTIONS_RUN);
    assert_int_equal(o.mode, ENGINE_OBSERVE);
    assert_int_equal(o.family, IP_V4);
    assert_int_equal(o.log_level, LOG_LEVEL_ERROR); /* -L came last */
    assert_string_equal(o.user, "ntp");
    assert_string_equal(o.log_file, "log");
    assert_int_equal(o.sched_priority, 50);
    assert_true(o.lock_all && o.restarted && o.log_to_stderr);
    assert_int_equal(o.directive_count, 0);

    /* Neither order of -x and -Q touches the clock. */
    assert_int_equal(parse((const char *[]) {"-Q", "-x", NULL}, &o, &problem), OPTIONS_RUN);
    assert_int_equal(o.mode, ENGINE_SHOW_ONCE);
    assert_int_equal(parse((const char *[]) {"-nU6", "-L", "-1", NULL}, &o, &problem), OPTIONS_RUN);
    assert_int_equal(o.mode, ENGINE_STEER);
    assert_int_equal(o.family, IP_V6);
    assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
    assert_false(o.log_to_stderr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
