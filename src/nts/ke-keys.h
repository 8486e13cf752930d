// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Which keys a TLS session gives to an NTS association: what is asked of the exporter of TLS 1.3 (RFC 8915,
 * section 5.1). */

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "core/api/nts.h"
#include "nts/tls.h"

#define KE_EXPORT_LABEL   "EXPORTER-network-time-security"
#define KE_EXPORT_CONTEXT 5 /* bytes */

typedef enum KeDirection { KE_CLIENT_TO_SERVER = 0, KE_SERVER_TO_CLIENT = 1 } KeDirection;

/* The context of a key. compliant: as RFC 8915 says; otherwise as chrony 4.4 to 4.6 does it for
 * AEAD_AES_128_GCM_SIV, whose context names AEAD_AES_SIV_CMAC_256; for other AEADs it is the same. */
void ke_export_context(NtsAead aead, bool compliant, KeDirection direction,
                       uint8_t ret[static KE_EXPORT_CONTEXT]);
/* Whether compliant makes a difference. */
bool ke_export_is_ambiguous(NtsAead aead);

/* Both keys of an open session. */
bool ke_export_keys(const Tls *tls, NtsAead aead, bool compliant, NtsKeys *ret) must_check_;
