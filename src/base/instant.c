// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Conversions between the kinds of time; see instant.h. */

#include "base/instant.h"

#include <math.h>

/* Seconds between 1900 and 1970. */
#define NTP_UNIX_DELTA UINT64_C(2208988800)

int64_t ns_from_seconds(double seconds)
{
    double ns = seconds * 1e9;

    if (isnan(ns))
        return 0;
    if (ns >= 9.2e18)
        return INT64_C(9200000000000000000);
    if (ns <= -9.2e18)
        return -INT64_C(9200000000000000000);
    return (int64_t) llrint(ns);
}

static int64_t add_saturated(int64_t ns, double seconds)
{
    int64_t sum;

    if (ns == TIME_UNSET)
        return TIME_UNSET;
    if (__builtin_add_overflow(ns, ns_from_seconds(seconds), &sum))
        return seconds > 0 ? INT64_MAX : INT64_MIN + 1;
    return sum;
}

MonoTime mono_add(MonoTime t, double seconds)
{
    return (MonoTime) {add_saturated(t.ns, seconds)};
}

RawTime raw_add(RawTime t, double seconds)
{
    return (RawTime) {add_saturated(t.ns, seconds)};
}

CookedTime cooked_add(CookedTime t, double seconds)
{
    return (CookedTime) {add_saturated(t.ns, seconds)};
}

LocalTime local_add(LocalTime t, double seconds)
{
    return (LocalTime) {add_saturated(t.ns, seconds)};
}

MonoTime mono_earliest(MonoTime a, MonoTime b)
{
    if (!mono_is_set(a))
        return b;
    if (!mono_is_set(b))
        return a;
    return a.ns < b.ns ? a : b;
}

NtpTime ntp_time_from_ns(int64_t unix_ns)
{
    int64_t sec = unix_ns / NSEC_PER_SEC, ns = unix_ns % NSEC_PER_SEC;

    if (ns < 0) {
        ns += NSEC_PER_SEC;
        sec--;
    }
    uint64_t fraction = (((uint64_t) ns << 32) + NSEC_PER_SEC / 2) / NSEC_PER_SEC;

    /* Unsigned arithmetic wraps into the era by itself; a fraction rounded up to a whole second carries. */
    return (NtpTime) {(((uint64_t) sec + NTP_UNIX_DELTA) << 32) + fraction};
}

int64_t ntp_time_to_ns(NtpTime t, int64_t pivot_unix_ns)
{
    /* The signed distance modulo 2^64 is the shortest way from the pivot, whatever the era. */
    NtpTime pivot = ntp_time_from_ns(pivot_unix_ns);
    int64_t distance = (int64_t) (t.value - pivot.value);
    int64_t sec = distance >> 32;
    uint64_t fraction = (uint64_t) distance & UINT32_MAX;
    int64_t ns =
        sec * NSEC_PER_SEC + (int64_t) ((fraction * (uint64_t) NSEC_PER_SEC + (UINT64_C(1) << 31)) >> 32);
    /* pivot_unix_ns was rounded to 2^-32 s on the way: less than a nanosecond, below the resolution of the
     * result. */
    int64_t sum;

    if (__builtin_add_overflow(pivot_unix_ns, ns, &sum))
        return ns > 0 ? INT64_MAX : INT64_MIN + 1;
    return sum;
}

struct timespec timespec_from_ns(int64_t ns)
{
    int64_t sec = ns / NSEC_PER_SEC, rest = ns % NSEC_PER_SEC;

    if (rest < 0) {
        rest += NSEC_PER_SEC;
        sec--;
    }
    return (struct timespec) {.tv_sec = sec, .tv_nsec = rest};
}

int64_t ns_from_timespec(struct timespec ts)
{
    int64_t ns;

    if (__builtin_mul_overflow((int64_t) ts.tv_sec, NSEC_PER_SEC, &ns) ||
        __builtin_add_overflow(ns, (int64_t) ts.tv_nsec, &ns))
        return ts.tv_sec > 0 ? INT64_MAX : INT64_MIN + 1;
    return ns;
}
