// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The server that hands out keys of Network Time Security (NTS-KE), as a part of the daemon, and the keys of
 * cookies that the time server opens. */

#include <systemd/sd-event.h>

#include "base/journal.h"
#include "base/siphash.h"
#include "base/text.h"
#include "core/api/server-report.h"
#include "core/config/config.h"
#include "core/ntp/access.h"
#include "core/ntp/aead.h"
#include "net/server-listen.h"

typedef struct KeyServer KeyServer;

typedef struct KeyServerSetup {
    sd_event *event; /* referenced */
    Journal *journal;
    IpFamily family; /* the only one that is used; IP_UNSPEC: both */
    uint8_t secret[2 * SIPHASH_KEY_SIZE];
    const PassedSocket *passed; /* listening TCP sockets; borrowed for ever */
    size_t passed_count;
    int stored_keys; /* what the service manager has kept of COOKIE_KEYS_STORED; -1: nothing */
} KeyServerSetup;

/* config: borrowed until the next one is given. Nobody is served before key_server_set_access(). */
int key_server_new(const KeyServerSetup *setup, const Config *config, KeyServer **ret) must_check_;
KeyServer *key_server_free(KeyServer *server);
DEFINE_CLEANUP(KeyServer, key_server_free);

int key_server_configure(KeyServer *server, const Config *config) must_check_;

/* Who may connect: a table that stays until another one is given; NULL: nobody. */
void key_server_set_access(KeyServer *server, const AccessTable *access);

/* Reads certificates again, and keys of cookies that are not made here. False: something cannot be used, and
 * detail, unless NULL, says what. */
bool key_server_rekey(KeyServer *server, Text *detail);

/* Valid as long as the server; in any thread. */
CookieJar key_server_jar(const KeyServer *server);

void key_server_report(const KeyServer *server, KeyServerReport *ret);

/* See key_gate_fill_client() and those after it. */
void key_server_fill_client(KeyServer *server, ClientReport *client);
bool key_server_next_client(KeyServer *server, uint64_t *position, ClientReport *ret) must_check_;
void key_server_reset_clients(KeyServer *server);
