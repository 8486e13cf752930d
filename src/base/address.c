// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Addresses as values; see address.h. */

#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static bool scope_parse(const char *text, uint32_t *ret)
{
    char *end;

    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0') {
        if (errno != 0 || n == 0 || n > UINT32_MAX)
            return false;
        *ret = (uint32_t) n;
        return true;
    }
    unsigned index = if_nametoindex(text);
    if (index == 0)
        return false;
    *ret = index;
    return true;
}

bool ip_endpoint_equal(const IpEndpoint *a, const IpEndpoint *b)
{
    return a->port == b->port && ip_address_equal(&a->address, &b->address);
}

bool ip_address_is_any(const IpAddress *address)
{
    static const uint8_t zeros[16];

    return memcmp(address->bytes, zeros, sizeof zeros) == 0;
}

bool ip_address_can_serve(const IpAddress *address)
{
    static const uint8_t zeros[16], loopback[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *b = address->bytes;

    if (address->family == IP_V6 && memcmp(b, mapped, sizeof mapped) == 0)
        b += sizeof mapped;
    else if (address->family == IP_V6)
        return b[0] != 0xff && memcmp(b, zeros, 16) != 0 && memcmp(b, loopback, 16) != 0;
    return address->family != IP_UNSPEC && b[0] != 0 && b[0] != 127 && b[0] < 224;
}

bool ip_address_parse(const char *text, IpAddress *ret)
{
    IpAddress address = {};
    char host[INET6_ADDRSTRLEN];

    if (inet_pton(AF_INET, text, address.bytes) == 1) {
        address.family = IP_V4;
        *ret = address;
        return true;
    }
    const char *percent = strchr(text, '%');
    size_t length = percent ? (size_t) (percent - text) : strlen(text);
    if (length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    if (inet_pton(AF_INET6, host, address.bytes) != 1)
        return false;
    if (percent && !scope_parse(percent + 1, &address.scope))
        return false;
    address.family = IP_V6;
    *ret = address;
    return true;
}

const char *ip_address_format(const IpAddress *address, char buffer[static IP_ADDRESS_TEXT_MAX])
{
    buffer[0] = '\0';
    if (address->family == IP_UNSPEC)
        return buffer;
    inet_ntop(address->family == IP_V4 ? AF_INET : AF_INET6, address->bytes, buffer, INET6_ADDRSTRLEN);
    if (address->scope != 0) {
        size_t used = strlen(buffer);
        snprintf(buffer + used, IP_ADDRESS_TEXT_MAX - used, "%%%u", (unsigned) address->scope);
    }
    return buffer;
}

const char *ip_endpoint_format(const IpEndpoint *endpoint, char buffer[static IP_ENDPOINT_TEXT_MAX])
{
    char text[IP_ADDRESS_TEXT_MAX];

    ip_address_format(&endpoint->address, text);
    snprintf(buffer, IP_ENDPOINT_TEXT_MAX, endpoint->address.family == IP_V6 ? "[%s]:%u" : "%s:%u", text,
             (unsigned) endpoint->port);
    return buffer;
}

socklen_t ip_endpoint_to_sockaddr(const IpEndpoint *endpoint, struct sockaddr_storage *ret)
{
    *ret = (struct sockaddr_storage) {};
    if (endpoint->address.family == IP_V4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
        memcpy(&in.sin_addr, endpoint->address.bytes, sizeof in.sin_addr);
        memcpy(ret, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons(endpoint->port),
                               .sin6_scope_id = endpoint->address.scope};
    memcpy(&in6.sin6_addr, endpoint->address.bytes, sizeof in6.sin6_addr);
    memcpy(ret, &in6, sizeof in6);
    return sizeof in6;
}

bool ip_endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t length, IpEndpoint *ret)
{
    IpEndpoint endpoint = {};

    if (sa->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        endpoint.address.family = IP_V4;
        memcpy(endpoint.address.bytes, &in.sin_addr, sizeof in.sin_addr);
        endpoint.port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        endpoint.address.family = IP_V6;
        memcpy(endpoint.address.bytes, &in6.sin6_addr, sizeof in6.sin6_addr);
        endpoint.address.scope = IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) ? in6.sin6_scope_id : 0;
        endpoint.port = ntohs(in6.sin6_port);
    } else
        return false;
    *ret = endpoint;
    return true;
}
