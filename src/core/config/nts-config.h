// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The part of the configuration that is about Network Time Security: whom a client trusts, and what both ends
 * share. */

#include "base/macros.h"
#include "core/api/nts.h"

/* One line of ntstrustedcerts. */
typedef struct NtsTrust {
    uint32_t set; /* that it belongs to; 0 is what sources use unless they say */
    char *path;   /* owned; of a file of certificates (PEM), or of a directory of such files */
} NtsTrust;

typedef struct NtsConfig {
    NtsAead aeads[NTS_AEADS_MAX]; /* the best first */
    size_t aead_count;            /* 0: no NTS */
    int32_t refresh;              /* s, age of keys at which others are established; 2419200 */
    int32_t no_time_check;        /* updates of the clock before dates of certificates count; 0 */
    bool no_system_certs;         /* set 0 has no certificates of the system */
    NtsTrust *trusted;            /* owned; in the order of the files */
    size_t trusted_count;
    char *dump_dir; /* owned; where keys and cookies are kept while we do not run; NULL: nowhere */
} NtsConfig;

/* What is in force without any directive. */
extern const NtsConfig NTS_CONFIG_DEFAULT;

/* What `to` had before is not freed. */
int nts_config_copy(const NtsConfig *from, NtsConfig *to) must_check_;
void nts_config_clear(NtsConfig *config);

/* Appends a copy. */
int nts_config_add_trust(NtsConfig *config, uint32_t set, const char *path) must_check_;

bool nts_config_equal(const NtsConfig *a, const NtsConfig *b);
/* The same certificates are trusted. */
bool nts_config_trust_equal(const NtsConfig *a, const NtsConfig *b);
