// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The client's side of one association, in basic mode (RFC 5905, section 8, with the data minimisation of
 * draft-ietf-ntp-data-minimization) or interleaved mode (interleave.h): makes requests, judges what comes
 * back, makes a Sample of a good answer.
 *
 * Against whoever cannot see our packets stand two secrets, new for each request: the 64 bits of the transmit
 * timestamp, which the answer must repeat, and the port of a fresh socket (the exchange). Each request takes
 * one valid answer; everything else is counted and changes nothing. */

#include "core/api/action.h"
#include "core/config/config.h"
#include "core/ntp/authenticator.h"
#include "core/ntp/interleave.h"
#include "core/ntp/mono-root.h"
#include "core/ntp/nts-client.h"
#include "core/ntp/packet.h"
#include "core/ntp/symmetric.h"
#include "core/stats/source-stats.h"

/* Seconds after which an answer is of no use any more, on top of maxdelay. */
#define CLIENT_RESPONSE_TIME_MAX 4.0

/* The longest request: one with NTS; a header, an extension field and a MAC are less. */
#define CLIENT_REQUEST_MAX NTS_REQUEST_MAX

/* Looked at and changed by the functions below only; `report` is for reading. */
typedef struct Client {
    ExchangeId exchange; /* that may still be answered; 0: none */
    bool answered;       /* it was: later answers are duplicates */
    uint8_t version;     /* of the request */
    NtpTime sent_as;     /* the random transmit timestamp in the request */
    LocalTime sent;      /* when; unset: not on its way yet */
    TimestampOrigin sent_origin;
    NtpTime last_receive, last_transmit; /* of the server, in the last answer; 0: none */
    Interleave interleave;
    Symmetric symmetric;  /* of a peer */
    MonoClock mono_clock; /* of the server */
    NtpReport report;     /* without id and remote */
} Client;

void client_reset(Client *client);

typedef struct ClientRequest {
    const SourceConfig *config;
    const Authenticator *authenticator;
    ExchangeId exchange;
    uint64_t secret;                     /* unpredictable; 0 is replaced */
    uint64_t receive_secret;             /* another one */
    const SymmetricOwn *own;             /* for a peer: what we tell it; NULL: a client tells nothing */
    int8_t poll;                         /* log2 s */
    NtsClient *nts;                      /* what the source has of NTS; NULL: nothing, it is without */
    const Aead *aead;                    /* with nts */
    uint8_t nts_random[NTS_RANDOM_SIZE]; /* with nts: unpredictable */
} ClientRequest;

/* Begins an exchange; writes the request into ret and returns its length. 0: the source's key or its last
 * cookie is missing, nothing was begun. */
size_t client_request(Client *client, const ClientRequest *request,
                      uint8_t ret[static CLIENT_REQUEST_MAX]) must_check_;

/* The request went out; called again when a better timestamp is known. False: not of the exchange that is
 * open, nothing was changed. */
bool client_on_sent(Client *client, ExchangeId exchange, LocalTime sent, TimestampOrigin origin,
                    IpAddress local);

/* The good sample of the last answer is not used after all: counts it under that verdict instead. */
void client_revoke(Client *client, PacketVerdict verdict);

/* The next request is a basic one. */
void client_forget_exchange(Client *client);

/* Nothing more is expected of the exchange. */
void client_close(Client *client);

/* No answer counts any more; of a peer, whose socket stays. */
void client_give_up(Client *client);

static inline bool client_is_waiting(const Client *client)
{
    return client->exchange.value != 0 && !client->answered;
}

/* Which of the numbers of our own clock an answer is judged by. */
typedef struct ClientContext {
    const SourceConfig *config;
    const SourceStats *stats;
    const Authenticator *authenticator;
    NtsClient *nts;             /* as in the request */
    const Aead *aead;           /* with nts */
    IpEndpoint remote;          /* whom we asked */
    double precision;           /* s, of our clock */
    double frequency;           /* that our model has for the oscillator */
    double max_frequency_error; /* of it, for dispersion: skew and maxclockerror */
    uint8_t own_stratum;        /* 0: not synchronised */
    uint32_t own_reference_id;
    double own_root_delay;
    NtpTime own_reference;
    bool loop_is_fine; /* we have told nobody our time since we started: what it has from us is older */
    int64_t pivot_ns;  /* about what time it is, for the era of timestamps; ns since 1970 */
} ClientContext;

typedef struct ClientInput {
    ExchangeId exchange;
    IpEndpoint remote;
    IpAddress local;
    LocalTime received;
    TimestampOrigin received_origin;
    const uint8_t *bytes;
    size_t length;
} ClientInput;

typedef struct ClientResult {
    PacketVerdict verdict;
    bool reached;   /* the answer was valid (tests 1 to 7): the source is reachable */
    bool finished;  /* the exchange is over: nothing better can come */
    int64_t shift;  /* ns: what the source said before is to be moved by it, since it has set its clock */
    bool tested;    /* it may be an answer of the source: the following two are valid */
    uint16_t tests; /* TEST_* that it passed */
    NtpPacket packet;
    bool measured; /* sample is valid */
    Sample sample; /* to be used when verdict is PACKET_GOOD */
} ClientResult;

void client_on_packet(Client *client, const ClientContext *context, const ClientInput *input,
                      ClientResult *ret);
