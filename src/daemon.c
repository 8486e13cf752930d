// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The daemon, see daemon.h.
 *
 * Every input (a packet, a timer, a name, a signal, a command) goes to the engine from its handler. What the
 * engine wants in turn is done in one place, daemon_drain(), which the event loop calls after the handlers
 * and before it sleeps: no handler runs inside another, and a listener that asks for a report during an event
 * sees the state after it. */

#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "build-config.h"
#include "daemon-internal.h"
#include "event-log.h"
#include "hw/rtc-mode.h"
#include "key-store.h"
#include "notify.h"

/* How many updates of the clock makestep and maxchange have counted. An orderly end removes it, and so does a
 * boot: who finds it comes after a crash, and goes on from there. */
#define UPDATES_FILE RUNTIME_DIRECTORY "/clock-updates"

/* Inputs of the network. */

static void on_packet(void *userdata, const Incoming *packet)
{
    Daemon *daemon = userdata;

    engine_on_packet(daemon->engine, packet, kernel_clock_now());
}

static void on_sent(void *userdata, ExchangeId exchange, Timestamp sent, IpAddress local)
{
    Daemon *daemon = userdata;

    engine_on_sent(daemon->engine, exchange, sent, local, kernel_clock_now());
}

static void on_failed(void *userdata, ExchangeId exchange, int error)
{
    Daemon *daemon = userdata;

    engine_on_send_failed(daemon->engine, exchange, error, kernel_clock_now());
}

static const ExchangeHandlers exchange_handlers = {.on_packet = on_packet,
                                                   .on_sent = on_sent,
                                                   .on_failed = on_failed};

static void on_resolved(void *userdata, uint64_t source, const LookupAnswer *answer)
{
    Daemon *daemon = userdata;

    engine_on_resolved(daemon->engine, (SourceId) {(uint32_t) source}, answer, kernel_clock_now());
}

static bool ask_resolved(void *userdata, uint64_t ticket, const LookupQuestion *question)
{
    Daemon *daemon = userdata;

    return daemon->bus && bus_ask_name(daemon->bus, ticket, question);
}

static void on_name(void *userdata, uint64_t ticket, const LookupAnswer *answer)
{
    Daemon *daemon = userdata;

    resolver_on_name(daemon->resolver, ticket, answer);
}

static bool clock_is_right(void *userdata)
{
    const Daemon *daemon = userdata;

    return engine_clock_is_right(daemon->engine, kernel_clock_now());
}

static void on_keys_established(void *userdata, SourceId source, const NtsEstablishment *establishment)
{
    Daemon *daemon = userdata;

    engine_on_keys_established(daemon->engine, source, establishment, kernel_clock_now());
}

static bool on_keys_kept(void *userdata, SourceId source, const NtsKept *kept)
{
    Daemon *daemon = userdata;

    return engine_on_keys_kept(daemon->engine, source, kept, kernel_clock_now());
}

static const KeyHandlers key_handlers = {.on_established = on_keys_established, .on_kept = on_keys_kept};

/* What the engine wants. */

static void show_status(Daemon *daemon)
{
    ClockReport clock;

    engine_clock_report(daemon->engine, kernel_clock_now(), &clock);
    notify_status(&clock);
}

static bool is_news(const Daemon *daemon, EventKind kind)
{
    if (kind == EVENT_SOURCE_ADDED) /* of the configuration */
        return daemon->running;
    if (kind == EVENT_SELECTED ||
        kind == EVENT_SYNCHRONIZED) /* on the way to the one number that was asked for */
        return daemon->mode != ENGINE_SET_ONCE && daemon->mode != ENGINE_SHOW_ONCE;
    return true;
}

static void publish(Daemon *daemon, const Event *event)
{
    if (is_news(daemon, event->kind))
        event_log(daemon->journal, event, daemon->config->daemon.drift_file);
    if (daemon->bus)
        bus_on_event(daemon->bus, event);
    if (event->kind == EVENT_SYNCHRONIZED && daemon->world.may_set_clock)
        notify_synchronized();
    if (event->kind == EVENT_SYNCHRONIZED || event->kind == EVENT_UNSYNCHRONIZED ||
        event->kind == EVENT_SELECTED)
        show_status(daemon);
}

static int arm_timer(Daemon *daemon)
{
    MonoTime deadline = engine_deadline(daemon->engine);

    if (!mono_is_set(deadline))
        return sd_event_source_set_enabled(daemon->timer, SD_EVENT_OFF);
    /* Rounded up: a timer that comes too early has nothing to do. */
    int64_t usec = deadline.ns <= 0 ? 0 : (deadline.ns + NSEC_PER_USEC - 1) / NSEC_PER_USEC;
    int r = sd_event_source_set_time(daemon->timer, (uint64_t) usec);
    return r < 0 ? r : sd_event_source_set_enabled(daemon->timer, SD_EVENT_ONESHOT);
}

/* With initstepslew this is some seconds after the daemon has begun to run. */
static void finish_start(Daemon *daemon)
{
    daemon->running = true;
    show_status(daemon);
    notify_ready();
}

static int daemon_drain(Daemon *daemon)
{
    int status = EXIT_SUCCESS;
    LogRecord record;
    Event event;

    if (daemon->clock_watch)
        clock_watch_look(daemon->clock_watch);
    ActionsOutcome outcome = actions_run(&daemon->world, daemon->engine, &status);
    while (engine_next_event(daemon->engine, &event))
        publish(daemon, &event);
    while (engine_next_log(daemon->engine, &record))
        if (daemon->logs)
            log_files_write(daemon->logs, &record);
    if (outcome == ACTIONS_EXIT) {
        if (status != EXIT_SUCCESS && daemon->options->mode >= ENGINE_SET_ONCE)
            journal_print(daemon->journal, LOG_LEVEL_ERROR, "No suitable source for synchronisation");
        return sd_event_exit(daemon->event, status);
    }
    if (daemon->server)
        time_server_refresh(daemon->server);
    if (!daemon->running && !engine_in_prelude(daemon->engine))
        finish_start(daemon);
    return arm_timer(daemon);
}

static int on_post(sd_event_source *source, void *userdata)
{
    (void) source;
    return daemon_drain(userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    Daemon *daemon = userdata;

    (void) source;
    (void) usec;
    engine_on_timer(daemon->engine, kernel_clock_now());
    return 0;
}

/* -t: how it stands when the time is over is the status of the process. */
static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
    Daemon *daemon = userdata;
    ClockReport clock;

    (void) source;
    (void) usec;
    engine_clock_report(daemon->engine, kernel_clock_now(), &clock);
    if (clock.stratum > 0)
        return sd_event_exit(daemon->event, EXIT_SUCCESS);
    journal_print(daemon->journal, LOG_LEVEL_ERROR, "Not synchronised within %g seconds: %s",
                  daemon->options->run_time, clock_reason_text(clock.reason));
    return sd_event_exit(daemon->event, EXIT_FAILURE);
}

/* Start and end. */

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    Daemon *daemon = userdata;

    (void) source;
    (void) info;
    return sd_event_exit(daemon->event, EXIT_SUCCESS);
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    Daemon *daemon = userdata;
    CommandReply reply = {};

    (void) source;
    (void) info;
    if (daemon_reload(daemon, &reply) == COMMAND_OK && daemon->bus)
        bus_on_configuration_changed(daemon->bus);
    return 0;
}

static int watch_signals(Daemon *daemon)
{
    static const int stop[] = {SIGTERM, SIGINT, SIGQUIT};
    int r;

    (void) signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ELEMENTS(stop); i++)
        if ((r = sd_event_add_signal(daemon->event, NULL, stop[i] | SD_EVENT_SIGNAL_PROCMASK, on_stop_signal,
                                     daemon)) < 0)
            return r;
    return sd_event_add_signal(daemon->event, NULL, SIGHUP | SD_EVENT_SIGNAL_PROCMASK, on_reload_signal,
                               daemon);
}

/* Once for each state of the bus, so that a machine without one is told once. */
static void on_bus_notice(void *userdata, BusNotice notice, int error)
{
    Daemon *daemon = userdata;

    switch (notice) {
    case BUS_CONNECTED: journal_print(daemon->journal, LOG_LEVEL_DEBUG, "Connected to the system bus"); break;
    case BUS_UNAVAILABLE:
        journal_print(daemon->journal, LOG_LEVEL_WARNING, "No system bus, will be tried again: %s",
                      strerror(-error));
        break;
    case BUS_LOST:
        journal_print(daemon->journal, LOG_LEVEL_WARNING,
                      "Connection to the system bus lost, will be tried again");
        break;
    case BUS_NAME_REFUSED:
        journal_print(daemon->journal, LOG_LEVEL_WARNING,
                      "The system bus refuses us the name org.timeball1: %s", strerror(-error));
        break;
    }
}

static const BusHandlers bus_handlers = {
    .on_notice = on_bus_notice,
    .on_network_state = daemon_on_network_state,
    .on_offered = daemon_on_offered,
    .on_provider = daemon_on_provider,
    .on_network_changed = daemon_on_network_changed,
    .on_name = on_name,
    .on_sleep = daemon_on_sleep,
};

static const NetworkdHandlers networkd_handlers = {
    .on_offered = daemon_on_offered,
    .on_provider = daemon_on_provider,
    .on_network_changed = daemon_on_network_changed,
};

static int add_timers(Daemon *daemon)
{
    int r = sd_event_add_time(daemon->event, &daemon->timer, CLOCK_MONOTONIC, 0, 1, on_timer, daemon);

    if (r < 0 || (r = sd_event_source_set_enabled(daemon->timer, SD_EVENT_OFF)) < 0)
        return r;
    if (daemon->options->run_time <= 0)
        return 0;
    return sd_event_add_time_relative(daemon->event, &daemon->limit, CLOCK_MONOTONIC,
                                      (uint64_t) (daemon->options->run_time * 1e6), 1, on_limit, daemon);
}

bool daemon_rtc_sync(const Config *config)
{
    /* The kernel writes UTC: an RTC that keeps local time is left alone. */
    return config->clock.rtc_sync && !rtc_keeps_local_time(ADJTIME_FILE);
}

/* A daemon that sets the clock once waits for its sources as long as it can; it does not give them up. */
static int follow_routes(Daemon *daemon)
{
    if (daemon->mode == ENGINE_SET_ONCE || daemon->mode == ENGINE_SHOW_ONCE)
        return 0;
    int r = routes_new(daemon->event, daemon_on_network_changed, daemon, &daemon->routes);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        journal_print(
            daemon->journal, LOG_LEVEL_WARNING,
            "The kernel does not tell us of changes of the network (%s): no source goes offline for "
            "want of a route",
            strerror(-r));
    return 0;
}

static int connect_parts(Daemon *daemon)
{
    IpFamily family = daemon->options->family;
    ExchangesSetup exchanges = {.family = family, .handlers = &exchange_handlers, .userdata = daemon};
    ResolverSetup resolver = {
        .family = family,
        .ask_resolved = ask_resolved,
        .clock_is_right = clock_is_right,
        .userdata = daemon,
    };
    int r;

    if ((r = sd_event_new(&daemon->event)) < 0 || (r = watch_signals(daemon)) < 0 ||
        (r = add_timers(daemon)) < 0 ||
        (r = sd_event_add_post(daemon->event, &daemon->post, on_post, daemon)) < 0 ||
        (r = daemon_open_clock(daemon)) < 0)
        return r;
    if ((r = port_sharing_new(&daemon->sharing)) < 0)
        return r;
    exchanges.event = daemon->event;
    resolver.event = daemon->event;
    exchanges.sharing = daemon->sharing;
    if ((r = exchanges_new(&exchanges, &daemon->config->net, &daemon->exchanges)) < 0 ||
        (r = resolver_new(&resolver, &daemon->resolver)) < 0 ||
        (r = key_establisher_new(daemon->event, daemon->journal, daemon->config,
                                 daemon->mode != ENGINE_SHOW_ONCE, &key_handlers, daemon,
                                 &daemon->establisher)) < 0)
        return r;
    daemon->world = (World) {
        .journal = daemon->journal,
        .clock = daemon->clock,
        .may_set_clock = daemon->world.may_set_clock,
        .rtc_sync = daemon_rtc_sync(daemon->config),
        .exchanges = daemon->exchanges,
        .resolver = daemon->resolver,
        .on_resolved = on_resolved,
        .userdata = daemon,
        .keys = daemon->establisher,
        .drift_file = daemon->config->daemon.drift_file,
        .nts_directory = daemon->config->nts.dump_dir,
        .updates_file = daemon->mode == ENGINE_STEER ? UPDATES_FILE : NULL,
    };
    if ((r = key_ring_new(&daemon->keys)) < 0)
        return r;
    (void) daemon_load_keys(daemon, NULL);
    if ((r = follow_routes(daemon)) < 0 || (r = daemon_new_engine(daemon)) < 0)
        return r;
    daemon_watch_clock(daemon);
    /* Nobody manages a daemon that is about to end, or reads its logs. */
    if (daemon->mode == ENGINE_SET_ONCE || daemon->mode == ENGINE_SHOW_ONCE)
        return 0;
    if ((r = daemon_new_server(daemon)) < 0)
        return r;
    if ((r = log_files_new(&daemon->config->log, daemon->journal, &daemon->logs)) < 0)
        return r;
    if ((r = source_dirs_new(daemon->event, daemon->journal, daemon_on_source_dirs, daemon,
                             &daemon->source_dirs)) < 0 ||
        (r = source_dirs_configure(daemon->source_dirs, daemon->config)) < 0)
        return r;
    if ((r = networkd_new(daemon->event, NETWORKD_DIRECTORY, &networkd_handlers, daemon, &daemon->networkd)) <
        0)
        return r;
    return bus_new(daemon->event, &daemon->service, &bus_handlers, daemon, &daemon->bus);
}

int daemon_new(const Options *options, Config *config, Journal *journal, Daemon **ret)
{
    cleanup_(daemon_freep) Daemon *daemon = calloc(1, sizeof *daemon);

    if (!daemon) {
        config_free(config);
        return -ENOMEM;
    }
    *daemon = (Daemon) {
        .options = options,
        .config = config,
        .journal = journal,
        .start_usec = (uint64_t) (kernel_clock_now().raw.ns / NSEC_PER_USEC),
        .service = {.methods = &daemon_service_methods, .userdata = daemon},
    };
    int r = connect_parts(daemon);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(daemon);
    return 0;
}

Daemon *daemon_free(Daemon *daemon)
{
    if (!daemon)
        return NULL;
    sd_event_source_disable_unref(daemon->timer);
    sd_event_source_disable_unref(daemon->limit);
    sd_event_source_disable_unref(daemon->post);
    bus_free(daemon->bus);
    source_dirs_free(daemon->source_dirs);
    networkd_free(daemon->networkd);
    clock_watch_free(daemon->clock_watch);
    time_server_free(daemon->server);
    key_server_free(daemon->key_server);
    resolver_free(daemon->resolver);
    routes_free(daemon->routes);
    key_establisher_free(daemon->establisher);
    exchanges_free(daemon->exchanges);
    port_sharing_free(daemon->sharing);
    engine_free(daemon->engine);
    key_ring_free(daemon->keys);
    log_files_free(daemon->logs);
    kernel_clock_free(daemon->clock);
    sd_event_unref(daemon->event);
    config_free(daemon->config);
    free(daemon);
    return NULL;
}

/* The clock is left with the frequency that is right for it: nobody will end a slew that is under way. */
static void stop(Daemon *daemon)
{
    Event event;
    int status;

    notify_stopping();
    engine_stop(daemon->engine, kernel_clock_now());
    (void) actions_run(&daemon->world, daemon->engine, &status);
    key_establisher_hand_over(daemon->establisher);
    while (engine_next_event(daemon->engine, &event))
        publish(daemon, &event);
    if (daemon->world.updates_file)
        (void) unlink(daemon->world.updates_file);
}

int daemon_run(Daemon *daemon, int *ret_status)
{
    show_status(daemon);
    int r = daemon_drain(daemon);

    if (r < 0)
        return r;
    /* Pings only when the service manager asked for them (WatchdogSec=). */
    if ((r = sd_event_set_watchdog(daemon->event, true)) < 0)
        journal_print(daemon->journal, LOG_LEVEL_WARNING, "Could not set up the watchdog: %s", strerror(-r));
    r = sd_event_loop(daemon->event);
    stop(daemon);
    if (r < 0)
        return r;
    *ret_status = r;
    return 0;
}
