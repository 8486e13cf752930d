// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The table of clients; see client-log.h.
 *
 * A slot keeps 32 bits of each hash in one line of the cache before its records, so that looking for an
 * address touches that line and, nearly always, one record. */

#include "core/ntp/client-log.h"

#include <errno.h>
#include <string.h>

#define SLOT_RECORDS 8

/* Intervals are kept in 1/256 of a power of 2; a new one counts a quarter. */
#define INTERVAL_ONE    256
#define INTERVAL_WEIGHT 4
/* By how much an answer that was given in spite of the limit slows a hurried client down in our books. */
#define HURRY_DECAY     (INTERVAL_ONE / 8)
/* Who asks again faster than that (a quarter of a second) has not waited for an answer: it floods. */
#define HURRY_FASTEST   (-2 * INTERVAL_ONE)
/* A client that was silent for so long is not established any more, s. Clients poll every 36 h or more often.
 */
#define SILENCE_MAX     (INT64_C(1) << 17)

typedef struct Slot {
    uint32_t tags[SLOT_RECORDS]; /* of the hash; 0: free */
    ClientRecord records[SLOT_RECORDS];
} Slot;

struct ClientLog {
    Slot *slots; /* owned */
    size_t slot_count;
    SipKey key;
    size_t count;
    uint64_t dropped;
};

int client_log_new(size_t limit, const SipKey *key, ClientLog **ret)
{
    cleanup_(client_log_freep) ClientLog *log = calloc(1, sizeof(*log));
    size_t wanted = limit / CLIENT_LOG_BYTES_PER_CLIENT, clients = CLIENT_LOG_CLIENTS_MIN;

    if (!log)
        return -ENOMEM;
    while (clients * 2 <= wanted && clients < CLIENT_LOG_CLIENTS_MAX)
        clients *= 2;
    log->slot_count = clients / SLOT_RECORDS;
    log->key = *key;
    log->slots = calloc(log->slot_count, sizeof(*log->slots));
    if (!log->slots)
        return -ENOMEM;
    *ret = TAKE_PTR(log);
    return 0;
}

ClientLog *client_log_free(ClientLog *log)
{
    if (!log)
        return NULL;
    free(log->slots);
    free(log);
    return NULL;
}

static uint64_t hash_of(const ClientLog *log, const IpAddress *address)
{
    uint8_t bytes[20];
    uint32_t v4;

    if (address->family == IP_V4) {
        memcpy(&v4, address->bytes, sizeof(v4));
        return siphash_short(&log->key, v4, sizeof(v4));
    }
    memcpy(bytes, address->bytes, 16);
    memcpy(bytes + 16, &address->scope, 4);
    return siphash(&log->key, bytes, sizeof(bytes));
}

/* log2 of an interval in seconds, in 1/256, straight between the powers of 2. */
static int16_t log2_of(int64_t ns)
{
    uint64_t value = (uint64_t) MAX(ns, 1);
    int power = 63 - __builtin_clzll(value);
    uint64_t below = value << (63 - power) << 1;
    /* 1e9 ns have to give 0: its own logarithm is taken off, with the same approximation. */
    const int32_t second = 29 * INTERVAL_ONE + 220;

    return (int16_t) (power * INTERVAL_ONE + (int32_t) (below >> 56) - second);
}

static void average(int16_t *mean, int16_t sample)
{
    *mean = *mean == CLIENT_NO_INTERVAL ? sample : (int16_t) (*mean + (sample - *mean) / INTERVAL_WEIGHT);
}

/* Which record of a full slot goes. */
static size_t choose_victim(const Slot *slot, MonoTime now)
{
    size_t victim = 0;
    bool found_new = false;

    for (size_t i = 0; i < SLOT_RECORDS; i++) {
        const ClientRecord *record = &slot->records[i];
        bool is_new = !record->established || now.ns - record->last.ns > SILENCE_MAX * NSEC_PER_SEC;
        if ((is_new && !found_new) ||
            (is_new == found_new && record->last.ns < slot->records[victim].last.ns)) {
            victim = i;
            found_new = is_new;
        }
    }
    return victim;
}

static ClientRecord *add(ClientLog *log, Slot *slot, uint32_t tag, const IpAddress *address, MonoTime now)
{
    size_t i = 0;

    while (i < SLOT_RECORDS && slot->tags[i] != 0)
        i++;
    if (i == SLOT_RECORDS) {
        i = choose_victim(slot, now);
        log->dropped++;
    } else {
        log->count++;
    }
    slot->tags[i] = tag;
    slot->records[i] = (ClientRecord) {
        .address = *address,
        .received = 1,
        .last = now,
        .interval = CLIENT_NO_INTERVAL,
        .limited_interval = CLIENT_NO_INTERVAL,
    };
    return &slot->records[i];
}

static uint32_t add_saturated(uint32_t value)
{
    return value == UINT32_MAX ? value : value + 1;
}

static void note(ClientRecord *record, MonoTime now)
{
    average(record->unanswered ? &record->limited_interval : &record->interval,
            log2_of(now.ns - record->last.ns));
    record->last = now;
    record->received = add_saturated(record->received);
    record->established = true;
}

static Slot *slot_of(const ClientLog *log, uint64_t hash)
{
    return &log->slots[hash & (log->slot_count - 1)];
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t) (hash >> 32) | 1;
}

/* NULL: the slot does not have it. */
static ClientRecord *find(Slot *slot, uint32_t tag, const IpAddress *address)
{
    for (size_t i = 0; i < SLOT_RECORDS; i++)
        if (slot->tags[i] == tag && ip_address_equal(&slot->records[i].address, address))
            return &slot->records[i];
    return NULL;
}

ClientRecord *client_log_hit(ClientLog *log, const IpAddress *address, MonoTime now)
{
    uint64_t hash = hash_of(log, address);
    Slot *slot = slot_of(log, hash);
    ClientRecord *record = find(slot, tag_of(hash), address);

    if (!record)
        return add(log, slot, tag_of(hash), address, now);
    note(record, now);
    return record;
}

uint64_t client_log_number(const ClientLog *log, const ClientRecord *record)
{
    size_t slot = (size_t) ((const uint8_t *) record - (const uint8_t *) log->slots) / sizeof(log->slots[0]);

    return slot * SLOT_RECORDS + (uint64_t) (record - log->slots[slot].records);
}

ClientRecord *client_log_record(ClientLog *log, uint64_t number)
{
    if (number / SLOT_RECORDS >= log->slot_count)
        return NULL;
    return &log->slots[number / SLOT_RECORDS].records[number % SLOT_RECORDS];
}

uint64_t client_log_exchanges(const ClientLog *log, size_t first, size_t places, MonoTime now,
                              double *ret_oldest)
{
    uint64_t count = 0;

    *ret_oldest = 0;
    for (size_t i = first; i < first + places; i++) {
        const Slot *slot = &log->slots[i / SLOT_RECORDS];
        const ClientRecord *record = &slot->records[i % SLOT_RECORDS];

        if (slot->tags[i % SLOT_RECORDS] == 0 || record->exchanges[0].receive == 0)
            continue;
        count += 1 + (record->exchanges[1].receive != 0);
        *ret_oldest = MAX(*ret_oldest, mono_diff(now, record->last));
    }
    return count;
}

void client_log_answered(ClientRecord *record, bool answered)
{
    record->unanswered = !answered;
    if (!answered)
        record->dropped = add_saturated(record->dropped);
}

bool client_log_hurries(ClientRecord *record)
{
    if (record->interval == CLIENT_NO_INTERVAL || record->limited_interval == CLIENT_NO_INTERVAL ||
        record->limited_interval >= record->interval - INTERVAL_ONE ||
        record->limited_interval < HURRY_FASTEST)
        return false;
    record->limited_interval = (int16_t) (record->limited_interval + HURRY_DECAY);
    return true;
}

/* To the nearest whole power of 2. */
static int8_t rounded(int16_t interval)
{
    if (interval == CLIENT_NO_INTERVAL)
        return CLIENT_INTERVAL_UNKNOWN;
    int32_t shifted = interval + INTERVAL_ONE / 2 + 64 * INTERVAL_ONE;
    return (int8_t) (shifted / INTERVAL_ONE - 64);
}

static ClientReport report_of(const ClientRecord *record, MonoTime now)
{
    return (ClientReport) {
        .address = record->address,
        .received = record->received,
        .dropped = record->dropped,
        .interval = rounded(record->interval),
        .limited_interval = rounded(record->limited_interval),
        .since_last = mono_diff(now, record->last),
        .keys_interval = CLIENT_INTERVAL_UNKNOWN,
        .keys_since_last = -1,
    };
}

bool client_log_at(const ClientLog *log, uint64_t place, MonoTime now, ClientReport *ret)
{
    const Slot *slot = &log->slots[place / SLOT_RECORDS];

    if (slot->tags[place % SLOT_RECORDS] == 0)
        return false;
    *ret = report_of(&slot->records[place % SLOT_RECORDS], now);
    return true;
}

bool client_log_find(const ClientLog *log, const IpAddress *address, MonoTime now, ClientReport *ret)
{
    uint64_t hash = hash_of(log, address);
    const ClientRecord *record = find(slot_of(log, hash), tag_of(hash), address);

    if (!record)
        return false;
    *ret = report_of(record, now);
    return true;
}

bool client_log_next(const ClientLog *log, uint64_t *position, MonoTime now, ClientReport *ret)
{
    uint64_t size = client_log_size(log);

    while (*position < size)
        if (client_log_at(log, (*position)++, now, ret))
            return true;
    return false;
}

void client_log_reset(ClientLog *log)
{
    for (size_t i = 0; i < log->slot_count; i++)
        for (size_t j = 0; j < SLOT_RECORDS; j++)
            if (log->slots[i].tags[j] != 0)
                log->slots[i].records[j].received = log->slots[i].records[j].dropped = 0;
}

size_t client_log_size(const ClientLog *log)
{
    return log->slot_count * SLOT_RECORDS;
}

size_t client_log_count(const ClientLog *log)
{
    return log->count;
}

uint64_t client_log_dropped(const ClientLog *log)
{
    return log->dropped;
}
