// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See activation.h. A unit file can be wrong, so nothing about a socket is taken for granted. */

#include "activation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/text.h"
#include "cookie-keys.h"
#include "kept-keys-store.h"
#include "net/socket.h"

static int read_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, level, option, &value, &size) < 0 ? -1 : value;
}

/* What both have in common. */
static const char *find_common_fault(int fd, IpEndpoint *ret_local)
{
    *ret_local = socket_local(fd);
    if (ret_local->port == 0)
        return "it is bound to no port";
    if (ret_local->address.family == IP_V6 && read_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 1)
        return "it takes IPv4 too (BindIPv6Only=ipv6-only)";
    return NULL;
}

/* Why the time server cannot use a socket; NULL: it can. */
static const char *find_fault_of_ntp(int fd, IpEndpoint *ret_local)
{
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_DGRAM, -1) <= 0)
        return "it is no datagram socket (ListenDatagram=)";
    if (socket_local(fd).address.family == IP_UNSPEC ||
        read_option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_UDP)
        return "it is no UDP socket";
    const char *fault = find_common_fault(fd, ret_local);
    if (!fault && server_listen_adopt(fd, ret_local->address.family) < 0)
        fault = "its options cannot be set";
    return fault;
}

static const char *find_fault_of_nts(int fd, IpEndpoint *ret_local)
{
    int flags = fcntl(fd, F_GETFL);

    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return "it is no listening stream socket (ListenStream=, Accept=no)";
    if (socket_local(fd).address.family == IP_UNSPEC ||
        read_option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
        return "it is no TCP socket";
    const char *fault = find_common_fault(fd, ret_local);
    if (!fault && (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        fault = "its options cannot be set";
    return fault;
}

static const char *take_socket(int fd, const char *(*find_fault)(int fd, IpEndpoint *ret_local),
                               PassedSockets *sockets)
{
    IpEndpoint local;
    const char *fault = find_fault(fd, &local);

    if (!fault && sockets->count == ACTIVATION_SOCKETS_MAX)
        fault = "there are too many";
    if (!fault)
        sockets->list[sockets->count++] =
            (PassedSocket) {.fd = fd, .local = local, .class = socket_class(fd, local.address.family)};
    return fault;
}

static const char *take_kept(int fd, int *kept)
{
    if (*kept >= 0)
        return "there is one already";
    *kept = fd;
    return NULL;
}

static void take_one(Journal *journal, int fd, const char *name, Activation *activation)
{
    const char *fault = "its name is neither ntp nor nts (FileDescriptorName=)";

    if (text_equal(name, "ntp"))
        fault = take_socket(fd, find_fault_of_ntp, &activation->ntp);
    else if (text_equal(name, "nts"))
        fault = take_socket(fd, find_fault_of_nts, &activation->nts);
    else if (text_equal(name, COOKIE_KEYS_STORED))
        fault = take_kept(fd, &activation->cookie_keys);
    else if (text_equal(name, KEPT_KEYS_STORED))
        fault = take_kept(fd, &activation->client_keys);
    if (!fault)
        return;
    journal_print(journal, LOG_LEVEL_ERROR, "A socket that systemd passed (%s) is not used: %s", name, fault);
    close(fd);
}

void activation_take(Journal *journal, Activation *ret)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(true, &names);

    *ret = (Activation) {.cookie_keys = -1, .client_keys = -1};
    if (count < 0)
        journal_print(journal, LOG_LEVEL_ERROR, "Could not take the sockets that systemd passed: %s",
                      strerror(-count));
    for (int i = 0; i < count; i++) {
        take_one(journal, SD_LISTEN_FDS_START + i, names[i], ret);
        free(names[i]);
    }
    free(names);
}
