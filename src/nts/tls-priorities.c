// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See tls-priorities.h. Key exchange and hashes are half of what a handshake costs a server, and all of what
 * is allowed is good enough: so it takes X25519 and AES-128-GCM (with SHA-256, which processors have
 * instructions for) where a client offers them. Nothing is added to the policy of the machine (system-wide
 * crypto policy, FIPS mode), only its order is changed. */

#include "nts/tls-priorities.h"

#include "base/text.h"

#define VERSION "-VERS-ALL:+VERS-TLS1.3"

int tls_client_priorities(gnutls_priority_t *ret)
{
    return gnutls_priority_init2(ret, VERSION, NULL, GNUTLS_PRIORITY_INIT_DEF_APPEND);
}

typedef struct List {
    const unsigned *ids;
    int count;
} List;

static bool contains(List list, unsigned id)
{
    for (int i = 0; i < list.count; i++)
        if (list.ids[i] == id)
            return true;
    return false;
}

static void append_groups(Text *text, List list)
{
    text_append(text, ":-GROUP-ALL");
    if (contains(list, GNUTLS_GROUP_X25519))
        text_append(text, ":+GROUP-X25519");
    for (int i = 0; i < list.count; i++)
        if (list.ids[i] != GNUTLS_GROUP_X25519)
            text_append_format(text, ":+GROUP-%s", gnutls_group_get_name(list.ids[i]));
}

static void append_ciphers(Text *text, List list)
{
    text_append(text, ":-CIPHER-ALL");
    if (contains(list, GNUTLS_CIPHER_AES_128_GCM))
        text_append(text, ":+AES-128-GCM");
    for (int i = 0; i < list.count; i++)
        if (list.ids[i] != GNUTLS_CIPHER_AES_128_GCM)
            text_append_format(text, ":+%s", gnutls_cipher_get_name(list.ids[i]));
}

int tls_server_priorities(gnutls_priority_t *ret)
{
    char buffer[1024];
    Text text = TEXT(buffer);
    gnutls_priority_t allowed;
    List groups, ciphers;
    int r = tls_client_priorities(&allowed);

    if (r < 0)
        return r;
    groups.count = gnutls_priority_group_list(allowed, &groups.ids);
    ciphers.count = gnutls_priority_cipher_list(allowed, &ciphers.ids);
    text_append(&text, VERSION ":%SERVER_PRECEDENCE");
    append_groups(&text, groups);
    append_ciphers(&text, ciphers);
    gnutls_priority_deinit(allowed);
    return gnutls_priority_init2(ret, text.truncated ? VERSION : buffer, NULL,
                                 GNUTLS_PRIORITY_INIT_DEF_APPEND);
}
