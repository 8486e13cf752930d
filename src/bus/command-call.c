// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* From a method call to a command and back: arguments are checked first (an error needs no password), then
 * polkit is asked, and only then anything happens. This runs twice for a call that polkit is asked about. */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/subnet.h"
#include "base/text.h"
#include "bus/bus-internal.h"
#include "core/api/bus-names.h"

static const char *const error_names[] = {
    [COMMAND_OK] = NULL,
    [COMMAND_FAILED] = BUS_ERROR_FAILED,
    [COMMAND_INVALID] = BUS_ERROR_INVALID_ARGUMENT,
    [COMMAND_NO_SOURCE] = BUS_ERROR_NO_SUCH_SOURCE,
    [COMMAND_EXISTS] = BUS_ERROR_SOURCE_EXISTS,
    [COMMAND_TOO_MANY] = BUS_ERROR_TOO_MANY_SOURCES,
    [COMMAND_BAD_FAMILY] = BUS_ERROR_BAD_FAMILY,
    [COMMAND_BAD_NAME] = BUS_ERROR_BAD_NAME,
    [COMMAND_NOT_ENABLED] = BUS_ERROR_NOT_ENABLED,
    [COMMAND_NO_CLOCK] = BUS_ERROR_NO_CLOCK,
    [COMMAND_NOT_SYNCHRONIZED] = BUS_ERROR_NOT_SYNCHRONIZED,
    [COMMAND_NO_ENTRY] = BUS_ERROR_NO_SUCH_ENTRY,
    [COMMAND_CONFIG] = BUS_ERROR_CONFIGURATION,
};
static_assert(ELEMENTS(error_names) == COMMAND_RESULT_COUNT, "each result has its error");

int bus_refuse(CommandResult result, const char *detail, sd_bus_error *error)
{
    const char *text = command_result_text(result);

    /* Both are ours, but detail may quote what the caller sent: never a format. */
    if (detail[0] != '\0')
        return sd_bus_error_setf(error, error_names[result], "%s: %s", text, detail);
    return sd_bus_error_set(error, error_names[result], text);
}

int bus_read_source(Bus *bus, const char *text, SourceId *ret, sd_bus_error *error)
{
    char path[SOURCE_PATH_MAX];
    ExportedSource *source = NULL;

    if (text[0] == '/')
        source = exported_source_by_path(bus, text);
    else if (text[0] != '\0' && strlen(text) < SOURCE_NAME_MAX && source_path(text, path))
        source = exported_source_by_path(bus, path);
    if (!source)
        return bus_refuse(COMMAND_NO_SOURCE, "", error);
    *ret = source->id;
    return 0;
}

/* "ADDRESS" or "ADDRESS/BITS". Whether the bits fit the family is command_check()'s business. */
static bool read_network(const char *text, SourceMask *ret)
{
    char address[IP_ADDRESS_TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t) (slash - text) : strlen(text);
    SourceMask mask = {0};
    int64_t bits = 0;

    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (!ip_address_parse(address, &mask.network))
        return false;
    if (!slash)
        bits = mask.network.family == IP_V4 ? 32 : 128;
    else if (!text_to_int(slash + 1, &bits) || bits < 0 || bits > 128)
        return false;
    mask.prefix = (uint8_t) bits;
    *ret = mask;
    return true;
}

int bus_read_mask(Bus *bus, const char *text, SourceMask *ret, sd_bus_error *error)
{
    SourceMask mask = {0};

    if (text[0] != '\0' && !read_network(text, &mask)) {
        int r = bus_read_source(bus, text, &mask.id, error);
        if (r < 0)
            return r;
    }
    *ret = mask;
    return 0;
}

/* --- What polkit's rules and agents are told. --- */

static uint64_t now_usec(clockid_t clock)
{
    struct timespec now;

    return clock_gettime(clock, &now) < 0 ? 0 : (uint64_t) (ns_from_timespec(now) / NSEC_PER_USEC);
}

/* How much larger a step may be than the one that somebody has allowed: by that part of it, or s. A
 * correction is estimated anew with each sample; what people decide about is its size. */
#define STEP_GROWTH 0.1
#define STEP_LEAST  0.01

#define DETAILS_MAX 6
#define DETAIL_TEXT 64

typedef struct Details {
    PolkitDetail list[DETAILS_MAX];
    size_t count;
    char numbers[DETAILS_MAX][DETAIL_TEXT]; /* what the numeric ones point to */
    SourceReport source;                    /* likewise */
    double step;                            /* s that the clock would be moved by; 0: it is not */
} Details;

static void add_text(Details *details, const char *key, const char *value)
{
    details->list[details->count++] = (PolkitDetail) {key, value};
}

static void add_number(Details *details, const char *key, double value)
{
    Text text = text_init(details->numbers[details->count], DETAIL_TEXT);

    text_append_format(&text, "%.9g", value);
    add_text(details, key, text.data);
}

static void add_seconds(Details *details, double seconds)
{
    details->step = seconds;
    add_number(details, "seconds", fabs(seconds));
    add_text(details, "direction", seconds < 0 ? "backward" : "forward");
}

static void add_source_name(Details *details, const Bus *bus, SourceId id)
{
    if (id.value != 0 && bus->service.methods->source(bus->service.userdata, id, &details->source))
        add_text(details, "source", details->source.name);
}

static void add_step(Details *details, const Bus *bus)
{
    ClockReport clock;

    bus->service.methods->clock(bus->service.userdata, &clock);
    add_seconds(details, clock.system_offset);
}

static void add_network(Details *details, const AccessRule *rule)
{
    char *text = details->numbers[details->count];

    static_assert(DETAIL_TEXT >= IP_SUBNET_TEXT_MAX, "room for a network");
    if (rule->network.family == IP_UNSPEC)
        add_text(details, "network", "all");
    else
        add_text(details, "network", ip_subnet_format(&rule->network, rule->prefix, text));
}

/* By how much the clock would be moved, as near as matters to who decides. */
static void add_entered_time(Details *details, const Command *command)
{
    int64_t now = (int64_t) now_usec(CLOCK_REALTIME) * NSEC_PER_USEC;
    double seconds = (double) (command->set_time.time.ns - now) * 1e-9;

    if (mono_is_set(command->set_time.at))
        seconds +=
            (double) ((int64_t) now_usec(CLOCK_MONOTONIC) * NSEC_PER_USEC - command->set_time.at.ns) * 1e-9;
    add_seconds(details, seconds);
}

static void describe(const Bus *bus, const Command *command, Details *ret)
{
    ret->count = 0;
    ret->step = 0;
    add_text(ret, "command", command_info(command->kind)->name);
    switch (command->kind) {
    case COMMAND_ADD_SOURCE:
        add_text(ret, "kind", source_kind_name(command->add.kind));
        add_text(ret, "source", command->add.name);
        add_text(ret, "options", command->add.options);
        break;
    case COMMAND_REMOVE_SOURCE:
    case COMMAND_BURST: add_source_name(ret, bus, command->sources.id); break;
    case COMMAND_SET_ONLINE:
        add_source_name(ret, bus, command->sources.id);
        add_text(ret, "online", command->online ? "yes" : "no");
        break;
    case COMMAND_SET_SOURCE_OPTION:
        add_source_name(ret, bus, command->sources.id);
        add_text(ret, "option", source_option_info(command->set.option)->name);
        add_number(ret, "value", command->set.value);
        break;
    case COMMAND_SET_SELECT_OPTIONS: add_source_name(ret, bus, command->sources.id); break;
    case COMMAND_SET_RESELECT_DISTANCE: add_number(ret, "value", command->seconds); break;
    case COMMAND_MAKE_STEP: add_step(ret, bus); break;
    case COMMAND_SET_STEP_POLICY:
        add_number(ret, "threshold", command->step.threshold);
        add_number(ret, "limit", command->step.limit);
        break;
    case COMMAND_SET_MAX_UPDATE_SKEW: add_number(ret, "value", command->skew * 1e6); break;
    case COMMAND_ALLOW:
    case COMMAND_DENY: add_network(ret, &command->access); break;
    case COMMAND_SET_LOCAL:
        add_text(ret, "enable", command->local.enabled ? "yes" : "no");
        add_number(ret, "stratum", command->local.stratum);
        break;
    case COMMAND_SET_TIME: add_entered_time(ret, command); break;
    case COMMAND_SET_MANUAL: add_text(ret, "enabled", command->enabled ? "yes" : "no"); break;
    case COMMAND_DELETE_MANUAL: add_number(ret, "entry", command->entry); break;
    case COMMAND_RESET_MANUAL:
    case COMMAND_RESET_CLIENTS:
    case COMMAND_ONOFFLINE:
    case COMMAND_REFRESH:
    case COMMAND_RESELECT:
    case COMMAND_RESET_SOURCES:
    case COMMAND_RELOAD:
    case COMMAND_RELOAD_SOURCES:
    case COMMAND_DUMP:
    case COMMAND_REKEY:
    case COMMAND_CYCLE_LOGS:
    case COMMAND_KIND_COUNT: break;
    }
}

/* --- The call. --- */

static int refuse_authorization(Authorization answer, sd_bus_error *error)
{
    switch (answer) {
    case AUTHORIZATION_CHALLENGE:
        return sd_bus_error_set(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                "Authentication is required, and the call does not allow to ask for it");
    case AUTHORIZATION_TOO_MANY:
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "Too many calls are waiting for authorization");
    case AUTHORIZATION_DENIED:
    case AUTHORIZATION_GRANTED:
    case AUTHORIZATION_PENDING: break;
    }
    return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Not authorized");
}

static int reply_source(Bus *bus, sd_bus_message *message, SourceId id)
{
    SourceReport source;
    char path[SOURCE_PATH_MAX];

    if (!bus->service.methods->source(bus->service.userdata, id, &source) || !source_path(source.name, path))
        return sd_bus_reply_method_return(message, "o", "/"); /* it was replaced or removed already */
    return sd_bus_reply_method_return(message, "o", path);
}

static int apply(Bus *bus, sd_bus_message *message, const Command *command, ReplyKind kind,
                 sd_bus_error *error)
{
    CommandReply reply = {0};
    CommandResult result = bus->service.methods->apply(bus->service.userdata, command, &reply);

    if (result != COMMAND_OK)
        return bus_refuse(result, reply.detail, error);
    if (command->kind == COMMAND_RELOAD)
        bus_on_configuration_changed(bus);
    switch (kind) {
    case REPLY_COUNT: return sd_bus_reply_method_return(message, "u", reply.count);
    case REPLY_TIME:
        return sd_bus_reply_method_return(message, "ddd", reply.offset, reply.frequency_change * 1e6,
                                          reply.frequency * 1e6);
    case REPLY_SOURCE: return reply_source(bus, message, reply.source);
    case REPLY_NOTHING: break;
    }
    return sd_bus_reply_method_return(message, NULL);
}

/* While somebody looked for a password, the clock may have become wrong by much more than he was told. */
static bool is_another_step(double allowed, double now)
{
    double most = fmax(allowed, 0) * (1 + STEP_GROWTH) + STEP_LEAST;
    double least = fmin(allowed, 0) * (1 + STEP_GROWTH) - STEP_LEAST;

    return !(least <= now && now <= most);
}

static int refuse_step(double allowed, double now, sd_bus_error *error)
{
    char buffer[128];
    Text text = TEXT(buffer);

    text_append_format(&text,
                       "what was allowed is a step by %+.3g s, and it would be %+.3g s by now: ask again",
                       allowed, now);
    return bus_refuse(COMMAND_FAILED, text.data, error);
}

/* 0: granted. 1: it is being asked. Negative: error is set. */
static int authorize(Bus *bus, sd_bus_message *message, const char *action, const Details *details,
                     sd_bus_error *error)
{
    const PolkitQuestion question = {.action = action,
                                     .details = details->list,
                                     .detail_count = details->count,
                                     .size = details->step};
    Authorization answer;
    double allowed;
    int r = polkit_check(bus->polkit, message, &question, &answer, &allowed);

    if (r < 0)
        return r;
    if (answer == AUTHORIZATION_PENDING)
        return 1;
    if (answer != AUTHORIZATION_GRANTED)
        return refuse_authorization(answer, error);
    return is_another_step(allowed, details->step) ? refuse_step(allowed, details->step, error) : 0;
}

int bus_authorize(Bus *bus, sd_bus_message *message, const char *action, sd_bus_error *error)
{
    const Details nothing = {0};

    return authorize(bus, message, action, &nothing, error);
}

int bus_run_command(Bus *bus, sd_bus_message *message, const Command *command, ReplyKind reply,
                    sd_bus_error *error)
{
    CommandReply checked = {0};
    CommandResult result = command_check(command, &checked);
    Details details;

    if (result != COMMAND_OK)
        return bus_refuse(result, checked.detail, error);
    describe(bus, command, &details);
    int r = authorize(bus, message, command_info(command->kind)->action, &details, error);
    if (r != 0)
        return r;
    return apply(bus, message, command, reply, error);
}
