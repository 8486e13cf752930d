// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Addresses of the network as plain values. Text in both directions, no name lookup. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"

typedef enum IpFamily { IP_UNSPEC = 0, IP_V4, IP_V6 } IpFamily;

/* Compared and copied as a whole: unused bytes are 0. */
typedef struct IpAddress {
    uint8_t family;    /* IpFamily */
    uint8_t bytes[16]; /* network order; the first 4 for IP_V4 */
    uint32_t scope;    /* interface index of a link-local IPv6 address, 0: none */
} IpAddress;

typedef struct IpEndpoint {
    IpAddress address;
    uint16_t port; /* host order */
} IpEndpoint;

/* Longest text with terminator: IPv6, '%' and an interface index; with brackets and port for an endpoint. */
#define IP_ADDRESS_TEXT_MAX  60
#define IP_ENDPOINT_TEXT_MAX 70

static inline bool ip_address_equal(const IpAddress *a, const IpAddress *b)
{
    if (a->family != b->family)
        return false;
    /* Also faster: four bytes that were just written cannot be read as part of eight at once. */
    if (a->family == IP_V4)
        return memcmp(a->bytes, b->bytes, 4) == 0;
    return a->scope == b->scope && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool ip_endpoint_equal(const IpEndpoint *a, const IpEndpoint *b);

/* No address at all, or the one that stands for all of this machine's: what a socket is bound to by itself.
 */
bool ip_address_is_any(const IpAddress *address);

/* Whether somebody elsewhere can answer at it: not the machine itself, not many at once, not nobody. */
bool ip_address_can_serve(const IpAddress *address);

/* Reads a literal address (IPv6 with an optional %scope, a number or an interface name). Returns false, with
 * ret untouched, when text is not one: it may be a name. */
bool ip_address_parse(const char *text, IpAddress *ret) must_check_;

/* Writes the canonical text (RFC 5952) into buffer and returns buffer. "" for IP_UNSPEC. */
const char *ip_address_format(const IpAddress *address, char buffer[static IP_ADDRESS_TEXT_MAX]);
const char *ip_endpoint_format(const IpEndpoint *endpoint, char buffer[static IP_ENDPOINT_TEXT_MAX]);

/* To and from the socket API. from returns false for a family that is neither AF_INET nor AF_INET6. */
socklen_t ip_endpoint_to_sockaddr(const IpEndpoint *endpoint, struct sockaddr_storage *ret);
bool ip_endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t length, IpEndpoint *ret) must_check_;
