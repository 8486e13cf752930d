// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* timectl: options, the verb, its exit status. 0: done; 1: everything else, as chronyc. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "build-config.h"
#include "ctl/pager.h"
#include "ctl/verbs.h"

#define WORDS_MAX 64

static bool accepts(const Verb *verb, const Options *options)
{
    if (options->json != JSON_OFF && !(verb->flags & VERB_JSON))
        fprintf(stderr, "timectl: %s has no JSON form\n", verb->name);
    else if (options->csv && verb->flags & VERB_NO_CSV)
        fprintf(stderr, "timectl: %s has no form with comma-separated values\n", verb->name);
    else
        return true;
    return false;
}

static int connect_once(Client *client)
{
    return client->bus ? 0 : client_open(client);
}

static int unknown_verb(const char *name)
{
    const char *nearest = verb_nearest(name);

    fprintf(stderr, "Unrecognized command\n");
    if (nearest)
        fprintf(stderr, "timectl: did you mean %s?\n", nearest);
    return 1;
}

static int run_verb(Client *client, int argc, char **argv)
{
    const Verb *verb = verb_find(argv[0]);

    if (!verb)
        return unknown_verb(argv[0]);
    if (argc - 1 < verb->min || (verb->max >= 0 && argc - 1 > verb->max))
        return syntax_error(argv[0]);
    if (!accepts(verb, &client->options))
        return 1;

    int r = verb->flags & VERB_NO_BUS ? 0 : connect_once(client);
    if (r >= 0) {
        pid_t pager =
            client->options.pager && verb->flags & VERB_PAGER && !client->options.many ? pager_start() : 0;
        r = verb->run(client, argc, argv);
        if (r < 0)
            r = client_report(client, r);
        pager_finish(pager);
        return r;
    }
    return client_report(client, r);
}

/* -m: one command out of one argument, split at blanks. */
static int run_line(Client *client, char *line)
{
    char *words[WORDS_MAX + 1], *rest = NULL;
    int count = 0;

    for (char *word = strtok_r(line, " \t", &rest); word && count < WORDS_MAX;
         word = strtok_r(NULL, " \t", &rest))
        words[count++] = word;
    words[count] = NULL;
    return count == 0 ? 0 : run_verb(client, count, words);
}

static int run(Client *client, int argc, char **argv)
{
    static char default_verb[] = "status", help_verb[] = "help";
    char *alone[] = {default_verb, NULL};
    int r = 0;

    if (client->options.version) {
        puts("timectl (timeball) " PROJECT_VERSION);
        return 0;
    }
    if (client->options.help) {
        alone[0] = help_verb;
        return run_verb(client, 1, alone);
    }
    if (argc <= 1)
        return run_verb(client, 1, alone);
    if (!client->options.many)
        return run_verb(client, argc - 1, argv + 1);
    for (int i = 1; i < argc && r == 0; i++)
        r = run_line(client, argv[i]);
    return r;
}

int main(int argc, char **argv)
{
    Client client = {.options = options_default()};

    argc = options_parse(&client.options, argc, argv);
    if (argc < 0)
        return 1;
    int status = run(&client, argc, argv);
    client_close(&client);
    return fflush(stdout) == 0 ? status : 1;
}
