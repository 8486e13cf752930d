// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What may be the name of a time source: it comes from files, from the bus and from DHCP, and goes into
 * lookups, logs, object paths and terminals. */

#include <stdbool.h>

#include "base/macros.h"

/* Longest DNS name, without terminator and without the dot at its end. */
#define HOST_NAME_MAX_LENGTH 253

/* True for a literal address (address.h) or a name of 1 to 63 letters, digits, '-' and '_' between dots, a
 * dot at the end allowed. No label begins or ends with '-'; the last one is not a number, for such a name is
 * an address with a mistake in it ("192.0.2", "192.0.2.256"). */
bool host_name_is_valid(const char *text) must_check_;
