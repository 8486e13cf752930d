// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* AEAD_AES_128_GCM_SIV (RFC 8452), which gnutls has from 3.8.2 on. With an older one aead-no-gcm-siv.c says
 * that there is none. As the functions of Aead. */

#include "core/ntp/aead.h"

size_t aead_gcm_siv_nonce_length(void);
size_t aead_gcm_siv_seal(const uint8_t *key, AeadText nonce, AeadText associated, AeadText plain,
                         uint8_t *ret, size_t size);
bool aead_gcm_siv_open(const uint8_t *key, AeadText nonce, AeadText associated, AeadText sealed, uint8_t *ret,
                       size_t size, size_t *ret_length);
