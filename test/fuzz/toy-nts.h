// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Ciphers and cookies that a fuzzer can make itself: a sealed text is the text and 16 bytes that are all the
 * sum of everything; a cookie has the first byte of the client's keys in it. */

#include "core/ntp/aead.h"

Aead toy_aead(void);

/* Of which each cookie has that length, 4..NTS_COOKIE_MAX. */
CookieJar toy_jar(const size_t *length);

/* Keys that are all one byte. */
NtsKeys toy_keys(uint8_t byte);
