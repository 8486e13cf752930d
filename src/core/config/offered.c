// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What is taken of an offer; see offered.h. Whoever runs the network has written the text: a word is taken
 * when it is a name or an address and nothing else, and it is written anew from what was understood. */

#include "core/config/offered.h"

#include <string.h>

#include "base/address.h"
#include "base/text.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_link_local(const IpAddress *address)
{
    return address->family == IP_V6 && address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

/* The address in canonical form, with the interface as its scope where it needs one. */
static OfferRefusal write_address(const IpAddress *address, const char *interface, Text *name)
{
    char buffer[IP_ADDRESS_TEXT_MAX];
    IpAddress again;

    if (!ip_address_can_serve(address))
        return OFFER_NO_SERVER;
    text_append(name, ip_address_format(address, buffer));
    if (!is_link_local(address))
        return OFFER_NOT_REFUSED;
    text_append(name, "%");
    text_append(name, interface);
    return ip_address_parse(name->data, &again) ? OFFER_NOT_REFUSED : OFFER_NO_SERVER;
}

static OfferRefusal write_name(const char *word, Text *name)
{
    size_t length = strlen(word);

    text_append(name, word);
    if (name->length > 0 && length == name->length && word[length - 1] == '.')
        name->data[--name->length] = '\0';
    for (char *c = name->data; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char) (*c - 'A' + 'a');
    return OFFER_NOT_REFUSED;
}

/* name: empty, with room for any that is valid. */
static OfferRefusal understand(const char *word, size_t length, const char *interface, Text *name)
{
    char copy[HOST_NAME_MAX_LENGTH + 2]; /* with a dot at the end */
    IpAddress address;

    if (length >= sizeof(copy) || word[0] == '_' || memchr(word, '%', length))
        return OFFER_NO_NAME;
    memcpy(copy, word, length);
    copy[length] = '\0';
    if (!host_name_is_valid(copy))
        return OFFER_NO_NAME;
    return ip_address_parse(copy, &address) ? write_address(&address, interface, name)
                                            : write_name(copy, name);
}

static void excerpt(const char *word, size_t length, char ret[static OFFERED_EXCERPT_MAX])
{
    Text text = text_init(ret, OFFERED_EXCERPT_MAX);

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char) word[i];

        if (text.length + sizeof("\\x00...") > OFFERED_EXCERPT_MAX) {
            text_append(&text, "...");
            return;
        }
        text_append_format(&text, c > ' ' && c < 0x7f && c != '"' && c != '\\' ? "%c" : "\\x%02x", c);
    }
}

static void refuse(OfferedNames *offered, OfferRefusal reason, const char *word, size_t length)
{
    if (offered->refused++ > 0)
        return;
    offered->reason = reason;
    excerpt(word, length, offered->excerpt);
}

static bool has_name(const OfferedNames *offered, const char *name)
{
    for (size_t i = 0; i < offered->count; i++)
        if (text_equal(offered->names[i], name))
            return true;
    return false;
}

static void take_word(OfferedNames *offered, const char *word, size_t length, const char *interface)
{
    char buffer[HOST_NAME_MAX_LENGTH + 2];
    Text name = TEXT(buffer);
    OfferRefusal refusal = understand(word, length, interface, &name);

    if (refusal == OFFER_NOT_REFUSED && has_name(offered, buffer))
        return;
    if (refusal == OFFER_NOT_REFUSED && offered->count == OFFERED_MAX)
        refusal = OFFER_TOO_MANY;
    if (refusal != OFFER_NOT_REFUSED)
        refuse(offered, refusal, word, length);
    else
        (void) text_copy(offered->names[offered->count++], sizeof(offered->names[0]), buffer);
}

void offered_read(const char *text, const char *interface, OfferedNames *ret)
{
    size_t length = strnlen(text, OFFERED_TEXT_MAX + 1), begin = 0;

    *ret = (OfferedNames) {0};
    while (begin < length && begin < OFFERED_TEXT_MAX) {
        size_t end = begin;

        while (end < length && !is_blank(text[end]))
            end++;
        /* Cut off, it might be another name. */
        if (end > OFFERED_TEXT_MAX)
            break;
        if (end > begin)
            take_word(ret, text + begin, end - begin, interface);
        begin = end + 1;
    }
    if (length > OFFERED_TEXT_MAX)
        refuse(ret, OFFER_TOO_LONG, text, OFFERED_EXCERPT_MAX);
}

static size_t length_without_dot(const char *name)
{
    size_t length = strlen(name);

    return length > 1 && name[length - 1] == '.' ? length - 1 : length;
}

bool offered_name_equal(const char *a, const char *b)
{
    char x[HOST_NAME_MAX_LENGTH + 2], y[HOST_NAME_MAX_LENGTH + 2];
    size_t m = length_without_dot(a), n = length_without_dot(b);

    if (m != n || m >= sizeof(x))
        return false;
    memcpy(x, a, m);
    memcpy(y, b, n);
    x[m] = y[n] = '\0';
    return text_equal_ignore_case(x, y);
}
