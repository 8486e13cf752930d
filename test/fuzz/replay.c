// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Stands in for libFuzzer where there is none: gives every file of the folders in the arguments to the
 * harness once. TAP; a finding is a crash. */

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static int count;

static int replay(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void) ftw;
    if (type != FTW_F)
        return 0;

    FILE *file = fopen(path, "re");
    /* An own block of the exact size, so that a sanitizer sees the first byte too much. */
    uint8_t *bytes = malloc(st->st_size > 0 ? (size_t) st->st_size : 1);
    if (!file || !bytes)
        abort();
    size_t size = fread(bytes, 1, (size_t) st->st_size, file);
    fclose(file);
    (void) LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    printf("ok %d - %s\n", ++count, path);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (nftw(argv[i], replay, 8, FTW_PHYS) != 0)
            return EXIT_FAILURE;
    printf("1..%d\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
