// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A list of servers that a network offers, under arbitrary bytes: the first line is the name of the
 * interface. Whatever is taken is plain, different from the others, and taken again as it is. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "core/config/offered.h"
#include "fuzz.h"

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void check_name(const char *name, const char *interface)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_:";
    size_t length = strspn(name, plain);
    OfferedNames again;
    IpAddress address;

    require(host_name_is_valid(name), "valid");
    require(length > 0, "something");
    if (name[length] == '%') {
        require(text_equal(name + length + 1, interface), "no other scope");
        return;
    }
    require(name[length] == '\0', "plain");
    require(!ip_address_parse(name, &address) || ip_address_can_serve(&address), "an address of somebody");
    offered_read(name, interface, &again);
    require(again.count == 1 && again.refused == 0 && text_equal(again.names[0], name), "taken again");
}

static void check(const OfferedNames *offered, const char *interface)
{
    require(offered->count <= OFFERED_MAX, "bounded");
    for (size_t i = 0; i < offered->count; i++) {
        check_name(offered->names[i], interface);
        for (size_t k = 0; k < i; k++)
            require(!offered_name_equal(offered->names[i], offered->names[k]), "once");
    }
    require((offered->refused > 0) == (offered->reason != OFFER_NOT_REFUSED), "a reason");
    require((offered->refused > 0) == (offered->excerpt[0] != '\0'), "an example");
    require(strlen(offered->excerpt) < sizeof(offered->excerpt), "its length");
    for (const char *c = offered->excerpt; *c != '\0'; c++)
        require(*c > ' ' && *c < 0x7f && *c != '"', "printable");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_(freep) char *text = malloc(size + 1);
    char interface[16];
    OfferedNames offered;

    require(text != NULL, "memory");
    memcpy(text, data, size);
    text[size] = '\0';
    char *servers = strchr(text, '\n');
    if (servers)
        *servers++ = '\0';
    (void) text_copy(interface, sizeof(interface), servers ? text : "lo");
    offered_read(servers ? servers : text, interface, &offered);
    check(&offered, interface);
    return 0;
}
