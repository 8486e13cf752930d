// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See credentials.h. */

#include "credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool credential_find(const char *name, char ret[static PATH_MAX])
{
    const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");

    if (!folder || folder[0] != '/')
        return false;
    int length = snprintf(ret, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX && access(ret, F_OK) == 0;
}
