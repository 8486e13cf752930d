// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* One connection, see stream.h.
 *
 * A stream is connecting, connected, or ended; after on_end() nothing is called any more. The event loop
 * listens for room to write only while somebody waits for it. What fails at once is told by the timer that
 * otherwise limits the whole: handlers are called from the event loop only. */

#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"

#define READ_SIZE 4096

struct Stream {
    sd_event *event;
    const StreamHandlers *handlers;
    void *userdata;
    int fd;
    sd_event_source *io, *timer;
    bool connected;
    bool wants_room; /* the last write did not fit */
    int error;       /* that the timer tells; 0: that the time is over */
    bool busy;       /* on_io() is at work on it, and frees it when it was to be freed meanwhile */
    bool gone;
};

static void end(Stream *stream, int error)
{
    stream->io = sd_event_source_disable_unref(stream->io);
    stream->timer = sd_event_source_disable_unref(stream->timer);
    stream->handlers->on_end(stream->userdata, error);
}

static int listen_for(Stream *stream, bool room)
{
    return sd_event_source_set_io_events(stream->io, EPOLLIN | (room ? EPOLLOUT : 0));
}

static void on_connected(Stream *stream)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error != 0) {
        end(stream, error);
        return;
    }
    stream->connected = true;
    if (listen_for(stream, false) < 0)
        end(stream, ENOMEM);
    else
        stream->handlers->on_written(stream->userdata);
}

static void on_room(Stream *stream)
{
    stream->wants_room = false;
    if (listen_for(stream, false) < 0)
        end(stream, ENOMEM);
    else
        stream->handlers->on_written(stream->userdata);
}

static void on_readable(Stream *stream)
{
    uint8_t bytes[READ_SIZE];
    ssize_t n = recv(stream->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (n > 0)
        stream->handlers->on_bytes(stream->userdata, bytes, (size_t) n);
    else if (n == 0)
        end(stream, 0);
    else if (errno != EAGAIN && errno != EINTR)
        end(stream, errno);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    Stream *stream = userdata;

    (void) source;
    (void) fd;
    stream->busy = true;
    if (!stream->connected)
        on_connected(stream);
    else if (revents & EPOLLOUT)
        on_room(stream);
    if (stream->io && stream->connected && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        on_readable(stream);
    stream->busy = false;
    if (stream->gone)
        stream_free(stream);
    return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    Stream *stream = userdata;

    (void) source;
    (void) usec;
    end(stream, stream->error != 0 ? stream->error : ETIMEDOUT);
    return 0;
}

static int bind_local(int fd, const NetConfig *net, IpFamily family)
{
    const IpAddress *local = family == IP_V4 ? &net->acquisition_v4 : &net->acquisition_v6;
    const IpEndpoint endpoint = {.address = *local};
    struct sockaddr_storage address;

    if (net->acquisition_device[0] != '\0' &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, net->acquisition_device,
                   (socklen_t) strlen(net->acquisition_device) + 1) < 0)
        return -errno;
    if (local->family != family)
        return 0;
    socklen_t size = ip_endpoint_to_sockaddr(&endpoint, &address);
    return bind(fd, (const struct sockaddr *) &address, size) < 0 ? -errno : 0;
}

/* Opens the socket and begins to connect. */
static int begin(Stream *stream, const StreamSetup *setup)
{
    static const int yes = 1;
    IpFamily family = setup->remote.address.family;
    struct sockaddr_storage address;

    stream->fd = socket(family == IP_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (stream->fd < 0)
        return -errno;
    (void) setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    socket_set_dscp(stream->fd, family, setup->net->dscp);
    int r = bind_local(stream->fd, setup->net, family);
    if (r < 0)
        return r;
    socklen_t size = ip_endpoint_to_sockaddr(&setup->remote, &address);
    if (connect(stream->fd, (const struct sockaddr *) &address, size) < 0 && errno != EINPROGRESS)
        return -errno;
    return sd_event_add_io(stream->event, &stream->io, stream->fd, EPOLLIN | EPOLLOUT, on_io, stream);
}

static int arm(Stream *stream, double seconds)
{
    uint64_t usec = seconds > 0 ? (uint64_t) (seconds * 1e6) : 0;

    return sd_event_add_time_relative(stream->event, &stream->timer, CLOCK_MONOTONIC, usec, 1, on_time,
                                      stream);
}

int stream_new(sd_event *event, const StreamSetup *setup, const StreamHandlers *handlers, void *userdata,
               Stream **ret)
{
    cleanup_(stream_freep) Stream *stream = calloc(1, sizeof *stream);

    if (!stream)
        return -ENOMEM;
    *stream = (Stream) {.event = sd_event_ref(event), .handlers = handlers, .userdata = userdata, .fd = -1};
    int r = begin(stream, setup);
    if (r < 0)
        stream->error = -r;
    r = arm(stream, stream->error != 0 ? 0 : setup->seconds);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(stream);
    return 0;
}

Stream *stream_free(Stream *stream)
{
    if (!stream)
        return NULL;
    stream->io = sd_event_source_disable_unref(stream->io);
    stream->timer = sd_event_source_disable_unref(stream->timer);
    if (stream->busy) {
        stream->gone = true;
        return NULL;
    }
    if (stream->fd >= 0)
        close(stream->fd);
    sd_event_unref(stream->event);
    free(stream);
    return NULL;
}

size_t stream_write(Stream *stream, const uint8_t *bytes, size_t length)
{
    size_t done = 0;

    if (!stream->connected || !stream->io || stream->wants_room)
        return 0;
    while (done < length) {
        ssize_t n = send(stream->fd, bytes + done, length - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            break;
        done += (size_t) n;
    }
    /* An error shows itself when the event loop reads. */
    if (done < length)
        stream->wants_room = listen_for(stream, true) >= 0;
    return done;
}
