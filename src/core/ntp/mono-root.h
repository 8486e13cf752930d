// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* chrony's experimental extension field 0xF323: root delay and dispersion in finer steps than the header has,
 * and when the request came in by a clock of the server's that is never set, only steered in frequency. With
 * it a client can tell what the server has corrected between two answers, and take that out of its
 * samples. */

#include "core/ntp/packet.h"

#define MONO_ROOT_SIZE 28

typedef struct MonoRoot {
    double root_delay;      /* s, 0..16 */
    double root_dispersion; /* s, 0..16 */
    NtpTime receive;        /* when the request came in, on the scale of that clock; 0: unknown */
    uint32_t epoch;         /* another one: the scale is another one */
} MonoRoot;

/* What a clock that was set by that much, ns, showed on that scale; 0 stays 0. */
NtpTime mono_root_time(NtpTime time, int64_t corrected);

/* Writes the field, with its header. In a client's request all of it is 0. */
void mono_root_write(const MonoRoot *field, uint8_t ret[static MONO_ROOT_SIZE]);

/* False: the packet has no such field. */
bool mono_root_find(const NtpPacket *packet, MonoRoot *ret) must_check_;

/* The last answer of a server that had one. */
typedef struct MonoClock {
    bool known;
    NtpTime receive; /* of the answer */
    MonoRoot field;
} MonoClock;

/* By how much the server has set its clock since the last answer, ns: what it stamped before has to be moved
 * by it. 0: it has not, or nobody knows. */
int64_t mono_clock_on_answer(MonoClock *clock, NtpTime receive, const MonoRoot *field);
