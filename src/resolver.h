// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Who looks up names for the daemon: systemd-resolved where it is, threads that ask the resolver of libc
 * where it is not, or no longer. Each question has exactly one answer. */

#include <systemd/sd-event.h>

#include "core/api/name-lookup.h"

typedef struct Resolver Resolver;

typedef struct ResolverSetup {
    sd_event *event; /* referenced */
    IpFamily family; /* the only one that is asked for; IP_UNSPEC: both */
    /* Asks resolved. True: resolver_on_name() will be called with that ticket, later and once. */
    bool (*ask_resolved)(void *userdata, uint64_t ticket, const LookupQuestion *question);
    bool (*clock_is_right)(void *userdata); /* as LookupQuestion.trusted_time */
    void *userdata;
} ResolverSetup;

/* id: as given with the question. */
typedef void (*ResolverHandler)(void *userdata, uint64_t id, const LookupAnswer *answer);

int resolver_new(const ResolverSetup *setup, Resolver **ret) must_check_;
/* Questions that are open are not answered any more. */
Resolver *resolver_free(Resolver *resolver);
DEFINE_CLEANUP(Resolver, resolver_free);

/* The handler is called exactly once: at once for a literal address, for a family that is not wanted and when
 * too many questions are open, later otherwise. */
void resolver_ask(Resolver *resolver, const LookupQuestion *question, ResolverHandler handler, void *userdata,
                  uint64_t id);
/* The same for a host of either family, or of that one. */
void resolver_ask_host(Resolver *resolver, const char *name, IpFamily family, ResolverHandler handler,
                       void *userdata, uint64_t id);

/* Who asked with that userdata is no more: its handler is not called again. */
void resolver_forget(Resolver *resolver, const void *userdata);

/* What resolved says; NULL: it will not say anything, and another way is taken. */
void resolver_on_name(Resolver *resolver, uint64_t ticket, const LookupAnswer *answer);
