// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* When the local reference takes over; see local.h. */

#include "core/clock/local.h"

#include <math.h>

LocalReference local_reference_start(const LocalConfig *config, LocalTime at)
{
    return (LocalReference) {.config = *config, .best_distance = INFINITY, .lost = at};
}

void local_reference_on_update(LocalReference *local, double distance)
{
    local->best_distance = fmin(local->best_distance, distance);
}

void local_reference_on_lost(LocalReference *local, LocalTime at)
{
    local->lost = at;
}

/* While a source is followed: when its root distance has grown beyond the limit. */
static LocalTime outgrown(const LocalReference *local, const Reference *reference)
{
    const ReferenceUpdate *last = &reference->last;
    double room = local->config.distance - last->root_delay / 2 - last->root_dispersion;
    double wait = local->config.wait_synced;

    if (room >= 0 && !(last->dispersion_rate > 0))
        return LOCAL_UNSET;
    if (room >= 0)
        wait = fmax(wait, room / last->dispersion_rate);
    return local_add(last->local, wait);
}

LocalTime local_reference_activation(const LocalReference *local, const Reference *reference)
{
    const LocalConfig *config = &local->config;

    if (!config->enabled || (config->activate > 0 && !(local->best_distance < config->activate)))
        return LOCAL_UNSET;
    if (reference->synchronized)
        return outgrown(local, reference);
    return local_add(local->lost, config->wait_unsynced);
}
