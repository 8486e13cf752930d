// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Ends of a connection in memory, and what carries bytes between two of them. */

#include "nts/ke-client.h"
#include "nts/ke-server.h"
#include "tls-peer.h"

typedef struct KeEnd {
    void *object;
    size_t (*output)(const void *object, const uint8_t **ret);
    void (*on_sent)(void *object, size_t length);
    void (*on_bytes)(void *object, const uint8_t *bytes, size_t length);
} KeEnd;

KeEnd ke_end_of_client(KeClient *client);
KeEnd ke_end_of_server(KeServer *server);
KeEnd ke_end_of_peer(TlsPeer *peer);

/* Carries what both have to say, in pieces of at most so many bytes, until both are silent. */
void ke_carry(KeEnd a, KeEnd b, size_t piece);
/* Any size. */
#define KE_WHOLE SIZE_MAX
