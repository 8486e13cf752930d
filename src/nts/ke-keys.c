// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See ke-keys.h. */

#include "nts/ke-keys.h"

#include <string.h>

#include "base/bytes.h"

#define NTPV4 0 /* in the registry of next protocols */

bool ke_export_is_ambiguous(NtsAead aead)
{
    return aead == NTS_AEAD_AES_128_GCM_SIV;
}

void ke_export_context(NtsAead aead, bool compliant, KeDirection direction,
                       uint8_t ret[static KE_EXPORT_CONTEXT])
{
    ByteWriter writer = byte_writer(ret, KE_EXPORT_CONTEXT);
    NtsAead named = ke_export_is_ambiguous(aead) && !compliant ? NTS_AEAD_AES_SIV_CMAC_256 : aead;

    byte_writer_u16(&writer, NTPV4);
    byte_writer_u16(&writer, (uint16_t) named);
    byte_writer_u8(&writer, (uint8_t) direction);
}

static bool export_key(const Tls *tls, NtsAead aead, bool compliant, KeDirection direction, uint8_t *ret)
{
    uint8_t context[KE_EXPORT_CONTEXT];

    ke_export_context(aead, compliant, direction, context);
    return tls_export(tls, KE_EXPORT_LABEL, context, sizeof(context), ret, nts_aead_key_length(aead));
}

bool ke_export_keys(const Tls *tls, NtsAead aead, bool compliant, NtsKeys *ret)
{
    NtsKeys keys = {.aead = aead, .length = (uint8_t) nts_aead_key_length(aead)};
    bool done = keys.length > 0 && export_key(tls, aead, compliant, KE_CLIENT_TO_SERVER, keys.c2s) &&
                export_key(tls, aead, compliant, KE_SERVER_TO_CLIENT, keys.s2c);

    if (done)
        *ret = keys;
    explicit_bzero(&keys, sizeof(keys));
    return done;
}
