// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See ke-ends.h. */

#include "ke-ends.h"

#include <string.h>

#include "unit.h"

static size_t client_output(const void *object, const uint8_t **ret)
{
    return ke_client_output(object, ret);
}

static void client_on_sent(void *object, size_t length)
{
    ke_client_on_sent(object, length);
}

static void client_on_bytes(void *object, const uint8_t *bytes, size_t length)
{
    ke_client_on_bytes(object, bytes, length);
}

KeEnd ke_end_of_client(KeClient *client)
{
    return (KeEnd) {client, client_output, client_on_sent, client_on_bytes};
}

static size_t server_output(const void *object, const uint8_t **ret)
{
    return ke_server_output(object, ret);
}

static void server_on_sent(void *object, size_t length)
{
    ke_server_on_sent(object, length);
}

static void server_on_bytes(void *object, const uint8_t *bytes, size_t length)
{
    ke_server_on_bytes(object, bytes, length);
}

KeEnd ke_end_of_server(KeServer *server)
{
    return (KeEnd) {server, server_output, server_on_sent, server_on_bytes};
}

static size_t peer_output(const void *object, const uint8_t **ret)
{
    return tls_peer_output(object, ret);
}

static void peer_on_sent(void *object, size_t length)
{
    tls_peer_on_sent(object, length);
}

static void peer_on_bytes(void *object, const uint8_t *bytes, size_t length)
{
    tls_peer_on_bytes(object, bytes, length);
}

KeEnd ke_end_of_peer(TlsPeer *peer)
{
    return (KeEnd) {peer, peer_output, peer_on_sent, peer_on_bytes};
}

/* False: it has nothing to say. The piece is a block of its own, so that a sanitizer sees its end. */
static bool carry_piece(KeEnd from, KeEnd to, size_t piece)
{
    const uint8_t *bytes;
    size_t length = MIN(from.output(from.object, &bytes), piece);

    if (length == 0)
        return false;
    uint8_t *copy = malloc(length);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    from.on_sent(from.object, length);
    to.on_bytes(to.object, copy, length);
    free(copy);
    return true;
}

void ke_carry(KeEnd a, KeEnd b, size_t piece)
{
    bool carried = true;

    while (carried) {
        carried = carry_piece(a, b, piece);
        carried |= carry_piece(b, a, piece);
    }
}
