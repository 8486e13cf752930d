// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What is different with peers: what we tell them of ourselves, from where, and how often.
 *
 * A peer has one exchange for ever, whose socket is bound to the server's port and connected to the peer: the
 * kernel brings us what the peer sends whenever it likes, and nobody else's packets. */

#include <math.h>

#include "core/engine/engine-internal.h"

/* Of two peers the one with the better time waits longer, so that the other one asks first and is answered
 * soon (chrony behaviour). */
#define STAGGER 1.1

ExchangeId source_peer_exchange(const Source *source)
{
    return (ExchangeId) {(uint64_t) source->id.value << 32};
}

SymmetricOwn engine_tell_peer(const Engine *engine)
{
    ServerSnapshot snapshot;

    engine_tell(engine, engine->now, &snapshot);
    return (SymmetricOwn) {
        .header =
            {
                .leap = (LeapStatus) snapshot.leap,
                .stratum = snapshot.stratum < 16 ? (uint8_t) snapshot.stratum : 0,
                .precision = (int8_t) snapshot.precision,
                .root_delay = snapshot.root_delay,
                .root_dispersion = snapshot.root_dispersion,
                .reference_id = (uint32_t) snapshot.reference_id,
                .reference = {snapshot.reference},
            },
        .clock = &engine->clock,
        .now = clock_to_local(&engine->clock, engine->now.raw),
        .fuzz_mask = server_fuzz_mask(snapshot.precision),
        .mono_root = {.root_delay = snapshot.root_delay,
                      .root_dispersion = snapshot.root_dispersion,
                      .epoch = (uint32_t) snapshot.epoch},
    };
}

/* The configured address of that family to listen on, or any. */
IpAddress engine_server_address(const Engine *engine, IpFamily family)
{
    const ServerConfig *server = &engine->config->server;

    for (size_t i = 0; i < server->address_count; i++)
        if (server->addresses[i].family == family)
            return server->addresses[i];
    return (IpAddress) {0};
}

double source_peer_interval(const Engine *engine, const Source *source, double own)
{
    const NtpReport *peer = &source->client.report;
    uint8_t stratum = engine_tell_peer(engine).header.stratum;

    if (!peer->valid)
        return own;
    /* The shorter one of what both want, but never shorter than we allow. */
    double theirs = exp2(MAX((int32_t) peer->poll, source->config.minpoll));
    double interval = fmin(own, fmax(theirs, 1.0));
    return stratum > 0 && peer->stratum > stratum ? interval * STAGGER : interval;
}
