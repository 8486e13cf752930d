// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the files of src/bus share. A connection comes and goes (bus.c); the table of exported sources and
 * what was published of them stay. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus/bus.h"
#include "bus/login.h"
#include "bus/network-manager.h"
#include "bus/nts-checks.h"
#include "bus/polkit.h"
#include "bus/resolved.h"
#include "bus/views.h"
#include "bus/wait-synchronized.h"

/* A source as exported. */
typedef struct ExportedSource {
    SourceId id;
    char *path;
    bool dirty;           /* own report changed: compare all, invalidate the details */
    SourceView published; /* what PropertiesChanged or InterfacesAdded told last */
} ExportedSource;

struct Bus {
    sd_event *event;
    Service service;
    BusHandlers handlers;
    void *handlers_userdata;

    /* The connection; NULL between two of them. */
    sd_bus *connection;
    bool ready; /* connected: something can be sent */
    sd_event_source *retry;
    uint64_t retry_usec; /* delay before the next attempt */
    bool told_unavailable;
    Polkit *polkit;
    WaitSynchronized *waits;
    NtsChecks *checks;
    NetworkManager *network_manager; /* NULL: nobody wants to know of networks */
    Login *login;                    /* NULL: nobody wants to know of sleep */
    Resolved *resolved;

    /* Sources in the order in which they were added. */
    ExportedSource **sources;
    size_t source_count;

    /* Deferred publication. */
    sd_event_source *publish;
    bool list_dirty, configuration_dirty, entries_dirty;
    bool export_failed; /* for lack of memory: to be tried again */
    struct {
        ManagerView manager;
        ClockView clock;
        SourcesView sources;
        LocalView local;
        ManualView manual;
    } published;

    /* Filled for each request, and what sd-bus reads properties from. */
    struct {
        ManagerView manager;
        ClockView clock;
        SourcesView sources;
        ServerView server;
        LocalView local;
        ManualView manual;
        SourceView source;
        NtpView ntp;
        SelectionView selection;
        AuthenticationView authentication;
    } view;
};

/* --- objects: root-objects.c, server-objects.c, manual-object.c, source-objects.c. The vtables belong to
 * the connection. --- */
extern const sd_bus_vtable manager_vtable[], clock_vtable[], sources_vtable[], manual_vtable[];
extern const sd_bus_vtable source_vtable[], ntp_vtable[], selection_vtable[], authentication_vtable[];
extern const sd_bus_vtable server_vtable[], local_vtable[];
int root_objects_add(Bus *bus) must_check_;
int server_objects_add(Bus *bus) must_check_;
int source_objects_add(Bus *bus) must_check_;
void sources_view(Bus *bus, SourcesView *ret);
void manual_view(Bus *bus, ManualView *ret);
int manual_object_find(sd_bus *connection, const char *path, const char *interface, void *userdata,
                       void **ret, sd_bus_error *error);

/* --- exported sources: exported-sources.c --- */
ExportedSource *exported_source_by_path(Bus *bus, const char *path);
ExportedSource *exported_source_by_id(Bus *bus, SourceId id);
/* Ids of all sources in the order of the reports. *ret: heap array of *ret_count. */
int bus_list_sources(Bus *bus, SourceId **ret, size_t *ret_count) must_check_;
/* Takes up a source, or all, that is not exported yet. Emits InterfacesAdded when connected. */
int bus_export_source(Bus *bus, SourceId id) must_check_;
int bus_export_sources(Bus *bus) must_check_;
void bus_unexport_source(Bus *bus, SourceId id);
void bus_free_sources(Bus *bus);

/* --- signals: publish.c --- */
int publish_new(Bus *bus) must_check_;

/* --- commands: command-call.c --- */
typedef enum ReplyKind {
    REPLY_NOTHING = 0,
    REPLY_COUNT,  /* u: how many sources were met */
    REPLY_TIME,   /* ddd: offset (s), change of the frequency and frequency (ppm) */
    REPLY_SOURCE, /* o: the path of the source in the reply */
} ReplyKind;

/* Checks the arguments, asks polkit, applies, replies. What a method handler returns. */
int bus_run_command(Bus *bus, sd_bus_message *message, const Command *command, ReplyKind reply,
                    sd_bus_error *error);
/* Asks polkit alone, for a method that only reads. Returns 0 when it is granted; anything else is what the
 * handler returns. */
int bus_authorize(Bus *bus, sd_bus_message *message, const char *action, sd_bus_error *error) must_check_;
/* Sets the error of a result that is not COMMAND_OK. detail: "" or what exactly is wrong. Returns what a
 * method handler returns. */
int bus_refuse(CommandResult result, const char *detail, sd_bus_error *error);

/* Which sources a text means: "" all, an address, a network, a name, an object path. Negative:
 * none, and error is set. */
int bus_read_mask(Bus *bus, const char *text, SourceMask *ret, sd_bus_error *error) must_check_;
/* One source by name or object path, likewise. */
int bus_read_source(Bus *bus, const char *text, SourceId *ret, sd_bus_error *error) must_check_;
