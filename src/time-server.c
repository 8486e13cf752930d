// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See time-server.h.
 *
 * The rules that are in force are those of the configuration, with the addresses of the hosts that could be
 * resolved, and behind them those of commands. Whenever one of them changes, the table is compiled anew, and
 * the sockets are opened or closed if that lets the first ask or shuts the last out. */

#include "time-server.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "core/ntp/access.h"
#include "hw/kernel-clock.h"
#include "net/server-socket.h"
#include "net/signd.h"

/* Rules of commands: nobody types more, and a program that adds one for each client is stopped. */
#define COMMANDED_MAX 16384

/* What did not work (a name, an address to listen on) is tried again after that, doubled each time, s. */
#define RETRY_MIN UINT64_C(32)
#define RETRY_MAX UINT64_C(3600)
#define USEC      UINT64_C(1000000)

/* A line of the configuration, with what its host is known by. */
typedef struct Line {
    AccessRule rule;
    char *host;         /* owned; NULL: none */
    uint32_t question;  /* that is being looked up; 0: none */
    LookupAnswer found; /* what it stands for */
} Line;

struct TimeServer {
    TimeServerSetup setup;
    ServerConfig config; /* own copy; its access is not used */
    uint8_t dscp;
    Line *lines; /* owned, of the configuration */
    size_t line_count;
    AccessRule *commanded; /* owned, of commands, in their order */
    size_t commanded_count;
    uint32_t last_question;
    AccessTable *access;
    ServerHands *hands;
    ServerSockets *sockets;
    Signd *signd; /* NULL: nobody signs for us */
    sd_event_source *retry;
    uint64_t retry_after; /* s; 0: nothing has failed yet */
    bool v4, v6;          /* sockets were opened for */
    bool failed;          /* an address to listen on cannot be had */
};

static void arm_retry(TimeServer *server)
{
    server->retry_after = server->retry_after == 0 ? RETRY_MIN : MIN(2 * server->retry_after, RETRY_MAX);
    (void) sd_event_source_set_time_relative(server->retry, server->retry_after * USEC);
    (void) sd_event_source_set_enabled(server->retry, SD_EVENT_ONESHOT);
}

/* --- listening --- */

static void on_failed(void *userdata, const IpEndpoint *endpoint, int error)
{
    TimeServer *server = userdata;
    char text[IP_ENDPOINT_TEXT_MAX];

    /* It will be tried again and again: told once. */
    if (!server->failed)
        journal_print(server->setup.journal, LOG_LEVEL_ERROR, "Could not listen on %s: %s",
                      ip_endpoint_format(endpoint, text), strerror(error));
}

static void snapshot(void *userdata, Now now, ServerSnapshot *ret)
{
    TimeServer *server = userdata;

    server->setup.snapshot(server->setup.userdata, now, ret);
}

/* What Samba is still to sign would leave by one of them. */
static void close_sockets(TimeServer *server)
{
    if (server->signd)
        signd_forget(server->signd);
    server_sockets_close(server->sockets);
}

static void open_sockets(TimeServer *server)
{
    const ServerListen listen = {.config = &server->config,
                                 .v4 = server->v4,
                                 .v6 = server->v6,
                                 .dscp = server->dscp,
                                 .passed = server->setup.passed,
                                 .passed_count = server->setup.passed_count};
    size_t wanted = 0;

    for (size_t i = 0; i < server->config.address_count; i++)
        wanted += server->config.addresses[i].family == IP_V4 ? server->v4 : server->v6;
    wanted = MAX(wanted, (size_t) (server->v4 || server->v6));
    close_sockets(server);
    size_t count = server_sockets_open(server->sockets, &listen);
    for (size_t i = 0; i < count; i++) {
        char text[IP_ENDPOINT_TEXT_MAX];
        IpEndpoint local = server_sockets_local(server->sockets, i);
        journal_print(server->setup.journal, LOG_LEVEL_DEBUG, "Listening on %s",
                      ip_endpoint_format(&local, text));
    }
    server->failed = server->config.port > 0 && server->setup.passed_count == 0 && count < wanted;
    if (server->failed)
        arm_retry(server);
}

/* Opens or closes what the table asks for; always: also when that is what is open. */
static void listen_as_allowed(TimeServer *server, bool always)
{
    bool v4 = server->setup.family != IP_V6 && access_table_allows_any(server->access, IP_V4);
    bool v6 = server->setup.family != IP_V4 && access_table_allows_any(server->access, IP_V6);

    if (!always && v4 == server->v4 && v6 == server->v6)
        return;
    server->v4 = v4;
    server->v6 = v6;
    open_sockets(server);
}

/* --- who may ask --- */

static size_t count_rules(const TimeServer *server)
{
    size_t count = server->commanded_count;

    for (size_t i = 0; i < server->line_count; i++)
        count += server->lines[i].host ? server->lines[i].found.count : 1;
    return count;
}

static void add_line(const Line *line, AccessRule *rules, size_t *count)
{
    if (!line->host) {
        rules[(*count)++] = line->rule;
        return;
    }
    for (size_t i = 0; i < line->found.count; i++) {
        AccessRule *rule = &rules[(*count)++];
        *rule = line->rule;
        rule->network = line->found.places[i].endpoint.address;
        rule->prefix = rule->network.family == IP_V4 ? 32 : 128;
    }
}

/* Compiles the rules that are in force. On failure the old table stays. */
static int rebuild(TimeServer *server)
{
    cleanup_(freep) AccessRule *rules = calloc(count_rules(server) + 1, sizeof *rules);
    AccessTable *table;
    size_t count = 0;

    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < server->line_count; i++)
        add_line(&server->lines[i], rules, &count);
    for (size_t i = 0; i < server->commanded_count; i++)
        rules[count++] = server->commanded[i];
    int r = access_table_new(rules, count, &table);
    if (r < 0)
        return r;
    server_hands_set_access(server->hands, table);
    server->setup.on_access(server->setup.userdata, table);
    access_table_free(server->access);
    server->access = table;
    return 0;
}

static void on_resolved(void *userdata, uint64_t question, const LookupAnswer *answer)
{
    TimeServer *server = userdata;
    Line *line = NULL;

    for (size_t i = 0; i < server->line_count; i++)
        if (server->lines[i].question == question)
            line = &server->lines[i];
    if (!line)
        return; /* of an earlier configuration */
    line->question = 0;
    line->found = *answer;
    if (answer->count == 0) {
        arm_retry(server);
        return;
    }
    if (rebuild(server) < 0)
        line->found.count = 0;
    else
        listen_as_allowed(server, false);
}

static void look_up(TimeServer *server)
{
    for (size_t i = 0; i < server->line_count; i++) {
        Line *line = &server->lines[i];
        if (!line->host || line->question != 0 || line->found.count > 0)
            continue;
        line->question = ++server->last_question;
        resolver_ask_host(server->setup.resolver, line->host, IP_UNSPEC, on_resolved, server, line->question);
    }
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    TimeServer *server = userdata;

    (void) source;
    (void) usec;
    look_up(server);
    if (server->failed)
        open_sockets(server);
    return 0;
}

static void free_lines(Line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(lines[i].host);
    free(lines);
}

static bool lines_equal(const TimeServer *server, const ServerConfig *config)
{
    if (server->line_count != config->access_count)
        return false;
    for (size_t i = 0; i < config->access_count; i++) {
        const AccessRule *a = &server->lines[i].rule, *b = &config->access[i].rule;
        if (a->allow != b->allow || a->all != b->all || a->prefix != b->prefix ||
            !ip_address_equal(&a->network, &b->network) ||
            !text_equal(server->lines[i].host, config->access[i].host))
            return false;
    }
    return true;
}

static int take_lines(TimeServer *server, const ServerConfig *config)
{
    Line *lines = calloc(config->access_count + 1, sizeof *lines);

    if (!lines)
        return -ENOMEM;
    for (size_t i = 0; i < config->access_count; i++) {
        lines[i].rule = config->access[i].rule;
        if (config->access[i].host && !(lines[i].host = strdup(config->access[i].host))) {
            free_lines(lines, i);
            return -ENOMEM;
        }
    }
    free_lines(server->lines, server->line_count);
    server->lines = lines;
    server->line_count = config->access_count;
    return rebuild(server);
}

/* --- Samba --- */

static void to_sign(void *userdata, const MsSntpAnswer *answer, const AnswerWay *way)
{
    TimeServer *server = userdata;

    if (server->signd)
        signd_ask(server->signd, answer, way);
}

static void on_signed(void *userdata, const AnswerWay *way, const uint8_t answer[static MS_SNTP_SIZE])
{
    TimeServer *server = userdata;

    server_hands_send(server->hands, way, answer, MS_SNTP_SIZE);
}

static void on_signd(void *userdata, const char *problem)
{
    TimeServer *server = userdata;
    const char *directory = server->config.signd_directory;

    if (problem)
        journal_print(server->setup.journal, LOG_LEVEL_WARNING,
                      "Samba's ntp_signd in %s: %s; what it does not sign is not answered", directory,
                      problem);
    else
        journal_print(server->setup.journal, LOG_LEVEL_INFO, "Samba's ntp_signd in %s signs again",
                      directory);
}

/* On failure there is nobody who signs, which costs those who want it their answers. */
static void set_signd(TimeServer *server)
{
    const SigndSetup setup = {
        .event = server->setup.event,
        .directory = server->config.signd_directory,
        .on_signed = on_signed,
        .on_state = on_signd,
        .userdata = server,
    };

    server->signd = signd_free(server->signd);
    int r = setup.directory ? signd_new(&setup, &server->signd) : 0;
    if (r < 0)
        on_signd(server, strerror(-r));
}

/* --- the whole --- */

/* Starts or ends threads. Without them we serve no worse, only on one core. */
static int set_threads(TimeServer *server, const ServerConfig *config)
{
    Journal *journal = server->setup.journal;
    size_t threads = (size_t) config->threads;

    if (threads > 0 && server->setup.passed_count > 0) {
        journal_print(
            journal, LOG_LEVEL_ERROR,
            "serverthreads %zu is refused: threads need sockets that share a port, which sockets of "
            "systemd's user cannot do with ours; the main thread serves",
            threads);
        threads = 0;
    }
    if (threads > 0 && config->signd_directory) {
        journal_print(journal, LOG_LEVEL_ERROR,
                      "serverthreads %zu is refused: what Samba signs (ntpsigndsocket) is answered by the "
                      "main thread, which serves all",
                      threads);
        threads = 0;
    }
    close_sockets(server);
    int r = server_hands_set_threads(server->hands, threads);
    if (r >= 0 || threads == 0)
        return r;
    journal_print(journal, LOG_LEVEL_ERROR, "Could not start %zu server threads: %s; the main thread serves",
                  threads, strerror(-r));
    return server_hands_set_threads(server->hands, 0);
}

/* What was passed wins; what the configuration says otherwise is told. */
static void tell_mismatch(const TimeServer *server, const PassedSocket *passed)
{
    const ServerConfig *config = &server->config;
    char text[IP_ENDPOINT_TEXT_MAX];
    bool named = config->address_count == 0;

    (void) ip_endpoint_format(&passed->local, text);
    for (size_t i = 0; i < config->address_count; i++)
        named |= ip_address_equal(&config->addresses[i], &passed->local.address);
    if (!named)
        journal_print(server->setup.journal, LOG_LEVEL_WARNING,
                      "Listening on %s, which systemd passed, instead of bindaddress", text);
    if (config->port != passed->local.port)
        journal_print(server->setup.journal, LOG_LEVEL_WARNING,
                      "Listening on %s, which systemd passed, instead of port %u", text,
                      (unsigned) config->port);
    if (config->device[0] != '\0')
        journal_print(server->setup.journal, LOG_LEVEL_WARNING,
                      "Listening on %s, which systemd passed, without binddevice %s", text, config->device);
}

static void tell_mismatches(const TimeServer *server)
{
    for (size_t i = 0; i < server->setup.passed_count; i++)
        tell_mismatch(server, &server->setup.passed[i]);
    if (server->setup.passed_count > 0 && !server->v4 && !server->v6)
        journal_print(server->setup.journal, LOG_LEVEL_WARNING,
                      "systemd passed sockets, but nobody is allowed to ask (allow)");
}

int time_server_configure(TimeServer *server, const Config *config)
{
    const ServerConfig *new = &config->server;
    bool new_signd = !text_equal(server->config.signd_directory, new->signd_directory);
    bool new_threads = server->config.threads != new->threads || new_signd;
    bool listens =
        new_threads || !server_config_listens_equal(&server->config, new) || server->dscp != config->net.dscp;
    ServerConfig copy;
    /* A limit of 0 still keeps the smallest log there is. */
    size_t log_limit = new->no_client_log ? 0 : MAX((size_t) new->log_limit, (size_t) 1);
    int r;

    if ((new_threads && (r = set_threads(server, new)) < 0) ||
        (r = server_hands_configure(server->hands, &new->rate_limit, log_limit)) < 0)
        return r;
    if ((!server->access || !lines_equal(server, new)) && (r = take_lines(server, new)) < 0)
        return r;
    if ((r = server_config_copy(new, &copy)) < 0)
        return r;
    server_config_clear(&server->config);
    server->config = copy;
    server->dscp = config->net.dscp;
    server->retry_after = 0;
    if (new_signd)
        set_signd(server);
    listen_as_allowed(server, listens);
    tell_mismatches(server);
    look_up(server);
    return 0;
}

static int connect_parts(TimeServer *server)
{
    ServerHandsSetup hands = {
        .event = server->setup.event,
        .handlers = {.now = kernel_clock_now, .snapshot = snapshot, .to_sign = to_sign},
        .userdata = server,
        .authenticator = server->setup.authenticator,
        .nts = server->setup.nts,
    };
    ServerSocketsSetup sockets = {
        .event = server->setup.event,
        .on_failed = on_failed,
        .userdata = server,
    };
    int r;

    memcpy(hands.secret, server->setup.secret, sizeof hands.secret);
    memcpy(&sockets.secret, server->setup.secret + sizeof hands.secret, sizeof sockets.secret);
    if ((r = server_hands_new(&hands, &server->hands)) < 0)
        return r;
    sockets.hands = server->hands;
    sockets.sharing = server->setup.sharing;
    if ((r = server_sockets_new(&sockets, &server->sockets)) < 0 ||
        (r = sd_event_add_time(server->setup.event, &server->retry, CLOCK_MONOTONIC, 0, USEC, on_retry,
                               server)) < 0)
        return r;
    return sd_event_source_set_enabled(server->retry, SD_EVENT_OFF);
}

int time_server_new(const TimeServerSetup *setup, const Config *config, TimeServer **ret)
{
    cleanup_(time_server_freep) TimeServer *server = calloc(1, sizeof *server);
    int r;

    if (!server)
        return -ENOMEM;
    server->setup = *setup;
    sd_event_ref(setup->event);
    if ((r = connect_parts(server)) < 0 || (r = time_server_configure(server, config)) < 0)
        return r;
    *ret = TAKE_PTR(server);
    return 0;
}

TimeServer *time_server_free(TimeServer *server)
{
    if (!server)
        return NULL;
    sd_event_source_disable_unref(server->retry);
    resolver_forget(server->setup.resolver, server);
    signd_free(server->signd);
    server_sockets_free(server->sockets);
    server_hands_free(server->hands);
    if (server->access)
        server->setup.on_access(server->setup.userdata, NULL);
    access_table_free(server->access);
    free_lines(server->lines, server->line_count);
    free(server->commanded);
    server_config_clear(&server->config);
    sd_event_unref(server->setup.event);
    free(server);
    return NULL;
}

/* --- commands and reports --- */

static bool same_network(const AccessRule *a, const AccessRule *b)
{
    return a->prefix == b->prefix && a->all == b->all && ip_address_equal(&a->network, &b->network);
}

/* Adds the rule behind all others; an earlier one for the same network is of no use then. */
static CommandResult command_rule(TimeServer *server, const AccessRule *rule)
{
    AccessRule *rules = reallocarray(server->commanded, server->commanded_count + 1, sizeof *rules);
    size_t kept = 0;

    if (!rules)
        return COMMAND_FAILED;
    server->commanded = rules;
    for (size_t i = 0; i < server->commanded_count; i++)
        if (!same_network(&rules[i], rule))
            rules[kept++] = rules[i];
    if (kept >= COMMANDED_MAX)
        return COMMAND_TOO_MANY;
    rules[kept] = *rule;
    server->commanded_count = kept + 1;
    if (rebuild(server) < 0)
        return COMMAND_FAILED;
    listen_as_allowed(server, false);
    return COMMAND_OK;
}

CommandResult time_server_apply(TimeServer *server, const Command *command, CommandReply *ret)
{
    AccessRule rule = command->access;

    if (command->kind == COMMAND_RESET_CLIENTS) {
        if (!server_hands_log_clients(server->hands))
            return COMMAND_NOT_ENABLED;
        server_hands_reset_clients(server->hands);
        return COMMAND_OK;
    }
    rule.allow = command->kind == COMMAND_ALLOW;
    CommandResult result = command_rule(server, &rule);
    if (result == COMMAND_TOO_MANY)
        (void) text_copy(ret->detail, sizeof ret->detail, "too many networks were allowed and denied");
    return result;
}

void time_server_report(const TimeServer *server, ServerReport *ret)
{
    *ret = (ServerReport) {
        .listening = server_sockets_count(server->sockets) > 0,
        .logs_clients = server_hands_log_clients(server->hands),
    };
    server_hands_report(server->hands, kernel_clock_now().mono, ret);
}

bool time_server_allows(const TimeServer *server, const IpAddress *address)
{
    return access_table_allows(server->access, address);
}

bool time_server_knows(const TimeServer *server, const IpAddress *address)
{
    return server_hands_knows(server->hands, address);
}

bool time_server_next_client(const TimeServer *server, uint64_t *position, ClientReport *ret)
{
    return server_hands_next_client(server->hands, position, kernel_clock_now().mono, ret);
}

void time_server_refresh(TimeServer *server)
{
    server_hands_post(server->hands);
}
