// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Files of kept keys under arbitrary bytes. Whatever comes out fits its limits, and comes out again when it
 * is written and read. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "nts/kept-keys.h"

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void require_equal(const NtsKept *a, const NtsKept *b)
{
    require(text_equal(a->name, b->name) && a->established_s == b->established_s && a->serial == b->serial,
            "the same head");
    require(ip_endpoint_equal(&a->remote, &b->remote), "the same address");
    require(memcmp(&a->keys, &b->keys, sizeof(a->keys)) == 0, "the same keys");
    require(a->cookie_count == b->cookie_count && memcmp(a->cookies, b->cookies, sizeof(a->cookies)) == 0,
            "the same cookies");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char buffer[KEPT_KEYS_TEXT_MAX];
    Text text = TEXT(buffer);
    NtsKept kept, again;

    if (!kept_keys_parse((const char *) data, size, &kept))
        return 0;
    require(kept.cookie_count <= NTS_COOKIES, "not too many cookies");
    require(kept.keys.length == nts_aead_key_length(kept.keys.aead) && kept.keys.length > 0, "whole keys");
    for (size_t i = 0; i < kept.cookie_count; i++)
        require(kept.cookies[i].length > 0 && kept.cookies[i].length <= NTS_COOKIE_MAX, "cookies that fit");
    kept_keys_format(&kept, &text);
    require(!text.truncated, "it fits");
    require(kept_keys_parse(text.data, text.length, &again), "ours is one");
    require_equal(&kept, &again);
    return 0;
}
