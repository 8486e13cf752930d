// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Short conversations over TCP: somebody connects, says something, is answered, and that is it. A hand has a
 * limited number of connections, all with the same time to live, and never waits for any of them. What is
 * said is the business of others. Belongs to one thread. */

#include "base/address.h"
#include "base/instant.h"
#include "base/siphash.h"

/* How a conversation ended. */
typedef enum StreamEnd {
    STREAM_FINISHED = 0, /* all was said and handed to the network */
    STREAM_HUNG_UP,      /* the other end, or the network, gave up before */
    STREAM_LATE,         /* its time was over */
    STREAM_CROWDED_OUT,  /* it made room for a new one */
    STREAM_TALKATIVE,    /* the other end sent too much */
    STREAM_STOPPED,      /* we do not listen any more */
    STREAM_END_COUNT,
} StreamEnd;

typedef struct StreamHandlers {
    /* Somebody has connected. Returns the conversation, which is what the others are given; NULL: hang up. */
    void *(*open)(void *userdata, const IpEndpoint *remote);
    void (*on_bytes)(void *talk, const uint8_t *bytes, size_t length);
    /* The other end will send no more; it may still listen. */
    void (*on_closed)(void *talk);
    /* How many bytes are to be sent, and which: lent until the next call. */
    size_t (*output)(void *talk, const uint8_t **ret);
    void (*on_sent)(void *talk, size_t length);
    /* When the output is sent there is nothing more to be said or heard. */
    bool (*is_done)(const void *talk);
    /* The last call. */
    void (*close)(void *talk, StreamEnd end);
} StreamHandlers;

typedef struct StreamHandSetup {
    const StreamHandlers *handlers; /* must live as long as the hand */
    void *userdata;                 /* of open() */
    Now (*now)(void);
    double lifetime; /* s, of a connection */
    size_t limit;    /* connections at once, at least 1 */
    /* Listening sockets (non-blocking), which may be other hands' as well; borrowed as long as the hand
     * lives. */
    const int *listeners;
    size_t listener_count;
    uint8_t secret[SIPHASH_KEY_SIZE]; /* unpredictable */
} StreamHandSetup;

typedef struct StreamHand StreamHand;

int stream_hand_new(const StreamHandSetup *setup, StreamHand **ret) must_check_;
/* All conversations end. */
StreamHand *stream_hand_free(StreamHand *hand);
DEFINE_CLEANUP(StreamHand, stream_hand_free);

/* An epoll set that polls as readable when there is something to do, besides stream_hand_deadline(). The one
 * who waits in stream_hand_serve() may add something to be woken by, with data.ptr NULL. */
int stream_hand_fd(const StreamHand *hand);

/* When stream_hand_serve() is to be called at the latest; unset: there is no need. */
MonoTime stream_hand_deadline(const StreamHand *hand);

/* Does what there is to be done, but not more than some milliseconds' worth. wait: for it. Returns false when
 * woken by what is not its own. */
bool stream_hand_serve(StreamHand *hand, bool wait);

/* Connections at present. */
size_t stream_hand_count(const StreamHand *hand);
