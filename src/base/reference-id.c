// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Reference IDs of addresses; see reference-id.h. */

#include "base/reference-id.h"

#include "base/md5.h"

uint32_t reference_id_of(const IpAddress *address)
{
    uint8_t digest[MD5_SIZE];
    const uint8_t *b = address->bytes;

    if (address->family == IP_UNSPEC)
        return 0;
    if (address->family == IP_V6) {
        md5_short(address->bytes, 16, digest);
        b = digest;
    }
    return (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16 | (uint32_t) b[2] << 8 | b[3];
}
