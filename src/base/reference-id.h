// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The 32 bits by which a server is named in the reference ID field (RFC 5905, section 7.3): an IPv4 address
 * itself, the first four bytes of the MD5 of an IPv6 address. */

#include "base/address.h"

/* In host order; 0 for IP_UNSPEC. */
uint32_t reference_id_of(const IpAddress *address);
