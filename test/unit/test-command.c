// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>
#include <string.h>

#include "core/api/command.h"
#include "unit.h"

#define ONE                                                                                                  \
    {                                                                                                        \
        .id = { 1 }                                                                                          \
    }

static const struct {
    const char *name;
    Command command;
    CommandResult expected;
} rows[] = {
    {"server", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "ntp.example.net", "iburst"}}, COMMAND_OK},
    {"pool", {COMMAND_ADD_SOURCE, .add = {SOURCE_POOL, "2.pool.ntp.org.", ""}}, COMMAND_OK},
    {"address", {COMMAND_ADD_SOURCE, .add = {SOURCE_PEER, "192.0.2.1", ""}}, COMMAND_OK},
    {"v6 address", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "2001:db8::1", ""}}, COMMAND_OK},
    {"underscore", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "_gateway", ""}}, COMMAND_OK},
    {"refclock", {COMMAND_ADD_SOURCE, .add = {SOURCE_REFCLOCK, "PHC", ""}}, COMMAND_INVALID},
    {"kind out of range", {COMMAND_ADD_SOURCE, .add = {(SourceKind) 77, "a", ""}}, COMMAND_INVALID},
    {"empty name", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "", ""}}, COMMAND_BAD_NAME},
    {"two words", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "a iburst", ""}}, COMMAND_BAD_NAME},
    {"second line", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "a\nallow", ""}}, COMMAND_BAD_NAME},
    {"empty label", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "a..b", ""}}, COMMAND_BAD_NAME},
    {"only a dot", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, ".", ""}}, COMMAND_BAD_NAME},
    {"hyphen first", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "-f.example", ""}}, COMMAND_BAD_NAME},
    {"hyphen last", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "f-", ""}}, COMMAND_BAD_NAME},
    {"short v4", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "127.1", ""}}, COMMAND_BAD_NAME},
    {"pool member", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "a#1", ""}}, COMMAND_BAD_NAME},
    {"slash", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "../a", ""}}, COMMAND_BAD_NAME},
    {"option line feed", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "a", "iburst\nallow"}}, COMMAND_INVALID},
    {"option control", {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "a", "\033[2J"}}, COMMAND_INVALID},
    {"remove", {COMMAND_REMOVE_SOURCE, ONE}, COMMAND_OK},
    {"remove nothing", {COMMAND_REMOVE_SOURCE}, COMMAND_NO_SOURCE},
    {"online all", {COMMAND_SET_ONLINE, .online = true}, COMMAND_OK},
    {"online v4", {COMMAND_SET_ONLINE, {.network = {IP_V4}, .prefix = 32}}, COMMAND_OK},
    {"prefix of v4", {COMMAND_SET_ONLINE, {.network = {IP_V4}, .prefix = 33}}, COMMAND_INVALID},
    {"prefix of v6", {COMMAND_SET_ONLINE, {.network = {IP_V6}, .prefix = 129}}, COMMAND_INVALID},
    {"family", {COMMAND_SET_ONLINE, {.network = {9}, .prefix = 8}}, COMMAND_INVALID},
    {"burst", {COMMAND_BURST, .burst = {4, 8}}, COMMAND_OK},
    {"burst of none", {COMMAND_BURST, .burst = {0, 8}}, COMMAND_INVALID},
    {"burst negative", {COMMAND_BURST, .burst = {-4, INT32_MIN}}, COMMAND_INVALID},
    {"burst without end", {COMMAND_BURST, .burst = {1, INT32_MAX}}, COMMAND_INVALID},
    {"burst reversed", {COMMAND_BURST, .burst = {8, 4}}, COMMAND_INVALID},
    {"minpoll", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_MINPOLL, -7}}, COMMAND_OK},
    {"minpoll fraction", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_MINPOLL, 4.5}}, COMMAND_INVALID},
    {"minpoll low", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_MINPOLL, -8}}, COMMAND_INVALID},
    {"maxpoll high", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_MAXPOLL, 25}}, COMMAND_INVALID},
    {"maxdelay", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_MAXDELAY, 0.25}}, COMMAND_OK},
    {"maxdelay NaN", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_MAXDELAY, NAN}}, COMMAND_INVALID},
    {"maxdelay negative", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_MAXDELAY, -1}}, COMMAND_INVALID},
    {"offset", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_OFFSET, -0.5}}, COMMAND_OK},
    {"offset infinite", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {OPTION_OFFSET, -INFINITY}}, COMMAND_INVALID},
    {"no option", {COMMAND_SET_SOURCE_OPTION, ONE, .set = {SOURCE_OPTION_COUNT, 1}}, COMMAND_INVALID},
    {"option of no source", {COMMAND_SET_SOURCE_OPTION, .set = {OPTION_MINPOLL, 4}}, COMMAND_NO_SOURCE},
    {"selectopts of no source", {COMMAND_SET_SELECT_OPTIONS}, COMMAND_NO_SOURCE},
    {"reselectdist", {COMMAND_SET_RESELECT_DISTANCE, .seconds = 1e-4}, COMMAND_OK},
    {"reselectdist NaN", {COMMAND_SET_RESELECT_DISTANCE, .seconds = NAN}, COMMAND_INVALID},
    {"reselectdist negative", {COMMAND_SET_RESELECT_DISTANCE, .seconds = -1e-9}, COMMAND_INVALID},
    {"maxupdateskew", {COMMAND_SET_MAX_UPDATE_SKEW, .skew = 1e-3}, COMMAND_OK},
    {"maxupdateskew infinite", {COMMAND_SET_MAX_UPDATE_SKEW, .skew = INFINITY}, COMMAND_INVALID},
    {"step always", {COMMAND_SET_STEP_POLICY, .step = {-1, -1}}, COMMAND_OK},
    {"step NaN", {COMMAND_SET_STEP_POLICY, .step = {NAN, 3}}, COMMAND_INVALID},
    {"makestep", {COMMAND_MAKE_STEP}, COMMAND_OK},
    {"no command", {COMMAND_KIND_COUNT}, COMMAND_INVALID},
    {"command out of range", {(CommandKind) -5}, COMMAND_INVALID},
};

static void test_check(void **state)
{
    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        CommandReply reply;
        CommandResult result = command_check(&rows[i].command, &reply);

        if (result != rows[i].expected)
            fail_msg("%s: %s (%s)", rows[i].name, command_result_name(result), reply.detail);
        if ((result == COMMAND_OK) != (reply.detail[0] == '\0'))
            fail_msg("%s: detail \"%s\"", rows[i].name, reply.detail);
    }
}

static void test_unterminated_texts(void **state)
{
    static Command command = {COMMAND_ADD_SOURCE, .add = {SOURCE_SERVER, "", ""}};
    CommandReply reply;

    (void) state;
    memset(command.add.name, 'a', sizeof(command.add.name));
    assert_int_equal(command_check(&command, &reply), COMMAND_BAD_NAME);
    memset(command.add.name, 0, sizeof(command.add.name));
    command.add.name[0] = 'a';
    memset(command.add.options, ' ', sizeof(command.add.options));
    assert_int_equal(command_check(&command, &reply), COMMAND_INVALID);
}

static void test_longest_label_and_name(void **state)
{
    static Command command = {COMMAND_ADD_SOURCE};
    CommandReply reply;

    (void) state;
    memset(command.add.name, 'a', 63);
    assert_int_equal(command_check(&command, &reply), COMMAND_OK);
    command.add.name[63] = 'a';
    assert_int_equal(command_check(&command, &reply), COMMAND_BAD_NAME);
    for (size_t i = 0; i < 253; i++)
        command.add.name[i] = i % 2 == 0 ? 'a' : '.';
    assert_int_equal(command_check(&command, &reply), COMMAND_OK);
    command.add.name[252] = 'a';
    command.add.name[253] = 'a';
    assert_int_equal(command_check(&command, &reply), COMMAND_BAD_NAME);
}

static void test_every_command_has_an_action(void **state)
{
    (void) state;
    for (int kind = -1; kind <= COMMAND_KIND_COUNT; kind++) {
        const CommandInfo *info = command_info((CommandKind) kind);
        assert_true(strncmp(info->action, "org.timeball1.", 14) == 0);
        assert_true(info->name[0] != '\0');
    }
    assert_string_equal(command_info(COMMAND_MAKE_STEP)->action, "org.timeball1.set-time");
    assert_string_equal(command_info(COMMAND_ADD_SOURCE)->action, "org.timeball1.manage-sources");
    assert_string_equal(source_option_info(OPTION_MAXDELAY)->name, "maxdelay");
    assert_string_equal(source_option_info((SourceOption) 99)->name, "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_unterminated_texts),
        cmocka_unit_test(test_longest_label_and_name),
        cmocka_unit_test(test_every_command_has_an_action),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
