// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Names of hosts; see host-name.h. ASCII only: a name in another script is written in its xn-- form. */

#include "base/host-name.h"

#include <string.h>

#include "base/address.h"

#define LABEL_MAX 63

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
}

static bool label_is_valid(const char *label, size_t length)
{
    if (length < 1 || length > LABEL_MAX || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_label_character(label[i]))
            return false;
    return true;
}

static bool label_is_number(const char *label, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_digit(label[i]))
            return false;
    return true;
}

bool host_name_is_valid(const char *text)
{
    IpAddress address;
    size_t length = strnlen(text, HOST_NAME_MAX_LENGTH + 2), begin = 0;

    if (length <= HOST_NAME_MAX_LENGTH && ip_address_parse(text, &address))
        return true;
    if (length > 0 && text[length - 1] == '.')
        length--;
    if (length < 1 || length > HOST_NAME_MAX_LENGTH)
        return false;

    for (;;) {
        const char *dot = memchr(text + begin, '.', length - begin);
        size_t end = dot ? (size_t) (dot - text) : length;

        if (!label_is_valid(text + begin, end - begin))
            return false;
        if (end == length)
            return !label_is_number(text + begin, end - begin);
        begin = end + 1;
    }
}
