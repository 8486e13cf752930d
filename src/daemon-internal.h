// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the files of the daemon share: daemon.c creates and runs it, daemon-service.c is its face,
 * daemon-network.c hears of the network, daemon-clock.c of what comes over the clock. */

#include <systemd/sd-event.h>

#include "actions.h"
#include "activation.h"
#include "bus/bus.h"
#include "core/api/service.h"
#include "daemon.h"
#include "hw/clock-watch.h"
#include "key-server.h"
#include "log-files.h"
#include "net/routes.h"
#include "networkd.h"
#include "nts/key-ring.h"
#include "source-dirs.h"
#include "time-server.h"

struct Daemon {
    const Options *options;
    Config *config;
    Journal *journal;
    EngineMode mode; /* of the options, or observing for want of rights */
    uint64_t start_usec;

    sd_event *event;
    sd_event_source *timer, *limit, *post;
    KernelClock *clock;
    ClockWatch *clock_watch; /* NULL: it cannot be watched */
    PortSharing *sharing;
    Exchanges *exchanges;
    Resolver *resolver;
    Routes *routes; /* NULL: the kernel tells us nothing of the network, or we end soon */
    KeyRing *keys;
    KeyEstablisher *establisher;
    Engine *engine;
    Activation activation;
    KeyServer *key_server; /* both NULL: we set the clock once, and end */
    TimeServer *server;
    Bus *bus;
    LogFiles *logs;
    SourceDirs *source_dirs;
    Networkd *networkd;

    World world;
    Service service;
    bool running; /* start-up is over: sources that come now are news */
};

/* Decides who may touch the clock. */
int daemon_open_clock(Daemon *daemon) must_check_;
int daemon_new_engine(Daemon *daemon) must_check_;
/* Those who serve time and keys; takes over what systemd has passed. */
int daemon_new_server(Daemon *daemon) must_check_;

/* The face of a Daemon, which is its userdata. */
extern const ServiceMethods daemon_service_methods;

/* Reads the configuration again and applies what differs. One with an error changes nothing. */
CommandResult daemon_reload(Daemon *daemon, CommandReply *reply);

/* The .sources files may be others. */
void daemon_on_source_dirs(void *userdata);

/* Reads the key file, or the credential that takes its place. As below. */
bool daemon_load_keys(Daemon *daemon, Text *detail);

/* Reads the key file again, and what the server of keys has read. False: it could not be read, the keys stay.
 * detail may be NULL. */
bool daemon_rekey(Daemon *daemon, Text *detail);

/* What managers of the network tell, whoever they are; userdata is the Daemon. */
void daemon_on_network_state(void *userdata, const NetworkState *state);
void daemon_on_offered(void *userdata, const OfferedServers *offered);
void daemon_on_provider(void *userdata, OfferProvider provider, bool complete);
void daemon_on_network_changed(void *userdata);

/* Has the engine told of what comes over the clock. Without it the next packet or timer finds out. */
void daemon_watch_clock(Daemon *daemon);
/* Logind's news; userdata is the Daemon. */
void daemon_on_sleep(void *userdata, bool begins);

/* Whether the kernel may be told that the clock is right, and so keep the RTC in time. */
bool daemon_rtc_sync(const Config *config);
