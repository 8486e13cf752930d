// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `keygen`: a line for the key file. Nothing of it is kept, and no daemon is asked. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/text.h"
#include "core/api/authentication.h"
#include "ctl/verbs.h"

#define DEFAULT_TYPE "SHA1"
#define DEFAULT_BITS 160
#define BITS_MAX     4096

static bool fill_random(uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = getrandom(bytes, size, 0);
        if (n < 0 && errno != EINTR)
            return false;
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t) n : 0;
    }
    return true;
}

static int print_key(uint32_t id, const KeyTypeInfo *type, size_t size)
{
    uint8_t secret[BITS_MAX / 8];

    if (!fill_random(secret, size)) {
        perror("timectl: no random numbers");
        return 1;
    }
    printf("%u %s HEX:", id, type->name);
    for (size_t i = 0; i < size; i++)
        printf("%02hhX", secret[i]);
    putchar('\n');
    explicit_bzero(secret, sizeof(secret));
    return 0;
}

int verb_keygen(Client *client, int argc, char **argv)
{
    const char *name = argc > 2 ? argv[2] : DEFAULT_TYPE;
    const KeyTypeInfo *type = key_type_find(name);
    int64_t id = 1, bits = DEFAULT_BITS;

    (void) client;
    if ((argc > 1 && !text_to_int(argv[1], &id)) || id < 1 || id > UINT32_MAX ||
        (argc > 3 && !text_to_int(argv[3], &bits)))
        return syntax_error(argv[0]);
    if (!type) {
        fprintf(stderr, "Unknown hash function or cipher %s\n", name);
        return 1;
    }
    bits = CLAMP(bits, KEY_BITS_MIN, BITS_MAX);
    return print_key((uint32_t) id, type, type->key_length > 0 ? type->key_length : (size_t) (bits + 7) / 8);
}
