// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The verbs of timectl. One table feeds the command line, --help and the check of man page and completions.
 */

#include "ctl/client.h"

/* argv[0] is the verb. Returns the exit status (0 or 1, everything said), or a negative errno with
 * client->error for client_report(). */
typedef int VerbFunction(Client *client, int argc, char **argv);

enum {
    VERB_JSON = 1 << 0,   /* has a form for --json */
    VERB_NO_CSV = 1 << 1, /* has none for -c */
    VERB_PAGER = 1 << 2,  /* long output: through the pager */
    VERB_NO_BUS = 1 << 3, /* needs no connection */
};

typedef struct Verb {
    const char *name;
    const char *arguments; /* for people, "SOURCE SECONDS"; "" when there are none */
    const char *help;
    int min, max;   /* number of arguments; max < 0: any */
    unsigned flags; /* VERB_* */
    VerbFunction *run;
} Verb;

/* NULL: there is no such verb. */
const Verb *verb_find(const char *name);

/* The name that is spelled most like it, for "did you mean"; NULL: none is near enough. */
const char *verb_nearest(const char *name);

/* In the order of --help; NULL behind the last. */
const Verb *verb_at(size_t index);

/* "Invalid syntax for X command" on standard error; returns 1. */
int syntax_error(const char *verb);

VerbFunction verb_status, verb_tracking, verb_sources, verb_sourcestats, verb_selectdata, verb_ntpdata,
    verb_activity, verb_explain, verb_sourcename;
VerbFunction verb_add, verb_delete, verb_online, verb_offline, verb_onoffline, verb_burst, verb_refresh,
    verb_reselect, verb_reset, verb_reselectdist, verb_makestep, verb_maxupdateskew, verb_selectopts,
    verb_option, verb_reload, verb_dump, verb_rekey, verb_authdata, verb_keygen, verb_cyclelogs;
VerbFunction verb_serverstats, verb_clients, verb_allow, verb_deny, verb_accheck, verb_local;
VerbFunction verb_settime, verb_manual, verb_nts_check;
VerbFunction verb_waitsync, verb_help;
