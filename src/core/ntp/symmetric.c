// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Symmetric mode; see symmetric.h.
 *
 * A packet that does not answer us must not be believed, but somebody has to begin, and to begin again after
 * a restart: such a packet is taken for what the next one answers only when there is nothing better. Who
 * forges one so, without a key, can make us answer something that the peer has never sent; that costs two
 * polls, and nothing is measured by it. */

#include "core/ntp/symmetric.h"

#include "base/macros.h"

/* Packets of ours without an answer after which any packet of the peer is taken. */
#define UNANSWERED_MAX 2

void symmetric_reset(Symmetric *symmetric)
{
    *symmetric = (Symmetric) {.received = LOCAL_UNSET};
}

NtpTime symmetric_time(const SymmetricOwn *own, LocalTime local, uint64_t random)
{
    uint64_t value = ntp_time_from_ns(clock_to_cooked(own->clock, local).ns).value;

    value = (value & ~own->fuzz_mask) | (random & own->fuzz_mask);
    return (NtpTime) {value != 0 ? value : 1};
}

/* RFC 9769, section 3: packets have to alternate, or a timestamp would be taken for that of another packet.
 */
static bool may_interleave(const Symmetric *symmetric, LocalTime last_sent)
{
    return symmetric->valid > 0 && symmetric->alternates && last_sent.ns != TIME_UNSET &&
           symmetric->remote_receive.value != 0;
}

void symmetric_ask(Symmetric *symmetric, const SymmetricOwn *own, LocalTime last_sent, bool interleave,
                   uint64_t random, NtpPacket *packet)
{
    bool interleaved = interleave && may_interleave(symmetric, last_sent);

    packet->mode = NTP_MODE_ACTIVE;
    if (symmetric->known) {
        packet->origin = interleaved ? symmetric->remote_receive : symmetric->remote_transmit;
        packet->receive = symmetric_time(own, symmetric->received, random >> 32);
    }
    packet->transmit = symmetric_time(own, interleaved ? last_sent : own->now, random);
    if (packet->transmit.value == packet->receive.value)
        packet->transmit.value ^= 1;
    symmetric->alternates = symmetric->valid > 0;
    symmetric->valid = 0;
    symmetric->unanswered++;
}

void symmetric_note_sent(Symmetric *symmetric, NtpTime transmit, NtpTime receive)
{
    symmetric->earlier[0] = transmit;
    symmetric->earlier[1] = receive;
}

/* It crossed our last packet on the way, and answers the one before. */
static bool crossed(const Symmetric *symmetric, const NtpPacket *packet)
{
    for (size_t i = 0; i < ELEMENTS(symmetric->earlier); i++)
        if (packet->origin.value != 0 && packet->origin.value == symmetric->earlier[i].value)
            return true;
    return false;
}

bool symmetric_on_packet(Symmetric *symmetric, const NtpPacket *packet, LocalTime received, bool answers)
{
    bool later = (int64_t) (packet->transmit.value - symmetric->remote_transmit.value) > 0;
    bool lost = !symmetric->known || symmetric->unanswered > UNANSWERED_MAX;

    if (packet->transmit.value == 0 || (!answers && !lost && !(later && crossed(symmetric, packet))))
        return false;
    symmetric->known = true;
    symmetric->remote_receive = packet->receive;
    symmetric->remote_transmit = packet->transmit;
    symmetric->received = received;
    if (answers) {
        symmetric->valid++;
        symmetric->unanswered = 0;
    }
    return true;
}
