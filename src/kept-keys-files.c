// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See kept-keys-files.h. */

#include "kept-keys-files.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "nts/kept-keys.h"

static bool name_file(const char *directory, const IpAddress *server, Text *path)
{
    char address[IP_ADDRESS_TEXT_MAX];

    text_append_format(path, "%s/%s.nts", directory, ip_address_format(server, address));
    return !path->truncated;
}

bool kept_keys_take(Journal *journal, const char *directory, const IpAddress *server, NtsKept *ret)
{
    char buffer[PATH_MAX], content[KEPT_KEYS_TEXT_MAX];
    Text path = TEXT(buffer);
    size_t length;

    if (!name_file(directory, server, &path))
        return false;
    int r = file_read_small(path.data, content, sizeof content, &length);
    if (r == -ENOENT)
        return false;
    bool good = r >= 0 && kept_keys_parse(content, length, ret);
    explicit_bzero(content, sizeof content);
    if (!good)
        journal_print(journal, LOG_LEVEL_WARNING, "Keys in %s are not used: %s", path.data,
                      r < 0 ? strerror(-r) : "it is not a file of keys and cookies");
    if (unlink(path.data) < 0) {
        journal_print(journal, LOG_LEVEL_WARNING, "Keys in %s are not used, since it cannot be removed: %s",
                      path.data, strerror(errno));
        good = false;
    }
    return good;
}

void kept_keys_leave(Journal *journal, const char *directory, const IpAddress *server, const NtsKept *kept)
{
    char buffer[PATH_MAX], content[KEPT_KEYS_TEXT_MAX];
    Text path = TEXT(buffer), text = TEXT(content);

    if (!name_file(directory, server, &path))
        return;
    kept_keys_format(kept, &text);
    int r = file_replace(path.data, text.data, text.length, 0600);
    explicit_bzero(content, sizeof content);
    if (r < 0)
        journal_print(journal, LOG_LEVEL_WARNING, "Could not keep keys in %s: %s", path.data, strerror(-r));
}
