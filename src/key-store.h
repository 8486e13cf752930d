// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The file of symmetric keys: read, with a word to the log on whatever is wrong with it. */

#include "base/journal.h"
#include "base/text.h"
#include "nts/key-ring.h"

/* Reads a file of keys into the ring, in place of those that are there. path NULL: there are no keys. Returns
 * false when the file cannot be read: then the ring keeps what it has, and detail, unless NULL, says why. */
bool key_store_load(Journal *journal, const char *path, KeyRing *ring, Text *detail);
