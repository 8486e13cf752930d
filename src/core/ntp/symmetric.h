// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Symmetric mode (RFC 5905, section 9; RFC 9769, section 3): both sides ask at their own pace, and each
 * packet is at once an answer to the last one of the other side and a request of its own. An association is
 * made by the configuration alone; nothing that comes from the network makes one.
 *
 * Here is what a peer has sent last, so that the next packet can answer it, and whether that packet may be in
 * interleaved mode. What becomes a sample is decided by the client's tests (client.h). */

#include "core/clock/clock.h"
#include "core/ntp/mono-root.h"

/* Looked at and changed by the functions below only. */
typedef struct Symmetric {
    bool known;              /* a packet of the peer has been taken */
    NtpTime remote_receive;  /* timestamps in it */
    NtpTime remote_transmit; /* */
    LocalTime received;      /* when it came */
    NtpTime earlier[2];      /* transmit and receive timestamp in our packet before the last one */
    uint32_t valid;          /* packets that answered us, since our last one */
    uint32_t unanswered;     /* packets of ours since the last that answered us */
    bool alternates;         /* our last packet was the only answer to one of the peer's */
} Symmetric;

/* What our packets tell of ourselves. */
typedef struct SymmetricOwn {
    NtpPacket header; /* leap, stratum, precision, root values, reference */
    const Clock *clock;
    LocalTime now;
    uint64_t fuzz_mask; /* bits of a timestamp below the precision */
    MonoRoot mono_root; /* without the receive timestamp */
} SymmetricOwn;

void symmetric_reset(Symmetric *symmetric);

/* Fills in mode and timestamps of the next packet; the rest is there. last_sent: when our last packet left,
 * unset: none has; last: its timestamps; interleave: this mode is wanted. random: 64 unpredictable bits. */
void symmetric_ask(Symmetric *symmetric, const SymmetricOwn *own, LocalTime last_sent, bool interleave,
                   uint64_t random, NtpPacket *packet);

/* What we tell of an instant. */
NtpTime symmetric_time(const SymmetricOwn *own, LocalTime local, uint64_t random);

/* The timestamps of our last packet, before the next is made. */
void symmetric_note_sent(Symmetric *symmetric, NtpTime transmit, NtpTime receive);

/* A packet of the peer, with the right MAC, and no copy of the last one. answers: it repeats a timestamp of
 * our last packet. Returns whether the next packet will answer this one. */
bool symmetric_on_packet(Symmetric *symmetric, const NtpPacket *packet, LocalTime received, bool answers);
