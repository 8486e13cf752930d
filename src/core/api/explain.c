// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Sentences with the numbers that decided. Each function appends whole sentences with their full stop. */

#include "core/api/explain.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* A duration to four digits in the unit that suits it: "1.000 s", "12.50 ms", "250 ns". */
static void append_duration(Text *text, double seconds)
{
    double size = fabs(seconds);

    if (!isfinite(seconds))
        text_append(text, "unknown");
    else if (size >= 9.9995)
        text_append_format(text, "%.1f s", seconds);
    else if (size >= 0.99995)
        text_append_format(text, "%.3f s", seconds);
    else if (size >= 999.95e-6)
        text_append_format(text, "%.2f ms", seconds * 1e3);
    else if (size >= 999.5e-9)
        text_append_format(text, "%.1f us", seconds * 1e6);
    else
        text_append_format(text, "%.0f ns", seconds * 1e9);
}

/* "label A, above limit-name B." when both numbers are known. */
static bool append_compared(Text *text, const char *label, double value, const char *limit_name, double limit)
{
    if (!isfinite(value) || !isfinite(limit))
        return false;
    text_append(text, label);
    append_duration(text, value);
    text_append(text, ", above ");
    text_append(text, limit_name);
    text_append(text, " ");
    append_duration(text, limit);
    text_append(text, ".");
    return true;
}

static void append_state_text(Text *text, SourceState state)
{
    text_append(text, source_state_text(state));
    text_append(text, ".");
}

/* How far the middle of the source's interval is from the nearest end of the one on which most agree. */
static double distance_from_majority(const Explanation *e)
{
    double middle = (e->selection.low_limit + e->selection.high_limit) / 2;

    if (middle > e->majority_high)
        return middle - e->majority_high;
    if (middle < e->majority_low)
        return middle - e->majority_low;
    return 0;
}

static void explain_disagreement(const Explanation *e, const char *whose, Text *text)
{
    double distance = distance_from_majority(e);

    if (!isfinite(distance) || e->agreeing == 0) {
        append_state_text(text, e->source.state);
        if (e->candidates > 1)
            text_append_format(text, " No majority of the %u sources agrees.", e->candidates);
        return;
    }
    if (distance != 0) {
        text_append(text, "It differs by ");
        append_duration(text, fabs(distance));
        text_append_format(text, " from the interval on which %u of %u %s agree: its time is %s.",
                           e->agreeing, e->candidates, whose, distance > 0 ? "ahead" : "behind");
    } else {
        text_append_format(text, "Its interval does not contain the one on which %u of %u %s agree.",
                           e->agreeing, e->candidates, whose);
    }
}

static void explain_no_keys(const Explanation *e, Text *text)
{
    const AuthenticationReport *a = &e->authentication;

    if (e->keys_held)
        text_append(
            text, "It is not asked: the network is behind a captive portal, where no keys are established.");
    else if (a->failure == NTS_OK)
        text_append(text, "It is not asked yet: its keys are being established.");
    else
        text_append_format(text, "It is not asked, since its keys could not be established (%s): %s.",
                           nts_failure_name(a->failure), nts_failure_text(a->failure));
}

static void append_error(Text *text, int error)
{
    const char *description = error != 0 ? strerrordesc_np(error) : NULL;

    if (description)
        text_append_format(text, " (%s)", description);
}

/* What the kernel means when it refuses a socket that asks nothing but to send there. */
static void explain_no_way(int error, const char *whom, Text *text)
{
    switch (error) {
    case ENETDOWN: text_append_format(text, "the link to %s has no carrier", whom); break;
    case EADDRNOTAVAIL:
        text_append_format(text, "this machine has no address from which to ask %s", whom);
        break;
    case ENODEV: text_append(text, "the device of bindacqdevice is not there"); break;
    case EAFNOSUPPORT:
        text_append_format(text, "the family of addresses of %s is not in use here", whom);
        break;
    case EHOSTUNREACH:
    case EACCES:
    case EPERM:
    case EINVAL: text_append_format(text, "a route or rule bars the way to %s", whom); break;
    default: text_append_format(text, "there is no route to %s", whom); break;
    }
    append_error(text, error);
}

void explain_offline(OfflineReason reason, int error, const IpAddress *address, Text *text)
{
    char buffer[IP_ADDRESS_TEXT_MAX];
    const char *whom = address && address->family != IP_UNSPEC ? ip_address_format(address, buffer) : "it";

    switch (reason) {
    case OFFLINE_BY_HAND:
        text_append(text, "a command or the configuration wants it so (\"timectl online\" undoes that)");
        return;
    case OFFLINE_NO_WAY: explain_no_way(error, whom, text); return;
    case OFFLINE_SEND_FAILED:
        text_append_format(text, "a request to %s could not be sent", whom);
        append_error(text, error);
        return;
    case OFFLINE_NOT:
    case OFFLINE_REASON_COUNT: return;
    }
}

static void explain_offline_source(const SourceReport *source, Text *text)
{
    text_append(text, "It is offline");
    if (source->offline_reason != OFFLINE_NOT)
        text_append(text, ": ");
    explain_offline(source->offline_reason, source->way_error, &source->remote.address, text);
    text_append(text, ".");
}

static void explain_missing(const Explanation *e, Text *text)
{
    const SourceReport *source = &e->source;

    if (!source->online)
        explain_offline_source(source, text);
    else if (source->resolving)
        text_append(text, "Its name has no address yet.");
    else if (e->authentication.mode == AUTHENTICATION_NTS && !e->authentication.has_key)
        explain_no_keys(e, text);
    else if (e->authentication.mode == AUTHENTICATION_SYMMETRIC && !e->authentication.has_key)
        text_append_format(text, "It is not asked: its key %u is not in the key file.",
                           e->authentication.key);
    else if (source->samples == 0)
        text_append(text, source->last_receive.ns == TIME_UNSET ? "It has not answered yet."
                                                                : "No answer of it could be used yet.");
    else if (isfinite(e->limit))
        text_append_format(text, "It has given %u of the %.0f samples that are needed.", source->samples,
                           e->limit);
    else
        append_state_text(text, source->state);
}

static void explain_stratum(const Explanation *e, Text *text)
{
    if (!isfinite(e->limit)) {
        append_state_text(text, e->source.state);
        return;
    }
    bool above = e->source.stratum > e->limit;
    text_append_format(text, "Its stratum is %u, %s %.0f.", e->source.stratum,
                       above ? "above maxstratum" : "below minstratum", e->limit);
}

static void explain_waiting(const Explanation *e, Text *text)
{
    if (isfinite(e->limit) && e->agreeing < e->limit)
        text_append_format(text, "It agrees with the majority, but only %u of at least %.0f sources do.",
                           e->agreeing, e->limit);
    else
        append_state_text(text, e->source.state);
}

static void explain_unconfirmed(const Explanation *e, Text *text)
{
    append_state_text(text, e->source.state);
    if (isfinite(e->value) && isfinite(e->limit))
        text_append_format(text,
                           " %.0f of at least %.0f authenticated sources with different names agree on it.",
                           e->value, e->limit);
}

/* A source that is used: by what it says. */
static void explain_used(const Explanation *e, Text *text)
{
    const SourceReport *source = &e->source;

    text_append(text, source_state_text(source->state));
    text_append(text, ": by ");
    text_append_format(text, "%u samples our clock is ", source->samples);
    append_duration(text, fabs(source->estimated_offset));
    text_append(text, source->estimated_offset > 0 ? " slow, give or take " : " fast, give or take ");
    append_duration(text, source->estimated_offset_error);
    text_append(text, "; its root distance is ");
    append_duration(text, e->selection.root_distance);
    text_append(text, ".");
}

static void explain_state(const Explanation *e, Text *text)
{
    SourceState state = e->source.state;

    switch (state) {
    case STATE_MISSING_SAMPLES: explain_missing(e, text); return;
    case STATE_BAD_STRATUM: explain_stratum(e, text); return;
    case STATE_TOO_DISTANT:
        if (append_compared(text, "Its root distance is ", e->value, "maxdistance", e->limit))
            return;
        break;
    case STATE_JITTERY:
        if (append_compared(text, "The standard deviation of its samples is ", e->value, "maxjitter",
                            e->limit))
            return;
        break;
    case STATE_UNTRUSTED: explain_disagreement(e, "trusted sources", text); return;
    case STATE_FALSETICKER: explain_disagreement(e, "sources", text); return;
    case STATE_UNCONFIRMED: explain_unconfirmed(e, text); return;
    case STATE_WAITING: explain_waiting(e, text); return;
    case STATE_DISTANT:
        if (append_compared(text, "It is good, but its distance is ", e->value, "the limit for combining",
                            e->limit))
            return;
        break;
    case STATE_COMBINED:
    case STATE_SELECTED: explain_used(e, text); return;
    case STATE_NOSELECT:
    case STATE_UNSYNCHRONIZED:
    case STATE_CONTRADICTORY:
    case STATE_WAITING_START:
    case STATE_STALE:
    case STATE_ORPHAN:
    case STATE_NOT_PREFERRED:
    case STATE_WAITING_UPDATE:
    case STATE_COUNT: break;
    }
    append_state_text(text, state);
}

/* What else is wrong with it, whatever selection says. */
static void explain_trouble(const Explanation *e, Text *text)
{
    if (!e->source.online && e->source.state != STATE_MISSING_SAMPLES) {
        text_append(text, " ");
        explain_offline_source(&e->source, text);
    }
    if (e->source.online && !e->source.resolving && e->source.samples > 0 && e->source.reachability == 0)
        text_append(text, " It has not answered the last eight polls.");
    if (e->last_verdict != PACKET_GOOD) {
        text_append(text, " Its last packet was not used: ");
        text_append(text, packet_verdict_text(e->last_verdict));
        text_append(text, ".");
    }
}

/* A source that has an address keeps it. */
static void explain_name(const Explanation *e, Text *text)
{
    if (e->refused_name)
        text_append(text, e->source.resolving
                              ? " DNSSEC refuses what its name is said to mean."
                              : " DNSSEC refuses what its name is said to mean now: it keeps its address.");
}

/* What the network has to do with it. */
static void explain_network(const Explanation *e, Text *text)
{
    if (e->network.connectivity == CONNECTIVITY_PORTAL && e->doubtful_name && !e->source.resolving)
        text_append(text,
                    " Its name may have been looked up behind a captive portal: it will be looked up again "
                    "when the portal is passed.");
    if (e->network.metered && e->source.online)
        text_append_format(text,
                           " The network is metered: it is polled at its longest interval, every %.0f s.",
                           exp2(e->source.poll));
}

/* Who has named it, where that is not the configuration. */
static void explain_origin(const Explanation *e, Text *text)
{
    switch (e->source.origin) {
    case ORIGIN_FILE: text_append_format(text, " It is named in %s.", e->source.origin_name); return;
    case ORIGIN_COMMAND: text_append(text, " It was added by a command."); return;
    case ORIGIN_NETWORK_MANAGER:
        text_append_format(text, " The network offers it on %s, says NetworkManager.", e->source.origin_name);
        return;
    case ORIGIN_NETWORKD:
        text_append_format(text, " The network offers it on %s, says systemd-networkd.",
                           e->source.origin_name);
        return;
    case ORIGIN_CONFIGURATION:
    case ORIGIN_COUNT: return;
    }
}

void explain_source(const Explanation *explanation, Text *text)
{
    explain_state(explanation, text);
    explain_origin(explanation, text);
    explain_trouble(explanation, text);
    explain_name(explanation, text);
    explain_network(explanation, text);
}

static void append_reason(Text *text, ClockReason reason)
{
    text_append(text, clock_reason_text(reason));
    text_append(text, ".");
}

/* "1 source is offline" or "3 sources are offline". */
static void append_count(Text *text, uint32_t count, const char *what)
{
    if (count > 0)
        text_append_format(text, " %u source%s %s.", count, count == 1 ? " is" : "s are", what);
}

static void append_hint(Text *text)
{
    text_append(text, " See \"timectl explain\".");
}

void explain_clock(const ClockReport *clock, const ActivityReport *activity, Text *text)
{
    if (clock->synchronized)
        return;

    append_reason(text, clock->reason);
    switch (clock->reason) {
    case CLOCK_ALL_OFFLINE:
    case CLOCK_NO_KEYS: append_hint(text); return;
    case CLOCK_NO_RESPONSE:
    case CLOCK_STARTING:
    case CLOCK_UNRESOLVED:
        append_count(text, activity->offline + activity->burst_offline, "offline");
        append_count(text, activity->unresolved, "without an address");
        return;
    case CLOCK_NO_SELECTABLE:
    case CLOCK_NO_MAJORITY:
    case CLOCK_NOT_ENOUGH:
    case CLOCK_UNCONFIRMED: append_hint(text); return;
    case CLOCK_DISRUPTED:
    case CLOCK_SLEPT:
    case CLOCK_RESTORED:
    case CLOCK_EXCESSIVE:
    case CLOCK_INITSTEPSLEW:
    case CLOCK_NO_SOURCES:
    case CLOCK_SYNCHRONIZED:
    case CLOCK_REASON_COUNT: return;
    }
}
