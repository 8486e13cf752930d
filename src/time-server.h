// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The server as a part of the daemon: who may ask, by configuration and by commands; whether and where it
 * listens, and who serves. */

#include <systemd/sd-event.h>

#include "base/journal.h"
#include "core/api/command.h"
#include "core/config/config.h"
#include "net/server-socket.h"
#include "resolver.h"

typedef struct TimeServer TimeServer;

typedef struct TimeServerSetup {
    sd_event *event;
    Journal *journal;
    IpFamily family; /* the only one that is used; IP_UNSPEC: both */
    uint8_t secret[2 * SIPHASH_KEY_SIZE + sizeof(uint32_t)];
    PortSharing *sharing;        /* borrowed for ever */
    Resolver *resolver;          /* the same */
    Authenticator authenticator; /* must stay as long as the server */
    NtsServer nts;               /* the same */
    const PassedSocket *passed;  /* borrowed for ever */
    size_t passed_count;
    void (*snapshot)(void *userdata, Now now, ServerSnapshot *ret); /* what our time is */
    /* Who may ask has changed: from now on it is this table, which stays until the next one; NULL: nobody. */
    void (*on_access)(void *userdata, const AccessTable *access);
    void *userdata;
} TimeServerSetup;

/* event is referenced, journal borrowed. Nothing is opened as long as nobody may ask. */
int time_server_new(const TimeServerSetup *setup, const Config *config, TimeServer **ret) must_check_;
TimeServer *time_server_free(TimeServer *server);
DEFINE_CLEANUP(TimeServer, time_server_free);

/* A new configuration. What was commanded stays. */
int time_server_configure(TimeServer *server, const Config *config) must_check_;

/* COMMAND_ALLOW, COMMAND_DENY, COMMAND_RESET_CLIENTS. */
CommandResult time_server_apply(TimeServer *server, const Command *command, CommandReply *ret);

void time_server_report(const TimeServer *server, ServerReport *ret);
bool time_server_allows(const TimeServer *server, const IpAddress *address);
/* Whether the address is in the log of clients. */
bool time_server_knows(const TimeServer *server, const IpAddress *address);
/* See client_log_next(). */
bool time_server_next_client(const TimeServer *server, uint64_t *position, ClientReport *ret) must_check_;

/* Our time may be another one now: tells the threads. */
void time_server_refresh(TimeServer *server);
