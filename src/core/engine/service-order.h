// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* In which order the hosts of a service are asked: RFC 2782. */

#include "core/api/name-lookup.h"

/* Sorts the places: the lowest priority first; among the records of one priority a random one first, as often
 * as its weight among them says, then one of the rest, and so on. The addresses of a record stay together and
 * in their order. noise: returns 0 <= x < 1, anew each time. */
void service_order(LookupAnswer *answer, double (*noise)(void *userdata), void *userdata);
