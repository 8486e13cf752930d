// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Everything that can be commanded, as values in one table, which D-Bus and chrony's protocol share.
 * Arguments are validated by command_check() before anybody is asked for authorization; a command that passes
 * may still fail. */

#include <stddef.h>

#include "core/api/access-rule.h"
#include "core/api/local-config.h"
#include "core/api/report.h"

typedef enum CommandKind {
    COMMAND_ADD_SOURCE = 0,
    COMMAND_REMOVE_SOURCE,
    COMMAND_SET_ONLINE,
    COMMAND_ONOFFLINE, /* online or offline, as there is a way or not */
    COMMAND_BURST,
    COMMAND_REFRESH, /* resolve the names again */
    COMMAND_RESELECT,
    COMMAND_RESET_SOURCES, /* drop all samples */
    COMMAND_SET_RESELECT_DISTANCE,
    COMMAND_SET_SOURCE_OPTION, /* minpoll, maxdelay... of one source */
    COMMAND_SET_SELECT_OPTIONS,
    COMMAND_MAKE_STEP,
    COMMAND_SET_STEP_POLICY,
    COMMAND_SET_MAX_UPDATE_SKEW,
    COMMAND_RELOAD,
    COMMAND_RELOAD_SOURCES,
    COMMAND_DUMP,  /* write the state files now */
    COMMAND_REKEY, /* read the key file again */
    COMMAND_ALLOW, /* let a network ask us for the time */
    COMMAND_DENY,
    COMMAND_RESET_CLIENTS, /* set the counters of all clients to 0 */
    COMMAND_SET_LOCAL,     /* the local reference */
    COMMAND_SET_TIME,      /* somebody says what time it is */
    COMMAND_SET_MANUAL,
    COMMAND_RESET_MANUAL,
    COMMAND_DELETE_MANUAL,
    COMMAND_CYCLE_LOGS, /* open the log files of measurements anew */
    COMMAND_KIND_COUNT,
} CommandKind;

typedef enum SourceOption {
    OPTION_MINPOLL = 0,
    OPTION_MAXPOLL,
    OPTION_MINSTRATUM,
    OPTION_POLLTARGET,
    OPTION_MAXDELAY,
    OPTION_MAXDELAYRATIO,
    OPTION_MAXDELAYDEVRATIO,
    OPTION_OFFSET,
    SOURCE_OPTION_COUNT,
} SourceOption;

/* Which sources a command is for: one, or all whose address is in a network, or all. */
typedef struct SourceMask {
    SourceId id;          /* set: only this one */
    IpAddress network;    /* family IP_UNSPEC: no restriction */
    uint8_t prefix;       /* bits of network that count */
    bool unresolved_only; /* no use of network: those without an address */
} SourceMask;

/* Text of an added source, in the words of the configuration: kind "server", name "ntp.example.net",
 * options "iburst maxpoll 6". Read by the same parser as a line of the file. */
#define SOURCE_OPTIONS_MAX 1024
typedef struct Command {
    CommandKind kind;
    SourceMask sources; /* of SET_ONLINE, BURST; .id of REMOVE_SOURCE and the options */
    union {
        struct {
            SourceKind kind;
            char name[SOURCE_NAME_MAX];
            char options[SOURCE_OPTIONS_MAX];
        } add;
        bool online; /* SET_ONLINE */
        struct {
            int32_t good, total;
        } burst;        /* 1..; good <= total */
        double seconds; /* SET_RESELECT_DISTANCE */
        double skew;    /* SET_MAX_UPDATE_SKEW, dimensionless */
        struct {
            SourceOption option;
            double value;
        } set; /* seconds, log2 seconds or a count, as the option is */
        struct {
            SelectOptions mask, value;
        } select; /* bits of mask are set to value */
        struct {
            double threshold;
            int32_t limit;
        } step;            /* s; limit < 0: always, 0: never */
        AccessRule access; /* ALLOW, DENY; its allow is not looked at */
        LocalConfig local; /* SET_LOCAL */
        struct {
            CookedTime time;
            MonoTime at; /* when it was that time; unset: now */
        } set_time;
        bool enabled;   /* SET_MANUAL */
        uint32_t entry; /* DELETE_MANUAL: from 0, the oldest */
    };
} Command;

typedef struct CommandReply {
    SourceId source; /* ADD_SOURCE: the new one (first member of a pool) */
    uint32_t count;  /* how many sources a mask met */
    double offset;   /* SET_TIME: correction (s); and what became of the frequency (dimensionless) */
    double frequency_change, frequency;
    char detail[256]; /* what exactly is wrong, for people; "": the result says it all */
} CommandReply;

typedef struct CommandInfo {
    const char *name;   /* as chronyc and timectl call it, "makestep" */
    const char *action; /* polkit action that it needs, "org.timeball1.set-time" */
} CommandInfo;

/* Never NULL. */
const CommandInfo *command_info(CommandKind kind);

typedef struct SourceOptionInfo {
    const char *name; /* the word of the configuration, "maxdelay" */
    double min, max;  /* inclusive */
    bool integer;
} SourceOptionInfo;

const SourceOptionInfo *source_option_info(SourceOption option);

/* Checks the arguments alone, without the engine: COMMAND_OK or COMMAND_INVALID, COMMAND_BAD_NAME with
 * ret->detail filled in. */
CommandResult command_check(const Command *command, CommandReply *ret);
