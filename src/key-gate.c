// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See key-gate.h. */

#include "key-gate.h"

#include <errno.h>
#include <pthread.h>

struct KeyGate {
    pthread_mutex_t mutex; /* of everything below */
    const AccessTable *access;
    RateLimitConfig limit;
    size_t log_limit;
    ClientLog *log; /* NULL: none */
    SipKey key;
    uint64_t drawn; /* random numbers */
    KeyServerReport report;
};

int key_gate_new(const uint8_t secret[static SIPHASH_KEY_SIZE], KeyGate **ret)
{
    KeyGate *gate = calloc(1, sizeof *gate);

    if (!gate)
        return -ENOMEM;
    (void) pthread_mutex_init(&gate->mutex, NULL);
    gate->key = siphash_key(secret);
    *ret = gate;
    return 0;
}

KeyGate *key_gate_free(KeyGate *gate)
{
    if (!gate)
        return NULL;
    client_log_free(gate->log);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
    return NULL;
}

int key_gate_configure(KeyGate *gate, const RateLimitConfig *limit, size_t log_limit)
{
    cleanup_(client_log_freep) ClientLog *log = NULL;
    bool other = log_limit != gate->log_limit;
    int r;

    if (other && log_limit > 0 && (r = client_log_new(log_limit, &gate->key, &log)) < 0)
        return r;
    pthread_mutex_lock(&gate->mutex);
    gate->limit = *limit;
    if (other) {
        ClientLog *old = gate->log;
        gate->log = log;
        gate->log_limit = log_limit;
        log = old;
    }
    pthread_mutex_unlock(&gate->mutex);
    return 0;
}

void key_gate_set_access(KeyGate *gate, const AccessTable *access)
{
    pthread_mutex_lock(&gate->mutex);
    gate->access = access;
    pthread_mutex_unlock(&gate->mutex);
}

/* Within the limit of its address? */
static bool is_in_time(KeyGate *gate, const IpAddress *client, MonoTime now)
{
    if (!gate->log)
        return true;
    ClientRecord *record = client_log_hit(gate->log, client, now);
    RateVerdict verdict = rate_limit_check(&gate->limit, &record->rate, now,
                                           (uint32_t) siphash_word(&gate->key, gate->drawn++));
    client_log_answered(record, verdict <= RATE_LEAK);
    return verdict <= RATE_LEAK;
}

static bool admit(KeyGate *gate, const IpAddress *client, MonoTime now)
{
    if (!gate->access || !access_table_allows(gate->access, client)) {
        gate->report.verdicts[KEYS_DENIED]++;
        return false;
    }
    gate->report.accepted++;
    if (is_in_time(gate, client, now))
        return true;
    gate->report.dropped++;
    gate->report.verdicts[KEYS_LIMITED]++;
    return false;
}

bool key_gate_admits(KeyGate *gate, const IpAddress *client, MonoTime now)
{
    pthread_mutex_lock(&gate->mutex);
    bool admitted = admit(gate, client, now);
    pthread_mutex_unlock(&gate->mutex);
    return admitted;
}

void key_gate_count(KeyGate *gate, KeyVerdict verdict)
{
    pthread_mutex_lock(&gate->mutex);
    gate->report.verdicts[verdict]++;
    pthread_mutex_unlock(&gate->mutex);
}

void key_gate_report(KeyGate *gate, KeyServerReport *ret)
{
    pthread_mutex_lock(&gate->mutex);
    *ret = gate->report;
    pthread_mutex_unlock(&gate->mutex);
}

/* The log counts connections as if they were packets. */
static void fill_keys(const ClientReport *logged, ClientReport *client)
{
    client->keys_received = logged->received;
    client->keys_dropped = logged->dropped;
    client->keys_interval = logged->interval;
    client->keys_since_last = logged->since_last;
}

void key_gate_fill_client(KeyGate *gate, MonoTime now, ClientReport *client)
{
    ClientReport logged = {.interval = CLIENT_INTERVAL_UNKNOWN, .since_last = -1};

    pthread_mutex_lock(&gate->mutex);
    if (gate->log)
        client_log_find(gate->log, &client->address, now, &logged);
    pthread_mutex_unlock(&gate->mutex);
    fill_keys(&logged, client);
}

bool key_gate_next_client(KeyGate *gate, uint64_t *position, MonoTime now, ClientReport *ret)
{
    ClientReport logged;

    pthread_mutex_lock(&gate->mutex);
    bool found = gate->log && client_log_next(gate->log, position, now, &logged);
    pthread_mutex_unlock(&gate->mutex);
    if (!found)
        return false;
    *ret = (ClientReport) {.address = logged.address,
                           .interval = CLIENT_INTERVAL_UNKNOWN,
                           .limited_interval = CLIENT_INTERVAL_UNKNOWN,
                           .since_last = -1};
    fill_keys(&logged, ret);
    return true;
}

void key_gate_reset_clients(KeyGate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    if (gate->log)
        client_log_reset(gate->log);
    pthread_mutex_unlock(&gate->mutex);
}
