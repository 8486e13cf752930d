// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `waitsync`: one call of Clock.WaitSynchronized stays open until the daemon answers it; nothing is polled. A
 * line of progress is printed every interval, and tries times interval is the limit. The daemon may come
 * later, and may be restarted in between: the call is made again when its name appears. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "base/text.h"
#include "core/api/bus-names.h"
#include "ctl/verbs.h"

#define INTERVAL_DEFAULT 10.0
#define INTERVAL_MIN     0.1
#define USEC_PER_SECOND  1e6

typedef struct Wait {
    Client *client;
    uint64_t tries;                  /* 0: no limit */
    double max_correction, max_skew; /* s, ppm; 0: no limit */
    double interval;                 /* s */
    sd_bus_slot *call;               /* open WaitSynchronized; NULL: the daemon is not there */
    bool finished;
    int result; /* 0 synchronised, negative: why waiting ended */
} Wait;

static uint64_t now_usec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* The daemon ended, or never was there: its name will tell when it is back. */
static bool is_absence(const sd_bus_error *error)
{
    return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
           sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
           sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
           sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Wait *wait = userdata;
    const sd_bus_error *e = sd_bus_message_get_error(m);

    (void) error;
    wait->call = sd_bus_slot_unref(wait->call);
    if (e && is_absence(e))
        return 1;
    wait->finished = true;
    wait->result = 0;
    if (e) {
        wait->result = -sd_bus_message_get_errno(m);
        sd_bus_error_free(&wait->client->error);
        sd_bus_error_copy(&wait->client->error, e);
    }
    return 1;
}

static int start_call(Wait *wait)
{
    sd_bus_message *m = NULL;
    int r = sd_bus_message_new_method_call(wait->client->bus, &m, BUS_NAME, BUS_ROOT_PATH,
                                           BUS_INTERFACE_CLOCK, "WaitSynchronized");

    if (r >= 0)
        r = sd_bus_message_set_auto_start(m, false);
    if (r >= 0)
        r = sd_bus_message_append(m, "ddt", wait->max_correction, wait->max_skew, UINT64_C(0));
    wait->call = sd_bus_slot_unref(wait->call);
    if (r >= 0)
        r = sd_bus_call_async(wait->client->bus, &wait->call, m, on_reply, wait, UINT64_MAX);
    sd_bus_message_unref(m);
    return r;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    Wait *wait = userdata;
    const char *name, *old_owner, *new_owner;

    (void) error;
    /* Anybody may send us what looks like it. */
    if (!text_equal(sd_bus_message_get_sender(m), "org.freedesktop.DBus"))
        return 0;
    int r = sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner);
    if (r >= 0 && new_owner[0] != '\0')
        r = start_call(wait);
    if (r < 0) {
        wait->finished = true;
        wait->result = r;
    }
    return 0;
}

/* Success needs no network: what chronyc would print of the clock at this moment. */
static void print_try(Wait *wait, uint64_t number)
{
    ClockReport clock;

    if (client_clock(wait->client, &clock) < 0) {
        puts("506 Cannot talk to daemon");
    } else if (wait->client->options.csv) {
        printf("%" PRIu64 ",%08" PRIX32 ",%.9f,%.3f\n", number, clock.reference_id, fabs(clock.system_offset),
               clock.skew * 1e6);
    } else {
        printf("try: %" PRIu64 ", refid: %08" PRIX32 ", correction: %.9f, skew: %.3f\n", number,
               clock.reference_id, fabs(clock.system_offset), clock.skew * 1e6);
    }
    fflush(stdout);
}

/* Handles what comes from the bus until `until` or the end of waiting. */
static int process_until(Wait *wait, uint64_t until)
{
    for (;;) {
        int r = sd_bus_process(wait->client->bus, NULL);
        if (r < 0 || wait->finished)
            return r;
        if (r > 0)
            continue;
        uint64_t now = now_usec();
        if (now >= until)
            return 0;
        r = sd_bus_wait(wait->client->bus, until - now);
        if (r < 0 && r != -EINTR)
            return r;
    }
}

/* Once it is synchronised, a last line shows by how much. */
static int run(Wait *wait)
{
    uint64_t start = now_usec();

    for (uint64_t number = 1;; number++) {
        print_try(wait, number);
        int r = process_until(wait, start); /* an answer that is here already needs no second line */
        if (r < 0 || wait->finished)
            return r < 0 ? r : wait->result;
        r = process_until(wait, start + (uint64_t) ((double) number * wait->interval * USEC_PER_SECOND));
        if (r < 0)
            return r;
        if (wait->finished && wait->result == 0)
            print_try(wait, wait->tries == 0 ? number + 1 : MIN(number + 1, wait->tries));
        if (wait->finished)
            return wait->result;
        if (number == wait->tries)
            return -ETIMEDOUT;
    }
}

static bool read_arguments(Wait *wait, int argc, char **argv)
{
    int64_t tries = 0;

    wait->interval = INTERVAL_DEFAULT;
    if ((argc > 1 && !text_to_int(argv[1], &tries)) ||
        (argc > 2 && !text_to_double(argv[2], &wait->max_correction)) ||
        (argc > 3 && !text_to_double(argv[3], &wait->max_skew)) ||
        (argc > 4 && !text_to_double(argv[4], &wait->interval)))
        return false;
    if (tries < 0 || wait->max_correction < 0 || wait->max_skew < 0)
        return false;
    wait->tries = (uint64_t) tries;
    wait->interval = CLAMP(wait->interval, INTERVAL_MIN, 1e6);
    return true;
}

int verb_waitsync(Client *client, int argc, char **argv)
{
    static const char match[] =
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
        "member='NameOwnerChanged',arg0='" BUS_NAME "'";
    Wait wait = {.client = client};

    if (!read_arguments(&wait, argc, argv))
        return syntax_error(argv[0]);
    int r = sd_bus_add_match(client->bus, NULL, match, on_owner_changed, &wait);
    if (r >= 0)
        r = start_call(&wait);
    if (r >= 0)
        r = run(&wait);
    sd_bus_slot_unref(wait.call);
    return r == -ETIMEDOUT ? 1 : r;
}
