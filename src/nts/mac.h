// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Keyed digests, through gnutls. */

#include "core/api/authentication.h"
#include "core/ntp/authenticator.h"

/* Longest secret, bytes: what fits on a line of a key file. */
#define MAC_KEY_MAX 2047

/* Whether this machine's gnutls can do it. */
bool mac_is_supported(KeyType type);

/* Writes the whole digest of a message (at most NTP_PACKET_MAX bytes) under a secret: for AES types CMAC, for
 * the others the hash of the secret and the message, one after the other. Returns its length; 0: a key or
 * message of the wrong length, or a refusal of gnutls. Safe in any thread. */
size_t mac_compute(KeyType type, const uint8_t *secret, size_t secret_length, const uint8_t *message,
                   size_t length, uint8_t ret[static NTP_DIGEST_MAX]) must_check_;
