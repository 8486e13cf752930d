// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `tracking` and `activity`. On the bus an offset is what to add to our clock; chronyc prints "System time"
 * that way
 * ("slow" when something is to be added), and the last offset, the frequency and the residual frequency with
 * the other sign. */

#include <inttypes.h>
#include <math.h>

#include "core/api/bus-names.h"
#include "ctl/format.h"
#include "ctl/name.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

static void print_tracking(const Options *options, const ClockReport *clock)
{
    char name[DISPLAY_NAME_MAX];
    double frequency = -clock->frequency * 1e6;
    Cell cell;

    printf("Reference ID    : %08" PRIX32 " (%s)\n", clock->reference_id,
           reference_display_name(options, clock, name));
    printf("Stratum         : %u\n", clock->stratum);
    printf("Ref time (UTC)  : %s\n", format_instant(clock->reference_time, cell));
    printf("System time     : %.9f seconds %s of NTP time\n", fabs(clock->system_offset),
           clock->system_offset > 0 ? "slow" : "fast");
    printf("Last offset     : %+.9f seconds\n", 0.0 - clock->last_offset);
    printf("RMS offset      : %.9f seconds\n", clock->rms_offset);
    printf("Frequency       : %.3f ppm %s\n", fabs(frequency), frequency > 0 ? "fast" : "slow");
    printf("Residual freq   : %+.3f ppm\n", 0.0 - clock->residual_frequency * 1e6);
    printf("Skew            : %.3f ppm\n", clock->skew * 1e6);
    printf("Root delay      : %.9f seconds\n", clock->root_delay);
    printf("Root dispersion : %.9f seconds\n", clock->root_dispersion);
    printf("Update interval : %.1f seconds\n", clock->update_interval);
    printf("Leap status     : %s\n", leap_status_title(clock->leap));
}

static void print_tracking_csv(const Options *options, const ClockReport *clock)
{
    char name[DISPLAY_NAME_MAX];
    Cell cell;

    printf("%08" PRIX32 ",%s,%u,%s,%.9f,%.9f,%.9f,%.3f,%.3f,%.3f,%.9f,%.9f,%.1f,%s\n", clock->reference_id,
           reference_display_name(options, clock, name), clock->stratum,
           format_epoch(clock->reference_time, cell), clock->system_offset, 0.0 - clock->last_offset,
           clock->rms_offset, 0.0 - clock->frequency * 1e6, 0.0 - clock->residual_frequency * 1e6,
           clock->skew * 1e6, clock->root_delay, clock->root_dispersion, clock->update_interval,
           leap_status_title(clock->leap));
}

int verb_tracking(Client *client, int argc, char **argv)
{
    ClockReport clock;

    (void) argc, (void) argv;
    if (client->options.json != JSON_OFF)
        return report_json(client, BUS_INTERFACE_CLOCK);
    int r = client_clock(client, &clock);
    if (r < 0)
        return r;
    if (client->options.csv)
        print_tracking_csv(&client->options, &clock);
    else
        print_tracking(&client->options, &clock);
    return 0;
}

int verb_activity(Client *client, int argc, char **argv)
{
    ActivityReport a;

    (void) argc, (void) argv;
    if (client->options.json != JSON_OFF)
        return report_json(client, BUS_INTERFACE_MANAGER);
    int r = client_activity(client, &a);
    if (r < 0)
        return r;
    if (client->options.csv) {
        printf("%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 "\n", a.online, a.offline,
               a.burst_online, a.burst_offline, a.unresolved);
        return 0;
    }
    printf("200 OK\n"
           "%" PRIu32 " sources online\n"
           "%" PRIu32 " sources offline\n"
           "%" PRIu32 " sources doing burst (return to online)\n"
           "%" PRIu32 " sources doing burst (return to offline)\n"
           "%" PRIu32 " sources with unknown address\n",
           a.online, a.offline, a.burst_online, a.burst_offline, a.unresolved);
    return 0;
}
