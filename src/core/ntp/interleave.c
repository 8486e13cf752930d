// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The interleaved mode of a client; see interleave.h.
 *
 * An interleaved answer completes the last exchange; so there are two pairs of ours that it can be set
 * against. The last exchange itself spans one round trip, but is a whole poll old. What lies between the last
 * answer and this request is recent, but spans the poll, in which the oscillator wanders. The former is
 * better as long as it is much the shorter one (chrony behaviour). */

#include "core/ntp/interleave.h"

/* How much shorter. */
#define SHORTER 10

void interleave_reset(Interleave *interleave)
{
    *interleave = (Interleave) {0};
}

void interleave_ask(Interleave *interleave, uint64_t secret, NtpPacket *request)
{
    interleave->received_as.value = 0;
    if (!interleave->known || interleave->missed >= INTERLEAVE_MISSED_MAX)
        return;
    if (secret == 0 || secret == request->transmit.value)
        secret = request->transmit.value + 1 != 0 ? request->transmit.value + 1 : 1;
    interleave->received_as.value = secret;
    request->origin = interleave->last_receive;
    request->receive.value = secret;
}

bool interleave_is_answer(const Interleave *interleave, const NtpPacket *answer)
{
    return interleave->received_as.value != 0 && answer->origin.value == interleave->received_as.value;
}

bool interleave_times(const Interleave *interleave, const ExchangeTimes *now, ExchangeTimes *ret)
{
    const ExchangeTimes *last = &interleave->last;

    if (!interleave->known)
        return false;
    /* The server received, sent, and received again, in this order. */
    if (now->remote_sent < last->remote_received || now->remote_sent > now->remote_received)
        return false;
    if ((last->received.ns - last->sent.ns) * SHORTER < now->sent.ns - last->received.ns) {
        *ret = *last;
        ret->remote_sent = now->remote_sent;
        return !interleave->measured;
    }
    *ret = (ExchangeTimes) {
        .sent = now->sent,
        .received = last->received,
        .remote_received = now->remote_received,
        .remote_sent = now->remote_sent,
        .sent_origin = now->sent_origin,
        .received_origin = last->received_origin,
    };
    return true;
}

void interleave_on_answer(Interleave *interleave, const ExchangeTimes *times, NtpTime name, bool basic)
{
    *interleave = (Interleave) {
        .known = name.value != 0,
        .measured = basic,
        .last = *times,
        .last_receive = name,
        .received_as = interleave->received_as,
    };
}

void interleave_lose(Interleave *interleave)
{
    interleave->known = false;
}

void interleave_on_missed(Interleave *interleave)
{
    if (interleave->missed < INTERLEAVE_MISSED_MAX)
        interleave->missed++;
}

void interleave_shift(Interleave *interleave, int64_t ns)
{
    interleave->last.remote_received += ns;
    interleave->last.remote_sent += ns;
}
