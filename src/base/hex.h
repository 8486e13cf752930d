// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Bytes as hexadecimal digits, for files of keys. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Two digits of either case for each byte: writes length / 2 bytes. False for anything else; ret has nothing
 * of use then. */
bool hex_decode(const char *text, size_t length, uint8_t *ret) must_check_;

/* Writes 2 * length upper-case digits and the end. */
void hex_encode(const uint8_t *bytes, size_t length, char *ret);
