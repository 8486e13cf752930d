// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See activation.h. A unit file can be wrong, so nothing about a socket is taken for granted. */

#include "activation.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/text.h"
#include "net/socket.h"

static int read_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, level, option, &value, &size) < 0 ? -1 : value;
}

/* Why the server cannot use a socket; NULL: it can. */
static const char *find_fault(int fd, IpEndpoint *ret_local)
{
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_DGRAM, -1) <= 0)
        return "it is no datagram socket (ListenDatagram=)";
    *ret_local = socket_local(fd);
    if (ret_local->address.family == IP_UNSPEC || read_option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_UDP)
        return "it is no UDP socket";
    if (ret_local->port == 0)
        return "it is bound to no port";
    if (ret_local->address.family == IP_V6 && read_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 1)
        return "it takes IPv4 too (BindIPv6Only=ipv6-only)";
    return NULL;
}

static void take_one(Journal *journal, int fd, const char *name, Activation *activation)
{
    const char *fault = "its name is not ntp (FileDescriptorName=)";
    IpEndpoint local;

    if (text_equal(name, "ntp"))
        fault = find_fault(fd, &local);
    if (!fault && activation->count == ACTIVATION_SOCKETS_MAX)
        fault = "there are too many";
    if (!fault && server_listen_adopt(fd, local.address.family) < 0)
        fault = "its options cannot be set";
    if (fault) {
        journal_print(journal, LOG_LEVEL_ERROR, "A socket that systemd passed (%s) is not used: %s", name,
                      fault);
        close(fd);
        return;
    }
    activation->sockets[activation->count++] = (PassedSocket) {.fd = fd, .local = local};
}

void activation_take(Journal *journal, Activation *ret)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(true, &names);

    *ret = (Activation) {};
    if (count < 0)
        journal_print(journal, LOG_LEVEL_ERROR, "Could not take the sockets that systemd passed: %s",
                      strerror(-count));
    for (int i = 0; i < count; i++) {
        take_one(journal, SD_LISTEN_FDS_START + i, names[i], ret);
        free(names[i]);
    }
    free(names);
}
