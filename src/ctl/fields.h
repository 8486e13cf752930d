// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Properties of the bus into report values. A table says which property goes where, so that what timectl
 * knows of an interface is one table. Signs stay as they are (corrections); ppm becomes dimensionless. */

#include <stddef.h>
#include <systemd/sd-bus.h>

#include "base/macros.h"

typedef enum FieldKind {
    FIELD_BOOL = 0,    /* b -> bool */
    FIELD_COUNT,       /* u -> uint32_t */
    FIELD_COUNTER,     /* t -> uint64_t */
    FIELD_POWER,       /* i -> int8_t, limited to its range */
    FIELD_SMALL,       /* u -> uint8_t, at most 255 */
    FIELD_PORT,        /* q -> uint16_t */
    FIELD_SECONDS,     /* d -> double */
    FIELD_PPM,         /* d -> double, times 1e-6 */
    FIELD_LOG2,        /* d -> int8_t, the power of two that is nearest; 0 for what has no logarithm */
    FIELD_INSTANT,     /* t (us since 1970, 0: none) -> CookedTime */
    FIELD_NAME,        /* s -> char[SOURCE_NAME_MAX] */
    FIELD_ORIGIN_NAME, /* s -> char[ORIGIN_NAME_MAX] */
    FIELD_ADDRESS,     /* s -> IpAddress, IP_UNSPEC for what is none */
    FIELD_LEAP,   /* s -> LeapStatus; this and the following: the count of the enum for an unknown word */
    FIELD_KIND,   /* s -> SourceKind */
    FIELD_STATE,  /* s -> SourceState */
    FIELD_REASON, /* s -> ClockReason */
    FIELD_ORIGIN, /* s -> TimestampOrigin */
    FIELD_SOURCE_ORIGIN,  /* s -> SourceOrigin */
    FIELD_VERDICT,        /* s -> PacketVerdict */
    FIELD_MODE,           /* s -> uint8_t, the mode's number on the wire; 0: none */
    FIELD_OPTIONS,        /* as -> SelectOptions */
    FIELD_KEY_TYPE,       /* s -> KeyType, KEY_TYPE_NONE for what is none */
    FIELD_AUTHENTICATION, /* s -> AuthenticationMode */
    FIELD_TESTS,          /* a{sb} -> uint16_t of TEST_* */
    FIELD_KIND_COUNT,
} FieldKind;

typedef struct Field {
    const char *name; /* of the property */
    FieldKind kind;
    size_t offset; /* into the value */
} Field;

/* Reads an a{sv} into value; unknown properties are passed over. -EBADMSG when a known one has another type.
 */
int fields_decode(const Field *fields, size_t count, sd_bus_message *m, void *value) must_check_;
