// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Network Time Security of the simulated world: key establishments without TLS, and what makes a server's
 * answer authentic. The ciphers are real ones. */

#include "core/engine/engine.h"

/* What the host of that server has for a client that asks by this action: a chain that is right in all but
 * maybe its dates, which are judged as the client of the daemon does. */
void sim_establish(size_t server, const NtsValidity *validity, uint8_t host_key, const Action *establish,
                   NtsEstablishment *ret);

/* Makes an answer of so many bytes authentic. Returns its new length; the old one when the request has no
 * cookie of that server. */
size_t sim_authenticate(size_t server, const Action *send, uint8_t *bytes, size_t length, size_t size);
