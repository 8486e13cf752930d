// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The table of commands, and the check of their arguments. Whoever calls is a user of the machine without any
 * rights yet: every number may be NaN, every text unterminated, every enum out of its range. */

#include "core/api/command.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/host-name.h"
#include "base/text.h"

#define ACTION_SET_TIME       "org.timeball1.set-time"
#define ACTION_MANAGE_SOURCES "org.timeball1.manage-sources"
#define ACTION_RELOAD         "org.timeball1.reload"
#define ACTION_MANAGE_DAEMON  "org.timeball1.manage-daemon"
#define ACTION_MANAGE_SERVER  "org.timeball1.manage-server"

static const CommandInfo commands[] = {
    [COMMAND_ADD_SOURCE] = {"add", ACTION_MANAGE_SOURCES},
    [COMMAND_REMOVE_SOURCE] = {"delete", ACTION_MANAGE_SOURCES},
    [COMMAND_SET_ONLINE] = {"online", ACTION_MANAGE_SOURCES},
    [COMMAND_ONOFFLINE] = {"onoffline", ACTION_MANAGE_SOURCES},
    [COMMAND_BURST] = {"burst", ACTION_MANAGE_SOURCES},
    [COMMAND_REFRESH] = {"refresh", ACTION_MANAGE_SOURCES},
    [COMMAND_RESELECT] = {"reselect", ACTION_MANAGE_SOURCES},
    [COMMAND_RESET_SOURCES] = {"reset sources", ACTION_MANAGE_SOURCES},
    [COMMAND_SET_RESELECT_DISTANCE] = {"reselectdist", ACTION_MANAGE_SOURCES},
    [COMMAND_SET_SOURCE_OPTION] = {"set", ACTION_MANAGE_SOURCES},
    [COMMAND_SET_SELECT_OPTIONS] = {"selectopts", ACTION_MANAGE_SOURCES},
    [COMMAND_MAKE_STEP] = {"makestep", ACTION_SET_TIME},
    [COMMAND_SET_STEP_POLICY] = {"makestep", ACTION_SET_TIME},
    [COMMAND_SET_MAX_UPDATE_SKEW] = {"maxupdateskew", ACTION_SET_TIME},
    [COMMAND_RELOAD] = {"reload", ACTION_RELOAD},
    [COMMAND_RELOAD_SOURCES] = {"reload sources", ACTION_RELOAD},
    [COMMAND_DUMP] = {"dump", ACTION_MANAGE_DAEMON},
    [COMMAND_REKEY] = {"rekey", ACTION_MANAGE_DAEMON},
    [COMMAND_ALLOW] = {"allow", ACTION_MANAGE_SERVER},
    [COMMAND_DENY] = {"deny", ACTION_MANAGE_SERVER},
    [COMMAND_RESET_CLIENTS] = {"clients -r", ACTION_MANAGE_SERVER},
    [COMMAND_SET_LOCAL] = {"local", ACTION_SET_TIME},
    [COMMAND_SET_TIME] = {"settime", ACTION_SET_TIME},
    [COMMAND_SET_MANUAL] = {"manual", ACTION_SET_TIME},
    [COMMAND_RESET_MANUAL] = {"manual reset", ACTION_SET_TIME},
    [COMMAND_DELETE_MANUAL] = {"manual delete", ACTION_SET_TIME},
    [COMMAND_CYCLE_LOGS] = {"cyclelogs", ACTION_MANAGE_DAEMON},
};
static_assert(ELEMENTS(commands) == COMMAND_KIND_COUNT, "one row for each member");

/* Ranges of the configuration language (server options), without its silent clamping. */
static const SourceOptionInfo source_options[] = {
    [OPTION_MINPOLL] = {"minpoll", -7, 24, true},
    [OPTION_MAXPOLL] = {"maxpoll", -7, 24, true},
    [OPTION_MINSTRATUM] = {"minstratum", 0, 15, true},
    [OPTION_POLLTARGET] = {"polltarget", 1, 1000000, true},
    [OPTION_MAXDELAY] = {"maxdelay", 0, 1000, false},
    [OPTION_MAXDELAYRATIO] = {"maxdelayratio", 0, 1e6, false},
    [OPTION_MAXDELAYDEVRATIO] = {"maxdelaydevratio", 0, 1e6, false},
    [OPTION_OFFSET] = {"offset", -1e6, 1e6, false},
};
static_assert(ELEMENTS(source_options) == SOURCE_OPTION_COUNT, "one row for each member");

/* What can be set as the time, s since 1970: up to 2200-01-01. */
#define SET_TIME_MIN INT64_C(1)
#define SET_TIME_MAX INT64_C(7258118400)

/* Exchanges in one burst: enough for every use, and an end. */
#define BURST_TOTAL_MAX 1000

/* Longest time that a command may ask for: some three hundred years. */
#define SECONDS_MAX 1e10

const CommandInfo *command_info(CommandKind kind)
{
    static const CommandInfo invalid = {"invalid", ACTION_MANAGE_DAEMON};

    return (unsigned) kind < COMMAND_KIND_COUNT ? &commands[kind] : &invalid;
}

const SourceOptionInfo *source_option_info(SourceOption option)
{
    static const SourceOptionInfo invalid = {"invalid", 0, 0, true};

    return (unsigned) option < SOURCE_OPTION_COUNT ? &source_options[option] : &invalid;
}

static CommandResult refuse(CommandReply *ret, CommandResult result, const char *detail)
{
    text_copy(ret->detail, sizeof(ret->detail), detail);
    return result;
}

/* value within min..max; false for NaN. */
static CommandResult check_range(const char *what, double value, double min, double max, CommandReply *ret)
{
    if (value >= min && value <= max)
        return COMMAND_OK;
    Text text = TEXT(ret->detail);
    text_append_format(&text, "%s must be a number from %.10g to %.10g", what, min, max);
    return COMMAND_INVALID;
}

static bool is_terminated(const char *array, size_t size)
{
    return memchr(array, '\0', size) != NULL;
}

/* The options become part of a line of configuration: nothing may end that line early. */
static bool is_one_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text < 0x20 || (unsigned char) *text >= 0x7f)
            return false;
    return true;
}

static CommandResult check_add(const Command *command, CommandReply *ret)
{
    if (command->add.kind != SOURCE_SERVER && command->add.kind != SOURCE_POOL &&
        command->add.kind != SOURCE_PEER)
        return refuse(ret, COMMAND_INVALID, "the kind must be server, pool or peer");
    if (!is_terminated(command->add.name, sizeof(command->add.name)))
        return refuse(ret, COMMAND_BAD_NAME, "the name is too long");
    if (!host_name_is_valid(command->add.name))
        return refuse(ret, COMMAND_BAD_NAME, "labels of letters, digits, hyphens and underscores are wanted");
    if (!is_terminated(command->add.options, sizeof(command->add.options)))
        return refuse(ret, COMMAND_INVALID, "the options are too long");
    if (!is_one_line(command->add.options))
        return refuse(ret, COMMAND_INVALID, "the options must be one line of printable ASCII");
    return COMMAND_OK;
}

static CommandResult check_one_source(const Command *command, CommandReply *ret)
{
    if (command->sources.id.value == 0)
        return refuse(ret, COMMAND_NO_SOURCE, "no source is named");
    return COMMAND_OK;
}

static CommandResult check_mask(const SourceMask *mask, CommandReply *ret)
{
    switch ((IpFamily) mask->network.family) {
    case IP_UNSPEC: return COMMAND_OK;
    case IP_V4: return check_range("the prefix length", mask->prefix, 0, 32, ret);
    case IP_V6: return check_range("the prefix length", mask->prefix, 0, 128, ret);
    }
    return refuse(ret, COMMAND_INVALID, "the network has no valid address family");
}

static CommandResult check_burst(const Command *command, CommandReply *ret)
{
    CommandResult result = check_mask(&command->sources, ret);

    if (result == COMMAND_OK)
        result = check_range("the number of good samples", command->burst.good, 1, BURST_TOTAL_MAX, ret);
    if (result == COMMAND_OK)
        result = check_range("the number of exchanges", command->burst.total, 1, BURST_TOTAL_MAX, ret);
    if (result == COMMAND_OK && command->burst.good > command->burst.total)
        result = refuse(ret, COMMAND_INVALID, "a burst cannot have more good samples than exchanges");
    return result;
}

static CommandResult check_option(const Command *command, CommandReply *ret)
{
    CommandResult result = check_one_source(command, ret);

    if (result != COMMAND_OK)
        return result;
    if ((unsigned) command->set.option >= SOURCE_OPTION_COUNT)
        return refuse(ret, COMMAND_INVALID, "there is no such option");

    const SourceOptionInfo *info = &source_options[command->set.option];
    result = check_range(info->name, command->set.value, info->min, info->max, ret);
    if (result == COMMAND_OK && info->integer && command->set.value != trunc(command->set.value)) {
        Text text = TEXT(ret->detail);
        text_append_format(&text, "%s must be a whole number", info->name);
        result = COMMAND_INVALID;
    }
    return result;
}

static CommandResult check_access(const AccessRule *rule, CommandReply *ret)
{
    const SourceMask mask = {.network = rule->network, .prefix = rule->prefix};

    if (rule->network.family == IP_UNSPEC)
        return check_range("the prefix length", rule->prefix, 0, 0, ret);
    return check_mask(&mask, ret);
}

static CommandResult check_local(const LocalConfig *local, CommandReply *ret)
{
    CommandResult result = check_range("the stratum", local->stratum, 1, 15, ret);

    if (result == COMMAND_OK)
        result = check_range("the distance in seconds", local->distance, 0, SECONDS_MAX, ret);
    if (result == COMMAND_OK)
        result = check_range("the activating distance in seconds", local->activate, 0, SECONDS_MAX, ret);
    if (result == COMMAND_OK)
        result = check_range("the wait in seconds", local->wait_synced, 0, SECONDS_MAX, ret);
    if (result == COMMAND_OK)
        result = check_range("the wait in seconds", local->wait_unsynced, 0, SECONDS_MAX, ret);
    return result;
}

static CommandResult check_time(const Command *command, CommandReply *ret)
{
    if (command->set_time.time.ns < SET_TIME_MIN * NSEC_PER_SEC ||
        command->set_time.time.ns > SET_TIME_MAX * NSEC_PER_SEC)
        return refuse(ret, COMMAND_INVALID, "the time must be after 1970 and before 2200");
    return COMMAND_OK;
}

CommandResult command_check(const Command *command, CommandReply *ret)
{
    *ret = (CommandReply) {0};

    switch (command->kind) {
    case COMMAND_ADD_SOURCE: return check_add(command, ret);
    case COMMAND_REMOVE_SOURCE:
    case COMMAND_SET_SELECT_OPTIONS: return check_one_source(command, ret);
    case COMMAND_SET_ONLINE: return check_mask(&command->sources, ret);
    case COMMAND_BURST: return check_burst(command, ret);
    case COMMAND_SET_SOURCE_OPTION: return check_option(command, ret);
    case COMMAND_SET_RESELECT_DISTANCE:
        return check_range("the distance in seconds", command->seconds, 0, 1e6, ret);
    case COMMAND_SET_MAX_UPDATE_SKEW: return check_range("the skew in ppm", command->skew * 1e6, 0, 1e6, ret);
    case COMMAND_SET_STEP_POLICY:
        return check_range("the threshold in seconds", command->step.threshold, -1e9, 1e9, ret);
    case COMMAND_ALLOW:
    case COMMAND_DENY: return check_access(&command->access, ret);
    case COMMAND_SET_LOCAL: return check_local(&command->local, ret);
    case COMMAND_SET_TIME: return check_time(command, ret);
    case COMMAND_SET_MANUAL:
    case COMMAND_RESET_MANUAL:
    case COMMAND_DELETE_MANUAL:
    case COMMAND_RESET_CLIENTS:
    case COMMAND_ONOFFLINE:
    case COMMAND_REFRESH:
    case COMMAND_RESELECT:
    case COMMAND_RESET_SOURCES:
    case COMMAND_MAKE_STEP:
    case COMMAND_RELOAD:
    case COMMAND_RELOAD_SOURCES:
    case COMMAND_DUMP:
    case COMMAND_REKEY:
    case COMMAND_CYCLE_LOGS: return COMMAND_OK;
    case COMMAND_KIND_COUNT: break;
    }
    return refuse(ret, COMMAND_INVALID, "there is no such command");
}
