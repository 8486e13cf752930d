// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* MD5 (RFC 1321) of a few bytes, for the reference ID of an IPv6 address and for nothing else: it protects
 * nothing, it is only the identifier that RFC 5905 defines. */

#include <stddef.h>
#include <stdint.h>

#define MD5_SIZE      16
#define MD5_INPUT_MAX 55 /* one block */

/* length: 0..MD5_INPUT_MAX bytes. */
void md5_short(const uint8_t *bytes, size_t length, uint8_t ret[static MD5_SIZE]);
