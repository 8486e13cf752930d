// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* One measurement of a source against the oscillator. */

#include "base/instant.h"
#include "core/api/verdict.h"

typedef struct Sample {
    LocalTime time;         /* middle of the exchange */
    CookedTime truth;       /* what the source says the time was then; truth - time is the measurement */
    double peer_delay;      /* s, round trip without the server's processing; above 0 */
    double peer_dispersion; /* s, of this exchange: precision of both clocks, oscillator during it */
    double root_delay;      /* s, of the source to its reference */
    double root_dispersion; /* s */
    uint8_t stratum;        /* of the source */
    LeapStatus leap;        /* of the source */
} Sample;
