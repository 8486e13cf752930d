// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The files in which keys and cookies of sources wait while we do not run (ntsdumpdir): one for each server
 * of keys, named by its address, readable by us alone. A cookie must never be used twice, so a file is
 * removed when it is read. */

#include "base/journal.h"
#include "core/api/nts.h"

/* False: there is nothing of use, which is told when there is something. */
bool kept_keys_take(Journal *journal, const char *directory, const IpAddress *server,
                    NtsKept *ret) must_check_;

void kept_keys_leave(Journal *journal, const char *directory, const IpAddress *server, const NtsKept *kept);
