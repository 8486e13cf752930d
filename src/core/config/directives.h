// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The configuration language as one table of data: every directive of chrony and every option of its sources,
 * with what becomes of each here. The parser, the spelling suggestions and the test of the manual page read
 * it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

typedef enum DirectiveStatus {
    DIRECTIVE_SUPPORTED = 0,
    DIRECTIVE_LATER,    /* refused by name: the feature is not in this version */
    DIRECTIVE_OBSOLETE, /* accepted with a warning, arguments and all, without effect; as in chrony */
    DIRECTIVE_IGNORED,  /* accepted without effect; as in chrony */
} DirectiveStatus;

typedef enum ValueType {
    VALUE_NONE = 0, /* end of a list of fields */
    VALUE_FLAG,     /* no word; bool, set to true */
    VALUE_INT32,
    VALUE_UINT16,
    VALUE_UINT8,
    VALUE_UINT32,
    VALUE_CHOICE, /* an enumeration; its words, in order, are the field's choices */
    VALUE_DOUBLE,
    VALUE_POLL,    /* int32_t; like an integer, with chrony's own rule outside of the range */
    VALUE_TEXT,    /* char[max + 1] */
    VALUE_STRING,  /* char *, on the heap */
    VALUE_STRINGS, /* char **, see base/strings.h; each line appends */
    VALUE_HOST,    /* char *, on the heap: a host name or an address */
    VALUE_IPV4,    /* no word; IpFamily */
    VALUE_IPV6,
    VALUE_EXTENSION, /* bool, set to true by the one extension field (hexadecimal) that there is */
} ValueType;

/* Where a word goes and what it may be. Bounds are in the unit of the file, inclusive. */
typedef struct ValueField {
    ValueType type;
    uint16_t offset; /* in Config, or in SourceConfig for an option */
    bool clamp_low;  /* below min: min is used, with a warning; else an error */
    bool clamp_high;
    double min, max;
    double scale;        /* to the unit of the Config; 0: 1 */
    const char *choices; /* "first|second|third" */
} ValueField;

/* Which shape the arguments have. */
typedef enum DirectiveForm {
    FORM_FIELDS = 0, /* exactly one word for each field */
    FORM_SOURCE,     /* NAME [OPTION [VALUE]]... */
    FORM_DRIFTFILE,  /* FILE [interval SECONDS] */
    FORM_ADDRESS,    /* ADDRESS, one for each family */
    FORM_ONLY,       /* one single value is true of us, the others wait for their feature */
    FORM_LOG,        /* NAME... */
    FORM_INCLUDE,    /* PATTERN */
    FORM_CONFDIR,    /* DIRECTORY... */
    FORM_SOURCEDIR,
    FORM_LISTEN,       /* ADDRESS, any number of lines */
    FORM_ACCESS,       /* [all] [NETWORK] */
    FORM_BROADCAST,    /* INTERVAL ADDRESS [PORT] */
    FORM_INITSTEPSLEW, /* THRESHOLD [HOST...]; field 0 is the threshold */
    FORM_AEADS,        /* [ID]... */
    FORM_TRUST,        /* [SET] FILE */
    FORM_OPTIONS,      /* [OPTION VALUE]..., of the table `options`; field 0 is its flag */
} DirectiveForm;

#define DIRECTIVE_FIELDS_MAX 3

typedef struct OptionEntry OptionEntry;

typedef struct Directive {
    const char *name;
    DirectiveStatus status;
    const char *arguments; /* as the manual writes them; the value itself for FORM_ONLY */
    DirectiveForm form;
    ValueField fields[DIRECTIVE_FIELDS_MAX];
    const OptionEntry *options; /* of FORM_OPTIONS; terminated by a NULL name */
} Directive;

struct OptionEntry {
    const char *name;
    DirectiveStatus status;
    const char *arguments; /* "": a flag */
    ValueField field;
};

/* Every one, alphabetically; terminated by a NULL name. */
extern const Directive DIRECTIVES[];
extern const OptionEntry SOURCE_OPTIONS[];

/* Of directives of the server, whose fields are in Config. */
extern const OptionEntry LOCAL_OPTIONS[];
extern const OptionEntry RATE_LIMIT_OPTIONS[];
extern const OptionEntry NTS_RATE_LIMIT_OPTIONS[];

/* NULL: there is none. Case does not matter. */
const Directive *directive_find(const char *name);
const OptionEntry *source_option_find(const char *name);

/* The known word that is spelled most alike, or NULL when none is near enough to be meant. Words of later
 * versions count: to be told that they are not supported yet is more than to be told that they are unknown.
 */
const char *directive_nearest(const char *name);
const char *source_option_nearest(const char *name);
