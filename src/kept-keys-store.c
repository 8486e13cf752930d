// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See kept-keys-store.h. The text has for each server of keys its address on a line, the lines that its file
 * would have (nts/kept-keys.h), and an empty line. */

#include "kept-keys-store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nts/kept-keys.h"

/* Of a text that we read, bytes. */
#define STORE_MAX ((size_t) 4 << 20)

typedef struct Entry {
    IpAddress server;
    NtsKept kept;
} Entry;

struct KeptKeysStore {
    Entry *entries;
    size_t count;
};

int kept_keys_store_new(KeptKeysStore **ret)
{
    KeptKeysStore *store = calloc(1, sizeof *store);

    if (!store)
        return -ENOMEM;
    *ret = store;
    return 0;
}

KeptKeysStore *kept_keys_store_free(KeptKeysStore *store)
{
    if (!store)
        return NULL;
    if (store->entries)
        explicit_bzero(store->entries, store->count * sizeof *store->entries);
    free(store->entries);
    free(store);
    return NULL;
}

static Entry *find(KeptKeysStore *store, const IpAddress *server)
{
    for (size_t i = 0; i < store->count; i++)
        if (ip_address_equal(&store->entries[i].server, server))
            return &store->entries[i];
    return NULL;
}

bool kept_keys_store_take(KeptKeysStore *store, const IpAddress *server, NtsKept *ret)
{
    Entry *entry = find(store, server);

    if (!entry)
        return false;
    *ret = entry->kept;
    *entry = store->entries[--store->count];
    explicit_bzero(&store->entries[store->count], sizeof *entry);
    return true;
}

/* In place of what was there. Grows by a copy, so that no secret stays behind in memory that was given back.
 */
int kept_keys_store_leave(KeptKeysStore *store, const IpAddress *server, const NtsKept *kept)
{
    Entry *old = find(store, server);
    size_t count = store->count;

    if (old) {
        old->kept = *kept;
        return 0;
    }
    Entry *entries = calloc(count + 1, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    if (count > 0) {
        memcpy(entries, store->entries, count * sizeof *entries);
        explicit_bzero(store->entries, count * sizeof *entries);
    }
    free(store->entries);
    entries[count] = (Entry) {.server = *server, .kept = *kept};
    store->entries = entries;
    store->count = count + 1;
    return 0;
}

int kept_keys_store_format(const KeptKeysStore *store, char **ret, size_t *ret_length)
{
    size_t each = KEPT_KEYS_TEXT_MAX + IP_ADDRESS_TEXT_MAX + 2, length = 0;
    char address[IP_ADDRESS_TEXT_MAX];

    *ret = NULL;
    *ret_length = 0;
    if (store->count == 0)
        return 0;
    char *bytes = malloc(store->count * each);
    if (!bytes)
        return -ENOMEM;
    for (size_t i = 0; i < store->count; i++) {
        Text text = text_init(bytes + length, each);
        text_append_format(&text, "%s\n", ip_address_format(&store->entries[i].server, address));
        kept_keys_format(&store->entries[i].kept, &text);
        text_append(&text, "\n");
        length += text.length;
    }
    *ret = bytes;
    *ret_length = length;
    return 0;
}

/* One server of keys. Returns what is behind it, NULL: it is none. */
static const char *parse_entry(KeptKeysStore *store, const char *text, const char *end)
{
    const char *line = memchr(text, '\n', (size_t) (end - text));
    char address[IP_ADDRESS_TEXT_MAX];
    IpAddress server;
    NtsKept kept;

    if (!line || (size_t) (line - text) >= sizeof address)
        return NULL;
    memcpy(address, text, (size_t) (line - text));
    address[line - text] = '\0';
    const char *keys = line + 1, *empty = memmem(keys, (size_t) (end - keys), "\n\n", 2);
    if (!empty || !ip_address_parse(address, &server) ||
        !kept_keys_parse(keys, (size_t) (empty + 1 - keys), &kept))
        return NULL;
    int r = kept_keys_store_leave(store, &server, &kept);
    explicit_bzero(&kept, sizeof kept);
    return r < 0 ? NULL : empty + 2;
}

bool kept_keys_store_read(KeptKeysStore *store, int fd)
{
    struct stat status;

    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 ||
        (size_t) status.st_size > STORE_MAX)
        return false;
    size_t size = (size_t) status.st_size;
    char *text = malloc(size);
    if (!text)
        return false;
    bool good = pread(fd, text, size, 0) == status.st_size;
    for (const char *next = text; good && next < text + size;) {
        next = parse_entry(store, next, text + size);
        good = next;
        if (!good)
            break;
    }
    explicit_bzero(text, size);
    free(text);
    return good;
}
