// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Table-driven decoding of properties; see fields.h. */

#include "ctl/fields.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "core/api/report.h"

typedef const char *NameFunction(unsigned value);

/* The smallest value whose name is text, or count. */
static unsigned lookup(const char *text, unsigned count, NameFunction *name)
{
    unsigned i = 0;

    while (i < count && !text_equal(text, name(i)))
        i++;
    return i;
}

static const char *leap_name(unsigned value)
{
    return leap_status_name((LeapStatus) value);
}

static const char *kind_name(unsigned value)
{
    return source_kind_name((SourceKind) value);
}

static const char *state_name(unsigned value)
{
    return source_state_name((SourceState) value);
}

static const char *reason_name(unsigned value)
{
    return clock_reason_name((ClockReason) value);
}

static const char *source_origin(unsigned value)
{
    return source_origin_name((SourceOrigin) value);
}

static const char *origin_name(unsigned value)
{
    return timestamp_origin_name((TimestampOrigin) value);
}

static const char *verdict_name(unsigned value)
{
    return packet_verdict_name((PacketVerdict) value);
}

/* Modes of RFC 5905, figure 10, as the bus spells them. */
static const char *mode_name(unsigned value)
{
    static const char *const names[] = {"",       "symmetric-active", "symmetric-passive",
                                        "client", "server",           "broadcast"};

    return names[value];
}

static int8_t log2_of(double seconds)
{
    double exponent = round(log2(seconds));

    return isfinite(exponent) ? (int8_t) CLAMP(exponent, -128, 127) : 0;
}

static CookedTime instant_of(uint64_t usec)
{
    return usec == 0 || usec > INT64_MAX / NSEC_PER_USEC ? COOKED_UNSET
                                                         : (CookedTime) {(int64_t) usec * NSEC_PER_USEC};
}

static IpAddress address_of(const char *text)
{
    IpAddress address = {0};

    return ip_address_parse(text, &address) ? address : (IpAddress) {0};
}

static void store_text(FieldKind kind, const char *text, void *target)
{
    switch (kind) {
    case FIELD_NAME: text_copy(target, SOURCE_NAME_MAX, text); return;
    case FIELD_ORIGIN_NAME: text_copy(target, ORIGIN_NAME_MAX, text); return;
    case FIELD_ADDRESS: *(IpAddress *) target = address_of(text); return;
    case FIELD_LEAP:
        *(LeapStatus *) target = (LeapStatus) lookup(text, LEAP_UNSYNCHRONIZED + 1, leap_name);
        return;
    case FIELD_KIND:
        *(SourceKind *) target = (SourceKind) lookup(text, SOURCE_REFCLOCK + 1, kind_name);
        return;
    case FIELD_STATE: *(SourceState *) target = (SourceState) lookup(text, STATE_COUNT, state_name); return;
    case FIELD_REASON:
        *(ClockReason *) target = (ClockReason) lookup(text, CLOCK_REASON_COUNT, reason_name);
        return;
    case FIELD_ORIGIN:
        *(TimestampOrigin *) target = (TimestampOrigin) lookup(text, TIMESTAMP_HARDWARE + 1, origin_name);
        return;
    case FIELD_SOURCE_ORIGIN:
        *(SourceOrigin *) target = (SourceOrigin) lookup(text, ORIGIN_COUNT, source_origin);
        return;
    case FIELD_VERDICT:
        *(PacketVerdict *) target = (PacketVerdict) lookup(text, PACKET_VERDICT_COUNT, verdict_name);
        return;
    case FIELD_AUTHENTICATION: *(AuthenticationMode *) target = authentication_mode_find(text); return;
    case FIELD_KEY_TYPE: {
        const KeyTypeInfo *info = key_type_find(text);
        *(KeyType *) target = info ? info->type : KEY_TYPE_NONE;
        return;
    }
    case FIELD_MODE: *(uint8_t *) target = (uint8_t) (lookup(text, 6, mode_name) % 6); return;
    case FIELD_BOOL:
    case FIELD_COUNT:
    case FIELD_COUNTER:
    case FIELD_POWER:
    case FIELD_SMALL:
    case FIELD_PORT:
    case FIELD_SECONDS:
    case FIELD_PPM:
    case FIELD_LOG2:
    case FIELD_INSTANT:
    case FIELD_OPTIONS:
    case FIELD_TESTS:
    case FIELD_KIND_COUNT: return;
    }
}

static int decode_options(sd_bus_message *m, SelectOptions *ret)
{
    const char *word;
    int r;

    *ret = (SelectOptions) {0};
    r = sd_bus_message_enter_container(m, 'a', "s");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read_basic(m, 's', &word)) > 0) {
        ret->noselect |= text_equal(word, "noselect");
        ret->prefer |= text_equal(word, "prefer");
        ret->trust |= text_equal(word, "trust");
        ret->require |= text_equal(word, "require");
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static uint16_t test_bit(const char *name)
{
    static const char tests[] = "123567ABCD"; /* from bit 9 down */
    const char *at = name[0] != '\0' && name[1] == '\0' ? strchr(tests, name[0]) : NULL;

    return at ? (uint16_t) (1u << (9 - (at - tests))) : 0;
}

static int decode_tests(sd_bus_message *m, uint16_t *ret)
{
    const char *name;
    int passed, r;

    *ret = 0;
    r = sd_bus_message_enter_container(m, 'a', "{sb}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read(m, "{sb}", &name, &passed)) > 0)
        if (passed)
            *ret |= test_bit(name);
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int decode_number(const Field *field, sd_bus_message *m, const char *type, void *target)
{
    union {
        int boolean;
        uint16_t q;
        uint32_t u;
        int32_t i;
        uint64_t t;
        double d;
    } v;
    int r = sd_bus_message_read_basic(m, *type, &v);

    if (r < 0)
        return r;
    if (field->kind == FIELD_BOOL)
        *(bool *) target = v.boolean;
    else if (field->kind == FIELD_COUNT)
        *(uint32_t *) target = v.u;
    else if (field->kind == FIELD_COUNTER)
        *(uint64_t *) target = v.t;
    else if (field->kind == FIELD_POWER)
        *(int8_t *) target = (int8_t) CLAMP(v.i, -128, 127);
    else if (field->kind == FIELD_SMALL)
        *(uint8_t *) target = (uint8_t) MIN(v.u, 255u);
    else if (field->kind == FIELD_PORT)
        *(uint16_t *) target = v.q;
    else if (field->kind == FIELD_SECONDS)
        *(double *) target = v.d;
    else if (field->kind == FIELD_PPM)
        *(double *) target = v.d * 1e-6;
    else if (field->kind == FIELD_LOG2)
        *(int8_t *) target = log2_of(v.d);
    else if (field->kind == FIELD_INSTANT)
        *(CookedTime *) target = instant_of(v.t);
    return 0;
}

/* Of the variant that each kind is read from. */
static const char *const signatures[] = {
    [FIELD_BOOL] = "b",        [FIELD_COUNT] = "u",          [FIELD_SMALL] = "u",
    [FIELD_PORT] = "q",        [FIELD_SECONDS] = "d",        [FIELD_PPM] = "d",
    [FIELD_LOG2] = "d",        [FIELD_INSTANT] = "t",        [FIELD_NAME] = "s",
    [FIELD_ORIGIN_NAME] = "s", [FIELD_SOURCE_ORIGIN] = "s",  [FIELD_ADDRESS] = "s",
    [FIELD_LEAP] = "s",        [FIELD_KIND] = "s",           [FIELD_STATE] = "s",
    [FIELD_REASON] = "s",      [FIELD_ORIGIN] = "s",         [FIELD_VERDICT] = "s",
    [FIELD_KEY_TYPE] = "s",    [FIELD_AUTHENTICATION] = "s", [FIELD_MODE] = "s",
    [FIELD_OPTIONS] = "as",    [FIELD_TESTS] = "a{sb}",      [FIELD_COUNTER] = "t",
    [FIELD_POWER] = "i",
};
static_assert(ELEMENTS(signatures) == FIELD_KIND_COUNT, "a signature for each kind");

static int decode_value(const Field *field, sd_bus_message *m, void *value)
{
    const char *signature = signatures[field->kind];
    void *target = (char *) value + field->offset;
    const char *text;
    int r;

    if (field->kind == FIELD_OPTIONS)
        return decode_options(m, target);
    if (field->kind == FIELD_TESTS)
        return decode_tests(m, target);
    if (*signature != 's')
        return decode_number(field, m, signature, target);
    r = sd_bus_message_read_basic(m, 's', &text);
    if (r >= 0)
        store_text(field->kind, text, target);
    return r;
}

static const Field *find_field(const Field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(fields[i].name, name))
            return &fields[i];
    return NULL;
}

/* One {sv}, after its container was entered. */
static int decode_entry(const Field *fields, size_t count, sd_bus_message *m, void *value)
{
    const char *name;
    int r = sd_bus_message_read_basic(m, 's', &name);

    if (r < 0)
        return r;
    const Field *field = find_field(fields, count, name);
    if (!field)
        return sd_bus_message_skip(m, "v");
    r = sd_bus_message_enter_container(m, 'v', signatures[field->kind]);
    if (r < 0)
        return -EBADMSG;
    r = decode_value(field, m, value);
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int fields_decode(const Field *fields, size_t count, sd_bus_message *m, void *value)
{
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = decode_entry(fields, count, m, value);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}
