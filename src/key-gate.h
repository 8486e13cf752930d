// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Who may connect for keys, how often, and what became of it: access, rate limit, the log of these clients
 * and their counters. Connections are rare beside packets, so one gate with one lock serves all threads. */

#include "core/ntp/access.h"
#include "core/ntp/client-log.h"

typedef struct KeyGate KeyGate;

/* Nobody may pass at first. secret: unpredictable. */
int key_gate_new(const uint8_t secret[static SIPHASH_KEY_SIZE], KeyGate **ret) must_check_;
KeyGate *key_gate_free(KeyGate *gate);
DEFINE_CLEANUP(KeyGate, key_gate_free);

/* Other limits from now on; log_limit: bytes, 0: no log, and no limit of rates. A log of the same size is
 * kept. On failure nothing is changed. */
int key_gate_configure(KeyGate *gate, const RateLimitConfig *limit, size_t log_limit) must_check_;

/* Who may pass from now on: a table that stays until another one is given. When this returns, nobody looks at
 * the old one. NULL: nobody. */
void key_gate_set_access(KeyGate *gate, const AccessTable *access);

/* Whether somebody who has connected may go on; counted if not. In any thread, as all of the following. */
bool key_gate_admits(KeyGate *gate, const IpAddress *client, MonoTime now);

/* What became of one that was admitted. */
void key_gate_count(KeyGate *gate, KeyVerdict verdict);

/* Fills in the counters. */
void key_gate_report(KeyGate *gate, KeyServerReport *ret);

/* Fills in the part about keys; all of it "none" for a client that never came. */
void key_gate_fill_client(KeyGate *gate, MonoTime now, ClientReport *client);

/* Walks through the clients that came for keys, see client_log_next(): only that part is filled in. */
bool key_gate_next_client(KeyGate *gate, uint64_t *position, MonoTime now, ClientReport *ret) must_check_;

void key_gate_reset_clients(KeyGate *gate);
