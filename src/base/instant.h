// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* One type for each kind of time, so that mixing two does not compile.
 *
 * An absolute time is a count of nanoseconds in a one-member struct. A difference of two is `double` seconds
 * in statistics (its step is below a nanosecond for differences below 50 days) or `int64_t` nanoseconds where
 * exactness matters.
 *
 * The sign rule of the whole project: an offset or a frequency is a *correction*, what has to be added to our
 * clock to make it right. A positive offset: our clock is slow. A positive frequency: our clock runs slow.
 * Whoever wants the other sign (some columns of the reports) converts at its own edge. */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_PER_USEC INT64_C(1000)

/* Absent, in each of the types below. */
#define TIME_UNSET INT64_MIN

/* CLOCK_MONOTONIC: deadlines, ages. Slewed with the kernel clock, never stepped. May start at 0. */
typedef struct MonoTime {
    int64_t ns;
} MonoTime;

/* The kernel clock (CLOCK_REALTIME) as read: ns since 1970 UTC. Stepped, slewed, wrong until corrected. */
typedef struct RawTime {
    int64_t ns;
} RawTime;

/* Our best knowledge of true time: the kernel clock plus the correction that is still being slewed. ns since
 * 1970. */
typedef struct CookedTime {
    int64_t ns;
} CookedTime;

/* The bare oscillator: the kernel clock with every frequency change, slew and step of ours taken out again.
 * Samples are kept in it, so that steering the clock never has to rewrite them. ns; equals RawTime when the
 * engine starts. */
typedef struct LocalTime {
    int64_t ns;
} LocalTime;

/* A timestamp as on the wire (RFC 5905, section 6): seconds since 1900 modulo 2^32 (the era is not in it) and
 * 2^-32 s. Zero means "unknown". */
typedef struct NtpTime {
    uint64_t value;
} NtpTime;

/* The instant that is given to core with every input: the clocks, read together. */
typedef struct Now {
    MonoTime mono;
    RawTime raw;
    int64_t asleep_ns; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC: how long the machine has slept since its boot */
} Now;

/* a - b in seconds. */
static inline double mono_diff(MonoTime a, MonoTime b)
{
    return (double) (a.ns - b.ns) * 1e-9;
}

static inline double raw_diff(RawTime a, RawTime b)
{
    return (double) (a.ns - b.ns) * 1e-9;
}

static inline double cooked_diff(CookedTime a, CookedTime b)
{
    return (double) (a.ns - b.ns) * 1e-9;
}

static inline double local_diff(LocalTime a, LocalTime b)
{
    return (double) (a.ns - b.ns) * 1e-9;
}

/* Seconds to nanoseconds, rounded to nearest; saturates at +-292 years instead of overflowing. NaN gives 0.
 */
int64_t ns_from_seconds(double seconds);

MonoTime mono_add(MonoTime t, double seconds);
RawTime raw_add(RawTime t, double seconds);
CookedTime cooked_add(CookedTime t, double seconds);
LocalTime local_add(LocalTime t, double seconds);

/* The earlier of two deadlines; an unset one is later than all. */
MonoTime mono_earliest(MonoTime a, MonoTime b);

static inline bool mono_is_set(MonoTime t)
{
    return t.ns != TIME_UNSET;
}

#define MONO_UNSET   ((MonoTime) {TIME_UNSET})
#define RAW_UNSET    ((RawTime) {TIME_UNSET})
#define COOKED_UNSET ((CookedTime) {TIME_UNSET})
#define LOCAL_UNSET  ((LocalTime) {TIME_UNSET})

/* Wire timestamp of an instant, and back. `pivot` tells the era: the result is the instant nearest to pivot,
 * at most 68 years away (RFC 5905, section 6, with the machine's clock or the build date as pivot). */
NtpTime ntp_time_from_ns(int64_t unix_ns);
int64_t ntp_time_to_ns(NtpTime t, int64_t pivot_unix_ns);

struct timespec timespec_from_ns(int64_t ns);
int64_t ns_from_timespec(struct timespec ts);
