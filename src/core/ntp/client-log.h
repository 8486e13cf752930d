// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Who has asked lately, in memory of a fixed size. Records are found by a keyed hash of the address, eight to
 * a slot; when a slot is full, one that was seen only once goes first, the one longest silent otherwise. So a
 * flood of forged addresses, each used once, costs a slot one of its eight established clients, and nobody
 * can choose which slot an address falls into. */

#include <stddef.h>

#include "base/siphash.h"
#include "core/api/server-report.h"
#include "core/ntp/rate-limit.h"

/* Bytes of clientloglimit that go with one client. The count of records is a power of 2 in between. */
#define CLIENT_LOG_BYTES_PER_CLIENT 128
#define CLIENT_LOG_CLIENTS_MIN      8
#define CLIENT_LOG_CLIENTS_MAX      (1 << 24)

typedef struct ClientLog ClientLog;

/* An answer that a client got. */
typedef struct ClientExchange {
    uint64_t receive;  /* its receive timestamp; 0: none */
    uint64_t transmit; /* when it left, by our clock; odd: as the kernel says, even: as it says itself */
} ClientExchange;

/* One client. Lent until the next call that may add one. */
typedef struct ClientRecord {
    IpAddress address; /* IP_UNSPEC: free */
    uint32_t received, dropped;
    MonoTime last;            /* packet */
    RateState rate;           /* token bucket */
    int16_t interval;         /* log2 s in 1/256, mean between packets; CLIENT_NO_INTERVAL: unknown */
    int16_t limited_interval; /* the same, of packets after one that was not answered */
    bool unanswered;          /* the last packet was */
    bool established;         /* seen more than once */
    uint8_t epoch;            /* in which the exchanges were */
    ClientExchange exchanges[2];
} ClientRecord;

#define CLIENT_NO_INTERVAL INT16_MIN

/* limit: bytes, as clientloglimit says. key: unpredictable, never shown. Memory that is not used yet is not
 * touched. */
int client_log_new(size_t limit, const SipKey *key, ClientLog **ret) must_check_;
ClientLog *client_log_free(ClientLog *log);
DEFINE_CLEANUP(ClientLog, client_log_free);

/* Counts a packet of an address and returns its record, which is made when there is none. */
ClientRecord *client_log_hit(ClientLog *log, const IpAddress *address, MonoTime now);

/* What is known of an address; false: nothing. Counts nothing. */
bool client_log_find(const ClientLog *log, const IpAddress *address, MonoTime now, ClientReport *ret);

/* Which record this is, and the record by that number; NULL: there is none. */
uint64_t client_log_number(const ClientLog *log, const ClientRecord *record);
ClientRecord *client_log_record(ClientLog *log, uint64_t number);

/* Answers that are kept for interleaved mode in `places` places from the first one on, below
 * client_log_size(), and how long ago the oldest of them was given, s. */
uint64_t client_log_exchanges(const ClientLog *log, size_t first, size_t places, MonoTime now,
                              double *ret_oldest);

/* Notes whether that packet was answered. */
void client_log_answered(ClientRecord *record, bool answered);

/* A client that asks more than twice as fast while it is not answered, but still waits for an answer: to
 * limit it would only make more traffic. True suspends the limit for this request; a suspension wears off, so
 * that the limit is tried again. */
bool client_log_hurries(ClientRecord *record);

/* The record at a place, below client_log_size(); false: there is none. */
bool client_log_at(const ClientLog *log, uint64_t place, MonoTime now, ClientReport *ret) must_check_;

/* Walks through all records: *position is 0 at first; false at the end. A record that comes or goes meanwhile
 * may be missed. */
bool client_log_next(const ClientLog *log, uint64_t *position, MonoTime now, ClientReport *ret) must_check_;

/* Sets the counters of all clients to 0; who is known stays known. */
void client_log_reset(ClientLog *log);

size_t client_log_size(const ClientLog *log);      /* records that fit */
size_t client_log_count(const ClientLog *log);     /* that are held */
uint64_t client_log_dropped(const ClientLog *log); /* that made room for others */
