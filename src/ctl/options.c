// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Options of timectl; see options.h. Those of chronyc that concern a report (-a, -v) may follow the verb. */

#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

enum { OPTION_JSON = 256, OPTION_NO_PAGER, OPTION_NO_ASK_PASSWORD, OPTION_VERSION };

static const struct option long_options[] = {
    {"host", required_argument, NULL, 'H'},
    {"json", required_argument, NULL, OPTION_JSON},
    {"csv", no_argument, NULL, 'c'},
    {"numeric", no_argument, NULL, 'n'},
    {"original-names", no_argument, NULL, 'N'},
    {"all", no_argument, NULL, 'a'},
    {"verbose", no_argument, NULL, 'v'},
    {"multiple", no_argument, NULL, 'm'},
    {"no-pager", no_argument, NULL, OPTION_NO_PAGER},
    {"no-ask-password", no_argument, NULL, OPTION_NO_ASK_PASSWORD},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

static bool color_is_wanted(void)
{
    const char *no_color = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && !text_equal(getenv("TERM"), "dumb");
}

Options options_default(void)
{
    return (Options) {.pager = true, .ask_password = true, .color = color_is_wanted()};
}

static int parse_json(Options *options, const char *mode)
{
    if (text_equal(mode, "pretty"))
        options->json = JSON_PRETTY;
    else if (text_equal(mode, "short"))
        options->json = JSON_SHORT;
    else if (text_equal(mode, "off"))
        options->json = JSON_OFF;
    else {
        fprintf(stderr, "timectl: --json must be pretty, short or off\n");
        return -EINVAL;
    }
    return 0;
}

static int take_option(Options *options, int option)
{
    switch (option) {
    case 'H': options->host = optarg; return 0;
    case OPTION_JSON: return parse_json(options, optarg);
    case 'c': options->csv = true; return 0;
    case 'n': options->numeric = true; return 0;
    case 'N': options->original_names = true; return 0;
    case 'a': options->all = true; return 0;
    case 'v': options->verbose = true; return 0;
    case 'm': options->many = true; return 0;
    case OPTION_NO_PAGER: options->pager = false; return 0;
    case OPTION_NO_ASK_PASSWORD: options->ask_password = false; return 0;
    case 'h': options->help = true; return 0;
    case OPTION_VERSION: options->version = true; return 0;
    default: return -EINVAL;
    }
}

/* Whether argv[i] is a word of the command, whatever it begins with. */
static bool is_word(const char *word, const char *verb)
{
    double number;

    if (word[0] != '-' || word[1] == '\0' || text_to_double(word, &number))
        return true;
    if (text_equal(verb, "clients") && word[2] == '\0' && strchr("pkr", word[1]))
        return true;
    return text_equal(verb, "selectopts") && word[1] != '-';
}

int options_parse(Options *options, int argc, char **argv)
{
    int words = 1; /* argv[1..words) are kept; always behind what getopt has read */
    bool only_words = false;

    options->as_chronyc = text_equal(basename(argv[0]), "chronyc");
    optind = 1;
    while (optind < argc) {
        const char *word = argv[optind];

        if (only_words || is_word(word, words > 1 ? argv[1] : NULL)) {
            argv[words++] = argv[optind++];
            continue;
        }
        int option = getopt_long(argc, argv, "+H:cnNavmh", long_options, NULL);
        if (option < 0)
            only_words = true; /* "--" */
        else if (take_option(options, option) < 0)
            return -EINVAL;
    }
    argv[words] = NULL;
    return words;
}
