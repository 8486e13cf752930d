// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Copies and comparisons; see nts-config.h. */

#include "core/config/nts-config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const NtsConfig NTS_CONFIG_DEFAULT = {
    .aeads = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256},
    .aead_count = 2,
    .refresh = 2419200,
};

int nts_config_add_trust(NtsConfig *config, uint32_t set, const char *path)
{
    NtsTrust trust = {.set = set, .path = strdup(path)};
    NtsTrust *grown = reallocarray(config->trusted, config->trusted_count + 1, sizeof(*grown));

    if (grown)
        config->trusted = grown;
    if (!grown || !trust.path) {
        free(trust.path);
        return -ENOMEM;
    }
    config->trusted[config->trusted_count++] = trust;
    return 0;
}

int nts_config_copy(const NtsConfig *from, NtsConfig *to)
{
    int r = 0;

    *to = *from;
    to->trusted = NULL;
    to->trusted_count = 0;
    to->dump_dir = NULL;
    if (from->dump_dir && !(to->dump_dir = strdup(from->dump_dir)))
        r = -ENOMEM;
    for (size_t i = 0; i < from->trusted_count && r >= 0; i++)
        r = nts_config_add_trust(to, from->trusted[i].set, from->trusted[i].path);
    if (r < 0)
        nts_config_clear(to);
    return r;
}

void nts_config_clear(NtsConfig *config)
{
    for (size_t i = 0; i < config->trusted_count; i++)
        free(config->trusted[i].path);
    free(config->trusted);
    free(config->dump_dir);
    config->trusted = NULL;
    config->trusted_count = 0;
    config->dump_dir = NULL;
}

bool nts_config_trust_equal(const NtsConfig *a, const NtsConfig *b)
{
    if (a->no_system_certs != b->no_system_certs || a->trusted_count != b->trusted_count)
        return false;
    for (size_t i = 0; i < a->trusted_count; i++)
        if (a->trusted[i].set != b->trusted[i].set || !text_equal(a->trusted[i].path, b->trusted[i].path))
            return false;
    return true;
}

bool nts_config_equal(const NtsConfig *a, const NtsConfig *b)
{
    if (a->aead_count != b->aead_count || a->refresh != b->refresh || a->no_time_check != b->no_time_check)
        return false;
    for (size_t i = 0; i < a->aead_count; i++)
        if (a->aeads[i] != b->aeads[i])
            return false;
    return text_equal(a->dump_dir, b->dump_dir) && nts_config_trust_equal(a, b);
}
