// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The AEADs of NTS: AEAD_AES_SIV_CMAC_256 (RFC 5297), which every NTS server has, through nettle, and
 * AEAD_AES_128_GCM_SIV (RFC 8452) where gnutls has it. Keys have the length that nts_aead_key_length() says.
 */

#include "core/ntp/aead.h"

/* For keys that are used once. */
Aead aead_ciphers(void);
