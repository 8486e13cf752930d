// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What is wrong with a configuration, as values: where, what, and what was probably meant. All problems of
 * all files are collected; a configuration with an error in it is not used. */

#include <stdint.h>

#include "base/text.h"

typedef enum ConfigSeverity {
    CONFIG_WARNING = 0, /* the configuration is used all the same */
    CONFIG_ERROR,
} ConfigSeverity;

typedef enum ConfigProblemKind {
    PROBLEM_UNKNOWN_DIRECTIVE = 0,
    PROBLEM_UNKNOWN_OPTION,
    PROBLEM_DIRECTIVE_LATER, /* chrony's, but not in this version */
    PROBLEM_OPTION_LATER,
    PROBLEM_VALUE_LATER, /* only the value `expected` is supported */
    PROBLEM_OBSOLETE,    /* accepted without effect */
    PROBLEM_MISSING_ARGUMENT,
    PROBLEM_TOO_MANY_ARGUMENTS,
    PROBLEM_TRAILING_COMMENT,
    PROBLEM_NOT_A_NUMBER,
    PROBLEM_NOT_AN_INTEGER,
    PROBLEM_OUT_OF_RANGE,      /* min..max */
    PROBLEM_CLAMPED,           /* out of range, `used` is taken instead */
    PROBLEM_RAISED_TO_MINPOLL, /* maxpoll below minpoll, which is `used` */
    PROBLEM_TOO_LONG,          /* a word of more than `max` bytes */
    PROBLEM_NOT_A_CHOICE,      /* none of the words `expected` */
    PROBLEM_NOT_AN_ADDRESS,
    PROBLEM_NOT_A_NETWORK,
    PROBLEM_INVALID_NAME, /* neither a host name nor an address */
    PROBLEM_NO_HOSTS,     /* initstepslew without anybody to ask */
    PROBLEM_WRONG_FAMILY, /* ipv4 or ipv6, and an address of the other one */
    PROBLEM_INVALID_CHARACTER,
    PROBLEM_LINE_TOO_LONG,      /* `max` bytes or more */
    PROBLEM_TOO_MANY_WORDS,     /* more than `max` */
    PROBLEM_UNTERMINATED_LINE,  /* of a .sources file: may be half written, so it is not used */
    PROBLEM_NOT_IN_SOURCE_FILE, /* only server, pool and peer may stand in a .sources file */
    PROBLEM_TOO_DEEP,           /* includes within includes, more than `max` */
    PROBLEM_TOO_MANY_FILES,     /* more than `max` */
    PROBLEM_TOO_MANY_SOURCES,   /* more than `max` */
    PROBLEM_NO_CLIENT_LOG,      /* ratelimit or ntsratelimit with noclientlog */
    PROBLEM_UNKNOWN_AEAD,       /* a number that is not of an AEAD of NTS known here */
    PROBLEM_NTS_OF_PEER,        /* there is none in symmetric mode */
    PROBLEM_KEY_WITH_NTS,       /* a source cannot have both */
    PROBLEM_SERVICE_OF_PEER,    /* _ntp._udp. stands for servers */
    PROBLEM_SERVICE_WITH_NTS,   /* nobody vouches for the hosts that it names */
    PROBLEM_SERVICE_WITH_PORT,  /* its records say the ports */
    PROBLEM_UNPAIRED_KEYS,      /* not as many lines of ntsserverkey (max) as of ntsservercert (min) */
    PROBLEM_FILE,               /* cannot be read; word: the path, detail: why */
    PROBLEM_MEMORY,             /* there was not enough to say more */
    PROBLEM_KIND_COUNT,
} ConfigProblemKind;

/* Fields that do not belong to the kind are 0 or "". */
typedef struct ConfigProblem {
    ConfigSeverity severity;
    ConfigProblemKind kind;
    char file[160];       /* as it was opened; "": the command line, and line is the number of the argument */
    uint32_t line;        /* from 1; 0: the file as a whole */
    uint32_t column;      /* byte of the line, from 1; 0: the line as a whole */
    char directive[24];   /* the directive of the line, or the option whose argument is missing, as the table
                             spells it; "": unknown */
    char word[64];        /* the offending one, cut when longer */
    const char *nearest;  /* a known word that is spelled much like it; NULL: none */
    const char *expected; /* form of the arguments, or the only supported value; NULL: none */
    double min, max;      /* bounds as written in the file, inclusive */
    double used;          /* what is taken instead */
    char detail[128];
} ConfigProblem;

/* The first so many are kept; all are counted. */
#define CONFIG_PROBLEMS_MAX 200

typedef struct ConfigProblems {
    ConfigProblem *items; /* owned; in the order of the files */
    size_t count;
    size_t errors, warnings; /* seen, kept or not */
} ConfigProblems;

/* Append a copy; when memory is short it is only counted, and still fails the configuration if it is an
 * error. */
void config_problems_add(ConfigProblems *problems, const ConfigProblem *problem);
/* Leaves an empty list behind. */
void config_problems_clear(ConfigProblems *problems);

/* One line for people, without newline: `FILE:LINE:COLUMN: unknown directive "servr"; did you mean
 * "server"?`. Printable ASCII only, whatever was in the file. */
void config_problem_format(const ConfigProblem *problem, Text *ret);
/* The same without the place. */
void config_problem_format_sentence(const ConfigProblem *problem, Text *ret);

/* Stable lower-case identifiers with dashes, for logs and tests ("unknown-directive"). */
const char *config_problem_kind_name(ConfigProblemKind kind);
