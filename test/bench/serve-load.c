// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* serve-load ADDRESS PORT RATE SECONDS CLIENTS basic|interleaved|nts [KEYS]: asks for the time from many
 * addresses (10.64.0.0/10, which routing has to make local) and prints what became of it, a word and a number
 * on each line.
 *
 * basic: RATE requests per second are sent, whatever becomes of them; 0: as many as this core can make. Up to
 * 64 of one address go to the kernel as one packet that it cuts (UDP_SEGMENT), or one core could not ask for
 * more than another one can answer. Of the answers a sample is read and checked; they are counted by the
 * interface.
 *
 * nts: the same with authenticated requests, which are made beforehand, over and over; KEYS is the server's
 * file ntskeys. A server keeps nothing of its clients, so it does not see that it has had a cookie before.
 *
 * interleaved: every client waits for its answer, which names the timestamp that the next request has to
 * carry. RATE is how many clients wait at once.
 *
 * Counting begins after WARM_UP of the time has passed. */

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "serve-requests.h"

#define PACKET_SIZE  48
#define PACKET_MAX   NTS_REQUEST_SIZE
#define NTS_REQUESTS 4096
#define AT_ORIGIN    24
#define AT_RECEIVE   32
#define AT_TRANSMIT  40
#define SEGMENTS_MAX 64
#define BATCH        64
#define NETWORK      UINT32_C(0x0a400000) /* 10.64.0.0/10 */
#define CLIENTS_MAX  (1 << 22)
#define WARM_UP      0.2
/* Answers are looked at that often, s. */
#define LOOK_EVERY   1e-3
/* A client that has no answer after that asks again, s. */
#define PATIENCE     0.25

typedef struct Client {
    uint64_t receive;    /* of the last answer, as on the wire; 0: none yet */
    uint64_t sent;       /* transmit timestamp that the answer repeats in basic mode */
    uint64_t cookie;     /* receive timestamp that it repeats in interleaved mode */
    uint64_t earlier[2]; /* these two of the request before */
    double asked;        /* when; 0: does not wait */
} Client;

typedef struct Load {
    int fd;
    struct sockaddr_in server;
    double rate, seconds;
    uint32_t clients, next;
    bool interleaved;
    NtsRequests *nts;   /* NULL: plain requests */
    size_t packet_size; /* of a request, and of its answer */
    Client *client;
    uint64_t random;
    uint64_t sent, looked_at, wrong, read, interleaved_answers, refused;
} Load;

typedef union Control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
} Control;

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

static uint64_t draw(Load *load)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return load->random;
}

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void set_option(int fd, int level, int option, int value)
{
    if (setsockopt(fd, level, option, &value, sizeof value) < 0)
        fail("setsockopt");
}

static void open_socket(Load *load, const char *address, const char *port)
{
    load->server = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port))};
    if (inet_pton(AF_INET, address, &load->server.sin_addr) != 1)
        fail(address);
    load->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (load->fd < 0)
        fail("socket");
    set_option(load->fd, IPPROTO_IP, IP_PKTINFO, 1);
    set_option(load->fd, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22);
    set_option(load->fd, SOL_SOCKET, SO_SNDBUFFORCE, 1 << 22);
}

/* Control data: from which of our addresses, and in pieces of which size, 0: in one. Returns the length. */
static size_t fill_control(Control *control, uint32_t client, size_t segment)
{
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(NETWORK + 1 + client)};
    uint16_t size = (uint16_t) segment;
    struct cmsghdr *c = &control->header;

    *c = (struct cmsghdr) {CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
    memcpy(CMSG_DATA(c), &info, sizeof info);
    if (segment == 0)
        return CMSG_SPACE(sizeof info);
    c = (struct cmsghdr *) (void *) (control->bytes + CMSG_SPACE(sizeof info));
    *c = (struct cmsghdr) {CMSG_LEN(sizeof size), SOL_UDP, UDP_SEGMENT};
    memcpy(CMSG_DATA(c), &size, sizeof size);
    return sizeof control->bytes;
}

static void fill_request(uint8_t *bytes, uint64_t origin, uint64_t receive, uint64_t transmit)
{
    memset(bytes, 0, PACKET_SIZE);
    bytes[0] = 4 << 3 | 3;
    bytes[2] = 6;
    memcpy(bytes + AT_ORIGIN, &origin, sizeof origin);
    memcpy(bytes + AT_RECEIVE, &receive, sizeof receive);
    memcpy(bytes + AT_TRANSMIT, &transmit, sizeof transmit);
}

/* --- basic: as many as wanted, from one address after another --- */

static void send_burst(Load *load, size_t segments)
{
    static uint8_t bytes[SEGMENTS_MAX * PACKET_MAX];
    size_t size = load->packet_size;
    Control control;
    struct iovec io = {bytes, segments * size};
    struct msghdr message = {.msg_name = &load->server,
                             .msg_namelen = sizeof load->server,
                             .msg_iov = &io,
                             .msg_iovlen = 1,
                             .msg_control = &control};

    load->next = (load->next + 1) % load->clients;
    message.msg_controllen = fill_control(&control, load->next, size);
    for (size_t i = 0; i < segments; i++)
        if (load->nts)
            memcpy(bytes + i * size, nts_requests_next(load->nts), size);
        else
            fill_request(bytes + i * size, 0, 0, draw(load));
    if (sendmsg(load->fd, &message, MSG_DONTWAIT) > 0)
        load->sent += segments;
    else
        load->refused += segments;
}

static bool is_answer(const Load *load, const uint8_t *bytes, size_t length)
{
    if (load->nts)
        return nts_requests_answered(load->nts, bytes, length);
    return length == PACKET_SIZE && (bytes[0] & 7) == 4 && bytes[1] != 0;
}

/* Reads a batch of answers and counts those that are none. */
static void look(Load *load)
{
    static uint8_t bytes[BATCH][PACKET_MAX];
    static struct iovec io[BATCH];
    static struct mmsghdr messages[BATCH];

    for (size_t i = 0; i < BATCH; i++) {
        io[i] = (struct iovec) {bytes[i], PACKET_MAX};
        messages[i].msg_hdr = (struct msghdr) {.msg_iov = &io[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(load->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        load->looked_at++;
        load->wrong += !is_answer(load, bytes[i], messages[i].msg_len);
    }
}

static void ask_at_rate(Load *load, double until)
{
    double start = now(), looked = start, t = start;
    /* Small bursts when little is asked for: a server must not be judged by how it takes 64 at once. */
    size_t segments = load->rate > 0 && load->rate < 100000 ? 1 : 16;
    double done = 0;

    while ((t = now()) < until) {
        if (load->rate > 0 && done > (t - start) * load->rate)
            continue;
        send_burst(load, segments);
        done += (double) segments;
        if (t - looked > LOOK_EVERY) {
            look(load);
            looked = t;
        }
    }
}

/* --- interleaved: each client has a request on its way --- */

static void read_answers(Load *load)
{
    static uint8_t bytes[BATCH][PACKET_SIZE];
    static Control control[BATCH];
    static struct iovec io[BATCH];
    static struct mmsghdr messages[BATCH];

    for (size_t i = 0; i < BATCH; i++) {
        io[i] = (struct iovec) {bytes[i], PACKET_SIZE};
        messages[i].msg_hdr = (struct msghdr) {.msg_iov = &io[i],
                                               .msg_iovlen = 1,
                                               .msg_control = &control[i],
                                               .msg_controllen = sizeof control[i]};
    }
    int count = recvmmsg(load->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct in_pktinfo info;
        uint64_t origin;
        memcpy(&info, CMSG_DATA(&control[i].header), sizeof info);
        uint32_t number = ntohl(info.ipi_addr.s_addr) - NETWORK - 1;
        if (number >= load->clients)
            continue;
        Client *client = &load->client[number];
        memcpy(&origin, bytes[i] + AT_ORIGIN, sizeof origin);
        load->read++;
        /* We have asked again meanwhile: else two requests would be on their way from then on. */
        if (origin != client->sent && origin != client->cookie &&
            (origin == client->earlier[0] || origin == client->earlier[1]))
            continue;
        memcpy(&client->receive, bytes[i] + AT_RECEIVE, sizeof client->receive);
        load->wrong += origin != client->sent && origin != client->cookie;
        load->interleaved_answers += origin == client->cookie;
        client->asked = 0;
    }
}

/* Asks for as many clients as do not wait, a batch at most, one after another. */
static void ask_waiting(Load *load, double t)
{
    static uint8_t bytes[BATCH][PACKET_SIZE];
    static Control control[BATCH];
    static struct iovec io[BATCH];
    static struct mmsghdr messages[BATCH];
    unsigned count = 0;

    for (uint32_t tried = 0; tried < load->clients && count < BATCH; tried++) {
        Client *client = &load->client[load->next];
        if (client->asked == 0 || t - client->asked > PATIENCE) {
            client->earlier[0] = client->sent;
            client->earlier[1] = client->cookie;
            client->sent = draw(load);
            client->cookie = draw(load);
            client->asked = t;
            fill_request(bytes[count], client->receive, client->cookie, client->sent);
            io[count] = (struct iovec) {bytes[count], PACKET_SIZE};
            messages[count].msg_hdr = (struct msghdr) {.msg_name = &load->server,
                                                       .msg_namelen = sizeof load->server,
                                                       .msg_iov = &io[count],
                                                       .msg_iovlen = 1,
                                                       .msg_control = &control[count]};
            messages[count].msg_hdr.msg_controllen = fill_control(&control[count], load->next, 0);
            count++;
        }
        load->next = (load->next + 1) % load->clients;
    }
    int sent = count > 0 ? sendmmsg(load->fd, messages, count, MSG_DONTWAIT) : 0;
    load->sent += sent > 0 ? (uint64_t) sent : 0;
}

static void ask_and_wait(Load *load, double until)
{
    double t;

    while ((t = now()) < until) {
        ask_waiting(load, t);
        read_answers(load);
    }
}

/* --- counting --- */

/* Packets that have come to all interfaces of this network but lo. */
static uint64_t interface_received(void)
{
    uint64_t total = 0, packets;
    char line[512], name[64];
    FILE *file = fopen("/proc/self/net/dev", "re");

    if (!file)
        fail("/proc/self/net/dev");
    while (fgets(line, sizeof line, file))
        if (sscanf(line, " %63[^:]: %*u %" SCNu64, name, &packets) == 2 && strcmp(name, "lo") != 0)
            total += packets;
    fclose(file);
    return total;
}

static void run(Load *load, double until)
{
    if (load->interleaved)
        ask_and_wait(load, until);
    else
        ask_at_rate(load, until);
}

int main(int argc, char **argv)
{
    Load load = {.random = UINT64_C(0x9e3779b97f4a7c15), .packet_size = PACKET_SIZE};

    if (argc < 7 || argc != (strcmp(argv[6], "nts") == 0 ? 8 : 7)) {
        fputs("usage: serve-load ADDRESS PORT RATE SECONDS CLIENTS basic|interleaved|nts [KEYS]\n", stderr);
        return EXIT_FAILURE;
    }
    if (argc == 8) {
        load.packet_size = NTS_REQUEST_SIZE;
        load.nts = nts_requests_new(argv[7], NTS_REQUESTS);
        if (!load.nts)
            fail(argv[7]);
    }
    open_socket(&load, argv[1], argv[2]);
    load.rate = atof(argv[3]);
    load.seconds = atof(argv[4]);
    load.interleaved = strcmp(argv[6], "interleaved") == 0;
    load.clients = (uint32_t) (load.interleaved ? load.rate : atof(argv[5]));
    if (load.clients < 1 || load.clients > CLIENTS_MAX)
        fail("number of clients");
    load.client = calloc(load.clients, sizeof *load.client);
    if (!load.client)
        fail("calloc");

    run(&load, now() + WARM_UP);
    load.sent = load.refused = load.looked_at = load.wrong = load.read = load.interleaved_answers = 0;
    /* The reader of the script takes its own counters between these two lines. */
    puts("begin 1");
    fflush(stdout);
    uint64_t received = interface_received();
    double start = now();
    run(&load, start + load.seconds);
    double seconds = now() - start;
    printf("answered %" PRIu64 "\n", interface_received() - received);
    printf("seconds %.6f\nsent %" PRIu64 "\nrefused %" PRIu64 "\nread %" PRIu64 "\nwrong %" PRIu64
           "\ninterleaved %" PRIu64 "\n",
           seconds, load.sent, load.refused, load.looked_at + load.read, load.wrong,
           load.interleaved_answers);
    return EXIT_SUCCESS;
}
