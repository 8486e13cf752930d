// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The daemon as timectl sees it: calls that never start it, and its properties as report values. */

#include <systemd/sd-bus.h>

#include "core/api/report.h"
#include "ctl/options.h"

/* What everything in timectl works with. The error of the last call that failed stays in `error` until the
 * next one, for client_report(). */
typedef struct Client {
    Options options;
    sd_bus *bus;
    sd_bus_error error;
    pid_t agent; /* of pkttyagent; 0: not started */
} Client;

/* One source as it is on the bus. */
typedef struct SourceEntry {
    char *path; /* owned */
    SourceReport source;
    SelectionReport selection;
    NtpReport ntp;
    bool has_ntp; /* false: a reference clock */
} SourceEntry;

typedef struct SourceList {
    SourceEntry *entries; /* owned, in the daemon's order */
    size_t count;
} SourceList;

/* Connects to the system bus, of options.host if set. */
int client_open(Client *client) must_check_;
void client_close(Client *client);

/* Whether the daemon owns its name; nothing is started. */
int client_is_running(Client *client, bool *ret) must_check_;

/* Calls a method that changes nothing; ret_reply may be NULL. types and the rest as of
 * sd_bus_message_append(). */
int client_call(Client *client, sd_bus_message **ret_reply, const char *path, const char *interface,
                const char *member, const char *types, ...) must_check_;

/* The same for methods that change something: with interactive authorization, which is waited for, unless
 * options.ask_password is false. The agent is started before the first of them. */
int client_command(Client *client, sd_bus_message **ret_reply, const char *path, const char *interface,
                   const char *member, const char *types, ...) must_check_;

/* client_command() in two steps, for arguments that do not fit into one line. */
int client_command_new(Client *client, sd_bus_message **ret, const char *path, const char *interface,
                       const char *member) must_check_;
int client_command_send(Client *client, sd_bus_message *m, sd_bus_message **ret_reply) must_check_;

int client_clock(Client *client, ClockReport *ret) must_check_;
int client_activity(Client *client, ActivityReport *ret) must_check_;

/* All properties of one interface, at its a{sv}. */
int client_properties(Client *client, const char *path, const char *interface,
                      sd_bus_message **ret) must_check_;

/* All sources, with what is asked for beside the Source interface. */
int client_sources(Client *client, bool selection, bool ntp, SourceList *ret) must_check_;
/* How one of them is authenticated; 0 when it is gone meanwhile: *ret is empty then. */
int client_authentication(Client *client, const SourceEntry *entry, AuthenticationReport *ret) must_check_;
void source_list_clear(SourceList *list);

/* Prints chronyc's reply line for the last error ("506 Cannot talk to daemon") on standard output, what the
 * daemon said about it on standard error, and returns 1, the exit status. */
int client_report(Client *client, int error);
