// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The local reference as it is set up, by the configuration or by a command. */

#include <stdbool.h>
#include <stdint.h>

typedef struct LocalConfig {
    bool enabled;
    int32_t stratum;      /* 1..15; 10 */
    double distance;      /* s, root distance beyond which the local reference takes over; 1 */
    double activate;      /* s, root distance that must once have been reached; 0: none */
    double wait_synced;   /* s since the last update; 0 */
    double wait_unsynced; /* s since synchronisation was lost, or the start; 0, 300 with orphan */
    bool orphan;          /* several servers agree on one of them; see select.h */
} LocalConfig;

/* wait_unsynced, before it is known what else is said. */
#define LOCAL_WAIT_UNSAID (-1.0)
#define LOCAL_WAIT_ORPHAN 300.0

/* Replaces what was not said by what it means then. */
static inline void local_config_resolve(LocalConfig *config)
{
    if (config->wait_unsynced < 0)
        config->wait_unsynced = config->orphan ? LOCAL_WAIT_ORPHAN : 0;
}

typedef struct LocalReport {
    LocalConfig config;
    bool active; /* it is what we tell others now */
} LocalReport;
