// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* UDP sockets with kernel timestamps: making one, sending, reading packets and transmit timestamps. */

#include "core/config/config.h"
#include "core/engine/engine.h"

/* Makes a non-blocking UDP socket for requests, neither bound nor connected yet. */
int socket_open(const NetConfig *config, IpFamily family, int *ret) must_check_;

/* The address that such a socket has to be bound to: `local`, or as configured, or any. */
IpAddress socket_source(const NetConfig *config, IpFamily family, const IpAddress *local);

int socket_bind(int fd, const IpEndpoint *local) must_check_;
int socket_connect(int fd, const IpEndpoint *remote) must_check_;

/* IP_UNSPEC and port 0 when unknown. */
IpEndpoint socket_local(int fd);

/* The byte of class (DSCP and ECN) that what a socket sends carries; -1: unknown. */
int socket_class(int fd, IpFamily family);
/* Changes it, if it is one (0..255) and the kernel lets us: it only helps packets on their way. */
void socket_set_class(int fd, IpFamily family, int value);
/* Has packets carry that code point; 0: as they are, which is what most networks expect. */
void socket_set_dscp(int fd, IpFamily family, uint8_t dscp);

typedef struct SocketPacket {
    IpEndpoint remote;
    Timestamp received;
    uint8_t bytes[NTP_PACKET_MAX];
    size_t length; /* up to sizeof bytes */
} SocketPacket;

/* The next packet that waits. -EAGAIN: none; another error: what the network said about an earlier request
 * (ECONNREFUSED...). A packet longer than `bytes` is cut, which no packet that we accept is. */
int socket_receive(int fd, SocketPacket *ret) must_check_;

/* The next transmit timestamp that waits, other messages of the error queue are dropped. -EAGAIN: none. */
int socket_transmit_timestamp(int fd, Timestamp *ret) must_check_;
