// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <string.h>

#include "core/ntp/packet.h"
#include "unit.h"

static void test_round_trip(void **state)
{
    NtpPacket packet = {
        .leap = LEAP_DELETE,
        .version = 4,
        .mode = NTP_MODE_SERVER,
        .stratum = 3,
        .poll = 10,
        .precision = -24,
        .root_delay = 0.5,
        .root_dispersion = 0.25,
        .reference_id = 0xc0000201,
        .reference = {1},
        .origin = {2},
        .receive = {3},
        .transmit = {UINT64_MAX},
    };
    uint8_t bytes[NTP_HEADER_SIZE];
    NtpPacket read;

    (void) state;
    ntp_packet_build(&packet, bytes);
    assert_int_equal(bytes[0], 2 << 6 | 4 << 3 | 4);
    assert_int_equal(bytes[3], 0xe8);
    assert_true(ntp_packet_parse(bytes, sizeof(bytes), &read));
    assert_int_equal(read.leap, packet.leap);
    assert_int_equal(read.version, 4);
    assert_int_equal(read.mode, 4);
    assert_int_equal(read.stratum, 3);
    assert_int_equal(read.poll, 10);
    assert_int_equal(read.precision, -24);
    assert_true(read.root_delay == 0.5 && read.root_dispersion == 0.25);
    assert_int_equal(read.reference_id, 0xc0000201);
    assert_true(read.reference.value == 1 && read.origin.value == 2 && read.receive.value == 3);
    assert_true(read.transmit.value == UINT64_MAX);
    assert_int_equal(read.extensions_length, 0);
    assert_int_equal(read.mac_length, 0);
}

/* What may follow the header: `tail` is written behind 48 bytes of zero but for the version. */
static void test_framing(void **state)
{
    static const struct {
        const char *name;
        uint8_t version;
        size_t length; /* of the tail */
        uint8_t tail[80];
        bool good;
        size_t extensions, mac;
    } rows[] = {
        {"nothing", 4, 0, {0}, true, 0, 0},
        {"crypto-NAK", 4, 4, {0}, true, 0, 4},
        {"MD5", 4, 20, {0, 0, 0, 1}, true, 0, 20},
        {"SHA-1", 4, 24, {0, 0, 0, 1}, true, 0, 24},
        {"one byte", 4, 1, {0}, false, 0, 0},
        {"a field of 16", 4, 16, {1, 4, 0, 16}, true, 16, 0},
        {"a field too short", 4, 12, {1, 4, 0, 12}, false, 0, 0},
        {"length 0", 4, 16, {1, 4, 0, 0}, false, 0, 0},
        {"no multiple of 4", 4, 18, {1, 4, 0, 18}, false, 0, 0},
        {"longer than there is", 4, 28, {1, 4, 0, 32}, false, 0, 0},
        {"a field of 28 and a MAC", 4, 48, {1, 4, 0, 28}, true, 28, 20},
        {"two fields", 4, 48, {1, 4, 0, 32, [32] = 1, 4, 0, 16}, true, 48, 0},
        {"version 3 has no fields", 3, 16, {1, 4, 0, 16}, false, 0, 0},
        {"version 3, SHA-512", 3, 68, {0}, true, 0, 68},
        {"version 3, too long", 3, 72, {0}, false, 0, 0},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t bytes[NTP_HEADER_SIZE + 80] = {(uint8_t) (rows[i].version << 3 | 4)};
        NtpPacket packet;
        memcpy(bytes + NTP_HEADER_SIZE, rows[i].tail, sizeof(rows[i].tail));
        if (ntp_packet_parse(bytes, NTP_HEADER_SIZE + rows[i].length, &packet) != rows[i].good)
            fail_msg("%s", rows[i].name);
        if (!rows[i].good)
            continue;
        assert_int_equal(packet.extensions_length, rows[i].extensions);
        assert_int_equal(packet.mac_length, rows[i].mac);
    }
}

static void test_truncation(void **state)
{
    uint8_t bytes[NTP_HEADER_SIZE] = {4 << 3 | 4};
    NtpPacket packet;

    (void) state;
    for (size_t length = 0; length < sizeof(bytes); length++)
        assert_false(ntp_packet_parse(bytes, length, &packet));
}

static void test_extensions(void **state)
{
    uint8_t bytes[NTP_HEADER_SIZE + 48] = {4 << 3 | 4};
    const uint8_t fields[] = {0x02, 0x04, 0, 32, 9};
    NtpExtension extension;
    NtpPacket packet;
    size_t position = 0;

    (void) state;
    memcpy(bytes + NTP_HEADER_SIZE, fields, sizeof(fields));
    bytes[NTP_HEADER_SIZE + 32] = 0x03;
    bytes[NTP_HEADER_SIZE + 35] = 16;
    assert_true(ntp_packet_parse(bytes, sizeof(bytes), &packet));
    assert_true(ntp_packet_next_extension(&packet, &position, &extension));
    assert_int_equal(extension.type, 0x0204);
    assert_int_equal(extension.length, 28);
    assert_int_equal(extension.body[0], 9);
    assert_true(ntp_packet_next_extension(&packet, &position, &extension));
    assert_int_equal(extension.type, 0x0300);
    assert_int_equal(extension.length, 12);
    assert_false(ntp_packet_next_extension(&packet, &position, &extension));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_extensions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
