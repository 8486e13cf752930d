// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Opening the sockets on which requests come in. */

#include "core/config/config.h"
#include "net/port-sharing.h"

/* How many sockets may share an address. */
#define SERVER_SHARERS_MAX 64

/* A socket that somebody else has opened and bound for us. */
typedef struct PassedSocket {
    int fd;
    IpEndpoint local; /* of IP_V4 or IP_V6 */
    int class;        /* socket_class() of it as it came: whoever passed it may have marked it */
} PassedSocket;

/* Where to listen. */
typedef struct ServerListen {
    const ServerConfig *config; /* its port, addresses and device; borrowed during the call */
    bool v4, v6;                /* families that anybody is allowed to ask by */
    uint8_t dscp;
    const PassedSocket *passed; /* borrowed while it is listened; if there are any, they are all */
    size_t passed_count;
} ServerListen;

/* Calls open for each address to listen on. */
void server_listen_for_each(const ServerListen *listen, void (*open)(void *userdata, const IpEndpoint *local),
                            void *userdata);

/* Makes a passed socket fit for us. What waits on it already came before the kernel stamped for us: when,
 * nobody knows, so it is not answered. */
int server_listen_adopt(int fd, IpFamily family) must_check_;

/* Has what a passed socket sends carry that code point; 0: what it carried when it came. */
void server_listen_mark(const PassedSocket *passed, uint8_t dscp);

/* Opens `count` sockets for one address, which join `sharing`. More than one share its requests: all of a
 * client, whatever its port, go to the same one, by a hash of its address that nobody can predict who does
 * not know the secret. Either all are opened or none is. */
int server_listen_open(const ServerListen *listen, PortSharing *sharing, const IpEndpoint *local,
                       size_t count, uint32_t secret, int *ret_fds) must_check_;
