// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* serve-echo ADDRESS PORT bare|options: sends every UDP packet back, in batches as large as the server's.
 * What a server can reach at best: `bare` does nothing else; `options` has the kernel stamp what it receives
 * and tell which address was asked, and answers from there, as an NTP server has to. */

#include <arpa/inet.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/request-batch.h"

#define PACKET_MAX   1140
#define CONTROL_SIZE 256

typedef struct Slot {
    struct sockaddr_in from;
    struct iovec io;
    _Alignas(struct cmsghdr) char control[CONTROL_SIZE];
    char bytes[PACKET_MAX];
} Slot;

static Slot slots[REQUEST_BATCH_MAX];
static struct mmsghdr requests[REQUEST_BATCH_MAX], answers[REQUEST_BATCH_MAX];

static int open_socket(const char *address, const char *port, bool options)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port))};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || inet_pton(AF_INET, address, &local.sin_addr) != 1 ||
        (options && request_socket_prepare(fd, IP_V4) < 0) ||
        bind(fd, (const struct sockaddr *) &local, sizeof local) < 0) {
        perror("serve-echo");
        exit(EXIT_FAILURE);
    }
    return fd;
}

static int receive(int fd, bool options)
{
    for (size_t i = 0; i < REQUEST_BATCH_MAX; i++) {
        Slot *slot = &slots[i];
        slot->io = (struct iovec) {slot->bytes, sizeof slot->bytes};
        requests[i].msg_hdr = (struct msghdr) {.msg_name = &slot->from,
                                               .msg_namelen = sizeof slot->from,
                                               .msg_iov = &slot->io,
                                               .msg_iovlen = 1,
                                               .msg_control = options ? slot->control : NULL,
                                               .msg_controllen = options ? sizeof slot->control : 0};
    }
    return recvmmsg(fd, requests, REQUEST_BATCH_MAX, MSG_WAITFORONE, NULL);
}

/* The address that was asked becomes the one that answers; returns the length of the control data. */
static size_t turn_control(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        struct in_pktinfo info;
        struct cmsghdr *answer = message->msg_control;
        if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
            continue;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        info.ipi_ifindex = 0;
        *answer = (struct cmsghdr) {CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
        memcpy(CMSG_DATA(answer), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    return 0;
}

static void echo(int fd, bool options)
{
    int count = receive(fd, options);
    unsigned sent = 0;

    for (int i = 0; i < count; i++) {
        answers[i].msg_hdr = requests[i].msg_hdr;
        slots[i].io.iov_len = requests[i].msg_len;
        answers[i].msg_hdr.msg_controllen = options ? turn_control(&answers[i].msg_hdr) : 0;
        answers[i].msg_hdr.msg_flags = 0;
    }
    while (count > 0 && sent < (unsigned) count) {
        int r = sendmmsg(fd, answers + sent, (unsigned) count - sent, 0);
        sent += r > 0 ? (unsigned) r : 1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: serve-echo ADDRESS PORT bare|options\n", stderr);
        return EXIT_FAILURE;
    }
    bool options = strcmp(argv[3], "options") == 0;
    int fd = open_socket(argv[1], argv[2], options);
    for (;;)
        echo(fd, options);
}
