// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Keys and cookies of a source as text, in the format in which chrony keeps them between its runs: a line
 * that says which format it is (NNC0), the name of the server, when the keys were established (seconds since
 * 1970), address and port that are asked for the time; then number of the establishment, AEAD, key to the
 * client and key to the server (hexadecimal); then one cookie on each line. */

#include "base/text.h"
#include "core/api/nts.h"

/* Longest text with its end. */
#define KEPT_KEYS_TEXT_MAX 6144

/* text: an empty one of that size; what is in it afterwards is a secret. */
void kept_keys_format(const NtsKept *kept, Text *text);

/* Reads a whole file. False: it is no such text; ret has nothing of use then. */
bool kept_keys_parse(const char *text, size_t length, NtsKept *ret) must_check_;
