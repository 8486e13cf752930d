// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Names to addresses without stopping the event loop: threads that ask getaddrinfo(), and libresolv for
 * services, started when there is something to ask and gone when there is nothing left. */

#include <systemd/sd-event.h>

#include "core/api/name-lookup.h"

typedef struct Lookup Lookup;

/* Names that may wait at a time; further ones are answered as not found. */
#define LOOKUP_QUEUE_MAX 64

/* Names that are asked for at a time; one that nobody answers for does not keep the others. */
#define LOOKUP_THREADS_MAX 4

/* ticket: as given with the question. The places are in the order of the resolver. */
typedef void (*LookupHandler)(void *userdata, uint64_t ticket, const LookupAnswer *answer);

/* event is referenced. */
int lookup_new(sd_event *event, LookupHandler handler, void *userdata, Lookup **ret) must_check_;

/* Does not wait for a question that is under way. */
Lookup *lookup_free(Lookup *lookup);
DEFINE_CLEANUP(Lookup, lookup_free);

/* The handler is called exactly once for each question: at once when the queue is full, later otherwise. */
void lookup_ask(Lookup *lookup, uint64_t ticket, const LookupQuestion *question);
