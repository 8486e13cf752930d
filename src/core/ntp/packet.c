// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Packets: bytes to values and back; see packet.h.
 *
 * Behind the header of a version 4 packet come extension fields, then a MAC. Nothing on the wire tells where
 * the one ends and the other begins, so the rule of RFC 7822 is used: what is left is a MAC when it has the
 * size of one (20 or 24 bytes, or the 4 of a crypto-NAK), otherwise it must be a field. */

#include "core/ntp/packet.h"

#include <math.h>

#include "base/bytes.h"

#define EXTENSION_HEADER_SIZE 4
#define EXTENSION_MIN         16
#define MAC_MIN_V3            20
#define MAC_MAX_V3            68 /* key identifier and SHA-512 */

static double short_to_seconds(uint32_t value)
{
    return value / 65536.0;
}

static uint32_t seconds_to_short(double seconds)
{
    if (!(seconds > 0))
        return 0;
    /* Rounded up: a delay or dispersion must not look better than it is. */
    return seconds >= 65535.0 ? UINT32_MAX : (uint32_t) ceil(seconds * 65536.0);
}

static bool is_mac_length(size_t length)
{
    return length == 4 || length == 20 || length == 24;
}

/* Finds the end of the extension fields; false when the framing is broken. */
static bool frame_extensions(ByteReader reader, NtpPacket *packet)
{
    const uint8_t *start = reader.next;

    while (reader.left > 0 && !is_mac_length(reader.left)) {
        (void) byte_reader_u16(&reader);
        size_t length = byte_reader_u16(&reader);
        if (reader.failed || length < EXTENSION_MIN || length % 4 != 0 ||
            !byte_reader_skip(&reader, length - EXTENSION_HEADER_SIZE))
            return false;
    }
    packet->extensions = start;
    packet->extensions_length = (size_t) (reader.next - start);
    packet->mac_length = reader.left;
    return true;
}

static bool frame_tail(ByteReader reader, NtpPacket *packet)
{
    if (packet->version >= 4)
        return frame_extensions(reader, packet);
    if (reader.left != 0 && reader.left != 4 && (reader.left < MAC_MIN_V3 || reader.left > MAC_MAX_V3))
        return false;
    packet->mac_length = reader.left;
    return true;
}

bool ntp_packet_parse(const uint8_t *bytes, size_t length, NtpPacket *ret)
{
    ByteReader reader = byte_reader(bytes, length);
    uint8_t first = byte_reader_u8(&reader);
    NtpPacket packet = {
        .leap = (LeapStatus) (first >> 6),
        .version = (first >> 3) & 7,
        .mode = first & 7,
    };

    packet.stratum = byte_reader_u8(&reader);
    packet.poll = (int8_t) byte_reader_u8(&reader);
    packet.precision = (int8_t) byte_reader_u8(&reader);
    packet.root_delay = short_to_seconds(byte_reader_u32(&reader));
    packet.root_dispersion = short_to_seconds(byte_reader_u32(&reader));
    packet.reference_id = byte_reader_u32(&reader);
    packet.reference.value = byte_reader_u64(&reader);
    packet.origin.value = byte_reader_u64(&reader);
    packet.receive.value = byte_reader_u64(&reader);
    packet.transmit.value = byte_reader_u64(&reader);
    if (reader.failed || !frame_tail(reader, &packet))
        return false;
    *ret = packet;
    return true;
}

void ntp_packet_build(const NtpPacket *packet, uint8_t ret[static NTP_HEADER_SIZE])
{
    ByteWriter writer = byte_writer(ret, NTP_HEADER_SIZE);

    byte_writer_u8(&writer, (uint8_t) ((unsigned) packet->leap << 6 | (packet->version & 7U) << 3 |
                                       (packet->mode & 7U)));
    byte_writer_u8(&writer, packet->stratum);
    byte_writer_u8(&writer, (uint8_t) packet->poll);
    byte_writer_u8(&writer, (uint8_t) packet->precision);
    byte_writer_u32(&writer, seconds_to_short(packet->root_delay));
    byte_writer_u32(&writer, seconds_to_short(packet->root_dispersion));
    byte_writer_u32(&writer, packet->reference_id);
    byte_writer_u64(&writer, packet->reference.value);
    byte_writer_u64(&writer, packet->origin.value);
    byte_writer_u64(&writer, packet->receive.value);
    byte_writer_u64(&writer, packet->transmit.value);
}

bool ntp_packet_next_extension(const NtpPacket *packet, size_t *position, NtpExtension *ret)
{
    if (*position >= packet->extensions_length)
        return false;

    ByteReader reader = byte_reader(packet->extensions + *position, packet->extensions_length - *position);
    uint16_t type = byte_reader_u16(&reader);
    size_t length = byte_reader_u16(&reader);
    if (length < EXTENSION_HEADER_SIZE)
        return false;
    const uint8_t *body = byte_reader_skip(&reader, length - EXTENSION_HEADER_SIZE);
    if (!body)
        return false;

    *position += length;
    *ret = (NtpExtension) {.type = type, .body = body, .length = length - EXTENSION_HEADER_SIZE};
    return true;
}
