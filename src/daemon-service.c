// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The daemon as others see it, core/api/service.h: reports of the engine, commands to it, and the commands
 * that are about the configuration, which the engine knows only as a value. */

#include <inttypes.h>
#include <string.h>

#include "base/strings.h"
#include "build-config.h"
#include "configuration.h"
#include "core/config/parse-source.h"
#include "credentials.h"
#include "daemon-internal.h"
#include "key-store.h"
#include "notify.h"
#include "nts-check.h"
#include "nts/aead.h"

bool daemon_load_keys(Daemon *daemon, Text *detail)
{
    const char *path = daemon->config->key_file;
    char credential[PATH_MAX];

    if (!path && credential_find(CREDENTIAL_KEYS, credential))
        path = credential;
    return key_store_load(daemon->journal, path, daemon->keys, detail);
}

bool daemon_rekey(Daemon *daemon, Text *detail)
{
    bool good = daemon_load_keys(daemon, detail);

    engine_on_keys_changed(daemon->engine, kernel_clock_now());
    return (!daemon->key_server || key_server_rekey(daemon->key_server, detail)) && good;
}

/* Takes config over. */
static CommandResult reconfigure(Daemon *daemon, Config *config)
{
    int r = engine_reconfigure(daemon->engine, config, kernel_clock_now());

    if (r < 0) {
        journal_print(daemon->journal, LOG_LEVEL_ERROR, "Could not apply the configuration: %s",
                      strerror(-r));
        config_free(config);
        return COMMAND_FAILED;
    }
    if (daemon->logs && log_files_configure(daemon->logs, &config->log) < 0)
        journal_print(daemon->journal, LOG_LEVEL_ERROR, "Could not change the directory of the log files");
    configuration_log_changes(daemon->config, config, daemon->journal);
    exchanges_configure(daemon->exchanges, &config->net);
    if ((r = key_establisher_configure(daemon->establisher, config)) < 0)
        journal_print(daemon->journal, LOG_LEVEL_ERROR, "Could not apply the configuration of NTS: %s",
                      strerror(-r));
    if (daemon->key_server && (r = key_server_configure(daemon->key_server, config)) < 0)
        journal_print(daemon->journal, LOG_LEVEL_ERROR,
                      "Could not apply the configuration of the NTS server: %s", strerror(-r));
    if (daemon->server && (r = time_server_configure(daemon->server, config)) < 0)
        journal_print(daemon->journal, LOG_LEVEL_ERROR, "Could not apply the configuration of the server: %s",
                      strerror(-r));
    if (daemon->source_dirs && (r = source_dirs_configure(daemon->source_dirs, config)) < 0)
        journal_print(daemon->journal, LOG_LEVEL_ERROR, "Could not watch the directories of sourcedir: %s",
                      strerror(-r));
    config_free(daemon->config);
    daemon->config = config;
    daemon->world.drift_file = config->daemon.drift_file;
    daemon->world.nts_directory = config->nts.dump_dir;
    daemon->world.rtc_sync = daemon_rtc_sync(config);
    (void) daemon_rekey(daemon, NULL);
    return COMMAND_OK;
}

CommandResult daemon_reload(Daemon *daemon, CommandReply *reply)
{
    Text detail = TEXT(reply->detail);
    Config *config = NULL;
    CommandResult result = COMMAND_CONFIG;

    if (daemon->running)
        notify_reloading();
    int r = configuration_load(daemon->options, daemon->journal, &detail, &config);
    if (r < 0)
        result = COMMAND_FAILED;
    else if (config)
        result = reconfigure(daemon, config);
    if (result == COMMAND_OK)
        journal_print(daemon->journal, LOG_LEVEL_INFO, "Configuration reloaded");
    else
        journal_print(daemon->journal, LOG_LEVEL_ERROR, "Configuration not reloaded, nothing was changed");
    if (daemon->running)
        notify_ready();
    return result;
}

static CommandResult replace_sources(Daemon *daemon, Config *config)
{
    configuration_log_changes(daemon->config, config, daemon->journal);
    if (engine_reconfigure_sources(daemon->engine, config, kernel_clock_now()) < 0)
        return COMMAND_FAILED;
    config_swap_sources(daemon->config, config);
    return COMMAND_OK;
}

static CommandResult reload_sources(Daemon *daemon)
{
    cleanup_(config_freep) Config *config = NULL;

    int r = source_dirs_read(daemon->source_dirs, daemon->config, true, &config);
    return r < 0 ? COMMAND_FAILED : replace_sources(daemon, config);
}

void daemon_on_source_dirs(void *userdata)
{
    Daemon *daemon = userdata;
    cleanup_(config_freep) Config *config = NULL;
    CommandResult result = COMMAND_FAILED;

    if (source_dirs_read(daemon->source_dirs, daemon->config, false, &config) >= 0) {
        if (strings_equal(daemon->config->files, config->files) &&
            !configuration_differs_in_sources(daemon->config, config))
            return;
        result = replace_sources(daemon, config);
    }
    if (result != COMMAND_OK)
        journal_print(daemon->journal, LOG_LEVEL_ERROR, "Could not read the files of sourcedir again: %s",
                      command_result_text(result));
    else if (daemon->bus)
        bus_on_configuration_changed(daemon->bus);
}

/* The face of the daemon: core/api/service.h. */

static void service_info(void *userdata, ServiceInfo *ret)
{
    static const char *const features[] = {"ntp", "ipv6", "dbus", "keys", "nts", NULL};
    static const char *const no_files[] = {NULL};
    Daemon *daemon = userdata;

    *ret = (ServiceInfo) {
        .version = PROJECT_VERSION,
        .features = features,
        .configuration_files = daemon->config->files ? (const char *const *) daemon->config->files : no_files,
        .start_usec = daemon->start_usec,
    };
}

static void service_clock(void *userdata, ClockReport *ret)
{
    Daemon *daemon = userdata;

    engine_clock_report(daemon->engine, kernel_clock_now(), ret);
}

static void service_activity(void *userdata, ActivityReport *ret)
{
    Daemon *daemon = userdata;

    engine_activity_report(daemon->engine, ret);
}

static size_t service_sources(void *userdata, SourceId *ret, size_t max)
{
    Daemon *daemon = userdata;

    return engine_sources(daemon->engine, ret, max);
}

static bool service_source(void *userdata, SourceId id, SourceReport *ret)
{
    Daemon *daemon = userdata;

    return engine_source_report(daemon->engine, id, kernel_clock_now(), ret);
}

static bool service_selection(void *userdata, SourceId id, SelectionReport *ret)
{
    Daemon *daemon = userdata;

    return engine_selection_report(daemon->engine, id, kernel_clock_now(), ret);
}

static bool service_ntp(void *userdata, SourceId id, NtpReport *ret)
{
    Daemon *daemon = userdata;

    return engine_ntp_report(daemon->engine, id, ret);
}

static bool service_authentication(void *userdata, SourceId id, AuthenticationReport *ret)
{
    Daemon *daemon = userdata;

    return engine_authentication_report(daemon->engine, id, ret);
}

static bool service_explain(void *userdata, SourceId id, Explanation *ret)
{
    Daemon *daemon = userdata;

    return engine_explain(daemon->engine, id, kernel_clock_now(), ret);
}

static void service_local(void *userdata, LocalReport *ret)
{
    Daemon *daemon = userdata;

    engine_local_report(daemon->engine, kernel_clock_now(), ret);
}

static void service_server(void *userdata, ServerReport *ret)
{
    Daemon *daemon = userdata;

    *ret = (ServerReport) {};
    if (daemon->server)
        time_server_report(daemon->server, ret);
}

static void service_key_server(void *userdata, KeyServerReport *ret)
{
    Daemon *daemon = userdata;

    *ret = (KeyServerReport) {.certificate_end = COOKED_UNSET};
    if (daemon->key_server)
        key_server_report(daemon->key_server, ret);
}

static bool service_allows(void *userdata, const IpAddress *address)
{
    Daemon *daemon = userdata;

    return daemon->server && time_server_allows(daemon->server, address);
}

/* Set in the position when those who asked for the time are through, and those are to come who only wanted
 * keys. */
#define ONLY_KEYS (UINT64_C(1) << 63)

/* Clients that have asked for the time are told of before. */
static bool next_client_of_keys(Daemon *daemon, uint64_t *position, ClientReport *ret)
{
    uint64_t place = *position & ~ONLY_KEYS;
    bool found;

    do
        found = key_server_next_client(daemon->key_server, &place, ret);
    while (found && time_server_knows(daemon->server, &ret->address));
    *position = place | ONLY_KEYS;
    return found;
}

static bool service_next_client(void *userdata, uint64_t *position, ClientReport *ret)
{
    Daemon *daemon = userdata;

    if (!daemon->server)
        return false;
    if (!(*position & ONLY_KEYS)) {
        if (time_server_next_client(daemon->server, position, ret)) {
            key_server_fill_client(daemon->key_server, ret);
            return true;
        }
        *position = ONLY_KEYS;
    }
    return next_client_of_keys(daemon, position, ret);
}

static void service_manual(void *userdata, ManualReport *ret)
{
    Daemon *daemon = userdata;

    engine_manual_report(daemon->engine, ret);
}

static CommandResult add_source(Daemon *daemon, const Command *command, CommandReply *reply)
{
    Text detail = TEXT(reply->detail);
    ConfigProblem problem;
    SourceConfig source;

    if (config_parse_source(daemon->config, command->add.kind, command->add.name, command->add.options,
                            &source, &problem))
        return engine_add_source(daemon->engine, &source, kernel_clock_now(), reply);
    config_problem_format_sentence(&problem, &detail);
    return COMMAND_INVALID;
}

static CommandResult rekey(Daemon *daemon, CommandReply *reply)
{
    Text detail = TEXT(reply->detail);

    return daemon_rekey(daemon, &detail) ? COMMAND_OK : COMMAND_FAILED;
}

static CommandResult apply_to_server(Daemon *daemon, const Command *command, CommandReply *reply)
{
    CommandResult result = time_server_apply(daemon->server, command, reply);

    if (result == COMMAND_OK && command->kind == COMMAND_RESET_CLIENTS)
        key_server_reset_clients(daemon->key_server);
    return result;
}

static CommandResult service_apply(void *userdata, const Command *command, CommandReply *ret)
{
    Daemon *daemon = userdata;

    *ret = (CommandReply) {};
    if (command->kind == COMMAND_CYCLE_LOGS) {
        log_files_cycle(daemon->logs);
        return COMMAND_OK;
    }
    if (command->kind == COMMAND_RELOAD)
        return daemon_reload(daemon, ret);
    if (command->kind == COMMAND_RELOAD_SOURCES)
        return reload_sources(daemon);
    if (command->kind == COMMAND_ADD_SOURCE)
        return add_source(daemon, command, ret);
    if (command->kind == COMMAND_REKEY)
        return rekey(daemon, ret);
    if (daemon->server && (command->kind == COMMAND_ALLOW || command->kind == COMMAND_DENY ||
                           command->kind == COMMAND_RESET_CLIENTS))
        return apply_to_server(daemon, command, ret);
    return engine_apply(daemon->engine, command, kernel_clock_now(), ret);
}

/* A name is checked, and its option, by who reads them in the configuration. */
static CommandResult service_check_nts(void *userdata, const NtsCheckRequest *request, NtsCheckDone done,
                                       void *done_userdata, CommandReply *ret, NtsCheck **ret_check)
{
    Daemon *daemon = userdata;
    const NtsCheckSetup setup = {
        .event = daemon->event,
        .config = daemon->config,
        .family = daemon->options->family,
        .keys = daemon->establisher,
        .sharing = daemon->sharing,
        .resolver = daemon->resolver,
        .aead = aead_ciphers(),
    };
    char options[64];
    Text text = TEXT(options), detail = TEXT(ret->detail);
    ConfigProblem problem;
    SourceConfig source;

    text_append_format(&text, "nts certset %" PRIu32, request->cert_set);
    if (request->port != 0)
        text_append_format(&text, " ntsport %u", request->port);
    if (!config_parse_source(daemon->config, SOURCE_SERVER, request->name, options, &source, &problem)) {
        config_problem_format_sentence(&problem, &detail);
        return COMMAND_INVALID;
    }
    return nts_check_new(&setup, &source, done, done_userdata, ret_check) < 0 ? COMMAND_FAILED : COMMAND_OK;
}

static void service_cancel_nts_check(unused_ void *userdata, NtsCheck *check)
{
    nts_check_free(check);
}

const ServiceMethods daemon_service_methods = {
    .info = service_info,
    .clock = service_clock,
    .activity = service_activity,
    .sources = service_sources,
    .source = service_source,
    .selection = service_selection,
    .ntp = service_ntp,
    .authentication = service_authentication,
    .explain = service_explain,
    .local = service_local,
    .server = service_server,
    .key_server = service_key_server,
    .allows = service_allows,
    .next_client = service_next_client,
    .manual = service_manual,
    .apply = service_apply,
    .check_nts = service_check_nts,
    .cancel_nts_check = service_cancel_nts_check,
};
