// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Two threads that serve every kind of client over the loopback interface (basic, interleaved, with a key,
 * with Network Time Security), while all that they share with the daemon is changed under them: our time,
 * keys, cookie keys, access, limits, the log of clients, counters, sockets. Meant for the thread sanitizer,
 * for which STRESS_SECONDS makes it longer (see doc/hacking.md); without, it looks that each client is
 * answered right. */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/api/action.h"
#include "core/ntp/nts-client.h"
#include "net/server-socket.h"
#include "nts/aead.h"
#include "nts/cookie-ring.h"
#include "nts/key-ring.h"
#include "unit.h"

#define THREADS     2
#define EACH        4 /* clients of a kind */
#define ROUNDS      150
#define PATIENCE_MS 5000

typedef enum Kind { KIND_BASIC, KIND_INTERLEAVED, KIND_KEY, KIND_NTS, KIND_COUNT } Kind;

typedef struct Asker {
    Kind kind;
    int fd;
    uint64_t known;  /* receive timestamp of the last answer; 0: none */
    uint64_t cookie; /* in the open request: receive and, one more, transmit timestamp */
    NtsClient *nts;
    unsigned answers, interleaved, naks;
} Asker;

static sd_event *event;
static KeyRing *keys;
static CookieRing *cookies;
static AccessTable *everybody, *nobody;
static PortSharing *sharing;
static ServerHands *hands;
static ServerSockets *sockets;
static Asker askers[KIND_COUNT * EACH];
static uint64_t counter;

static Now now(void)
{
    struct timespec mono, raw;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &raw);
    return (Now) {.mono = {ns_from_timespec(mono)}, .raw = {ns_from_timespec(raw)}};
}

/* Stratum and reference ID belong together, so that half a snapshot would be seen. */
static void snapshot(void *userdata, Now at, ServerSnapshot *ret)
{
    (void) userdata;
    counter++;
    *ret = (ServerSnapshot) {.base = at.raw.ns,
                             .valid_from = INT64_MIN,
                             .stratum = 1 + counter % 8,
                             .precision = -24,
                             .reference_id = counter % 8};
}

static void on_failed(void *userdata, const IpEndpoint *endpoint, int error)
{
    (void) userdata;
    (void) endpoint;
    fail_msg("cannot listen: %s", strerror(error));
}

/* --- what is changed --- */

/* Key 1 is always there, others come and go. */
static void put_keys(unsigned round)
{
    char text[256];
    Keys made;
    int length = snprintf(text, sizeof text, "1 SHA256 HEX:5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\n%u MD5 other\n",
                          2 + round % 7);

    assert_int_equal(keys_parse(text, (size_t) length, NULL, NULL, &made), 0);
    key_ring_replace(keys, &made);
}

static void open_sockets(uint16_t port)
{
    ServerConfig config = {.port = port};
    const ServerListen listen = {.config = &config, .v4 = true};

    assert_int_equal(server_sockets_open(sockets, &listen), 1);
}

static void read_clients(void)
{
    ClientReport client;
    uint64_t position = 0;

    while (server_hands_next_client(hands, &position, now().mono, &client))
        assert_int_equal(client.address.family, IP_V4);
}

static void change(unsigned round, uint16_t port)
{
    const RateLimitConfig none = {0}, wide = {.enabled = true, .interval = -10, .burst = 255, .leak = 1};
    ServerReport report = {0};

    server_hands_post(hands);
    switch (round % 7) {
    case 0: put_keys(round); break;
    case 1: assert_int_equal(cookie_ring_rotate(cookies), 0); break;
    case 2:
        server_hands_set_access(hands, nobody);
        server_hands_set_access(hands, everybody);
        break;
    case 3: read_clients(); break;
    case 4: server_hands_reset_clients(hands); break;
    case 5:
        if (round % 4 == 1)
            assert_int_equal(server_hands_configure(hands, round % 8 == 1 ? &none : &wide, 1 << 18), 0);
        break;
    case 6:
        if (round % 5 == 1)
            open_sockets(port);
        break;
    default: break;
    }
    server_hands_report(hands, now().mono, &report);
}

/* --- clients --- */

static void give_cookies(Asker *asker)
{
    const CookieJar jar = cookie_ring_jar(cookies);
    NtsKeys of_client = {.aead = NTS_AEAD_AES_SIV_CMAC_256, .length = 32};
    NtsCookie made[NTS_COOKIES];

    memset(of_client.c2s, 0xc2, of_client.length);
    memset(of_client.s2c, 0x2c, of_client.length);
    for (size_t i = 0; i < NTS_COOKIES; i++)
        made[i].length = (uint16_t) jar.seal(jar.userdata, &of_client, made[i].bytes);
    nts_client_load(asker->nts, &of_client, made, NTS_COOKIES);
}

static size_t prove(Asker *asker, uint8_t bytes[static NTP_PACKET_MAX])
{
    const Authenticator authenticator = key_ring_authenticator(keys);
    const Aead aead = aead_ciphers();
    uint8_t random[NTS_RANDOM_SIZE];
    NtsClientReport report;

    if (asker->kind == KIND_KEY)
        return authenticator_append(&authenticator, 1, 4, bytes, NTP_HEADER_SIZE, NTP_PACKET_MAX);
    if (asker->kind != KIND_NTS)
        return NTP_HEADER_SIZE;
    nts_client_report(asker->nts, &report);
    if (report.cookies == 0)
        give_cookies(asker);
    memset(random, (int) asker->cookie, sizeof random);
    memcpy(random, &asker->cookie, sizeof asker->cookie);
    return nts_client_append(asker->nts, &aead, random, bytes, NTP_HEADER_SIZE, NTP_PACKET_MAX);
}

static void ask(Asker *asker)
{
    uint8_t bytes[NTP_PACKET_MAX];
    NtpPacket request = {.version = 4, .mode = NTP_MODE_CLIENT};

    asker->cookie = (counter += 8) << 20 | 2;
    request.transmit.value = asker->cookie + 1;
    if (asker->kind != KIND_BASIC) {
        request.origin.value = asker->known;
        request.receive.value = asker->cookie;
    }
    ntp_packet_build(&request, bytes);
    size_t length = prove(asker, bytes);
    assert_true(length >= NTP_HEADER_SIZE);
    /* A port that is closed at this moment is told at the next call. */
    (void) send(asker->fd, bytes, length, 0);
}

static bool is_proven(Asker *asker, const uint8_t *bytes, size_t length, NtpPacket *packet)
{
    const Authenticator authenticator = key_ring_authenticator(keys);
    const Aead aead = aead_ciphers();
    uint32_t key = 0;

    if (asker->kind == KIND_KEY) {
        assert_int_equal(authenticator_check(&authenticator, bytes, length, packet, &key), MAC_GOOD);
        assert_int_equal(key, 1);
    }
    if (asker->kind != KIND_NTS)
        return true;
    NtsAnswer verdict = nts_client_check(asker->nts, &aead, bytes, packet);
    if (verdict == NTS_ANSWER_NAK) {
        /* Cookies that four changes of the key have gone by. */
        asker->naks++;
        give_cookies(asker);
        return false;
    }
    assert_int_equal(verdict, NTS_ANSWER_GOOD);
    return true;
}

/* Takes the answers that have come; only one to the open request counts. */
static void take(Asker *asker, int patience_ms)
{
    struct pollfd readable = {.fd = asker->fd, .events = POLLIN};
    uint8_t bytes[NTP_PACKET_MAX];
    NtpPacket packet;

    while (poll(&readable, 1, patience_ms) > 0) {
        ssize_t length = recv(asker->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (length < 0)
            continue;
        patience_ms = 0;
        assert_true(ntp_packet_parse(bytes, (size_t) length, &packet));
        bool interleaved = packet.origin.value == asker->cookie;
        if (!interleaved && packet.origin.value != asker->cookie + 1)
            continue;
        if (!is_proven(asker, bytes, (size_t) length, &packet))
            continue;
        assert_int_equal(packet.stratum, packet.reference_id + 1);
        assert_true(interleaved ? packet.transmit.value < packet.receive.value
                                : packet.transmit.value > packet.receive.value);
        asker->known = packet.receive.value;
        asker->answers++;
        asker->interleaved += interleaved;
    }
}

/* --- the whole --- */

static uint16_t bound(int fd, const IpEndpoint *local)
{
    struct sockaddr_storage address;
    socklen_t size = ip_endpoint_to_sockaddr(local, &address);
    IpEndpoint got;

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *) &address, size) == 0);
    size = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &size), 0);
    assert_true(ip_endpoint_from_sockaddr((struct sockaddr *) &address, size, &got));
    return got.port;
}

static uint16_t free_port(void)
{
    const IpEndpoint any = {.address = {IP_V4, {127, 0, 0, 1}, 0}};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint16_t port = bound(fd, &any);

    close(fd);
    return port;
}

static void asker_start(Asker *asker, size_t i, uint16_t port)
{
    const IpEndpoint local = {.address = {IP_V4, {127, 0, (uint8_t) i, 1}, 0}},
                     server = {.address = {IP_V4, {127, 0, 0, 1}, 0}, .port = port};
    struct sockaddr_storage address;
    socklen_t size = ip_endpoint_to_sockaddr(&server, &address);

    *asker = (Asker) {.kind = (Kind) (i % KIND_COUNT), .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    (void) bound(asker->fd, &local);
    assert_int_equal(connect(asker->fd, (struct sockaddr *) &address, size), 0);
    assert_int_equal(nts_client_new(&asker->nts), 0);
    give_cookies(asker);
}

static AccessTable *table(bool allow)
{
    const AccessRule rule = {.allow = allow};
    AccessTable *made;

    assert_int_equal(access_table_new(&rule, 1, &made), 0);
    return made;
}

static int setup(void **state)
{
    const RateLimitConfig no_limit = {0};
    ServerHandsSetup of_hands = {.handlers = {.now = now, .snapshot = snapshot}, .secret = "not a secret"};
    ServerSocketsSetup of_sockets = {.secret = 0x13579bdf, .on_failed = on_failed};

    (void) state;
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(key_ring_new(&keys), 0);
    put_keys(0);
    assert_int_equal(cookie_ring_new(&cookies), 0);
    assert_int_equal(cookie_ring_renew(cookies), 0);
    everybody = table(true);
    nobody = table(false);
    of_hands.event = of_sockets.event = event;
    of_hands.authenticator = key_ring_authenticator(keys);
    of_hands.nts = (NtsServer) {.jar = cookie_ring_jar(cookies), .aead = aead_ciphers()};
    assert_int_equal(server_hands_new(&of_hands, &hands), 0);
    assert_int_equal(server_hands_set_threads(hands, THREADS), 0);
    assert_int_equal(server_hands_configure(hands, &no_limit, 1 << 18), 0);
    server_hands_set_access(hands, everybody);
    assert_int_equal(port_sharing_new(&sharing), 0);
    of_sockets.hands = hands;
    of_sockets.sharing = sharing;
    assert_int_equal(server_sockets_new(&of_sockets, &sockets), 0);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    for (size_t i = 0; i < ELEMENTS(askers); i++) {
        askers[i].nts = nts_client_free(askers[i].nts);
        close(askers[i].fd);
    }
    sockets = server_sockets_free(sockets);
    sharing = port_sharing_free(sharing);
    hands = server_hands_free(hands);
    everybody = access_table_free(everybody);
    nobody = access_table_free(nobody);
    cookies = cookie_ring_free(cookies);
    keys = key_ring_free(keys);
    event = sd_event_unref(event);
    return 0;
}

/* Without changes: everybody is answered, interleaved from the second time on. */
static void ask_in_peace(void)
{
    for (size_t i = 0; i < ELEMENTS(askers); i++) {
        unsigned answers = askers[i].answers, interleaved = askers[i].interleaved;
        for (unsigned j = 0; j < 3; j++) {
            ask(&askers[i]);
            take(&askers[i], PATIENCE_MS);
        }
        if (askers[i].answers < answers + 3 - askers[i].naks)
            fail_msg("client %zu: %u answers", i, askers[i].answers - answers);
        assert_true(askers[i].kind == KIND_BASIC || askers[i].interleaved > interleaved);
    }
}

static void test_stress(void **state)
{
    const char *seconds = getenv("STRESS_SECONDS");
    MonoTime end = mono_add(now().mono, seconds ? atof(seconds) : 0);
    ServerReport report = {0};
    uint16_t port = free_port();
    uint64_t answers = 0;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(askers); i++)
        asker_start(&askers[i], i, port);
    open_sockets(port);
    ask_in_peace();
    for (unsigned round = 0; round < ROUNDS || now().mono.ns < end.ns; round++) {
        for (size_t i = 0; i < ELEMENTS(askers); i++)
            ask(&askers[i]);
        change(round, port);
        for (size_t i = 0; i < ELEMENTS(askers); i++)
            take(&askers[i], 0);
    }
    for (size_t i = 0; i < ELEMENTS(askers); i++)
        take(&askers[i], 10);
    ask_in_peace();
    for (size_t i = 0; i < ELEMENTS(askers); i++)
        answers += askers[i].answers;
    server_sockets_close(sockets);
    server_hands_report(hands, now().mono, &report);
    assert_true(report.verdicts[SERVER_ANSWERED] >= answers);
    assert_true(report.interleaved > 0 && report.authenticated > 0);
    assert_true(report.transmit_stamps[TIMESTAMP_KERNEL] > 0);
    assert_int_equal(report.verdicts[SERVER_UNAUTHENTICATED], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stress, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
