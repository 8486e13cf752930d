// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What a reload changes. A source of which every option is the same is kept with all it knows; one that
 * differs in anything is removed and added. */

#include "core/config/config.h"

/* No match. */
#define CONFIG_NO_SOURCE SIZE_MAX

typedef struct ConfigDiff {
    size_t *kept_from; /* owned; for each source of the new configuration its index in the old one, or
                          CONFIG_NO_SOURCE: it is added */
    bool *removed;     /* owned; for each source of the old one */
    size_t added_count, removed_count;
    bool selection, clock, net; /* something differs in that section */
    bool nts;                   /* whom it trusts, which AEADs, how long, where */
    bool drift_file;            /* its path or interval */
    bool restart; /* what only a restart can change: clockprecision, initstepslew and the process itself */
} ConfigDiff;

/* Both configurations are borrowed during the call only. */
int config_diff_new(const Config *from, const Config *to, ConfigDiff **ret) must_check_;
ConfigDiff *config_diff_free(ConfigDiff *diff);
DEFINE_CLEANUP(ConfigDiff, config_diff_free);

/* The same kind, name and options; where it was configured does not count. */
bool source_config_equal(const SourceConfig *a, const SourceConfig *b);
