// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* One row for each kind of event: how it reads, how severe it is, its MESSAGE_ID (data/timeball.catalog
 * explains each). A writer that adds nothing keeps its event out of the log. Numbers of seconds keep the sign
 * of a correction, which is also how chrony prints them here. */

#include "event-log.h"

#include <math.h>
#include <time.h>

#include "core/api/explain.h"

#define FIELDS_MAX 11

typedef void (*TextWriter)(const Event *event, const char *drift_file, Text *text);

/* "192.0.2.1 (ntp.example.net)", or the one of the two that there is. */
static void append_source(Text *text, const Event *event)
{
    char address[IP_ADDRESS_TEXT_MAX];

    ip_address_format(&event->address, address);
    if (address[0] == '\0')
        text_append(text, event->name);
    else if (event->name[0] == '\0' || text_equal(event->name, address))
        text_append(text, address);
    else
        text_append_format(text, "%s (%s)", address, event->name);
}

static void text_about_source(Text *text, const Event *event, const char *before, const char *after)
{
    text_append(text, before);
    append_source(text, event);
    text_append(text, after);
}

static void text_added(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Added source ", "");
}

static void text_removed(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Removed source ", "");
}

static void text_online(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Source ", " online");
}

static void text_offline(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Source ", " offline");
    if (event->offline == OFFLINE_NOT || event->offline == OFFLINE_BY_HAND)
        return;
    text_append(text, ": ");
    explain_offline(event->offline, event->error, NULL, text);
}

static void text_moved(Text *text, const Event *event, const char *verb)
{
    char previous[IP_ADDRESS_TEXT_MAX];

    text_append_format(text, "Source %s %s ", ip_address_format(&event->previous, previous), verb);
    append_source(text, event);
}

static void text_resolved(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    if (event->previous.family != IP_UNSPEC) /* the first address is nothing to talk about */
        text_moved(text, event, "changed to");
}

static void text_replaced(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_moved(text, event, "replaced with");
}

static void text_resolve_failed(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "No address found for %s, will be tried again", event->name);
}

static void text_resolve_bogus(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "DNSSEC refuses what %s is said to mean, will be tried again", event->name);
}

static void text_kiss_rate(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Received KoD RATE from ", "");
}

static void text_selected(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Selected source ", "");
}

static void text_selection_failed(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    switch (event->reason) {
    case CLOCK_NO_MAJORITY:
        text_append(text, "Can't synchronise: no majority ");
        if (event->agreeing > 0)
            text_append_format(text, "(only %u of %u sources agree)", event->agreeing, event->candidates);
        else
            text_append_format(text, "(no agreement among %u sources)", event->candidates);
        break;
    case CLOCK_NOT_ENOUGH: text_append(text, "Can't synchronise: not enough selectable sources"); break;
    case CLOCK_UNCONFIRMED:
        text_append(text, "Can't synchronise: the clock does not fit the dates of certificates, and too few "
                          "sources confirm another time");
        break;
    case CLOCK_NO_SOURCES:
    case CLOCK_NO_KEYS:
    case CLOCK_NO_RESPONSE:
    case CLOCK_ALL_OFFLINE:
    case CLOCK_UNRESOLVED:
    case CLOCK_NO_SELECTABLE: text_append(text, "Can't synchronise: no selectable sources"); break;
    case CLOCK_STARTING:
    case CLOCK_SYNCHRONIZED:
    case CLOCK_DISRUPTED:
    case CLOCK_SLEPT:
    case CLOCK_RESTORED:
    case CLOCK_EXCESSIVE:
    case CLOCK_INITSTEPSLEW:
    case CLOCK_REASON_COUNT: break; /* told by other events, or nothing to tell yet */
    }
}

static void text_limit(Text *text, const Event *event, const char *what, const char *directive)
{
    text_append(text, what);
    append_source(text, event);
    text_append_format(text, " exceeds %s of %.3f seconds", directive, event->limit);
}

static void text_state(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    switch (event->state) {
    case STATE_FALSETICKER: text_about_source(text, event, "Detected falseticker ", ""); break;
    case STATE_TOO_DISTANT: text_limit(text, event, "Root distance of ", "maxdistance"); break;
    case STATE_JITTERY: text_limit(text, event, "Jitter of ", "maxjitter"); break;
    case STATE_BAD_STRATUM:
        text_about_source(text, event, "Stratum of ",
                          event->value < event->limit ? " below minstratum" : " above maxstratum");
        text_append_format(text, " of %.0f", event->limit);
        break;
    case STATE_CONTRADICTORY:
        text_about_source(text, event, "Time of ", " is outside the dates of its own certificates");
        break;
    case STATE_UNCONFIRMED:
        text_about_source(text, event, "Not trusting ", "");
        text_append_format(
            text,
            ": the clock does not fit the dates of its certificates, and %.0f of at least %.0f "
            "sources confirm its time",
            event->value, event->limit);
        break;
    case STATE_NOSELECT:
    case STATE_UNSYNCHRONIZED:
    case STATE_MISSING_SAMPLES:
    case STATE_WAITING_START:
    case STATE_STALE:
    case STATE_ORPHAN:
    case STATE_UNTRUSTED:
    case STATE_WAITING:
    case STATE_NOT_PREFERRED:
    case STATE_WAITING_UPDATE:
    case STATE_DISTANT:
    case STATE_COMBINED:
    case STATE_SELECTED:
    case STATE_COUNT: break; /* the daily course of things */
    }
}

static void text_synchronized(const Event *event, const char *drift_file, Text *text)
{
    (void) event;
    (void) drift_file;
    text_append(text, "System clock is synchronised");
}

static void text_unsynchronized(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "System clock is not synchronised: %s", clock_reason_text(event->reason));
}

static void text_wrong(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "System clock wrong by %.6f seconds", event->value);
}

static void text_stepped(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "System clock was stepped by %.6f seconds", event->value);
}

static void text_step_failed(const Event *event, const char *drift_file, Text *text)
{
    (void) event;
    (void) drift_file;
    text_append(text, "Could not step system clock");
}

static void text_disrupted(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    if (event->reason == CLOCK_SLEPT) {
        text_append_format(text, "The machine has slept for %.1f seconds", event->value);
    } else if (event->reason == CLOCK_RESTORED) {
        text_append(text, "The machine was restored from a snapshot, or moved to another host");
    } else {
        text_append(text, event->value < 0 ? "Backward" : "Forward");
        text_append(text, " time jump detected!");
    }
}

static void text_interference(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "Another program steers the system clock (frequency found at %.3f ppm)",
                       event->value * 1e6);
}

static void text_change_refused(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "Adjustment of %.3f seconds exceeds the allowed maximum of %.3f seconds (%s)",
                       event->value, event->limit, event->fatal ? "exiting" : "ignored");
}

static void text_limited(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "Frequency of %.3f ppm exceeds the allowed maximum of %.3f ppm",
                       event->value * 1e6, event->limit * 1e6);
}

static void text_leap(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    if (event->leap == LEAP_INSERT || event->leap == LEAP_DELETE)
        text_append_format(text, "Leap second will be %s at the end of the UTC day",
                           event->leap == LEAP_INSERT ? "inserted" : "deleted");
}

static void text_drift(const Event *event, const char *drift_file, Text *text)
{
    /* In the sign of the file: what the oscillator gains. */
    text_append_format(text, "Frequency %.3f +/- %.3f ppm read from %s", -event->value * 1e6,
                       event->limit * 1e6, drift_file ? drift_file : "the drift file");
}

static void text_initial(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "System clock wrong by %.6f seconds (%s)", event->value,
                       event->stepped ? "step" : "ignored");
}

static void text_initstepslew(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "System's initial offset : %.6f seconds %s of true (%s)", fabs(event->value),
                       event->value < 0 ? "fast" : "slow", event->stepped ? "step" : "slew");
}

static void text_no_initstepslew(const Event *event, const char *drift_file, Text *text)
{
    (void) event;
    (void) drift_file;
    text_append(text, "No suitable source for initstepslew");
}

static void text_not_added(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Could not add source ", " : ");
    text_append(text, event->result == COMMAND_EXISTS ? "in use" : command_result_text(event->result));
}

static void text_key_missing(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "Key %u is missing: not asking source ", event->key);
    append_source(text, event);
}

static void text_key_weak(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "Key %u is too short, it has %.0f bits: used by source ", event->key,
                       event->value);
    append_source(text, event);
}

static void append_day(Text *text, int64_t seconds)
{
    time_t t = (time_t) seconds;
    struct tm day;

    if (gmtime_r(&t, &day))
        text_append_format(text, "%04d-%02d-%02d", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
}

static void text_keys_established(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Established keys (NTS) of source ", "");
}

static void text_keys_restored(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_about_source(text, event, "Restored keys (NTS) of source ", "");
}

static void text_keys_failed(const Event *event, const char *drift_file, Text *text)
{
    bool dates = event->failure == NTS_CERT_EXPIRED || event->failure == NTS_CERT_NOT_YET;

    (void) drift_file;
    text_about_source(text, event, "Could not establish keys (NTS) of source ", ": ");
    text_append(text, nts_failure_text(event->failure));
    if (!dates || event->validity.to == 0)
        return;
    text_append(text, " (valid from ");
    append_day(text, event->validity.from);
    text_append(text, " to ");
    append_day(text, event->validity.to);
    text_append(text, ")");
}

static void text_entered(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "Time was entered by hand, system clock wrong by %.6f seconds", event->value);
}

static void text_confirmed(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text,
                       "The clock did not fit the dates of certificates: %u sources confirm another time",
                       event->agreeing);
}

static void text_overruled(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(
        text,
        "The time that was known once is %.0f seconds later than what most authenticated sources "
        "say: it is given up",
        event->value);
}

static void text_offer_refused(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append_format(text, "Refused %u of the servers that the network offers on %s (%s), \"%s\"",
                       event->count, event->interface, source_origin_name(event->origin), event->name);
    text_append_format(text, "%s: %s", event->count > 1 ? " and others" : "",
                       offer_refusal_text(event->refusal));
}

static void text_portal(const Event *event, const char *drift_file, Text *text)
{
    (void) event;
    (void) drift_file;
    text_append(text,
                "The network is behind a captive portal: names are looked up again when it is passed, and no "
                "keys (NTS) are established before");
}

static void text_portal_passed(const Event *event, const char *drift_file, Text *text)
{
    (void) drift_file;
    text_append(text, "The captive portal is passed");
    if (event->count > 0)
        text_append_format(text, ": %u source%s forgotten and looked up again", event->count,
                           event->count == 1 ? " is" : "s are");
}

static void text_metered(const Event *event, const char *drift_file, Text *text)
{
    (void) event;
    (void) drift_file;
    text_append(text, "The network is metered: sources are polled at their maxpoll");
}

static void text_unmetered(const Event *event, const char *drift_file, Text *text)
{
    (void) event;
    (void) drift_file;
    text_append(text, "The network is not metered any more");
}

static const struct {
    TextWriter write;
    LogLevel level;
    const char *message_id;
} rows[EVENT_KIND_COUNT] = {
    [EVENT_SOURCE_ADDED] = {text_added, LOG_LEVEL_INFO, "945db3e326a44a31b0407708fef50a88"},
    [EVENT_SOURCE_REMOVED] = {text_removed, LOG_LEVEL_INFO, "a04a912d199140e1a01966080d008104"},
    [EVENT_SOURCE_ONLINE] = {text_online, LOG_LEVEL_INFO, "9cf9b0d7fa7a43a4920b1fd28b9dc2fc"},
    [EVENT_SOURCE_OFFLINE] = {text_offline, LOG_LEVEL_INFO, "d202d669b7aa482d8aeec235ef43a345"},
    [EVENT_SOURCE_RESOLVED] = {text_resolved, LOG_LEVEL_INFO, "a149cc6cc4434da3a60d7a5df5be60a7"},
    [EVENT_SOURCE_REPLACED] = {text_replaced, LOG_LEVEL_INFO, "90f76c68dc564b8ebd52bcb98ea5ee7f"},
    [EVENT_RESOLVE_FAILED] = {text_resolve_failed, LOG_LEVEL_INFO, "50234ad148c4479b80fbd9a8d2247ed8"},
    [EVENT_RESOLVE_BOGUS] = {text_resolve_bogus, LOG_LEVEL_WARNING, "7a97209d543c46b3838e31e74ff93413"},
    [EVENT_KISS_RATE] = {text_kiss_rate, LOG_LEVEL_WARNING, "b8cb2e9909d44e0abae98de5afa5012f"},
    [EVENT_SELECTED] = {text_selected, LOG_LEVEL_INFO, "99142d24863c40fcbf30ad0befdefc3e"},
    [EVENT_SELECTION_FAILED] = {text_selection_failed, LOG_LEVEL_INFO, "842591a62f984800b30285771bc712bb"},
    [EVENT_STATE_CHANGED] = {text_state, LOG_LEVEL_INFO, "daf7cbce610b45f4a29074cd6536c0bf"},
    [EVENT_SYNCHRONIZED] = {text_synchronized, LOG_LEVEL_INFO, "7c8a41f37b764941a0e1780b1be2f037"},
    [EVENT_UNSYNCHRONIZED] = {text_unsynchronized, LOG_LEVEL_WARNING, "e24b6d30218845ee99bba804b8fbf1ca"},
    [EVENT_CLOCK_WRONG] = {text_wrong, LOG_LEVEL_WARNING, "00919f23bfb24a649b1c84ce3ea4e47b"},
    [EVENT_STEPPED] = {text_stepped, LOG_LEVEL_WARNING, "9a6c5320d1344c2b9aae2a0b905eaffd"},
    [EVENT_STEP_FAILED] = {text_step_failed, LOG_LEVEL_ERROR, "a6159af008cb4b9d96ce3b3dfb4a5860"},
    [EVENT_DISRUPTED] = {text_disrupted, LOG_LEVEL_WARNING, "ceab823205134a2895308e3668cf32f9"},
    [EVENT_INTERFERENCE] = {text_interference, LOG_LEVEL_WARNING, "ce6d43d377d34324a2e77835b3835710"},
    [EVENT_CHANGE_REFUSED] = {text_change_refused, LOG_LEVEL_ERROR, "f862e447f8f24f52b1889604d178cd8f"},
    [EVENT_FREQUENCY_LIMITED] = {text_limited, LOG_LEVEL_WARNING, "720c15ccbf654a8dbcfa8880291c9aa9"},
    [EVENT_LEAP_PENDING] = {text_leap, LOG_LEVEL_INFO, "c19c362c0ad64c769bafef679f391d90"},
    [EVENT_DRIFT_LOADED] = {text_drift, LOG_LEVEL_INFO, "e7e98394d3ab4d0883357befc1e987c0"},
    [EVENT_INITIAL_OFFSET] = {text_initial, LOG_LEVEL_WARNING, "11c1b0317011491bb27ad82852327c05"},
    [EVENT_TIME_ENTERED] = {text_entered, LOG_LEVEL_WARNING, "1d7f1bd0ab3147a0b4ad3b5b8a3a7c26"},
    [EVENT_INITSTEPSLEW] = {text_initstepslew, LOG_LEVEL_INFO, "ee92e3ce9c2449daae39a388ff3fdb55"},
    [EVENT_NO_INITSTEPSLEW] = {text_no_initstepslew, LOG_LEVEL_WARNING, "b5c2a59e95964172978c34d16b5582a0"},
    [EVENT_SOURCE_NOT_ADDED] = {text_not_added, LOG_LEVEL_WARNING, "eb287585ef864e299505aecb57994921"},
    [EVENT_KEY_MISSING] = {text_key_missing, LOG_LEVEL_WARNING, "732b3e969aac40ba941ec51bdeeaa788"},
    [EVENT_KEYS_ESTABLISHED] = {text_keys_established, LOG_LEVEL_INFO, "fd5c0d3d23524260be3bc4140b7df2eb"},
    [EVENT_KEYS_RESTORED] = {text_keys_restored, LOG_LEVEL_INFO, "2e460dfef914436b8054016c4070e997"},
    [EVENT_KEYS_FAILED] = {text_keys_failed, LOG_LEVEL_WARNING, "ee4546e445f040869d119b822a520a20"},
    [EVENT_TIME_CONFIRMED] = {text_confirmed, LOG_LEVEL_WARNING, "509cc462833b451bad40b5fa0ffbbc7d"},
    [EVENT_STAMP_OVERRULED] = {text_overruled, LOG_LEVEL_WARNING, "2db6f10aa4c6405cbc989af610c4ef4f"},
    [EVENT_OFFER_REFUSED] = {text_offer_refused, LOG_LEVEL_WARNING, "78a12e5e14664bba91e488c83dc018cd"},
    [EVENT_PORTAL] = {text_portal, LOG_LEVEL_WARNING, "7477414b4503412f97ae785e2075d6ce"},
    [EVENT_PORTAL_PASSED] = {text_portal_passed, LOG_LEVEL_INFO, "18c9420d2a85410e9f6d61caf51d4071"},
    [EVENT_METERED] = {text_metered, LOG_LEVEL_INFO, "a21c03febe504e728a7c6424895da844"},
    [EVENT_UNMETERED] = {text_unmetered, LOG_LEVEL_INFO, "1ab94523ab354827a5262a7cce1f503a"},
    [EVENT_KEY_WEAK] = {text_key_weak, LOG_LEVEL_WARNING, "2524fbc11a264a8c8f0be5906e55cddc"},
};

bool event_text(const Event *event, const char *drift_file, Text *text)
{
    size_t before = text->length;

    if (rows[event->kind].write)
        rows[event->kind].write(event, drift_file, text);
    return text->length > before;
}

LogLevel event_level(const Event *event)
{
    if (event->kind == EVENT_CHANGE_REFUSED && event->fatal)
        return LOG_LEVEL_FATAL;
    if (event->kind == EVENT_DISRUPTED && event->reason == CLOCK_SLEPT)
        return LOG_LEVEL_INFO;
    if (event->kind == EVENT_STATE_CHANGED &&
        (event->state == STATE_FALSETICKER || event->state == STATE_CONTRADICTORY ||
         event->state == STATE_UNCONFIRMED))
        return LOG_LEVEL_WARNING;
    return rows[event->kind].level;
}

const char *event_message_id(EventKind kind)
{
    return rows[kind].message_id;
}

typedef struct Fields {
    JournalField fields[FIELDS_MAX];
    size_t count;
} Fields;

static void add_field(Fields *fields, const char *name, const char *value)
{
    if (value && value[0] != '\0' && fields->count < FIELDS_MAX)
        fields->fields[fields->count++] = (JournalField) {.name = name, .value = value};
}

void event_log(Journal *journal, const Event *event, const char *drift_file)
{
    char message[512], address[IP_ADDRESS_TEXT_MAX], previous[IP_ADDRESS_TEXT_MAX], offset[32];
    Text text = TEXT(message), number = TEXT(offset);
    LogLevel level = event_level(event);
    Fields fields = {};

    if (!journal_wants(journal, level) || !event_text(event, drift_file, &text))
        return;
    add_field(&fields, "TIMEBALL_EVENT", event_name(event->kind));
    add_field(&fields, "TIMEBALL_SOURCE", event->name);
    add_field(&fields, "TIMEBALL_ADDRESS", ip_address_format(&event->address, address));
    add_field(&fields, "TIMEBALL_PREVIOUS_ADDRESS", ip_address_format(&event->previous, previous));
    if (event->kind == EVENT_STATE_CHANGED)
        add_field(&fields, "TIMEBALL_STATE", source_state_name(event->state));
    if (event->kind == EVENT_SELECTION_FAILED || event->kind == EVENT_UNSYNCHRONIZED ||
        event->kind == EVENT_DISRUPTED)
        add_field(&fields, "TIMEBALL_REASON", clock_reason_name(event->reason));
    if (event->kind == EVENT_SOURCE_NOT_ADDED)
        add_field(&fields, "TIMEBALL_RESULT", command_result_name(event->result));
    if (event->kind == EVENT_KEYS_FAILED)
        add_field(&fields, "TIMEBALL_NTS_FAILURE", nts_failure_name(event->failure));
    if (event->kind == EVENT_OFFER_REFUSED)
        add_field(&fields, "TIMEBALL_REFUSAL", offer_refusal_name(event->refusal));
    add_field(&fields, "TIMEBALL_INTERFACE", event->interface);
    if (event->key != 0) {
        text_append_format(&number, "%u", event->key);
        add_field(&fields, "TIMEBALL_KEY", offset);
    } else if (event->value != 0 && isfinite(event->value)) {
        text_append_format(&number, "%.9f", event->value);
        add_field(&fields, "TIMEBALL_OFFSET", offset);
    }
    journal_write(journal, level, event_message_id(event->kind), fields.fields, fields.count, message);
}
