// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* Everything but the correction changes with an event of the engine. The correction shrinks by itself while
 * the clock is slewed, so that a call that lacks nothing else looks again after a while. */

#include "bus/wait-synchronized.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "bus/held-call.h"
#include "core/api/bus-names.h"

#define LOOK_AGAIN_USEC    250000
#define TIMER_ACCURACY     1000 /* us */
#define TIMEOUT_USEC_LIMIT (UINT64_C(100) * 365 * 86400 * 1000000)

typedef struct Wait {
    WaitSynchronized *waits;
    HeldCall *call;
    WaitLimits limits;
    sd_event_source *timeout;
    struct Wait *next;
} Wait;

struct WaitSynchronized {
    sd_event *event;
    const Service *service;
    HeldCalls calls;
    Wait *list;
    sd_event_source *look_again;
};

typedef enum Progress { REACHED, SLEWING, NOT_YET } Progress;

static Progress progress(const ClockReport *clock, const WaitLimits *limits)
{
    if (!clock->synchronized || (limits->skew > 0 && !(clock->skew <= limits->skew)))
        return NOT_YET;
    return limits->correction > 0 && !(fabs(clock->system_offset) <= limits->correction) ? SLEWING : REACHED;
}

static void wait_free(Wait *wait)
{
    Wait **link = &wait->waits->list;

    while (*link && *link != wait)
        link = &(*link)->next;
    if (*link)
        *link = wait->next;
    held_call_free(wait->call);
    sd_event_source_disable_unref(wait->timeout);
    free(wait);
}

static void on_call_ended(void *userdata, HeldCallEnd end)
{
    Wait *wait = userdata;

    if (end == HELD_CALL_TOO_MANY)
        (void) sd_bus_reply_method_errorf(held_call_message(wait->call), SD_BUS_ERROR_LIMITS_EXCEEDED,
                                          "Too many calls of this user are waiting");
    wait_free(wait);
}

static int on_timeout(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    Wait *wait = userdata;

    (void) sd_bus_reply_method_errorf(held_call_message(wait->call), BUS_ERROR_TIMEOUT,
                                      "The clock was not synchronised in time");
    wait_free(wait);
    return 0;
}

static void look(WaitSynchronized *waits)
{
    ClockReport clock;
    bool slewing = false;

    waits->service->methods->clock(waits->service->userdata, &clock);
    for (Wait *wait = waits->list, *next; wait; wait = next) {
        next = wait->next;
        switch (progress(&clock, &wait->limits)) {
        case REACHED:
            (void) sd_bus_reply_method_return(held_call_message(wait->call), NULL);
            wait_free(wait);
            break;
        case SLEWING: slewing = true; break;
        case NOT_YET: break;
        }
    }
    if (slewing)
        (void) sd_event_source_set_time_relative(waits->look_again, LOOK_AGAIN_USEC);
    (void) sd_event_source_set_enabled(waits->look_again, slewing ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_look_again(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    look(userdata);
    return 0;
}

void wait_synchronized_on_clock(WaitSynchronized *waits)
{
    if (waits->list)
        look(waits);
}

static int arm_timeout(Wait *wait, uint64_t timeout_usec)
{
    if (timeout_usec == 0 || timeout_usec > TIMEOUT_USEC_LIMIT)
        return 0;
    return sd_event_add_time_relative(wait->waits->event, &wait->timeout, CLOCK_MONOTONIC, timeout_usec,
                                      TIMER_ACCURACY, on_timeout, wait);
}

static int hold(WaitSynchronized *waits, sd_bus_message *message, const WaitLimits *limits,
                uint64_t timeout_usec)
{
    Wait *wait = calloc(1, sizeof(*wait));

    if (!wait)
        return -ENOMEM;
    *wait = (Wait) {.waits = waits, .limits = *limits, .next = waits->list};
    waits->list = wait;
    int r = held_call_new(&waits->calls, message, on_call_ended, wait, &wait->call);
    if (r >= 0)
        r = arm_timeout(wait, timeout_usec);
    if (r < 0) {
        wait_free(wait);
        return r;
    }
    look(waits); /* arms the timer if it is the correction that is waited for */
    return 1;
}

int wait_synchronized_add(WaitSynchronized *waits, sd_bus_message *message, const WaitLimits *limits,
                          uint64_t timeout_usec, sd_bus_error *error)
{
    ClockReport clock;

    waits->service->methods->clock(waits->service->userdata, &clock);
    if (progress(&clock, limits) == REACHED)
        return sd_bus_reply_method_return(message, NULL);
    if (!held_calls_have_room(&waits->calls, message))
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too many calls are waiting");
    return hold(waits, message, limits, timeout_usec);
}

int wait_synchronized_new(sd_event *event, const Service *service, WaitSynchronized **ret)
{
    WaitSynchronized *waits = calloc(1, sizeof(*waits));

    if (!waits)
        return -ENOMEM;
    waits->event = sd_event_ref(event);
    waits->service = service;
    int r = sd_event_add_time_relative(event, &waits->look_again, CLOCK_MONOTONIC, LOOK_AGAIN_USEC,
                                       TIMER_ACCURACY, on_look_again, waits);
    if (r >= 0)
        r = sd_event_source_set_enabled(waits->look_again, SD_EVENT_OFF);
    if (r < 0) {
        wait_synchronized_free(waits);
        return r;
    }
    *ret = waits;
    return 0;
}

WaitSynchronized *wait_synchronized_free(WaitSynchronized *waits)
{
    if (!waits)
        return NULL;
    while (waits->list)
        wait_free(waits->list);
    sd_event_source_disable_unref(waits->look_again);
    sd_event_unref(waits->event);
    free(waits);
    return NULL;
}
