// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* timeballd: reads the command line, prepares the process, runs the daemon. Stays in the foreground always:
 * the service manager watches it, and readiness is told by sd_notify(3). */

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "build-config.h"
#include "configuration.h"
#include "daemon.h"
#include "pid-file.h"
#include "privileges.h"

#define FEATURES "+NTP +IPV6 +DBUS +KEYS +NTS"

static bool uses_pid_file(const Options *options, const Config *config)
{
    return options->mode != ENGINE_SHOW_ONCE && config->daemon.pid_file &&
           !text_equal(config->daemon.pid_file, "/");
}

/* Returns false when another daemon runs. */
static bool claim_pid_file(Journal *journal, const char *path)
{
    pid_t owner = pid_file_owner(path);

    if (owner != 0) {
        journal_print(journal, LOG_LEVEL_FATAL, "Another timeballd may already be running (pid=%d), check %s",
                      (int) owner, path);
        return false;
    }
    int r = pid_file_write(path);
    if (r < 0)
        journal_print(journal, LOG_LEVEL_WARNING, "Could not write %s: %s", path, strerror(-r));
    return true;
}

/* Priority, memory and user, in this order: the last takes the rights for the others. */
static bool prepare_process(const Options *options, const Config *config, Journal *journal)
{
    int priority = options->sched_priority > 0 ? options->sched_priority : config->daemon.sched_priority;
    const char *user = options->user ? options->user : config->daemon.user;
    bool keep_clock = options->mode == ENGINE_STEER || options->mode == ENGINE_SET_ONCE;
    int r;

    if (priority > 0 && (r = privileges_set_priority(priority)) < 0)
        journal_print(journal, LOG_LEVEL_WARNING, "Could not set the real-time priority: %s", strerror(-r));
    if ((options->lock_all || config->daemon.lock_all) && (r = privileges_lock_memory()) < 0)
        journal_print(journal, LOG_LEVEL_WARNING, "Could not lock the memory: %s", strerror(-r));
    if (user && (r = privileges_become(user, keep_clock)) < 0) {
        journal_print(journal, LOG_LEVEL_FATAL, "Could not become user %s: %s", user,
                      r == -ESRCH ? "no such user" : strerror(-r));
        return false;
    }
    return true;
}

/* Takes config over. */
static int run_daemon(const Options *options, Config *config, Journal *journal)
{
    cleanup_(daemon_freep) Daemon *daemon = NULL;
    int status = EXIT_FAILURE;

    int r = daemon_new(options, config, journal, &daemon);
    if (r >= 0)
        r = daemon_run(daemon, &status);
    if (r >= 0)
        return status;
    journal_print(journal, LOG_LEVEL_FATAL, "%s", strerror(-r));
    return EXIT_FAILURE;
}

static int run(const Options *options, Journal *journal)
{
    cleanup_(config_freep) Config *config = NULL;
    cleanup_(freep) char *pid_file = NULL;

    int r = configuration_load(options, journal, NULL, &config);
    if (r < 0 || !config) {
        journal_print(journal, LOG_LEVEL_FATAL, "%s", r < 0 ? strerror(-r) : "The configuration has errors");
        return EXIT_FAILURE;
    }
    if (uses_pid_file(options, config)) {
        pid_file = strdup(config->daemon.pid_file);
        if (!pid_file || !claim_pid_file(journal, pid_file))
            return EXIT_FAILURE;
    }
    int status = prepare_process(options, config, journal) ? run_daemon(options, TAKE_PTR(config), journal)
                                                           : EXIT_FAILURE;
    if (pid_file)
        pid_file_remove(pid_file);
    return status;
}

/* -p is about the configuration alone: its warnings, no banner. */
static int run_or_print(const Options *options, bool print)
{
    cleanup_(journal_freep) Journal *journal = NULL;
    LogLevel level = print ? MAX(options->log_level, LOG_LEVEL_WARNING) : options->log_level;

    int r = journal_new("timeballd", options->log_file, options->log_to_stderr, level, &journal);
    if (r < 0) {
        fprintf(stderr, "timeballd: could not open the log %s: %s\n",
                options->log_file ? options->log_file : "", strerror(-r));
        return EXIT_FAILURE;
    }
    if (print)
        return configuration_print(options, journal);
    journal_print(journal, LOG_LEVEL_INFO, "timeballd version %s starting (%s)", PROJECT_VERSION, FEATURES);
    int status = run(options, journal);
    journal_print(journal, LOG_LEVEL_INFO, "timeballd exiting");
    return status;
}

int main(int argc, char **argv)
{
    char buffer[256];
    Text problem = TEXT(buffer);
    Options options;

    /* One heap: the lookup thread would otherwise get one of its own and keep it. */
    (void) mallopt(M_ARENA_MAX, 1);

    OptionsResult result = options_parse(argc, argv, &options, &problem);
    switch (result) {
    case OPTIONS_HELP: return fputs(options_help, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    case OPTIONS_VERSION:
        return printf("timeballd (timeball) version %s (%s)\n", PROJECT_VERSION, FEATURES) < 0 ? EXIT_FAILURE
                                                                                               : EXIT_SUCCESS;
    case OPTIONS_PRINT_CONFIG:
    case OPTIONS_RUN: return run_or_print(&options, result == OPTIONS_PRINT_CONFIG);
    case OPTIONS_WRONG: break;
    }
    fprintf(stderr, "timeballd: %s\n", problem.data);
    return EXIT_FAILURE;
}
