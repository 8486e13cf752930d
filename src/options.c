// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The command line, see options.h. Letters of chronyd whose feature is not in this version are known and
 * refused by name: a machine must not start with less than it was told. */

#include "options.h"

#include <getopt.h>

#include "build-config.h"

const char options_help[] = "Usage: timeballd [OPTION]... [DIRECTIVE]...\n"
                            "Keeps the system clock right by NTP. Arguments replace the configuration file,\n"
                            "one directive each.\n"
                            "\n"
                            "  -4, -6     use only IPv4, only IPv6\n"
                            "  -f FILE    read this configuration (" CONFIGURATION_FILE ")\n"
                            "  -n         stay in the foreground (always so)\n"
                            "  -d         log to standard error; twice: with debugging messages\n"
                            "  -l FILE    log to a file\n"
                            "  -L LEVEL   least severe messages to log: -1 debug, 0 information, 1 warning,\n"
                            "             2 error, 3 fatal error\n"
                            "  -p         print the configuration and exit\n"
                            "  -q         set the clock once and exit\n"
                            "  -Q         print the offset of the clock and exit\n"
                            "  -t SECONDS exit after this time\n"
                            "  -R         do not step the clock after a restart\n"
                            "  -x         do not touch the clock\n"
                            "  -u USER    run as this user\n"
                            "  -U         run without being root (never needed)\n"
                            "  -m         keep all memory locked\n"
                            "  -P LEVEL   real-time priority, 1 to 100\n"
                            "  -h, -v     print this help, the version\n";

static const struct {
    char letter;
    const char *why;
} refused[] = {
    {'F', "filtering of system calls is left to the service unit (SystemCallFilter=)"},
    {'N', "readiness is told to the service manager by sd_notify(3)"},
    {'r', "saved measurements are not supported by this version"},
    {'s', "setting the clock from the RTC is not supported by this version"},
};

static OptionsResult refuse(int letter, Text *problem)
{
    for (size_t i = 0; i < ELEMENTS(refused); i++)
        if (refused[i].letter == letter) {
            text_append_format(problem, "Option -%c is refused: %s", letter, refused[i].why);
            return OPTIONS_WRONG;
        }
    if (letter == ':')
        text_append_format(problem, "Option -%c needs a value", optopt);
    else if (optopt != 0)
        text_append_format(problem, "Unknown option -%c", optopt);
    else
        text_append(problem, "Unknown option");
    return OPTIONS_WRONG;
}

static bool number_in(const char *text, double min, double max, bool whole, double *ret)
{
    double number;

    if (!text_to_double(text, &number) || number < min || number > max ||
        (whole && number != (double) (int64_t) number))
        return false;
    *ret = number;
    return true;
}

/* The letters that carry a number. Returns false for a bad one. */
static bool apply_number(int letter, const char *text, Options *options)
{
    double number;

    switch (letter) {
    case 'L':
        if (!number_in(text, LOG_LEVEL_DEBUG, LOG_LEVEL_FATAL, true, &number))
            return false;
        options->log_level = (LogLevel) number;
        return true;
    case 'P':
        if (!number_in(text, 0, 100, true, &number))
            return false;
        options->sched_priority = (int32_t) number;
        return true;
    default: /* 't' */ return number_in(text, 0, 1e9, false, &options->run_time);
    }
}

static OptionsResult apply(int letter, Options *options, Text *problem)
{
    switch (letter) {
    case '4': options->family = IP_V4; break;
    case '6': options->family = IP_V6; break;
    case 'd':
        if (options->log_to_stderr)
            options->log_level = LOG_LEVEL_DEBUG;
        options->log_to_stderr = true;
        break;
    case 'f': options->config_file = optarg; break;
    case 'l': options->log_file = optarg; break;
    case 'm': options->lock_all = true; break;
    case 'n':
    case 'U': break; /* always so */
    case 'q': options->mode = ENGINE_SET_ONCE; break;
    case 'Q': options->mode = ENGINE_SHOW_ONCE; break;
    case 'R': options->restarted = true; break;
    case 'u': options->user = optarg; break;
    case 'x':
        if (options->mode == ENGINE_STEER)
            options->mode = ENGINE_OBSERVE;
        break;
    case 'h': return OPTIONS_HELP;
    case 'v': return OPTIONS_VERSION;
    case 'p': return OPTIONS_PRINT_CONFIG;
    case 'L':
    case 'P':
    case 't':
        if (apply_number(letter, optarg, options))
            break;
        text_append_format(problem, "Bad value %s of option -%c", optarg, letter);
        return OPTIONS_WRONG;
    default: return refuse(letter, problem);
    }
    return OPTIONS_RUN;
}

OptionsResult options_parse(int argc, char **argv, Options *ret, Text *problem)
{
    static const struct option words[] = {{"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {}};
    Options options = {.config_file = CONFIGURATION_FILE};
    bool print = false;
    int letter;

    optind = 0; /* glibc: start anew, also in a test that parses several lines */
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":46dF:f:hl:L:mnN:pP:qQrRst:u:Uvx", words, NULL)) >= 0) {
        OptionsResult result = apply(letter, &options, problem);
        if (result == OPTIONS_PRINT_CONFIG)
            print = true;
        else if (result != OPTIONS_RUN)
            return result;
    }
    options.log_to_stderr |= print || options.mode == ENGINE_SET_ONCE || options.mode == ENGINE_SHOW_ONCE;
    options.directives = argv + optind;
    options.directive_count = (size_t) (argc - optind);
    *ret = options;
    return print ? OPTIONS_PRINT_CONFIG : OPTIONS_RUN;
}
