// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Texts of networks; see subnet.h. */

#include "base/subnet.h"

#include <string.h>

#include "base/text.h"

#define SEPARATOR '/'

/* "10", "10.1", "10.1.2": the beginning of an IPv4 address, which has as many bits as were written. */
static bool parse_beginning(const char *text, IpAddress *ret, uint8_t *ret_prefix)
{
    IpAddress address = {.family = IP_V4};
    size_t parts = 0;

    for (const char *at = text;; at++) {
        unsigned value = 0, digits = 0;
        for (; *at >= '0' && *at <= '9'; at++, digits++)
            value = value * 10 + (unsigned) (*at - '0');
        if (digits == 0 || digits > 3 || value > 255 || parts == 4)
            return false;
        address.bytes[parts++] = (uint8_t) value;
        if (*at == '\0')
            break;
        if (*at != '.')
            return false;
    }
    *ret = address;
    *ret_prefix = (uint8_t) (8 * parts);
    return true;
}

static void clear_behind(IpAddress *address, unsigned prefix)
{
    for (unsigned i = 0; i < sizeof(address->bytes); i++) {
        unsigned kept = prefix > 8 * i ? MIN(prefix - 8 * i, 8U) : 0;
        address->bytes[i] &= (uint8_t) (0xff00 >> kept);
    }
}

bool ip_subnet_parse(const char *text, IpAddress *ret, uint8_t *ret_prefix)
{
    char network[IP_ADDRESS_TEXT_MAX];
    const char *slash = strchr(text, SEPARATOR);
    size_t length = slash ? (size_t) (slash - text) : strlen(text);
    int64_t wanted;
    IpAddress address;
    uint8_t prefix;

    if (length >= sizeof(network))
        return false;
    memcpy(network, text, length);
    network[length] = '\0';
    if (!parse_beginning(network, &address, &prefix)) {
        if (!ip_address_parse(network, &address))
            return false;
        prefix = address.family == IP_V4 ? 32 : 128;
    }
    if (slash) {
        if (!text_to_int(slash + 1, &wanted) || wanted < 0 || wanted > (address.family == IP_V4 ? 32 : 128))
            return false;
        prefix = (uint8_t) wanted;
    }
    clear_behind(&address, prefix);
    *ret = address;
    *ret_prefix = prefix;
    return true;
}

const char *ip_subnet_format(const IpAddress *address, uint8_t prefix, char buffer[static IP_SUBNET_TEXT_MAX])
{
    Text text = text_init(buffer, IP_SUBNET_TEXT_MAX);

    text.length = strlen(ip_address_format(address, buffer));
    text_append_format(&text, "/%u", (unsigned) prefix);
    return buffer;
}
