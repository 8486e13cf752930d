// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* handshake-load ADDRESS PORT NAME CA SECONDS CONNECTIONS: establishes keys again and again, over so many
 * connections at a time, with the client of the daemon. Prints `begin 1` when it starts, then how many key
 * establishments there were, how many failed, and the time that all took. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "nts/ke-client.h"

#define CONNECTIONS_MAX 1024

typedef struct Connection {
    KeClient *client;
    int fd;
} Connection;

typedef struct Load {
    struct sockaddr_in server;
    const char *name;
    TrustSet *trust;
    Connection connections[CONNECTIONS_MAX];
    struct pollfd polls[CONNECTIONS_MAX];
    size_t count;
    unsigned long good, failed;
    NtsFailure last_failure;
} Load;

static void die(const char *what)
{
    fprintf(stderr, "handshake-load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void begin(Load *load, size_t i)
{
    KeClientSetup setup = {
        .trust = load->trust,
        .question = {.name = load->name, .dates = NTS_DATES_IGNORED},
        .aeads = {NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 1,
    };
    Connection *connection = &load->connections[i];

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        die("socket");
    if (connect(connection->fd, (const struct sockaddr *) &load->server, sizeof(load->server)) < 0 &&
        errno != EINPROGRESS)
        die("connect");
    if (ke_client_new(&setup, &connection->client) < 0)
        die("client");
    load->polls[i] = (struct pollfd) {.fd = connection->fd, .events = POLLOUT};
}

static void end(Load *load, size_t i)
{
    Connection *connection = &load->connections[i];
    const NtsEstablishment *result = ke_client_result(connection->client);

    if (result->failure == NTS_OK && result->cookie_count == NTS_COOKIES)
        load->good++;
    else
        load->failed++, load->last_failure = result->failure;
    ke_client_free(connection->client);
    close(connection->fd);
}

static void give(Load *load, size_t i)
{
    Connection *connection = &load->connections[i];
    const uint8_t *bytes;
    size_t length = ke_client_output(connection->client, &bytes);

    if (length > 0) {
        ssize_t n = send(connection->fd, bytes, length, MSG_NOSIGNAL);
        if (n > 0)
            ke_client_on_sent(connection->client, (size_t) n);
        else if (n < 0 && errno != EAGAIN)
            ke_client_on_closed(connection->client);
    }
    bool more = ke_client_output(connection->client, &bytes) > 0;
    load->polls[i].events = (short) (POLLIN | (more ? POLLOUT : 0));
}

static void take(Load *load, size_t i)
{
    Connection *connection = &load->connections[i];
    uint8_t bytes[16384];
    ssize_t n = recv(connection->fd, bytes, sizeof(bytes), 0);

    if (n > 0)
        ke_client_on_bytes(connection->client, bytes, (size_t) n);
    else if (n == 0 || errno != EAGAIN)
        ke_client_on_closed(connection->client);
}

static void run(Load *load, double until)
{
    for (size_t i = 0; i < load->count; i++)
        begin(load, i);
    while (now() < until) {
        if (poll(load->polls, load->count, 1000) < 0)
            die("poll");
        for (size_t i = 0; i < load->count; i++) {
            if (load->polls[i].revents & (POLLIN | POLLERR | POLLHUP))
                take(load, i);
            if (load->polls[i].revents != 0)
                give(load, i);
            if (ke_client_is_done(load->connections[i].client)) {
                end(load, i);
                begin(load, i);
            }
        }
    }
}

int main(int argc, char **argv)
{
    static Load load;
    Trust *trust = NULL;

    if (argc != 7)
        return EXIT_FAILURE;
    load.server = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(argv[2]))};
    load.name = argv[3];
    load.count = (size_t) atoi(argv[6]);
    if (inet_pton(AF_INET, argv[1], &load.server.sin_addr) != 1 || load.count < 1 ||
        load.count > CONNECTIONS_MAX)
        return EXIT_FAILURE;
    if (trust_new(false, &trust) < 0 || trust_add(trust, 0, argv[4]) < 0 ||
        trust_open(trust, 0, NULL, NULL, &load.trust) < 0 || trust_set_size(load.trust) == 0)
        die(argv[4]);
    printf("begin 1\n");
    fflush(stdout);
    double start = now();
    run(&load, start + strtod(argv[5], NULL));
    printf("established %lu\nfailed %lu\nseconds %.6f\n", load.good, load.failed, now() - start);
    if (load.failed > 0)
        fprintf(stderr, "handshake-load: %s\n", nts_failure_text(load.last_failure));
    return EXIT_SUCCESS;
}
