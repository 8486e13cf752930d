// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The parts of the daemon that begin with what somebody has left: the kernel's clock and its frequency,
 * drift, the known time and the count of updates of an earlier run, sockets and keys that systemd has passed.
 */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "build-config.h"
#include "daemon-internal.h"
#include "drift-file.h"
#include "known-time.h"
#include "nts/aead.h"
#include "number-file.h"

static void fill_random(void *userdata, void *buffer, size_t size)
{
    uint8_t *bytes = buffer;

    (void) userdata;
    while (size > 0) {
        ssize_t n = getrandom(bytes, size, 0);
        if (n > 0) {
            bytes += n;
            size -= (size_t) n;
        } else if (n < 0 && errno != EINTR)
            abort(); /* a predictable timestamp would let anybody move the clock */
    }
}

int daemon_open_clock(Daemon *daemon)
{
    daemon->mode = daemon->options->mode;
    int r = kernel_clock_new(&daemon->clock);
    if (r < 0)
        return r;
    if (daemon->mode == ENGINE_STEER || daemon->mode == ENGINE_SET_ONCE) {
        r = kernel_clock_take_over(daemon->clock);
        daemon->world.may_set_clock = r >= 0;
        if (r < 0 && daemon->mode == ENGINE_SET_ONCE) {
            journal_print(daemon->journal, LOG_LEVEL_FATAL, "Could not take control of the system clock: %s",
                          strerror(-r));
            return r;
        }
        if (r < 0) {
            journal_print(daemon->journal, LOG_LEVEL_WARNING, "No right to set the system clock: %s",
                          strerror(-r));
            daemon->mode = ENGINE_OBSERVE;
        }
    }
    if (!daemon->world.may_set_clock)
        journal_print(daemon->journal, LOG_LEVEL_INFO, "Disabled control of system clock");
    return 0;
}

static uint32_t updates_before_crash(const Daemon *daemon)
{
    const char *path = daemon->world.updates_file;
    int64_t updates;

    if (!path || !number_file_read(path, &updates) || updates <= 0 || updates > UINT32_MAX)
        return 0;
    journal_print(daemon->journal, LOG_LEVEL_INFO,
                  "The last run did not end by itself: makestep and maxchange go on after its %" PRId64
                  " updates of the clock",
                  updates);
    return (uint32_t) updates;
}

/* 0: nothing is known. */
static int64_t load_stamp(const Daemon *daemon)
{
    const char *directory = daemon->config->nts.dump_dir;
    char buffer[256];
    Text problem = TEXT(buffer);
    int64_t seconds = 0;

    if (directory && known_time_read(directory, &seconds, &problem) == KNOWN_TIME_BAD)
        journal_print(daemon->journal, LOG_LEVEL_WARNING, "%s/" KNOWN_TIME_FILE " is not used: %s", directory,
                      problem.data);
    return seconds;
}

int daemon_new_engine(Daemon *daemon)
{
    const char *drift_file = daemon->config->daemon.drift_file;
    EngineSetup setup = {
        .mode = daemon->mode,
        .precision =
            daemon->config->clock.precision > 0 ? daemon->config->clock.precision : kernel_clock_precision(),
        .drift_frequency = NAN,
        .random = fill_random,
        .authenticator = key_ring_authenticator(daemon->keys),
        .aead = aead_ciphers(),
        .follows_routes = daemon->routes != NULL,
        .restarted = daemon->options->restarted,
        .updates = updates_before_crash(daemon),
        .lower_bound_s = BUILD_TIME,
        .stamp_s = load_stamp(daemon),
    };
    char buffer[128];
    Text problem = TEXT(buffer);
    Drift drift;

    fill_random(NULL, &setup.entropy, sizeof setup.entropy);
    if (kernel_clock_get_frequency(daemon->clock, &setup.kernel_frequency) < 0)
        setup.kernel_frequency = 0;
    if (drift_file)
        switch (drift_file_read(drift_file, &drift, &problem)) {
        case DRIFT_FILE_LOADED:
            setup.drift_frequency = -drift.frequency_ppm * 1e-6;
            setup.drift_skew = drift.skew_ppm * 1e-6;
            break;
        case DRIFT_FILE_ABSENT: break;
        case DRIFT_FILE_BAD:
            journal_print(daemon->journal, LOG_LEVEL_WARNING, "Drift file %s is not used: %s", drift_file,
                          problem.data);
            break;
        }
    return engine_new(&setup, daemon->config, kernel_clock_now(), &daemon->engine);
}

static void serve_snapshot(void *userdata, Now now, ServerSnapshot *ret)
{
    Daemon *daemon = userdata;

    engine_server_snapshot(daemon->engine, now, ret);
}

static void on_access(void *userdata, const AccessTable *access)
{
    Daemon *daemon = userdata;

    key_server_set_access(daemon->key_server, access);
}

/* Before the time server, which opens cookies with its keys and tells it who may come. */
static int new_key_server(Daemon *daemon)
{
    Activation *activation = &daemon->activation;
    KeyServerSetup setup = {
        .event = daemon->event,
        .journal = daemon->journal,
        .family = daemon->options->family,
        .passed = activation->nts.list,
        .passed_count = activation->nts.count,
        .stored_keys = activation->cookie_keys,
    };

    fill_random(NULL, setup.secret, sizeof setup.secret);
    int r = key_server_new(&setup, daemon->config, &daemon->key_server);
    if (activation->cookie_keys >= 0)
        close(activation->cookie_keys);
    activation->cookie_keys = -1;
    return r;
}

int daemon_new_server(Daemon *daemon)
{
    TimeServerSetup setup = {
        .event = daemon->event,
        .journal = daemon->journal,
        .family = daemon->options->family,
        .sharing = daemon->sharing,
        .authenticator = key_ring_authenticator(daemon->keys),
        .snapshot = serve_snapshot,
        .on_access = on_access,
        .resolver = daemon->resolver,
        .userdata = daemon,
    };

    activation_take(daemon->journal, &daemon->activation);
    if (daemon->activation.client_keys >= 0) {
        key_establisher_take_over(daemon->establisher, daemon->activation.client_keys);
        close(daemon->activation.client_keys);
        daemon->activation.client_keys = -1;
    }
    int r = new_key_server(daemon);
    if (r < 0)
        return r;
    setup.nts = (NtsServer) {.jar = key_server_jar(daemon->key_server), .aead = aead_ciphers()};
    setup.passed = daemon->activation.ntp.list;
    setup.passed_count = daemon->activation.ntp.count;
    fill_random(NULL, setup.secret, sizeof setup.secret);
    return time_server_new(&setup, daemon->config, &daemon->server);
}
