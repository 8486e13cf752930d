// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Cookies and keys of our own NTS server under arbitrary bytes. The input is taken as a file of keys, then as
 * a cookie of fixed keys, then as a text to be sealed, by both implementations. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "nts/cookie-ring.h"

#define KEY "60EC1C11861AEBD1B44E31CFEDC7D993A36774F25B6CDB553329E072C8E0174A"

static const char fixed[] =
    "NKS0\n15 0\nA5EED000 " KEY "\nA5EED001 " KEY "\nA5EED002 " KEY "\nA5EED003 " KEY "\n";

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static CookieRing *ring_new(void)
{
    CookieRing *ring;

    require(cookie_ring_new(&ring) == 0, "start");
    return ring;
}

/* A file that is taken gives keys that work, and is written as one that gives the same keys. */
static void try_file(const char *text, size_t length)
{
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_new(), *again = ring_new();
    const NtsKeys keys = {.aead = NTS_AEAD_AES_SIV_CMAC_256, .length = 32, .c2s = "c2s", .s2c = "s2c"};
    char written[COOKIE_RING_TEXT_MAX];
    uint8_t cookie[NTS_COOKIE_MAX];
    NtsKeys back = {0};
    double age;

    if (!cookie_ring_parse(ring, text, length, &age)) {
        require(!cookie_ring_has_keys(ring), "refused");
        return;
    }
    require(age >= 0, "an age");
    length = cookie_ring_format(ring, age, written);
    require(length > 0 && length < sizeof(written), "room");
    require(cookie_ring_parse(again, written, length, &age), "our own file");
    CookieJar from = cookie_ring_jar(ring), to = cookie_ring_jar(again);
    length = from.seal(from.userdata, &keys, cookie);
    require(length > 0 && to.open(to.userdata, cookie, length, &back), "the same keys");
    require(memcmp(&keys, &back, sizeof(keys)) == 0, "the same client");
}

static void try_cookie(const uint8_t *bytes, size_t length)
{
    cleanup_(cookie_ring_freep) CookieRing *ring = ring_new();
    CookieJar jar = cookie_ring_jar(ring);
    NtsKeys keys;
    double age;

    require(cookie_ring_parse(ring, fixed, strlen(fixed), &age), "fixed keys");
    if (!jar.open(jar.userdata, bytes, length, &keys))
        return;
    require(keys.length == nts_aead_key_length(keys.aead) && keys.length > 0, "keys");
    /* Nobody finds one by chance: it came from the corpus. */
    require(length == 100 || length == 68, "length of a cookie");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_file((const char *) data, size);
    try_cookie(data, size);
    return 0;
}
