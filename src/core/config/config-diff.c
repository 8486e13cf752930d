// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Differences of two configurations; see config-diff.h. Fields are compared by the table that they are read
 * by, so that a new directive or option cannot be forgotten here. */

#include "core/config/config-diff.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "core/config/directives.h"
#include "core/config/value.h"

bool source_config_equal(const SourceConfig *a, const SourceConfig *b)
{
    if (a->kind != b->kind || !text_equal_ignore_case(a->name, b->name))
        return false;
    for (const OptionEntry *option = SOURCE_OPTIONS; option->name; option++)
        if (!value_equal(&option->field, a, b))
            return false;
    return true;
}

/* True when a directive whose field lies in that part of the Config has another value. */
static bool section_differs(const Config *a, const Config *b, size_t offset, size_t size)
{
    for (const Directive *directive = DIRECTIVES; directive->name; directive++)
        for (size_t i = 0; i < DIRECTIVE_FIELDS_MAX; i++) {
            const ValueField *field = &directive->fields[i];

            if (field->offset >= offset && field->offset < offset + size && !value_equal(field, a, b))
                return true;
        }
    return false;
}

#define SECTION_DIFFERS(a, b, section)                                                                       \
    section_differs((a), (b), offsetof(Config, section), sizeof(((Config *) NULL)->section))

static bool net_differs(const Config *a, const Config *b)
{
    return SECTION_DIFFERS(a, b, net) || !ip_address_equal(&a->net.acquisition_v4, &b->net.acquisition_v4) ||
           !ip_address_equal(&a->net.acquisition_v6, &b->net.acquisition_v6);
}

static bool drift_file_differs(const DaemonConfig *a, const DaemonConfig *b)
{
    return !text_equal(a->drift_file, b->drift_file) || a->drift_interval != b->drift_interval;
}

static bool initstepslew_differs(const InitStepSlewConfig *a, const InitStepSlewConfig *b)
{
    char *const none = NULL, *const *x = a->hosts ? a->hosts : &none, *const *y = b->hosts ? b->hosts : &none;

    while (*x && *y && text_equal_ignore_case(*x, *y)) {
        x++;
        y++;
    }
    return *x || *y || a->threshold != b->threshold;
}

/* Pairs each new source with an old one that is equal and has no partner yet. */
static void match_sources(const Config *from, const Config *to, ConfigDiff *diff)
{
    for (size_t i = 0; i < from->source_count; i++)
        diff->removed[i] = true;
    diff->removed_count = from->source_count;

    for (size_t i = 0; i < to->source_count; i++) {
        size_t j = 0;

        while (j < from->source_count &&
               !(diff->removed[j] && source_config_equal(&from->sources[j], &to->sources[i])))
            j++;
        if (j < from->source_count) {
            diff->removed[j] = false;
            diff->removed_count--;
            diff->kept_from[i] = j;
        } else {
            diff->kept_from[i] = CONFIG_NO_SOURCE;
            diff->added_count++;
        }
    }
}

int config_diff_new(const Config *from, const Config *to, ConfigDiff **ret)
{
    cleanup_(config_diff_freep) ConfigDiff *diff = calloc(1, sizeof(*diff));

    if (!diff)
        return -ENOMEM;
    diff->kept_from = calloc(to->source_count + 1, sizeof(*diff->kept_from));
    diff->removed = calloc(from->source_count + 1, sizeof(*diff->removed));
    if (!diff->kept_from || !diff->removed)
        return -ENOMEM;

    match_sources(from, to, diff);
    diff->selection = SECTION_DIFFERS(from, to, selection);
    diff->clock = SECTION_DIFFERS(from, to, clock);
    diff->net = net_differs(from, to);
    diff->nts = !nts_config_equal(&from->nts, &to->nts);
    diff->drift_file = drift_file_differs(&from->daemon, &to->daemon);
    diff->restart = SECTION_DIFFERS(from, to, daemon) || from->clock.precision != to->clock.precision ||
                    initstepslew_differs(&from->initstepslew, &to->initstepslew);
    *ret = TAKE_PTR(diff);
    return 0;
}

ConfigDiff *config_diff_free(ConfigDiff *diff)
{
    if (!diff)
        return NULL;
    free(diff->kept_from);
    free(diff->removed);
    free(diff);
    return NULL;
}
