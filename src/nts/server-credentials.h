// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What server-certificates.h hands out, for who speaks TLS with it. Constant once it is made. */

#include <gnutls/gnutls.h>
#include <stdatomic.h>

#include "nts/server-certificates.h"

struct ServerCredentials {
    atomic_uint references;
    gnutls_certificate_credentials_t certificates;
    gnutls_priority_t priorities;
};
