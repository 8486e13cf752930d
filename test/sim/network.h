// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The part of the simulated world beyond the client's socket: paths, servers, lookups. Times are ns of true
 * time since the start. */

#include "sim.h"

typedef struct Network Network;

typedef enum DeliveryKind {
    DELIVERY_PACKET = 0,
    DELIVERY_REFUSED,
    DELIVERY_NAME,
    DELIVERY_KEYS
} DeliveryKind;

/* Something that reaches the client. */
typedef struct Delivery {
    DeliveryKind kind;
    int64_t at;
    ExchangeId exchange;
    IpEndpoint remote;
    double noise; /* s, error of the receive timestamp */
    size_t server;
    double error, delay; /* s, of the exchange */
    size_t length;
    uint8_t bytes[NTP_PACKET_MAX];
    SourceId source; /* of DELIVERY_NAME and DELIVERY_KEYS */
    LookupAnswer answer;
    NtsEstablishment establishment;
} Delivery;

/* In sim.c: what the engine of a world answers to a request that arrives then and whose answer leaves then
 * (s); false: nothing. ret_error: s by which its clock is ahead. */
bool sim_answer(Sim *sim, double arrival, double leaves, const Action *send, uint8_t *ret, double *ret_error);

Network *network_new(uint64_t seed);
Network *network_free(Network *network);

size_t network_add_server(Network *network, const SimServer *server);
SimServer *network_server(Network *network, size_t server);

/* errno: there is no way to that address; 0: there is, or who knows. */
int network_way(Network *network, const IpAddress *remote);
void network_send(Network *network, int64_t now, const Action *send);
void network_look_up(Network *network, int64_t now, const Action *resolve);
void network_establish(Network *network, int64_t now, const Action *establish);
void network_close(Network *network, ExchangeId exchange);
void network_clear(Network *network);

/* Servers' clocks wander. */
void network_on_second(Network *network);

int64_t network_next(const Network *network); /* INT64_MAX: nothing is on its way */
bool network_receive(Network *network, int64_t now, Delivery *ret);
