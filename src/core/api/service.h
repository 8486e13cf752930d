// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The one way in for people and programs: query -> report, apply command -> result, subscribe -> events.
 * D-Bus and chrony's protocol know nothing else of the daemon. The daemon implements it (src/daemon.c) over
 * the engine; tests implement it over fixed values. All calls are from the event loop's thread and return at
 * once. */

#include "core/api/command.h"
#include "core/api/event.h"
#include "core/api/nts-check.h"
#include "core/api/server-report.h"

/* Facts that never change while the daemon runs. */
typedef struct ServiceInfo {
    const char *version;
    const char *const *features;            /* NULL-terminated: "ntp", "ipv6"... */
    const char *const *configuration_files; /* NULL-terminated; may change with COMMAND_RELOAD */
    uint64_t start_usec;                    /* CLOCK_REALTIME when it started */
} ServiceInfo;

typedef struct ServiceMethods {
    void (*info)(void *userdata, ServiceInfo *ret);
    void (*clock)(void *userdata, ClockReport *ret);
    void (*activity)(void *userdata, ActivityReport *ret);
    /* Writes up to max ids in the order in which chronyc prints them; returns how many there are. */
    size_t (*sources)(void *userdata, SourceId *ret, size_t max);
    /* These return false when there is no such source (any more). */
    bool (*source)(void *userdata, SourceId id, SourceReport *ret);
    bool (*selection)(void *userdata, SourceId id, SelectionReport *ret);
    bool (*ntp)(void *userdata, SourceId id, NtpReport *ret);
    bool (*authentication)(void *userdata, SourceId id, AuthenticationReport *ret);
    bool (*explain)(void *userdata, SourceId id, Explanation *ret);
    void (*local)(void *userdata, LocalReport *ret);
    void (*server)(void *userdata, ServerReport *ret);
    void (*key_server)(void *userdata, KeyServerReport *ret);
    /* Would this address be answered? */
    bool (*allows)(void *userdata, const IpAddress *address);
    /* Walks through the clients: *position is 0 at first; false at the end. */
    bool (*next_client)(void *userdata, uint64_t *position, ClientReport *ret);
    void (*manual)(void *userdata, ManualReport *ret);
    CommandResult (*apply)(void *userdata, const Command *command, CommandReply *ret);
    /* Begins to try a server; done is called once, later. Not COMMAND_OK: it does not begin, and ret tells
     * why. */
    CommandResult (*check_nts)(void *userdata, const NtsCheckRequest *request, NtsCheckDone done,
                               void *done_userdata, CommandReply *ret, NtsCheck **ret_check);
    /* Ends a check and frees it, whether or not it is done; to be called once, also by done. */
    void (*cancel_nts_check)(void *userdata, NtsCheck *check);
} ServiceMethods;

typedef struct Service {
    const ServiceMethods *methods;
    void *userdata;
} Service;

/* Called after each event; the event is valid during the call only. */
typedef void (*ServiceListener)(void *userdata, const Event *event);
