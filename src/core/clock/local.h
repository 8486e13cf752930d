// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The local reference: this machine's own clock, told to others as if it were right, when there is nothing
 * better. It says from when on, as things stand; nothing in here waits. */

#include "core/clock/reference.h"
#include "core/config/server-config.h"

/* By this it is known in the network, whoever it is: 127.127.1.1. */
#define LOCAL_REFERENCE_ID UINT32_C(0x7f7f0101)

typedef struct LocalReference {
    LocalConfig config;   /* as it is now; commands change it */
    double best_distance; /* s, smallest root distance of any update so far; infinite before the first */
    LocalTime lost;       /* when synchronisation was lost, or the start */
} LocalReference;

LocalReference local_reference_start(const LocalConfig *config, LocalTime at);

/* We were synchronised by an update with that root distance; we ceased to be. */
void local_reference_on_update(LocalReference *local, double distance);
void local_reference_on_lost(LocalReference *local, LocalTime at);

/* From when on the local reference is what is told, as things stand; unset: never. It may be past. */
LocalTime local_reference_activation(const LocalReference *local, const Reference *reference);

static inline bool local_reference_is_active(const LocalReference *local, const Reference *reference,
                                             LocalTime at)
{
    LocalTime from = local_reference_activation(local, reference);

    return from.ns != TIME_UNSET && at.ns >= from.ns;
}
