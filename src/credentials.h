// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Secrets that the service manager hands to us (systemd.exec(5), LoadCredential=), each a file in a folder of
 * ours that nobody else can read. */

#include <limits.h>
#include <stdbool.h>

/* Names that we look for; the manual has them too. */
#define CREDENTIAL_NTS_CERTIFICATE "timeball.nts-server-cert"
#define CREDENTIAL_NTS_KEY         "timeball.nts-server-key"
#define CREDENTIAL_KEYS            "timeball.keys"

/* The path of a credential; false: we were not given it. */
bool credential_find(const char *name, char ret[static PATH_MAX]);
