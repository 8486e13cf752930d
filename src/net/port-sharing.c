// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* One port for several sockets; see port-sharing.h.
 *
 * The kernel has two ways. SO_REUSEPORT makes a group, in which a packet goes to one or the other by a hash
 * or a program: right for the threads of the server, but a connected socket in such a group could be chosen
 * for what is not its own. SO_REUSEADDR makes no group: a packet goes to the socket that fits it best, which
 * is the connected one if it comes from there. But it asks neither for our user nor for our leave: whoever
 * sets it shares the port. The kernel looks at it only while somebody binds. So it is set for these moments,
 * on all that have the port and on the new one, and only when there is no other way: a port that somebody
 * else has is still found to be in use. */

#include "net/port-sharing.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/socket.h"

typedef struct Sharer {
    int fd;
    uint16_t port;
    int reuse; /* SO_REUSEADDR as it is between such moments */
} Sharer;

struct PortSharing {
    Sharer *list; /* owned */
    size_t count;
};

int port_sharing_new(PortSharing **ret)
{
    PortSharing *sharing = calloc(1, sizeof *sharing);

    if (!sharing)
        return -ENOMEM;
    *ret = sharing;
    return 0;
}

PortSharing *port_sharing_free(PortSharing *sharing)
{
    if (!sharing)
        return NULL;
    free(sharing->list);
    free(sharing);
    return NULL;
}

static int set_reuse(int fd, int reuse)
{
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) < 0 ? -errno : 0;
}

/* Lets a port be shared, or no more. Returns whether any socket has it. */
static bool open_port(const PortSharing *sharing, uint16_t port, bool open)
{
    bool any = false;

    for (size_t i = 0; i < sharing->count; i++) {
        const Sharer *sharer = &sharing->list[i];
        if (sharer->port == port)
            any |= set_reuse(sharer->fd, open ? 1 : sharer->reuse) >= 0;
    }
    return any;
}

static int bind_among_ours(const PortSharing *sharing, int fd, const IpEndpoint *local)
{
    if (!open_port(sharing, local->port, true))
        return -EADDRINUSE;
    int r = set_reuse(fd, 1);
    if (r >= 0)
        r = socket_bind(fd, local);
    (void) set_reuse(fd, 0);
    (void) open_port(sharing, local->port, false);
    return r;
}

int port_sharing_join(PortSharing *sharing, int fd)
{
    Sharer *list = reallocarray(sharing->list, sharing->count + 1, sizeof *list);
    Sharer new = {.fd = fd, .port = socket_local(fd).port};
    socklen_t size = sizeof new.reuse;

    if (!list)
        return -ENOMEM;
    sharing->list = list;
    if (getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &new.reuse, &size) < 0)
        return -errno;
    list[sharing->count++] = new;
    return 0;
}

int port_sharing_bind(PortSharing *sharing, int fd, const IpEndpoint *local)
{
    int r = socket_bind(fd, local);

    if (r == -EADDRINUSE && local->port != 0)
        r = bind_among_ours(sharing, fd, local);
    return r < 0 ? r : port_sharing_join(sharing, fd);
}

void port_sharing_leave(PortSharing *sharing, int fd)
{
    for (size_t i = 0; i < sharing->count; i++)
        if (sharing->list[i].fd == fd) {
            sharing->list[i] = sharing->list[--sharing->count];
            return;
        }
}
