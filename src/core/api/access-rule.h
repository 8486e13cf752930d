// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Who may ask us: one rule for each network. A value; the table that is made of many is core/ntp/access.h. */

#include "base/address.h"

typedef struct AccessRule {
    IpAddress network; /* family IP_UNSPEC: every address of both families. Bits behind the prefix are nothing
                        */
    uint8_t prefix;    /* bits of network that count, 0..32 or 0..128; 0 with IP_UNSPEC */
    bool allow;        /* or deny */
    bool all;          /* what earlier rules said about networks inside of this one is forgotten */
} AccessRule;
