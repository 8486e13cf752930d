// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <ctype.h>
#include <string.h>

#include "core/api/command.h"
#include "core/api/event.h"
#include "unit.h"

#define NAMES_MAX 64

typedef const char *NameFunction(unsigned value);

static const char *leap_name(unsigned v)
{
    return leap_status_name((LeapStatus) v);
}

static const char *kind_name(unsigned v)
{
    return source_kind_name((SourceKind) v);
}

static const char *origin_name(unsigned v)
{
    return timestamp_origin_name((TimestampOrigin) v);
}

static const char *source_from(unsigned v)
{
    return source_origin_name((SourceOrigin) v);
}

static const char *refusal_name(unsigned v)
{
    return offer_refusal_name((OfferRefusal) v);
}

static const char *packet_name(unsigned v)
{
    return packet_verdict_name((PacketVerdict) v);
}

static const char *state_name(unsigned v)
{
    return source_state_name((SourceState) v);
}

static const char *reason_name(unsigned v)
{
    return clock_reason_name((ClockReason) v);
}

static const char *result_name(unsigned v)
{
    return command_result_name((CommandResult) v);
}

static const char *happening_name(unsigned v)
{
    return event_name((EventKind) v);
}

static bool is_identifier(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++)
        if (!islower((unsigned char) name[i]) && !(name[i] == '-' && i > 0 && i < length - 1))
            return false;
    return length > 0;
}

static void test_names_are_unique_identifiers(void **state)
{
    static const struct {
        const char *name;
        NameFunction *function;
        unsigned count;
    } rows[] = {
        {"leap", leap_name, LEAP_UNSYNCHRONIZED + 1},
        {"kind", kind_name, SOURCE_REFCLOCK + 1},
        {"origin", origin_name, TIMESTAMP_HARDWARE + 1},
        {"source origin", source_from, ORIGIN_COUNT},
        {"refusal", refusal_name, OFFER_REFUSAL_COUNT},
        {"packet", packet_name, PACKET_VERDICT_COUNT},
        {"state", state_name, STATE_COUNT},
        {"reason", reason_name, CLOCK_REASON_COUNT},
        {"result", result_name, COMMAND_RESULT_COUNT},
        {"event", happening_name, EVENT_KIND_COUNT},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        for (unsigned a = 0; a < rows[i].count; a++) {
            const char *name = rows[i].function(a);
            if (!is_identifier(name))
                fail_msg("%s %u: bad name \"%s\"", rows[i].name, a, name);
            for (unsigned b = 0; b < a; b++)
                if (strcmp(name, rows[i].function(b)) == 0)
                    fail_msg("%s: \"%s\" twice", rows[i].name, name);
        }
        assert_string_equal(rows[i].function(rows[i].count), "invalid");
        assert_string_equal(rows[i].function((unsigned) -1), "invalid");
    }
}

static void assert_sentence(const char *text)
{
    size_t length = strlen(text);

    assert_true(length > 3 && isupper((unsigned char) text[0]) && text[length - 1] != '.');
}

static void test_texts_are_sentences(void **state)
{
    (void) state;
    for (unsigned i = 0; i <= PACKET_VERDICT_COUNT; i++)
        assert_sentence(packet_verdict_text((PacketVerdict) i));
    for (unsigned i = 0; i <= STATE_COUNT; i++)
        assert_sentence(source_state_text((SourceState) i));
    for (unsigned i = 0; i <= CLOCK_REASON_COUNT; i++)
        assert_sentence(clock_reason_text((ClockReason) i));
    for (unsigned i = 0; i <= COMMAND_RESULT_COUNT; i++)
        assert_sentence(command_result_text((CommandResult) i));
    for (unsigned i = 0; i <= OFFER_REFUSAL_COUNT; i++)
        assert_sentence(offer_refusal_text((OfferRefusal) i));
}

static void test_letters(void **state)
{
    char letters[STATE_COUNT + 1] = "", marks[STATE_COUNT + 1] = "";

    (void) state;
    for (unsigned i = 0; i < STATE_COUNT; i++) {
        letters[i] = source_state_letter((SourceState) i);
        marks[i] = source_state_mark((SourceState) i);
    }
    assert_string_equal(letters, "NsMrd~xwSOTxWWPUD+*");
    assert_string_equal(marks, "?????~x????x?"
                               "?---+*");
    assert_int_equal(source_state_letter(STATE_COUNT), '?');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_unique_identifiers),
        cmocka_unit_test(test_texts_are_sentences),
        cmocka_unit_test(test_letters),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
