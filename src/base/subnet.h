// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Networks as people write them: 192.0.2.0/24, 2001:db8::/32, an address alone, or the beginning of an IPv4
 * address ("10" is 10.0.0.0/8, "192.0.2" is 192.0.2.0/24). */

#include "base/address.h"

/* Longest text with terminator. */
#define IP_SUBNET_TEXT_MAX (IP_ADDRESS_TEXT_MAX + 4)

/* Returns false, with the outputs untouched, when text is no network: it may be a name. ret_prefix: 0..32 or
 * 0..128. Bits behind the prefix are cleared. */
bool ip_subnet_parse(const char *text, IpAddress *ret, uint8_t *ret_prefix) must_check_;

/* Writes "ADDRESS/BITS" and returns buffer. */
const char *ip_subnet_format(const IpAddress *address, uint8_t prefix,
                             char buffer[static IP_SUBNET_TEXT_MAX]);
