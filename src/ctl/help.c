// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `timectl --help`, from the table of verbs. */

#include <stdio.h>

#include "ctl/verbs.h"

#define HELP_COLUMN 46

static const char options_help[] = "\nOptions:\n"
                                   "  -c --csv                Comma-separated values\n"
                                   "     --json=pretty|short  JSON, with the names of org.timeball1(5)\n"
                                   "  -n --numeric            Addresses instead of names\n"
                                   "  -N --original-names     Names as configured\n"
                                   "  -a --all                Sources without an address, too\n"
                                   "  -v --verbose            Explain the columns\n"
                                   "  -m --multiple           Each argument is a whole command\n"
                                   "  -H --host=[USER@]HOST   Ask the daemon of another machine, over ssh\n"
                                   "     --no-pager           Do not use a pager\n"
                                   "     --no-ask-password    Do not ask for a password\n"
                                   "  -h --help               Show this help\n"
                                   "     --version            Show the version\n"
                                   "\nSee timectl(1).\n";

int verb_help(Client *client, int argc, char **argv)
{
    const Verb *verb;

    (void) client, (void) argc, (void) argv;
    printf("timectl [OPTION...] [COMMAND...]\n\nShow and steer how timeball keeps the clock.\n\nCommands:\n");
    for (size_t i = 0; (verb = verb_at(i)); i++) {
        int width = printf("  %s%s%s", verb->name, verb->arguments[0] ? " " : "", verb->arguments);
        printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 2, "", verb->help);
    }
    fputs(options_help, stdout);
    return 0;
}
