// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Prints the table of directives and options, for the test of the manual: one line for each field, separated
 * by tabs: directive|option, name, status, arguments, range, default; the last two empty where they are no
 * numbers. */

#include <stdio.h>

#include "core/config/config.h"
#include "core/config/directives.h"

static const char *status_name(DirectiveStatus status)
{
    switch (status) {
    case DIRECTIVE_SUPPORTED: return "supported";
    case DIRECTIVE_LATER: return "later";
    case DIRECTIVE_OBSOLETE: return "obsolete";
    case DIRECTIVE_IGNORED: return "ignored";
    }
    return "";
}

static bool read_number(const ValueField *field, const void *base, double *ret)
{
    const void *at = (const char *) base + field->offset;

    switch (field->type) {
    case VALUE_INT32:
    case VALUE_POLL: *ret = *(const int32_t *) at; return true;
    case VALUE_UINT16: *ret = *(const uint16_t *) at; return true;
    case VALUE_UINT32: *ret = *(const uint32_t *) at; return true;
    case VALUE_UINT8: *ret = *(const uint8_t *) at; return true;
    case VALUE_DOUBLE: *ret = *(const double *) at / (field->scale > 0 ? field->scale : 1); return true;
    case VALUE_NONE:
    case VALUE_FLAG:
    case VALUE_CHOICE:
    case VALUE_TEXT:
    case VALUE_STRING:
    case VALUE_STRINGS:
    case VALUE_HOST:
    case VALUE_IPV4:
    case VALUE_IPV6:
    case VALUE_EXTENSION: return false;
    }
    return false;
}

static void print_field(const ValueField *field, const void *base)
{
    double value;

    if (read_number(field, base, &value))
        printf("\t%.10g to %.10g\t%.10g\n", field->min, field->max, value);
    else
        printf("\t\t\n");
}

int main(void)
{
    cleanup_(config_freep) Config *config = NULL;
    SourceConfig source = source_config_default(SOURCE_POOL, "a");

    if (config_new(&config) < 0)
        return EXIT_FAILURE;
    for (const Directive *d = DIRECTIVES; d->name; d++)
        for (size_t i = 0; i == 0 || (i < DIRECTIVE_FIELDS_MAX && d->fields[i].type != VALUE_NONE); i++) {
            printf("directive\t%s\t%s\t%s", d->name, status_name(d->status),
                   d->arguments ? d->arguments : "");
            print_field(&d->fields[i], config);
        }
    for (const OptionEntry *o = SOURCE_OPTIONS; o->name; o++) {
        printf("option\t%s\t%s\t%s", o->name, status_name(o->status), o->arguments ? o->arguments : "");
        print_field(&o->field, &source);
    }
    return EXIT_SUCCESS;
}
