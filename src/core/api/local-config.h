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
    double wait_unsynced; /* s since synchronisation was lost, or the start; 0 */
} LocalConfig;

typedef struct LocalReport {
    LocalConfig config;
    bool active; /* it is what we tell others now */
} LocalReport;
