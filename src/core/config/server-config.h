// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The part of the configuration that is about giving time to others: the server, and what it tells when there
 * is no source. */

#include <stddef.h>

#include "base/macros.h"
#include "core/api/access-rule.h"
#include "core/api/local-config.h"

/* One line of allow or deny. Rules with a host wait until its name is resolved. */
typedef struct AccessLine {
    AccessRule rule;
    char *host; /* owned; NULL: rule.network says it all */
} AccessLine;

/* One line of broadcast. */
typedef struct BroadcastLine {
    int32_t interval;       /* s, 1..2^24 */
    IpEndpoint destination; /* of a network, or of a multicast group */
} BroadcastLine;

typedef struct RateLimitConfig {
    bool enabled;
    int32_t interval; /* log2 s between answers in the long run, -19..12; 3 */
    int32_t burst;    /* answers that may come at once, 1..255; 8 */
    int32_t leak; /* 1 of 2^leak requests beyond the limit is answered nevertheless, so that who forges the
                     address of a client cannot silence it; 1..4; 2 */
    int32_t kod;  /* 1 of 2^kod of the others is told to slow down, 1..4; 0: none */
} RateLimitConfig;

typedef struct ServerConfig {
    uint16_t port;        /* 123; 0: no server */
    IpAddress *addresses; /* owned; to listen on, any number of each family; none of a family: all of them */
    size_t address_count;
    char device[16];    /* "": any */
    int32_t threads;    /* that serve, 0..64; 0: the event loop */
    AccessLine *access; /* owned; in the order of the files */
    size_t access_count;
    BroadcastLine *broadcasts; /* owned */
    size_t broadcast_count;
    uint32_t log_limit; /* bytes for the log of clients; 524288 */
    bool no_client_log;
    char *signd_directory; /* owned; of Samba's ntp_signd; NULL: nothing is signed there */
    RateLimitConfig rate_limit;
} ServerConfig;

/* What is in force without the directive; `enabled` is what the directive says by itself. */
extern const RateLimitConfig RATE_LIMIT_CONFIG_DEFAULT;
extern const LocalConfig LOCAL_CONFIG_DEFAULT;

/* What `to` had before is not freed. */
int server_config_copy(const ServerConfig *from, ServerConfig *to) must_check_;
void server_config_clear(ServerConfig *config);

/* Append a copy. */
int server_config_add_address(ServerConfig *config, const IpAddress *address) must_check_;
int server_config_add_broadcast(ServerConfig *config, const BroadcastLine *line) must_check_;
int server_config_add_access(ServerConfig *config, const AccessRule *rule, const char *host) must_check_;

bool rate_limit_config_equal(const RateLimitConfig *a, const RateLimitConfig *b);
bool local_config_equal(const LocalConfig *a, const LocalConfig *b);

/* The same addresses, port and device to listen on. */
bool server_config_listens_equal(const ServerConfig *a, const ServerConfig *b);
