// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The part of the configuration that is about handing out keys of Network Time Security: who may come is what
 * `allow` says, where to listen `bindaddress` and `binddevice`. */

#include "core/config/server-config.h"

typedef struct NtsServerConfig {
    char *
        *certificates; /* owned; PEM files, each a chain that begins with our own; NULL-terminated or NULL */
    char **keys;       /* owned; their private keys, in the same order, as many */
    uint16_t port;     /* of TCP; 4460; 0: nobody gets keys */
    int32_t threads;   /* ntsprocesses, 0..1000; 0: the event loop; 1 */
    int32_t max_connections; /* at once, for each of them; 100 */
    char *ntp_server;        /* owned; where clients are to ask for the time; NULL: where they have come to */
    int32_t rotate; /* s after which cookies get a new key; 0: somebody else makes the keys; 604800 */
    RateLimitConfig rate_limit; /* of connections */
} NtsServerConfig;

extern const RateLimitConfig NTS_RATE_LIMIT_CONFIG_DEFAULT;

/* What `to` had before is not freed. */
int nts_server_config_copy(const NtsServerConfig *from, NtsServerConfig *to) must_check_;
void nts_server_config_clear(NtsServerConfig *config);

/* Clients are served in the same way; their limits and the files may differ. */
bool nts_server_config_serves_equal(const NtsServerConfig *a, const NtsServerConfig *b);
