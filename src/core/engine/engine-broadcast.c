// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `broadcast`: our time to whole networks, unasked (mode 5 of RFC 5905). Each line has its turns at multiples
 * of its interval since the start, so that nothing has to be kept for it. */

#include <math.h>
#include <string.h>

#include "core/engine/engine-internal.h"

/* Which turn of a line an instant belongs to. */
static int64_t turn_at(const Engine *engine, const BroadcastLine *line, MonoTime t)
{
    return (t.ns - engine->broadcast_start.ns) / (line->interval * NSEC_PER_SEC);
}

static void send_broadcast(Engine *engine, size_t i)
{
    const BroadcastLine *line = &engine->config->server.broadcasts[i];
    SymmetricOwn own = engine_tell_peer(engine);
    NtpPacket packet = own.header;
    uint64_t random = 0;

    engine->setup.random(engine->setup.random_userdata, &random, sizeof(random));
    packet.version = 4;
    packet.mode = NTP_MODE_BROADCAST;
    packet.poll = (int8_t) lround(log2(line->interval));
    packet.transmit = symmetric_time(&own, own.now, random);

    QueuedAction *action = action_queue_push(&engine->actions, ACTION_SEND);
    action->send.exchange.value = i + 1; /* of no source */
    action->send.remote = line->destination;
    action->send.local = engine_server_address(engine, line->destination.address.family);
    action->send.local_port = engine->config->server.port;
    action->send.length = NTP_HEADER_SIZE;
    ntp_packet_build(&packet, action->send.request);
    action_queue_push(&engine->actions, ACTION_CLOSE)->close.value = i + 1;
}

void engine_broadcast(Engine *engine)
{
    const ServerConfig *server = &engine->config->server;

    for (size_t i = 0; i < server->broadcast_count && action_queue_has_room(&engine->actions); i++)
        if (turn_at(engine, &server->broadcasts[i], engine->now.mono) >
            turn_at(engine, &server->broadcasts[i], engine->broadcast_last))
            send_broadcast(engine, i);
    engine->broadcast_last = engine->now.mono;
}

MonoTime engine_broadcast_deadline(const Engine *engine)
{
    const ServerConfig *server = &engine->config->server;
    MonoTime deadline = MONO_UNSET;

    for (size_t i = 0; i < server->broadcast_count; i++) {
        const BroadcastLine *line = &server->broadcasts[i];
        int64_t next = turn_at(engine, line, engine->broadcast_last) + 1;

        deadline = mono_earliest(deadline, (MonoTime) {engine->broadcast_start.ns +
                                                       next * line->interval * NSEC_PER_SEC});
    }
    return deadline;
}
