// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A socket on which requests come in, and the transmit timestamps that the kernel still owes us for answers
 * that left by it. Belongs to one thread. */

#include <sys/socket.h>

#include "core/ntp/server-shard.h"

/* Answers whose timestamp is awaited at a time; a power of 2. Of the others it is lost, which costs nothing
 * but that the time of the daemon stands in. */
#define REQUEST_SOCKET_AWAITED_MAX 128

/* Control data that asks for a timestamp, bytes. */
#define REQUEST_STAMP_SPACE CMSG_SPACE(sizeof(uint32_t))

typedef struct RequestSocket RequestSocket;

/* What a socket needs so that its requests can be served. Works with one that somebody else has bound. */
int request_socket_prepare(int fd, IpFamily family) must_check_;

/* fd: prepared and non-blocking; borrowed. Whoever had it before does not send by it any more. */
int request_socket_new(int fd, RequestSocket **ret) must_check_;
RequestSocket *request_socket_free(RequestSocket *socket);
DEFINE_CLEANUP(RequestSocket, request_socket_free);

int request_socket_fd(const RequestSocket *socket);

/* Writes control data by which the kernel stamps the packet that it goes with; REQUEST_STAMP_SPACE bytes. */
void request_stamp_ask(struct cmsghdr *ret);

/* An answer has left that asked for a timestamp; in the order in which they left. */
void request_socket_await(RequestSocket *socket, const ServerSent *sent);

/* Sending has failed: from now on the kernel counts from 0. What is awaited is forgotten. */
void request_socket_count_anew(RequestSocket *socket);

/* Tells the timestamps that have come by now. Never waits. */
void request_socket_read_stamps(RequestSocket *socket,
                                void (*on_stamp)(void *userdata, const ServerSent *sent, RawTime when),
                                void *userdata);
