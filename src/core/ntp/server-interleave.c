// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The interleaved mode of the server; see server-interleave.h.
 *
 * Of each address the last two answers are kept, so that two clients behind one address do not take each
 * other's away as long as they keep to the protocol: an answer that is used up makes room for the new one,
 * otherwise the older of the two goes. A client whose answer is gone gets a basic one. */

#include "core/ntp/server-interleave.h"

#include "base/bytes.h"

#define AT_ORIGIN   24
#define AT_RECEIVE  32
#define AT_TRANSMIT 40

static uint64_t read_time(const uint8_t answer[static SERVER_ANSWER_SIZE], size_t at)
{
    ByteReader reader = byte_reader(answer + at, sizeof(uint64_t));

    return byte_reader_u64(&reader);
}

static void write_time(uint8_t answer[static SERVER_ANSWER_SIZE], size_t at, uint64_t value)
{
    ByteWriter writer = byte_writer(answer + at, sizeof(uint64_t));

    byte_writer_u64(&writer, value);
}

static ClientExchange *find(ClientRecord *record, uint64_t receive)
{
    for (size_t i = 0; i < ELEMENTS(record->exchanges); i++)
        if (receive != 0 && record->exchanges[i].receive == receive)
            return &record->exchanges[i];
    return NULL;
}

/* The one that is free, or the older one. Receive timestamps only grow, but for steps, and these forget. */
static ClientExchange *oldest(ClientRecord *record)
{
    ClientExchange *older = &record->exchanges[0], *newer = &record->exchanges[1];

    return older->receive == 0 || (newer->receive != 0 && (int64_t) (older->receive - newer->receive) < 0)
               ? older
               : newer;
}

static void forget_other_epochs(ClientRecord *record, uint8_t epoch)
{
    if (record->epoch == epoch)
        return;
    record->epoch = epoch;
    for (size_t i = 0; i < ELEMENTS(record->exchanges); i++)
        record->exchanges[i] = (ClientExchange) {0};
}

bool server_interleave(ClientRecord *record, const ServerQuestion *question, uint8_t epoch,
                       uint8_t answer[static SERVER_ANSWER_SIZE], bool *ret_wants,
                       TimestampOrigin *ret_origin)
{
    ClientExchange *last = NULL, next = {read_time(answer, AT_RECEIVE), read_time(answer, AT_TRANSMIT)};
    bool wants = question->version >= 4 && question->mode == 4 && question->receive != question->transmit &&
                 question->receive != next.receive;

    forget_other_epochs(record, epoch);
    /* Our receive timestamps are odd. Who names another one, as basic clients name our last transmit
     * timestamp, does not use the mode. */
    wants = wants && (question->origin & 1);
    if (wants)
        last = find(record, question->origin);
    *ret_wants = wants;
    *ret_origin = TIMESTAMP_DAEMON;
    if (last) {
        write_time(answer, AT_ORIGIN, question->receive);
        write_time(answer, AT_TRANSMIT, last->transmit & ~UINT64_C(1));
        *ret_origin = last->transmit & 1 ? TIMESTAMP_KERNEL : TIMESTAMP_DAEMON;
    }
    *(last ? last : oldest(record)) = next;
    return last;
}

uint64_t server_interleave_newest(const ClientRecord *record)
{
    uint64_t a = record->exchanges[0].receive, b = record->exchanges[1].receive;

    return a == 0 || (b != 0 && (int64_t) (b - a) > 0) ? b : a;
}

void server_interleave_on_sent(ClientRecord *record, uint64_t receive, uint64_t transmit,
                               TimestampOrigin origin)
{
    ClientExchange *exchange = find(record, receive);

    if (exchange)
        exchange->transmit = (transmit & ~UINT64_C(1)) | (origin == TIMESTAMP_KERNEL);
}
