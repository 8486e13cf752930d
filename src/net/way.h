// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Whether the kernel has a way to an address, without sending anything. */

#include "core/config/config.h"

/* Could a request to remote leave from that address (any of ours: all zeros) now? 0, or the positive errno of
 * what is in the way: ENETUNREACH (no route), EHOSTUNREACH, EACCES, EINVAL (a route or rule forbids it),
 * EADDRNOTAVAIL (the address is not ours), ENODEV (bindacqdevice), ENETDOWN (the link that it would leave by
 * has no carrier)... */
int way_test(const NetConfig *config, const IpEndpoint *remote, const IpAddress *local);
