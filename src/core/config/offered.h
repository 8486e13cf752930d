// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Servers that a network offers (DHCP options 42, 31 and 56, as its managers hand them on): a text in which
 * anything may be, and what is taken of it. */

#include <stddef.h>

#include "base/host-name.h"
#include "core/api/verdict.h"

/* As many are taken of one interface. */
#define OFFERED_MAX 8

/* What stands further behind in the text is not looked at. */
#define OFFERED_TEXT_MAX 65536

/* Room for what was refused, as it may be printed. */
#define OFFERED_EXCERPT_MAX 72

typedef struct OfferedNames {
    char names[OFFERED_MAX][HOST_NAME_MAX_LENGTH + 1]; /* no two are the same: see offered_read() */
    size_t count;
    size_t refused;                    /* words that are not among them, repetitions aside */
    OfferRefusal reason;               /* of the first of them */
    char excerpt[OFFERED_EXCERPT_MAX]; /* the first of them, perhaps cut; printable ASCII without '"' */
} OfferedNames;

/* Reads words with blanks between them. Taken are literal addresses of others, in canonical form, and names
 * of hosts, in lower case and without the dot at the end; a link-local IPv6 address gets the interface as its
 * scope, and none can bring another one. A name of a service ("_ntp._udp...") is none of a host. */
void offered_read(const char *text, const char *interface, OfferedNames *ret);

/* Whether two names of a source mean the same: as they are compared with names of the configuration. */
bool offered_name_equal(const char *a, const char *b);
