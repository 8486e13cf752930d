// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See server-listen.h.
 *
 * Sockets that share an address are a group in the kernel (SO_REUSEPORT), which by itself would hash the port
 * of the client too. A program of classic BPF chooses instead. It has one accumulator and one register, 32
 * bits both, and finds the addresses at the network header whatever is between that and us. */

#include "net/server-listen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/request-socket.h"
#include "net/socket.h"

/* Where the source address is in the header, bytes. */
#define AT_SOURCE_V4 12
#define AT_SOURCE_V6 8

/* Odd, its bits without a pattern: the fractional part of the golden ratio. */
#define MULTIPLIER UINT32_C(0x9e3779b1)

/* add_word() for the four of IPv6, and five more. */
#define PROGRAM_MAX (4 * 7 + 5)

/* Packets that can wait on a socket, generously: a flood must not keep us from starting. */
#define WAITING_MAX 100000

typedef struct Program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short length;
} Program;

static void add(Program *program, uint16_t code, uint32_t constant)
{
    program->code[program->length++] = (struct sock_filter) {.code = code, .k = constant};
}

/* X = mix(X ^ word at an offset of the header) */
static void add_word(Program *program, uint32_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t) SKF_NET_OFF + offset);
    add(program, BPF_ALU | BPF_XOR | BPF_X, 0);
    add(program, BPF_ALU | BPF_MUL | BPF_K, MULTIPLIER);
    /* The high bits have seen all others: they go down, where the next multiplication starts. */
    add(program, BPF_MISC | BPF_TAX, 0);
    add(program, BPF_ALU | BPF_RSH | BPF_K, 15);
    add(program, BPF_ALU | BPF_XOR | BPF_X, 0);
    add(program, BPF_MISC | BPF_TAX, 0);
}

static int attach_chooser(int fd, IpFamily family, size_t count, uint32_t secret)
{
    Program program = {};
    uint32_t first = family == IP_V4 ? AT_SOURCE_V4 : AT_SOURCE_V6;
    uint32_t end = first + (family == IP_V4 ? sizeof(struct in_addr) : sizeof(struct in6_addr));

    add(&program, BPF_LDX | BPF_W | BPF_IMM, secret);
    for (uint32_t offset = first; offset < end; offset += sizeof(uint32_t))
        add_word(&program, offset);
    add(&program, BPF_ALU | BPF_MUL | BPF_K, MULTIPLIER);
    add(&program, BPF_ALU | BPF_RSH | BPF_K, 16);
    add(&program, BPF_ALU | BPF_MOD | BPF_K, (uint32_t) count);
    add(&program, BPF_RET | BPF_A, 0);

    const struct sock_fprog filter = {.len = program.length, .filter = program.code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) < 0 ? -errno : 0;
}

static void set_optional(int fd, int level, int option, int value)
{
    (void) setsockopt(fd, level, option, &value, sizeof value);
}

void server_listen_mark(const PassedSocket *passed, uint8_t dscp)
{
    socket_set_class(passed->fd, passed->local.address.family, dscp > 0 ? dscp << 2 : passed->class);
}

static int prepare(int fd, const ServerListen *listen, IpFamily family)
{
    const char *device = listen->config->device;
    bool v4 = family == IP_V4;
    static const int yes = 1;

    int r = request_socket_prepare(fd, family);
    if (r < 0)
        return r;
    if (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) < 0)
        return -errno;
    /* An address may come later than we do. */
    set_optional(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND, 1);
    socket_set_dscp(fd, family, listen->dscp);
    if (device[0] != '\0' &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t) strlen(device) + 1) < 0)
        return -errno;
    return 0;
}

static int share(int fd)
{
    static const int yes = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) < 0 ? -errno : 0;
}

/* One more of the group of an address, which is one only when there are two. The first must not be shared
 * with what another program of our user has; afterwards it may be, with those of ours that come later. */
static int open_one(const ServerListen *listen, PortSharing *sharing, const IpEndpoint *local, bool first,
                    int *ret)
{
    IpFamily family = local->address.family;
    int r;

    int fd = socket(family == IP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if ((r = prepare(fd, listen, family)) < 0 || (!first && (r = share(fd)) < 0) ||
        (r = port_sharing_bind(sharing, fd, local)) < 0 || (first && (r = share(fd)) < 0)) {
        port_sharing_leave(sharing, fd);
        close(fd);
        return r;
    }
    *ret = fd;
    return 0;
}

int server_listen_open(const ServerListen *listen, PortSharing *sharing, const IpEndpoint *local,
                       size_t count, uint32_t secret, int *ret_fds)
{
    size_t opened = 0;
    int r = 0;

    while (r >= 0 && opened < count) {
        r = open_one(listen, sharing, local, opened == 0, &ret_fds[opened]);
        if (r >= 0)
            opened++;
    }
    /* There is a group as soon as there are two, and the index in it is the order of binding. */
    if (r >= 0 && count > 1)
        r = attach_chooser(ret_fds[0], local->address.family, count, secret);
    while (r < 0 && opened > 0) {
        port_sharing_leave(sharing, ret_fds[--opened]);
        close(ret_fds[opened]);
    }
    return r;
}

int server_listen_adopt(int fd, IpFamily family)
{
    int flags = fcntl(fd, F_GETFL);
    uint8_t byte;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    int r = request_socket_prepare(fd, family);
    if (r < 0)
        return r;
    for (size_t i = 0; i < WAITING_MAX && recv(fd, &byte, sizeof byte, MSG_TRUNC | MSG_DONTWAIT) >= 0; i++)
        ;
    return 0;
}

static void for_each_of_family(const ServerListen *listen, IpFamily family,
                               void (*open)(void *userdata, const IpEndpoint *local), void *userdata)
{
    IpEndpoint local = {.address.family = (uint8_t) family, .port = listen->config->port};
    bool chosen = false;

    for (size_t i = 0; i < listen->config->address_count; i++) {
        if (listen->config->addresses[i].family != family)
            continue;
        chosen = true;
        local.address = listen->config->addresses[i];
        open(userdata, &local);
    }
    if (!chosen)
        open(userdata, &local);
}

void server_listen_for_each(const ServerListen *listen, void (*open)(void *userdata, const IpEndpoint *local),
                            void *userdata)
{
    if (listen->config->port == 0)
        return;
    if (listen->v4)
        for_each_of_family(listen, IP_V4, open, userdata);
    if (listen->v6)
        for_each_of_family(listen, IP_V6, open, userdata);
}
