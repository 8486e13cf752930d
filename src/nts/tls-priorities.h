// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What we speak of all that gnutls can: TLS 1.3, and of that what the administrator of this machine allows.
 */

#include <gnutls/gnutls.h>

#include "base/macros.h"

/* What a client offers. 0 or an error of gnutls; to be freed with gnutls_priority_deinit(). */
int tls_client_priorities(gnutls_priority_t *ret) must_check_;
/* What a server chooses from: the same, the cheap first. */
int tls_server_priorities(gnutls_priority_t *ret) must_check_;
