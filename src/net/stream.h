// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A TCP connection that we open: bytes out, bytes in, and an end, which comes at the latest when its time is
 * over. */

#include <systemd/sd-event.h>

#include "core/config/config.h"

typedef struct Stream Stream;

/* Of those one is called at a time, from the event loop, never from a call of ours; a handler may write to
 * the stream, and free it. */
typedef struct StreamHandlers {
    /* Bytes have come in. */
    void (*on_bytes)(void *userdata, const uint8_t *bytes, size_t length);
    /* All that was written has left; also once after connecting. */
    void (*on_written)(void *userdata);
    /* There is nothing more to come. error: 0: the other end has closed the connection, ETIMEDOUT: the time
     * was over, otherwise what the network said, positive. Last call. */
    void (*on_end)(void *userdata, int error);
} StreamHandlers;

typedef struct StreamSetup {
    IpEndpoint remote;
    const NetConfig *net; /* for local address, interface and DSCP; during stream_new() only */
    double seconds;       /* until the end, whatever happens */
} StreamSetup;

/* Begins to connect. Does not wait: whatever keeps it from doing so is told by on_end(). event is referenced,
 * handlers live as long as the stream. */
int stream_new(sd_event *event, const StreamSetup *setup, const StreamHandlers *handlers, void *userdata,
               Stream **ret) must_check_;
Stream *stream_free(Stream *stream);
DEFINE_CLEANUP(Stream, stream_free);

/* Sends as many of these bytes as fit, maybe none; returns how many. What did not fit is to be written again
 * after on_written(). */
size_t stream_write(Stream *stream, const uint8_t *bytes, size_t length) must_check_;
