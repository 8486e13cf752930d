// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Key files under arbitrary bytes. Whatever comes out must be sorted, each id once, each secret within its
 * block and of a length that its digest takes. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "nts/key-file.h"
#include "nts/mac.h"

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void on_problem(void *userdata, KeyProblem problem, uint32_t line, uint32_t id)
{
    (void) userdata, (void) id;
    require(key_problem_text(problem)[0] != '\0', "a sentence for every problem");
    require(line > 0, "lines count from 1");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t digest[NTP_DIGEST_MAX];
    Keys keys;

    if (keys_parse((const char *) data, size, on_problem, NULL, &keys) < 0)
        return 0;
    for (size_t i = 0; i < keys.count; i++) {
        const Key *key = &keys.items[i];
        require(key->id > 0 && (i == 0 || key[-1].id < key->id), "sorted, each id once");
        require(key->length > 0 && key->offset + key->length <= keys.secrets_size, "within the block");
        require(keys_find(&keys, key->id) == key, "found");
        require(mac_compute(key->type, keys.secrets + key->offset, key->length, data, size < 48 ? size : 48,
                            digest) > 0,
                "usable");
    }
    keys_clear(&keys);
    return 0;
}
