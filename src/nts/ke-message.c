// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See ke-message.h. Both readers walk over the records in the same way: each type that we know at most once
 * (but cookies), others skipped unless they are critical, nothing behind the end of message. What a record
 * means is for the reader to say; the first one that is wrong decides. */

#include "nts/ke-message.h"

#include <string.h>

#include "base/address.h"
#include "base/host-name.h"
#include "nts/ke-keys.h"

#define NTPV4 0 /* in the registry of next protocols */

typedef enum Step {
    STEP_RECORD = 0, /* one that the reader has to look at */
    STEP_END,        /* that was all, and well formed */
    STEP_UNKNOWN,    /* a critical record that we do not know */
    STEP_BROKEN,     /* cut off, twice, or beyond the end */
} Step;

typedef struct Walk {
    ByteReader reader;
    uint32_t seen; /* a bit for each type that was there */
} Walk;

/* 0: we do not know that type. */
static uint32_t bit_of(uint16_t type)
{
    return type <= KE_PORT ? 1U << type : type == KE_COMPLIANT_EXPORT ? 1U << (KE_PORT + 1) : 0;
}

static bool was_seen(const Walk *walk, KeRecordType type)
{
    return (walk->seen & bit_of((uint16_t) type)) != 0;
}

static Step next_record(Walk *walk, KeRecord *ret)
{
    while (ke_record_read(&walk->reader, ret)) {
        uint32_t bit = bit_of(ret->type);

        if (ret->type == KE_END_OF_MESSAGE)
            return ret->body.left == 0 && walk->reader.left == 0 ? STEP_END : STEP_BROKEN;
        if (bit == 0) {
            if (ret->critical)
                return STEP_UNKNOWN;
            continue;
        }
        if ((walk->seen & bit) != 0 && ret->type != KE_COOKIE)
            return STEP_BROKEN;
        walk->seen |= bit;
        return STEP_RECORD;
    }
    return STEP_BROKEN;
}

/* A body that is one number. */
static bool read_u16(ByteReader body, uint16_t *ret)
{
    uint16_t value = byte_reader_u16(&body);

    if (body.failed || body.left > 0)
        return false;
    *ret = value;
    return true;
}

/* --- The client's request ---------------------------------------------------------------------------- */

static void write_aeads(ByteWriter *writer, const NtsAead *aeads, size_t count)
{
    uint8_t list[2 * KE_AEADS_MAX];
    ByteWriter body = byte_writer(list, sizeof(list));

    for (size_t i = 0; i < MIN(count, (size_t) KE_AEADS_MAX); i++)
        byte_writer_u16(&body, (uint16_t) aeads[i]);
    ke_record_write(writer, true, KE_AEAD, list, sizeof(list) - body.left);
}

size_t ke_request_write(const KeRequest *request, uint8_t *ret, size_t size)
{
    ByteWriter writer = byte_writer(ret, size);

    if (request->ntp) {
        ke_record_write_u16(&writer, true, KE_NEXT_PROTOCOL, NTPV4);
        write_aeads(&writer, request->aeads, request->aead_count);
    }
    if (request->compliant_export)
        ke_record_write(&writer, false, KE_COMPLIANT_EXPORT, NULL, 0);
    ke_record_write(&writer, true, KE_END_OF_MESSAGE, NULL, 0);
    return writer.failed ? 0 : size - writer.left;
}

/* At least one protocol; ours may be among them. */
static bool read_protocols(ByteReader body, KeRequest *request)
{
    bool any = body.left > 0;

    while (body.left > 0)
        if (byte_reader_u16(&body) == NTPV4 && !body.failed)
            request->ntp = true;
        else if (body.failed)
            return false;
    return any;
}

static void add_aead(KeRequest *request, NtsAead aead)
{
    if (nts_aead_key_length(aead) == 0 || request->aead_count == KE_AEADS_MAX)
        return;
    for (size_t i = 0; i < request->aead_count; i++)
        if (request->aeads[i] == aead)
            return;
    request->aeads[request->aead_count++] = aead;
}

static bool read_aeads(ByteReader body, KeRequest *request)
{
    if (body.left == 0 || body.left % 2 != 0)
        return false;
    while (body.left > 0)
        add_aead(request, (NtsAead) byte_reader_u16(&body));
    return true;
}

/* False: a client may not send that. */
static bool read_request_record(const KeRecord *record, KeRequest *request)
{
    uint16_t port;

    switch ((KeRecordType) record->type) {
    case KE_NEXT_PROTOCOL: return read_protocols(record->body, request);
    case KE_AEAD: return read_aeads(record->body, request);
    case KE_COMPLIANT_EXPORT: request->compliant_export = true; return record->body.left == 0;
    case KE_PORT: return read_u16(record->body, &port); /* a wish, which we may disregard */
    case KE_SERVER: return true;                        /* the same */
    case KE_END_OF_MESSAGE:
    case KE_ERROR:
    case KE_WARNING:
    case KE_COOKIE: break;
    }
    return false;
}

KeError ke_request_read(const uint8_t *bytes, size_t length, KeRequest *ret)
{
    Walk walk = {.reader = byte_reader(bytes, length)};
    KeRequest request = {0};
    KeRecord record;
    Step step;

    while ((step = next_record(&walk, &record)) == STEP_RECORD)
        if (!read_request_record(&record, &request))
            return KE_ERROR_BAD_REQUEST;
    if (step == STEP_UNKNOWN)
        return KE_ERROR_UNKNOWN_CRITICAL;
    if (step != STEP_END || !was_seen(&walk, KE_NEXT_PROTOCOL) || (request.ntp && !was_seen(&walk, KE_AEAD)))
        return KE_ERROR_BAD_REQUEST;
    *ret = request;
    return KE_ERROR_NONE;
}

/* --- The server's response --------------------------------------------------------------------------- */

static void write_association(ByteWriter *writer, const KeResponse *response)
{
    write_aeads(writer, &response->aead, response->aead != NTS_AEAD_NONE);
    if (response->aead == NTS_AEAD_NONE)
        return;
    if (response->compliant_export)
        ke_record_write(writer, false, KE_COMPLIANT_EXPORT, NULL, 0);
    if (response->server)
        ke_record_write(writer, true, KE_SERVER, response->server, strlen(response->server));
    if (response->port != 0)
        ke_record_write_u16(writer, true, KE_PORT, response->port);
    for (size_t i = 0; i < response->cookie_count; i++)
        ke_record_write(writer, false, KE_COOKIE, response->cookies[i].bytes, response->cookies[i].length);
}

size_t ke_response_write(const KeResponse *response, uint8_t *ret, size_t size)
{
    ByteWriter writer = byte_writer(ret, size);

    if (response->error != KE_ERROR_NONE) {
        ke_record_write_u16(&writer, true, KE_ERROR, (uint16_t) response->error);
    } else if (response->ntp) {
        ke_record_write_u16(&writer, true, KE_NEXT_PROTOCOL, NTPV4);
        write_association(&writer, response);
    } else {
        ke_record_write(&writer, true, KE_NEXT_PROTOCOL, NULL, 0);
    }
    ke_record_write(&writer, true, KE_END_OF_MESSAGE, NULL, 0);
    return writer.failed ? 0 : size - writer.left;
}

/* Codes that do not exist yet are the server's trouble as well. */
static NtsFailure read_error(ByteReader body)
{
    uint16_t code;

    if (!read_u16(body, &code))
        return NTS_BAD_RECORD;
    return code == KE_ERROR_UNKNOWN_CRITICAL || code == KE_ERROR_BAD_REQUEST ? NTS_BAD_REQUEST
                                                                             : NTS_SERVER_ERROR;
}

/* We have asked for one protocol, and know no other. */
static NtsFailure read_protocol(ByteReader body)
{
    uint16_t protocol;

    if (body.left == 0)
        return NTS_NO_PROTOCOL;
    return read_u16(body, &protocol) && protocol == NTPV4 ? NTS_OK : NTS_BAD_RECORD;
}

static NtsFailure read_aead(ByteReader body, const KeRequest *asked, NtsAead *ret)
{
    uint16_t aead;

    if (body.left == 0)
        return NTS_NO_AEAD;
    if (!read_u16(body, &aead))
        return NTS_BAD_RECORD;
    for (size_t i = 0; i < asked->aead_count; i++)
        if (asked->aeads[i] == (NtsAead) aead) {
            *ret = (NtsAead) aead;
            return NTS_OK;
        }
    return NTS_NO_AEAD;
}

/* Cookies that are empty or too long for a packet, and more than we keep, are left out. */
static void read_cookie(ByteReader body, NtsEstablishment *ret)
{
    if (body.left == 0 || body.left > NTS_COOKIE_MAX || ret->cookie_count == NTS_COOKIES)
        return;
    NtsCookie *cookie = &ret->cookies[ret->cookie_count++];
    cookie->length = (uint16_t) body.left;
    memcpy(cookie->bytes, body.next, body.left);
}

/* Nobody's time comes from there: not from this machine itself, from many at once, or from nowhere. */
static bool address_can_serve(const IpAddress *address)
{
    static const uint8_t zeros[16], loopback[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *b = address->bytes;

    if (address->family == IP_V6 && memcmp(b, mapped, sizeof(mapped)) == 0)
        b += sizeof(mapped);
    else if (address->family == IP_V6)
        return b[0] != 0xff && memcmp(b, zeros, 16) != 0 && memcmp(b, loopback, 16) != 0 &&
               address->scope == 0;
    return b[0] != 0 && b[0] != 127 && b[0] < 224;
}

static NtsFailure read_server(ByteReader body, NtsEstablishment *ret)
{
    IpAddress address;
    size_t length = body.left;

    if (length >= sizeof(ret->server) || memchr(body.next, '\0', length))
        return NTS_BAD_SERVER;
    memcpy(ret->server, body.next, length);
    ret->server[length] = '\0';
    if (!host_name_is_valid(ret->server))
        return NTS_BAD_SERVER;
    return !ip_address_parse(ret->server, &address) || address_can_serve(&address) ? NTS_OK : NTS_BAD_SERVER;
}

static NtsFailure read_port(ByteReader body, uint16_t *ret)
{
    if (!read_u16(body, ret))
        return NTS_BAD_RECORD;
    return *ret == 0 ? NTS_BAD_SERVER : NTS_OK;
}

static NtsFailure read_response_record(const KeRecord *record, const KeRequest *asked, NtsEstablishment *ret)
{
    switch ((KeRecordType) record->type) {
    case KE_NEXT_PROTOCOL: return read_protocol(record->body);
    case KE_ERROR: return read_error(record->body);
    case KE_AEAD: return read_aead(record->body, asked, &ret->keys.aead);
    case KE_COOKIE: read_cookie(record->body, ret); return NTS_OK;
    case KE_SERVER: return read_server(record->body, ret);
    case KE_PORT: return read_port(record->body, &ret->port);
    case KE_COMPLIANT_EXPORT:
        ret->compliant_export = asked->compliant_export;
        return record->body.left == 0 ? NTS_OK : NTS_BAD_RECORD;
    case KE_WARNING: return NTS_SERVER_ERROR; /* none is defined, and an unknown one counts as an error */
    case KE_END_OF_MESSAGE: break;
    }
    return NTS_BAD_RECORD;
}

NtsFailure ke_response_read(const uint8_t *bytes, size_t length, const KeRequest *asked,
                            NtsEstablishment *ret)
{
    Walk walk = {.reader = byte_reader(bytes, length)};
    NtsEstablishment read = *ret;
    KeRecord record;
    Step step;

    while ((step = next_record(&walk, &record)) == STEP_RECORD) {
        NtsFailure failure = read_response_record(&record, asked, &read);
        if (failure != NTS_OK)
            return failure;
    }
    if (step != STEP_END || !was_seen(&walk, KE_NEXT_PROTOCOL) || !was_seen(&walk, KE_AEAD))
        return NTS_BAD_RECORD;
    if (read.cookie_count == 0)
        return NTS_NO_COOKIES;
    *ret = read;
    return NTS_OK;
}
