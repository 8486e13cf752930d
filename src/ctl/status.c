// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `status`: how the clock is, in a few lines for people, and what to do when there is no daemon. */

#include <math.h>

#include "base/text.h"
#include "core/api/bus-names.h"
#include "core/api/explain.h"
#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/name.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

#define SERVICE      "timeball.service"
#define SYSTEMD_NAME "org.freedesktop.systemd1"

/* The skew of a clock of whose frequency nothing was measured. */
#define SKEW_UNKNOWN 1.9e-3

static void print_label(const char *label)
{
    printf("%20s: ", label);
}

static void print_synchronized(const Options *options, const ClockReport *clock,
                               const ActivityReport *activity)
{
    Tone tone = clock->synchronized ? TONE_BEST : TONE_BAD;
    char reason[512];
    Text text = TEXT(reason);

    print_label("Synchronised");
    printf("%s%s%s\n", tone_begin(tone, options->color), clock->synchronized ? "yes" : "no",
           tone_end(tone, options->color));
    if (clock->synchronized)
        return;
    explain_clock(clock, activity, &text);
    print_label("Reason");
    puts(reason);
}

static void print_source(const ClockReport *clock)
{
    char name[DISPLAY_NAME_MAX], address[IP_ADDRESS_TEXT_MAX];

    if (clock->reference_name[0] == '\0')
        return;
    text_escape(clock->reference_name, name, sizeof(name));
    ip_address_format(&clock->reference_address, address);
    print_label("Source");
    if (address[0] != '\0' && !text_equal(address, name))
        printf("%s (%s)\n", name, address);
    else
        puts(name);
}

static void print_clock(const ClockReport *clock)
{
    Cell cell;

    if (clock->stratum > 0) {
        print_label("Stratum");
        printf("%u\n", clock->stratum);
    }
    print_label("Offset");
    if (clock->system_offset == 0)
        puts("none");
    else
        printf("%s %s, %s\n", format_duration(clock->system_offset, cell),
               clock->system_offset > 0 ? "slow" : "fast",
               clock->may_set_clock ? "being corrected" : "not corrected");
    if (isfinite(clock->max_error)) {
        print_label("Maximum error");
        puts(format_duration(clock->max_error, cell));
    }
    print_label("Frequency");
    if (!(clock->skew < SKEW_UNKNOWN))
        puts("unknown");
    else
        printf("%.3f ppm %s, %s, known to %.3f ppm\n", fabs(clock->frequency * 1e6),
               clock->frequency > 0 ? "slow" : "fast", clock->may_set_clock ? "corrected" : "not corrected",
               clock->skew * 1e6);
    print_label("Leap second");
    puts(clock->leap == LEAP_INSERT   ? "to be inserted"
         : clock->leap == LEAP_DELETE ? "to be deleted"
                                      : "none");
    if (!clock->may_set_clock) {
        print_label("Control");
        puts("none: the clock is only observed");
    }
}

static void print_count(uint32_t count, const char *what)
{
    if (count > 0)
        printf(", %u %s", count, what);
}

static void print_sources(const ClockReport *clock, const ActivityReport *a)
{
    print_label("Sources");
    printf("%u online", a->online + a->burst_online);
    if (clock->synchronized)
        printf(" (%u in use)", clock->source_count);
    print_count(a->offline + a->burst_offline, "offline");
    print_count(a->unresolved, "without an address");
    putchar('\n');
}

/* What systemd says of the unit: "inactive (dead)". "" when it cannot be asked. */
static void service_state(Client *client, char *buffer, size_t size)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    char *active = NULL, *sub = NULL;
    const char *unit;
    Text text = text_init(buffer, size);

    if (sd_bus_call_method(client->bus, SYSTEMD_NAME, "/org/freedesktop/systemd1", SYSTEMD_NAME ".Manager",
                           "LoadUnit", NULL, &reply, "s", SERVICE) < 0 ||
        sd_bus_message_read(reply, "o", &unit) < 0)
        return;
    if (sd_bus_get_property_string(client->bus, SYSTEMD_NAME, unit, SYSTEMD_NAME ".Unit", "ActiveState", NULL,
                                   &active) >= 0 &&
        sd_bus_get_property_string(client->bus, SYSTEMD_NAME, unit, SYSTEMD_NAME ".Unit", "SubState", NULL,
                                   &sub) >= 0)
        text_append_format(&text, "%s (%s)", active, sub);
    free(active);
    free(sub);
}

static int status_not_running(Client *client)
{
    const Options *options = &client->options;
    char state[128] = "", escaped[256];

    service_state(client, state, sizeof(state));
    if (options->json != JSON_OFF) {
        Json json = json_init(stdout, options->json);
        json_begin(&json, '{');
        json_name(&json, "Running");
        fputs("false", stdout);
        json_name(&json, "Service");
        json_string(&json, state);
        json_end(&json, '}');
        json_finish(&json);
        return 1;
    }
    print_label("Synchronised");
    printf("%sunknown%s\n", tone_begin(TONE_BAD, options->color), tone_end(TONE_BAD, options->color));
    print_label("Reason");
    puts("timeball is not running.");
    if (state[0] != '\0') {
        print_label("Service");
        puts(text_escape(state, escaped, sizeof(escaped)));
    }
    print_label("To start it");
    puts("systemctl start " SERVICE);
    return 1;
}

static int json_interface(Client *client, Json *json, const char *name, const char *interface)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = client_properties(client, BUS_ROOT_PATH, interface, &reply);

    if (r < 0)
        return r;
    json_name(json, name);
    json_begin(json, '{');
    r = json_members(json, reply);
    json_end(json, '}');
    return r;
}

static int status_json(Client *client)
{
    Json json = json_init(stdout, client->options.json);

    json_begin(&json, '{');
    json_name(&json, "Running");
    fputs("true", stdout);
    int r = json_interface(client, &json, "Manager", BUS_INTERFACE_MANAGER);
    if (r >= 0)
        r = json_interface(client, &json, "Clock", BUS_INTERFACE_CLOCK);
    json_end(&json, '}');
    json_finish(&json);
    return r;
}

int verb_status(Client *client, int argc, char **argv)
{
    ActivityReport activity;
    ClockReport clock;
    bool running;

    (void) argc, (void) argv;
    int r = client_is_running(client, &running);
    if (r < 0)
        return r;
    if (!running)
        return status_not_running(client);
    if (client->options.json != JSON_OFF)
        return status_json(client);
    r = client_clock(client, &clock);
    if (r >= 0)
        r = client_activity(client, &activity);
    if (r < 0)
        return r;
    print_synchronized(&client->options, &clock, &activity);
    print_source(&clock);
    print_clock(&clock);
    print_sources(&clock, &activity);
    return 0;
}
