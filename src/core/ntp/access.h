// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Which addresses may ask us: the longest prefix that a rule names decides, whatever its length; of two rules
 * for the same network the later one. What no rule names is denied.
 *
 * The rules are compiled into a sorted list of the addresses at which the answer flips, so that looking one
 * up is one binary search over memory that never changes: any number of threads may read a table. */

#include <stddef.h>

#include "base/macros.h"
#include "core/api/access-rule.h"

typedef struct AccessTable AccessTable;

/* Rules in the order in which they were given; borrowed during the call only. */
int access_table_new(const AccessRule *rules, size_t count, AccessTable **ret) must_check_;
AccessTable *access_table_free(AccessTable *table);
DEFINE_CLEANUP(AccessTable, access_table_free);

bool access_table_allows(const AccessTable *table, const IpAddress *address);

/* Whether anybody of a family may ask: without, there is no use in listening. */
bool access_table_allows_any(const AccessTable *table, IpFamily family);
