// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The NTP packet of RFC 5905, section 7.3, as a value, with the framing of extension fields (RFC 7822) and of
 * the message authentication code behind it. No policy: a well-formed packet may still be nonsense. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/instant.h"
#include "base/macros.h"
#include "core/api/verdict.h"

#define NTP_HEADER_SIZE 48

enum {
    NTP_MODE_ACTIVE = 1,
    NTP_MODE_PASSIVE = 2,
    NTP_MODE_CLIENT = 3,
    NTP_MODE_SERVER = 4,
    NTP_MODE_BROADCAST = 5
};

/* Kiss codes as reference IDs in host order. "RATE": the server is asked too often. "NTSN": it cannot open
 * the cookie (RFC 8915, section 5.7). */
#define NTP_KISS_RATE    UINT32_C(0x52415445)
#define NTP_KISS_NTS_NAK UINT32_C(0x4e54534e)

typedef struct NtpPacket {
    LeapStatus leap;
    uint8_t version, mode, stratum;
    int8_t poll, precision; /* log2 s */
    double root_delay;      /* s, 0..65536 */
    double root_dispersion; /* s, 0..65536 */
    uint32_t reference_id;  /* host order */
    NtpTime reference, origin, receive, transmit;
    const uint8_t *extensions; /* into the bytes that were parsed */
    size_t extensions_length;  /* bytes, 0: none */
    size_t mac_length;         /* bytes with the key identifier; 4: a crypto-NAK; 0: none */
} NtpPacket;

/* Reads a packet. False, with ret untouched, when it is shorter than a header or when what follows the header
 * is neither extension fields (version 4) nor a MAC. */
bool ntp_packet_parse(const uint8_t *bytes, size_t length, NtpPacket *ret) must_check_;

/* Writes the header; pointers and lengths of extensions and MAC are not looked at. */
void ntp_packet_build(const NtpPacket *packet, uint8_t ret[static NTP_HEADER_SIZE]);

typedef struct NtpExtension {
    uint16_t type;
    const uint8_t *body; /* without type and length */
    size_t length;       /* of the body, bytes */
} NtpExtension;

/* Walks through the extension fields of a parsed packet. *position is 0 at first; false at the end. */
bool ntp_packet_next_extension(const NtpPacket *packet, size_t *position, NtpExtension *ret) must_check_;
