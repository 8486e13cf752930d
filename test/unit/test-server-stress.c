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
#include <unistd.h>

#include "core/api/action.h"
#include "core/ntp/nts-client.h"
#include "net/server-socket.h"
#include "nts/aead.h"
#include "nts/cookie-ring.h"
#include "nts/key-ring.h"
#include "serving.h"
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

static Serving serving;
static KeyRing *keys;
static CookieRing *cookies;
static Asker askers[KIND_COUNT * EACH];
static uint64_t counter;

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

static void read_clients(void)
{
    ClientReport client;
    uint64_t position = 0;

    while (server_hands_next_client(serving.hands, &position, serving_now().mono, &client))
        assert_int_equal(client.address.family, IP_V4);
}

static void change(unsigned round, uint16_t port)
{
    const RateLimitConfig none = {0}, wide = {.enabled = true, .interval = -10, .burst = 255, .leak = 1};
    ServerReport report = {0};

    server_hands_post(serving.hands);
    switch (round % 7) {
    case 0: put_keys(round); break;
    case 1: assert_int_equal(cookie_ring_rotate(cookies), 0); break;
    case 2:
        server_hands_set_access(serving.hands, serving.nobody);
        server_hands_set_access(serving.hands, serving.everybody);
        break;
    case 3: read_clients(); break;
    case 4: server_hands_reset_clients(serving.hands); break;
    case 5:
        if (round % 4 == 1)
            assert_int_equal(server_hands_configure(serving.hands, round % 8 == 1 ? &none : &wide, 1 << 18),
                             0);
        break;
    case 6:
        if (round % 5 == 1)
            serving_listen(&serving, port);
        break;
    default: break;
    }
    server_hands_report(serving.hands, serving_now().mono, &report);
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
        serving_assert_whole(&packet);
        assert_true(interleaved ? packet.transmit.value < packet.receive.value
                                : packet.transmit.value > packet.receive.value);
        asker->known = packet.receive.value;
        asker->answers++;
        asker->interleaved += interleaved;
    }
}

/* --- the whole --- */

static void asker_start(Asker *asker, size_t i, uint16_t port)
{
    char from[32];

    snprintf(from, sizeof from, "127.0.%zu.1", i);
    *asker = (Asker) {.kind = (Kind) (i % KIND_COUNT), .fd = serving_client(from, "127.0.0.1", port)};
    assert_true(asker->fd >= 0);
    assert_int_equal(nts_client_new(&asker->nts), 0);
    give_cookies(asker);
}

static int setup(void **state)
{
    ServerHandsSetup setup = {.secret = "not a secret"};

    (void) state;
    assert_int_equal(key_ring_new(&keys), 0);
    put_keys(0);
    assert_int_equal(cookie_ring_new(&cookies), 0);
    assert_int_equal(cookie_ring_renew(cookies), 0);
    setup.authenticator = key_ring_authenticator(keys);
    setup.nts = (NtsServer) {.jar = cookie_ring_jar(cookies), .aead = aead_ciphers()};
    serving_start(&serving, &setup, THREADS, 1 << 18);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    for (size_t i = 0; i < ELEMENTS(askers); i++) {
        askers[i].nts = nts_client_free(askers[i].nts);
        close(askers[i].fd);
    }
    serving_stop(&serving);
    cookies = cookie_ring_free(cookies);
    keys = key_ring_free(keys);
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
    MonoTime end = mono_add(serving_now().mono, seconds ? atof(seconds) : 0);
    ServerReport report = {0};
    uint16_t port = serving_free_port();
    uint64_t answers = 0;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(askers); i++)
        asker_start(&askers[i], i, port);
    serving_listen(&serving, port);
    ask_in_peace();
    for (unsigned round = 0; round < ROUNDS || serving_now().mono.ns < end.ns; round++) {
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
    server_sockets_close(serving.sockets);
    server_hands_report(serving.hands, serving_now().mono, &report);
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
