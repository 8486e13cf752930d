// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The system calls around CLOCK_REALTIME. All of them are here, all through libc's own symbols, so that a
 * library that interposes them sees everything.
 *
 * Invariant: once taken over, `mine` is what the kernel answered to our last call that set the frequency.
 * Whoever finds something else there has found another program. */

#include "hw/kernel-clock.h"

#include <errno.h>
#include <math.h>
#include <sys/timex.h>
#include <unistd.h>

#include "hw/kernel-frequency.h"

/* Readings this close are taken at once, ns. */
#define CLOSE_ENOUGH  200
#define READING_TRIES 4

#define PRECISION_READINGS 200

/* From here on the kernel (NTP_PHASE_LIMIT) and timedated call the clock unsynchronised, us. */
#define ERROR_LIMIT_US 16000000L

struct KernelClock {
    long ticks_per_second;
    bool taken_over;
    KernelFrequency mine;
};

static int64_t read_ns(clockid_t id)
{
    struct timespec ts = {};

    (void) clock_gettime(id, &ts); /* cannot fail for the clocks that are asked */
    return ns_from_timespec(ts);
}

/* CLOCK_BOOTTIME is read always, though it differs from CLOCK_MONOTONIC after a sleep only, and that costs 23
 * ns (93 instead of 70 with the TSC): whoever asked for it only when the other two have moved apart would
 * have to remember something from call to call, in each thread, and would miss a sleep during which the clock
 * was set back. */
Now kernel_clock_now(void)
{
    Now best = {};
    int64_t best_width = INT64_MAX;

    for (int i = 0; i < READING_TRIES && best_width > CLOSE_ENOUGH; i++) {
        int64_t before = read_ns(CLOCK_MONOTONIC);
        int64_t raw = read_ns(CLOCK_REALTIME);
        int64_t boot = read_ns(CLOCK_BOOTTIME);
        int64_t width = read_ns(CLOCK_MONOTONIC) - before;
        if (width >= best_width)
            continue;
        int64_t mono = before + width / 2;
        best = (Now) {.mono = {mono}, .raw = {raw}, .asleep_ns = boot - mono};
        best_width = width;
    }
    return best;
}

double kernel_clock_precision(void)
{
    struct timespec resolution = {};
    int64_t smallest = NSEC_PER_SEC;

    (void) clock_getres(CLOCK_REALTIME, &resolution);
    int64_t last = read_ns(CLOCK_REALTIME);
    for (int i = 0; i < PRECISION_READINGS; i++) {
        int64_t now = read_ns(CLOCK_REALTIME);
        if (now > last)
            smallest = MIN(smallest, now - last);
        last = now;
    }
    /* A clock that did not move (a simulator's): its resolution is all that is known. */
    if (smallest == NSEC_PER_SEC)
        smallest = CLAMP(ns_from_timespec(resolution), INT64_C(1), NSEC_PER_SEC);
    return (double) smallest * 1e-9;
}

/* adjtimex's answer is the state of the clock, not a success: only a negative one is a failure. */
static int adjust(struct timex *request)
{
    return clock_adjtime(CLOCK_REALTIME, request) < 0 ? -errno : 0;
}

int kernel_clock_new(KernelClock **ret)
{
    long ticks = sysconf(_SC_CLK_TCK);
    KernelClock *clock = calloc(1, sizeof *clock);

    if (!clock)
        return -ENOMEM;
    clock->ticks_per_second = ticks > 0 ? ticks : 100;
    *ret = clock;
    return 0;
}

KernelClock *kernel_clock_free(KernelClock *clock)
{
    free(clock);
    return NULL;
}

int kernel_clock_take_over(KernelClock *clock)
{
    /* In this order: the rest of an adjtime(); the phase that the kernel's loop still works off (it can only
     * be zeroed while the loop runs); the loop itself. */
    struct timex single = {.modes = ADJ_OFFSET_SINGLESHOT};
    struct timex phase = {.modes = ADJ_STATUS | ADJ_OFFSET, .status = STA_PLL | STA_UNSYNC};
    struct timex loop = {.modes = ADJ_STATUS, .status = STA_UNSYNC};
    struct timex now = {};
    int r;

    if ((r = adjust(&single)) < 0 || (r = adjust(&phase)) < 0 || (r = adjust(&loop)) < 0 ||
        (r = adjust(&now)) < 0)
        return r;
    clock->mine = (KernelFrequency) {.tick = now.tick, .fine = now.freq};
    clock->taken_over = true;
    return 0;
}

int kernel_clock_get_frequency(const KernelClock *clock, double *ret)
{
    struct timex now = {};
    int r = adjust(&now);

    if (r < 0)
        return r;
    *ret = kernel_frequency_join((KernelFrequency) {.tick = now.tick, .fine = now.freq},
                                 clock->ticks_per_second);
    return 0;
}

int kernel_clock_set_frequency(KernelClock *clock, double frequency, RawTime *ret_when, double *ret_frequency)
{
    KernelFrequency wanted = kernel_frequency_split(frequency, clock->ticks_per_second);
    struct timex request = {.modes = ADJ_FREQUENCY | ADJ_TICK, .freq = wanted.fine, .tick = wanted.tick};

    int64_t before = read_ns(CLOCK_REALTIME);
    int r = adjust(&request);
    int64_t after = read_ns(CLOCK_REALTIME);
    if (r < 0)
        return r;
    clock->mine = (KernelFrequency) {.tick = request.tick, .fine = request.freq};
    *ret_when = (RawTime) {before + (after - before) / 2};
    *ret_frequency = kernel_frequency_join(clock->mine, clock->ticks_per_second);
    return 0;
}

int kernel_clock_step(KernelClock *clock, int64_t offset_ns)
{
    struct timespec offset = timespec_from_ns(offset_ns);
    struct timex request = {.modes = ADJ_SETOFFSET | ADJ_NANO};

    (void) clock;
    request.time.tv_sec = offset.tv_sec;
    request.time.tv_usec = offset.tv_nsec; /* ADJ_NANO: nanoseconds, never negative */
    return adjust(&request);
}

static long error_us(double seconds)
{
    if (!(seconds < (double) ERROR_LIMIT_US * 1e-6)) /* infinite and NaN too */
        return ERROR_LIMIT_US;
    return seconds <= 0 ? 0 : lrint(ceil(seconds * 1e6));
}

int kernel_clock_set_status(KernelClock *clock, const KernelStatus *status)
{
    struct timex request = {
        .modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR,
        .status = (status->synchronized ? 0 : STA_UNSYNC) | (status->leap > 0 ? STA_INS : 0) |
                  (status->leap < 0 ? STA_DEL : 0),
        .maxerror = error_us(status->max_error),
        .esterror = error_us(status->est_error),
    };

    (void) clock;
    if (status->tai_offset != 0) {
        request.modes |= ADJ_TAI;
        request.constant = status->tai_offset;
    }
    return adjust(&request);
}

bool kernel_clock_was_changed(KernelClock *clock, double *ret_frequency)
{
    struct timex now = {};

    if (!clock->taken_over || adjust(&now) < 0)
        return false;
    KernelFrequency found = {.tick = now.tick, .fine = now.freq};
    if (found.tick == clock->mine.tick && found.fine == clock->mine.fine && !(now.status & STA_PLL))
        return false;
    clock->mine = found;
    *ret_frequency = kernel_frequency_join(found, clock->ticks_per_second);
    return true;
}
