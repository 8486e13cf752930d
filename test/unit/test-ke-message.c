// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* The messages of a key establishment, record by record: RFC 8915, section 4. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nts/ke-keys.h"
#include "nts/ke-message.h"
#include "unit.h"

/* Digits of bytes, with spaces between them wherever it reads well. */
static size_t from_hex(const char *hex, uint8_t *ret, size_t size)
{
    size_t digits = 0;

    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        unsigned value = (unsigned) (*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
        assert_true(digits / 2 < size);
        ret[digits / 2] = (uint8_t) (digits % 2 ? ret[digits / 2] | value : value << 4);
        digits++;
    }
    assert_int_equal(digits % 2, 0);
    return digits / 2;
}

/* --- Records ----------------------------------------------------------------------------------------- */

static void test_record(void **state)
{
    uint8_t bytes[32];
    ByteReader reader =
        byte_reader(bytes, from_hex("8001 0002 1234 0400 0000 7fff 0001", bytes, sizeof(bytes)));
    KeRecord record;

    (void) state;
    assert_true(ke_record_read(&reader, &record));
    assert_true(record.critical);
    assert_int_equal(record.type, KE_NEXT_PROTOCOL);
    assert_int_equal(byte_reader_u16(&record.body), 0x1234);
    assert_int_equal(record.body.left, 0);
    assert_true(ke_record_read(&reader, &record));
    assert_false(record.critical);
    assert_int_equal(record.type, KE_COMPLIANT_EXPORT);
    assert_int_equal(record.body.left, 0);
    assert_false(ke_record_read(&reader, &record)); /* its body is missing */
    assert_true(reader.failed);
}

static void test_record_write(void **state)
{
    static uint8_t large[UINT16_MAX + 1], room[UINT16_MAX + 8];
    uint8_t bytes[16], expected[16];
    ByteWriter writer = byte_writer(bytes, sizeof(bytes));

    (void) state;
    ke_record_write(&writer, true, KE_ERROR, "\1\2", 2);
    ke_record_write_u16(&writer, false, KE_PORT, 4123);
    ke_record_write(&writer, true, KE_END_OF_MESSAGE, NULL, 0);
    assert_false(writer.failed);
    assert_int_equal(writer.left, 0);
    assert_int_equal(from_hex("8002 0002 0102 0007 0002 101b 8000 0000", expected, sizeof(expected)), 16);
    assert_memory_equal(bytes, expected, 16);
    ke_record_write(&writer, true, KE_END_OF_MESSAGE, NULL, 0);
    assert_true(writer.failed);

    writer = byte_writer(room, sizeof(room));
    ke_record_write(&writer, true, KE_COOKIE, large, sizeof(large)); /* the length has 16 bits */
    assert_true(writer.failed);
}

/* In pieces of any size there is the same verdict at the same byte. */
static void test_inbox(void **state)
{
    static const struct {
        const char *name, *message;
        size_t limit;
        KeInboxVerdict verdict; /* at the end */
    } rows[] = {
        {"nothing", "", 100, KE_INBOX_WAITS},
        {"a head without its end", "8000 00", 100, KE_INBOX_WAITS},
        {"a body without its end", "8001 0002 00", 100, KE_INBOX_WAITS},
        {"no end", "8001 0002 0000", 100, KE_INBOX_WAITS},
        {"just the end", "8000 0000", 100, KE_INBOX_COMPLETE},
        {"an end that is not critical", "0000 0000", 100, KE_INBOX_COMPLETE},
        {"an end with a body", "8000 0001 00", 100, KE_INBOX_COMPLETE},
        {"one record", "8001 0002 0000 8000 0000", 100, KE_INBOX_COMPLETE},
        {"as long as it may be", "8001 0002 0000 8000 0000", 10, KE_INBOX_COMPLETE},
        {"too long", "8001 0002 0000 8000 0000", 9, KE_INBOX_TOO_LONG},
        {"two ends", "8000 0000 8000 0000", 100, KE_INBOX_BEYOND_END},
        {"something behind", "8000 0000 00", 100, KE_INBOX_BEYOND_END},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t bytes[32];
        size_t length = from_hex(rows[i].message, bytes, sizeof(bytes));

        print_message("%s\n", rows[i].name);
        for (size_t piece = 1; piece <= length + 1; piece++) {
            KeInbox inbox = ke_inbox(rows[i].limit);
            KeInboxVerdict verdict = KE_INBOX_WAITS;

            for (size_t at = 0; at < length && (verdict == KE_INBOX_WAITS || verdict == KE_INBOX_COMPLETE);
                 at += piece)
                verdict = ke_inbox_append(&inbox, bytes + at, MIN(piece, length - at));
            assert_int_equal(verdict, rows[i].verdict);
            if (verdict == KE_INBOX_COMPLETE) {
                assert_int_equal(inbox.length, length);
                assert_memory_equal(inbox.bytes, bytes, length);
            }
            ke_inbox_clear(&inbox);
        }
    }
}

/* 64 KiB byte by byte, then one byte more. */
static void test_inbox_limit(void **state)
{
    KeInbox inbox = ke_inbox(KE_RESPONSE_MAX);
    static const uint8_t record[] = {0x40, 0x00, 0x00, 0x04, 1, 2, 3, 4};

    (void) state;
    for (size_t i = 0; i < KE_RESPONSE_MAX; i++)
        assert_int_equal(ke_inbox_append(&inbox, &record[i % sizeof(record)], 1), KE_INBOX_WAITS);
    assert_int_equal(ke_inbox_append(&inbox, record, 1), KE_INBOX_TOO_LONG);
    ke_inbox_clear(&inbox);
}

/* --- Requests ---------------------------------------------------------------------------------------- */

static void test_request_write(void **state)
{
    KeRequest request = {
        .ntp = true,
        .aeads = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 2,
        .compliant_export = true,
    };
    uint8_t bytes[64], expected[64];
    size_t length =
        from_hex("8001 0002 0000 8004 0004 001e 000f 0400 0000 8000 0000", expected, sizeof(expected));

    (void) state;
    assert_int_equal(ke_request_write(&request, bytes, sizeof(bytes)), length);
    assert_memory_equal(bytes, expected, length);
    assert_int_equal(ke_request_write(&request, bytes, length - 1), 0);
}

static void test_request_read(void **state)
{
    static const struct {
        const char *name, *message;
        KeError error;
        bool ntp, compliant;
        NtsAead aeads[3]; /* to the first that is none */
    } rows[] = {
        {"the usual one", "8001 0002 0000 8004 0002 000f 8000 0000", KE_ERROR_NONE, true, false, {15}},
        {"another order, nothing critical",
         "0004 0002 000f 0001 0002 0000 0000 0000",
         KE_ERROR_NONE,
         true,
         false,
         {15}},
        {"two ciphers",
         "8001 0002 0000 8004 0004 001e 000f 0400 0000 8000 0000",
         KE_ERROR_NONE,
         true,
         true,
         {30, 15}},
        {"ciphers that we do not know",
         "8001 0002 0000 8004 0008 0010 0011 000f 0012 8000 0000",
         KE_ERROR_NONE,
         true,
         false,
         {15}},
        {"none that we know", "8001 0002 0000 8004 0002 0011 8000 0000", KE_ERROR_NONE, true, false, {0}},
        {"one twice",
         "8001 0002 0000 8004 0006 000f 000f 001e 8000 0000",
         KE_ERROR_NONE,
         true,
         false,
         {15, 30}},
        {"protocols besides ours",
         "8001 0004 8001 0000 8004 0002 000f 8000 0000",
         KE_ERROR_NONE,
         true,
         false,
         {15}},
        {"a protocol that we do not know", "8001 0002 8001 8000 0000", KE_ERROR_NONE, false, false, {0}},
        {"a wish for a server and a port",
         "8001 0002 0000 8004 0002 000f 0006 0001 61 0007 0002 007b 8000 0000",
         KE_ERROR_NONE,
         true,
         false,
         {15}},
        {"unknown, not critical",
         "8001 0002 0000 8004 0002 000f 4000 0003 010203 8000 0000",
         KE_ERROR_NONE,
         true,
         false,
         {15}},
        {"unknown, twice",
         "8001 0002 0000 8004 0002 000f 4000 0000 4000 0000 8000 0000",
         KE_ERROR_NONE,
         true,
         false,
         {15}},
        {"unknown and critical", "8001 0002 0000 8004 0002 000f c000 0000 8000 0000",
         KE_ERROR_UNKNOWN_CRITICAL, .ntp = false},
        {"nothing", "", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"only the end", "8000 0000", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"no end", "8001 0002 0000 8004 0002 000f", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"an end with a body", "8001 0002 0000 8004 0002 000f 8000 0001 00", KE_ERROR_BAD_REQUEST,
         .ntp = false},
        {"two ends", "8001 0002 0000 8004 0002 000f 8000 0000 8000 0000", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"cut off", "8001 0002 0000 8004 0002 00", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"no protocol", "8004 0002 000f 8000 0000", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"no protocol in the list", "8001 0000 8004 0002 000f 8000 0000", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"half a protocol", "8001 0003 0000 00 8004 0002 000f 8000 0000", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"protocols twice", "8001 0002 0000 8001 0002 0000 8004 0002 000f 8000 0000", KE_ERROR_BAD_REQUEST,
         .ntp = false},
        {"no ciphers", "8001 0002 0000 8000 0000", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"no cipher in the list", "8001 0002 0000 8004 0000 8000 0000", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"half a cipher", "8001 0002 0000 8004 0003 000f 00 8000 0000", KE_ERROR_BAD_REQUEST, .ntp = false},
        {"ciphers twice", "8001 0002 0000 8004 0002 000f 8004 0002 000f 8000 0000", KE_ERROR_BAD_REQUEST,
         .ntp = false},
        {"a port of one byte", "8001 0002 0000 8004 0002 000f 0007 0001 7b 8000 0000", KE_ERROR_BAD_REQUEST,
         .ntp = false},
        {"an error", "8001 0002 0000 8004 0002 000f 8002 0002 0000 8000 0000", KE_ERROR_BAD_REQUEST,
         .ntp = false},
        {"a warning", "8001 0002 0000 8004 0002 000f 8003 0002 0000 8000 0000", KE_ERROR_BAD_REQUEST,
         .ntp = false},
        {"a cookie", "8001 0002 0000 8004 0002 000f 0005 0004 00000000 8000 0000", KE_ERROR_BAD_REQUEST,
         .ntp = false},
        {"an export with a body", "8001 0002 0000 8004 0002 001e 0400 0001 00 8000 0000",
         KE_ERROR_BAD_REQUEST, .ntp = false},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t bytes[64];
        size_t length = from_hex(rows[i].message, bytes, sizeof(bytes)), count = 0;
        KeRequest request = {0};

        print_message("%s\n", rows[i].name);
        assert_int_equal(ke_request_read(bytes, length, &request), rows[i].error);
        assert_int_equal(request.ntp, rows[i].ntp);
        assert_int_equal(request.compliant_export, rows[i].compliant);
        for (; count < ELEMENTS(rows[i].aeads) && rows[i].aeads[count] != NTS_AEAD_NONE; count++)
            assert_int_equal(request.aeads[count], rows[i].aeads[count]);
        assert_int_equal(request.aead_count, count);
    }
}

/* 2000 ciphers: the two that we know are found, wherever they are. */
static void test_request_of_many_ciphers(void **state)
{
    uint8_t bytes[KE_REQUEST_MAX];
    ByteWriter writer = byte_writer(bytes, sizeof(bytes));
    KeRequest request;

    (void) state;
    ke_record_write_u16(&writer, true, KE_NEXT_PROTOCOL, 0);
    byte_writer_u16(&writer, 0x8000 | KE_AEAD);
    byte_writer_u16(&writer, 4000);
    for (uint16_t i = 0; i < 2000; i++)
        byte_writer_u16(&writer, i == 1999 ? 15 : i == 1000 ? 30 : (uint16_t) (1000 + i));
    ke_record_write(&writer, true, KE_END_OF_MESSAGE, NULL, 0);
    assert_false(writer.failed);
    assert_int_equal(ke_request_read(bytes, sizeof(bytes) - writer.left, &request), KE_ERROR_NONE);
    assert_int_equal(request.aead_count, 2);
    assert_int_equal(request.aeads[0], NTS_AEAD_AES_128_GCM_SIV);
    assert_int_equal(request.aeads[1], NTS_AEAD_AES_SIV_CMAC_256);
}

/* --- Responses --------------------------------------------------------------------------------------- */

static void test_response_write(void **state)
{
    static const NtsCookie cookies[] = {{.length = 2, .bytes = {1, 2}}, {.length = 1, .bytes = {3}}};
    static const struct {
        const char *name;
        KeResponse response;
        const char *expected;
    } rows[] = {
        {"an error", {.error = KE_ERROR_BAD_REQUEST}, "8002 0002 0001 8000 0000"},
        {"the error that is 0", {.error = KE_ERROR_UNKNOWN_CRITICAL}, "8002 0002 0000 8000 0000"},
        {"no protocol", {.error = KE_ERROR_NONE}, "8001 0000 8000 0000"},
        {"no cipher",
         {.error = KE_ERROR_NONE, .ntp = true, .port = 4123},
         "8001 0002 0000 8004 0000 8000 0000"},
        {"cookies",
         {.error = KE_ERROR_NONE,
          .ntp = true,
          .aead = NTS_AEAD_AES_SIV_CMAC_256,
          .cookies = cookies,
          .cookie_count = 2},
         "8001 0002 0000 8004 0002 000f 0005 0002 0102 0005 0001 03 8000 0000"},
        {"everything",
         {.error = KE_ERROR_NONE,
          .ntp = true,
          .aead = NTS_AEAD_AES_128_GCM_SIV,
          .compliant_export = true,
          .server = "a.b",
          .port = 4123,
          .cookies = cookies,
          .cookie_count = 1},
         "8001 0002 0000 8004 0002 001e 0400 0000 8006 0003 612e62 8007 0002 101b 0005 0002 0102 8000 0000"},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t bytes[64], expected[64];
        size_t length = from_hex(rows[i].expected, expected, sizeof(expected));

        print_message("%s\n", rows[i].name);
        assert_int_equal(ke_response_write(&rows[i].response, bytes, sizeof(bytes)), length);
        assert_memory_equal(bytes, expected, length);
        assert_int_equal(ke_response_write(&rows[i].response, bytes, length - 1), 0);
    }
}

/* A client that knows both ciphers reads. */
#define START  "8001 0002 0000 8004 0002 000f "
#define COOKIE "0005 0004 aabbccdd "
#define END    "8000 0000"

static void test_response_read(void **state)
{
    static const struct {
        const char *name, *message;
        NtsFailure failure;
        size_t cookies;
        const char *server; /* NULL: "" */
        uint16_t port;
        bool compliant;
    } rows[] = {
        {"the usual one", START COOKIE COOKIE END, NTS_OK, 2},
        {"another order", COOKIE "0004 0002 000f 0001 0002 0000 0000 0000", NTS_OK, 1},
        {"a server and a port", START COOKIE "0006 0003 612e62 0007 0002 007b " END, NTS_OK, 1, "a.b", 123},
        {"a name with a dot at its end", START COOKIE "8006 0004 612e622e " END, NTS_OK, 1, "a.b."},
        {"an address", START COOKIE "8006 0009 3139322e302e322e31 " END, NTS_OK, 1, "192.0.2.1"},
        {"an address of version 6", START COOKIE "8006 000b 323030313a6462383a3a31 " END, NTS_OK, 1,
         "2001:db8::1"},
        {"the other cipher", "8001 0002 0000 8004 0002 001e 0400 0000 " COOKIE END, NTS_OK, 1,
         .compliant = true},
        {"unknown, not critical", START COOKIE "4000 0001 00 4000 0000 " END, NTS_OK, 1},
        {"unknown and critical", START COOKIE "c000 0001 00 " END, NTS_BAD_RECORD},
        {"an empty message", "", NTS_BAD_RECORD},
        {"only the end", END, NTS_BAD_RECORD},
        {"two ends", START COOKIE END END, NTS_BAD_RECORD},
        {"an end with a body", START COOKIE "8000 0001 00", NTS_BAD_RECORD},
        {"no end", START COOKIE, NTS_BAD_RECORD},
        {"cut off", START "0005 0004 aabbcc", NTS_BAD_RECORD},
        {"no protocol", "8004 0002 000f " COOKIE END, NTS_BAD_RECORD},
        {"protocols twice", START "8001 0002 0000 " COOKIE END, NTS_BAD_RECORD},
        {"a protocol that nobody asked for", "8001 0002 0001 8004 0002 000f " COOKIE END, NTS_BAD_RECORD},
        {"two protocols", "8001 0004 0000 0001 8004 0002 000f " COOKIE END, NTS_BAD_RECORD},
        {"no protocol that both speak", "8001 0000 " END, NTS_NO_PROTOCOL},
        {"no cipher record", "8001 0002 0000 " COOKIE END, NTS_BAD_RECORD},
        {"no cipher that both know", "8001 0002 0000 8004 0000 " END, NTS_NO_AEAD},
        {"a cipher that nobody asked for", "8001 0002 0000 8004 0002 0011 " COOKIE END, NTS_NO_AEAD},
        {"two ciphers", "8001 0002 0000 8004 0004 000f 001e " COOKIE END, NTS_BAD_RECORD},
        {"ciphers twice", START "8004 0002 000f " COOKIE END, NTS_BAD_RECORD},
        {"no cookie", START END, NTS_NO_COOKIES},
        {"an empty cookie", START "0005 0000 " END, NTS_NO_COOKIES},
        {"an empty cookie among others", START "0005 0000 " COOKIE END, NTS_OK, 1},
        {"error 0", "8002 0002 0000 " END, NTS_BAD_REQUEST},
        {"error 1", "8002 0002 0001 " END, NTS_BAD_REQUEST},
        {"error 2", "8002 0002 0002 " END, NTS_SERVER_ERROR},
        {"an error that does not exist yet", "8002 0002 1234 " END, NTS_SERVER_ERROR},
        {"an error without a code", "8002 0000 " END, NTS_BAD_RECORD},
        {"an error at the end", START COOKIE "8002 0002 0002 " END, NTS_SERVER_ERROR},
        {"a warning", START COOKIE "8003 0002 0000 " END, NTS_SERVER_ERROR},
        {"port 0", START COOKIE "8007 0002 0000 " END, NTS_BAD_SERVER},
        {"a port of three bytes", START COOKIE "8007 0003 000000 " END, NTS_BAD_RECORD},
        {"ports twice", START COOKIE "8007 0002 007b 8007 0002 007b " END, NTS_BAD_RECORD},
        {"servers twice", START COOKIE "8006 0001 61 8006 0001 61 " END, NTS_BAD_RECORD},
        {"an empty name", START COOKIE "8006 0000 " END, NTS_BAD_SERVER},
        {"a zero byte in a name", START COOKIE "8006 0003 610062 " END, NTS_BAD_SERVER},
        {"a blank in a name", START COOKIE "8006 0003 612062 " END, NTS_BAD_SERVER},
        {"a name that is not ASCII", START COOKIE "8006 0003 61c3a4 " END, NTS_BAD_SERVER},
        {"an export with a body", START "0400 0001 00 " COOKIE END, NTS_BAD_RECORD},
    };
    const KeRequest asked = {
        .ntp = true,
        .aeads = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 2,
        .compliant_export = true,
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t bytes[128];
        size_t length = from_hex(rows[i].message, bytes, sizeof(bytes));
        NtsEstablishment read = {.failure = NTS_OK};

        print_message("%s\n", rows[i].name);
        assert_int_equal(ke_response_read(bytes, length, &asked, &read), rows[i].failure);
        assert_int_equal(read.cookie_count, rows[i].cookies);
        assert_string_equal(read.server, rows[i].server ? rows[i].server : "");
        assert_int_equal(read.port, rows[i].port);
        assert_int_equal(read.compliant_export, rows[i].compliant);
        if (rows[i].cookies > 0)
            assert_memory_equal(read.cookies[0].bytes, "\xaa\xbb\xcc\xdd", 4);
    }
}

/* Who only said that it knows the one cipher gets no other, and no export that it did not ask for. */
static void test_response_to_less(void **state)
{
    const KeRequest asked = {.ntp = true, .aeads = {NTS_AEAD_AES_SIV_CMAC_256}, .aead_count = 1};
    uint8_t bytes[128];
    NtsEstablishment read = {.failure = NTS_OK};
    size_t length = from_hex("8001 0002 0000 8004 0002 001e " COOKIE END, bytes, sizeof(bytes));

    (void) state;
    assert_int_equal(ke_response_read(bytes, length, &asked, &read), NTS_NO_AEAD);
    length = from_hex(START "0400 0000 " COOKIE END, bytes, sizeof(bytes));
    assert_int_equal(ke_response_read(bytes, length, &asked, &read), NTS_OK);
    assert_false(read.compliant_export);
}

static size_t response_with(uint8_t *bytes, size_t size, KeRecordType type, const void *body, size_t length,
                            size_t times)
{
    ByteWriter writer = byte_writer(bytes, size);

    ke_record_write_u16(&writer, true, KE_NEXT_PROTOCOL, 0);
    ke_record_write_u16(&writer, true, KE_AEAD, NTS_AEAD_AES_SIV_CMAC_256);
    for (size_t i = 0; i < times; i++)
        ke_record_write(&writer, false, type, body, length);
    ke_record_write(&writer, true, KE_END_OF_MESSAGE, NULL, 0);
    assert_false(writer.failed);
    return size - writer.left;
}

static void test_cookies(void **state)
{
    static const struct {
        const char *name;
        size_t length, times;
        NtsFailure failure;
        size_t kept;
    } rows[] = {
        {"as we make them", 100, 8, NTS_OK, 8},
        {"one", 100, 1, NTS_OK, 1},
        {"a byte", 1, 3, NTS_OK, 3},
        {"the longest", NTS_COOKIE_MAX, 2, NTS_OK, 2},
        {"too long", NTS_COOKIE_MAX + 1, 8, NTS_NO_COOKIES, 0},
        {"longer than any packet", 60000, 1, NTS_NO_COOKIES, 0},
        {"9999", 1, 9999, NTS_OK, 8},
        {"9999 empty ones", 0, 9999, NTS_NO_COOKIES, 0},
    };
    const KeRequest asked = {.ntp = true, .aeads = {NTS_AEAD_AES_SIV_CMAC_256}, .aead_count = 1};
    static uint8_t bytes[KE_RESPONSE_MAX], cookie[60000];

    (void) state;
    memset(cookie, 0x5a, sizeof(cookie));
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        NtsEstablishment read = {.failure = NTS_OK};
        size_t length = response_with(bytes, sizeof(bytes), KE_COOKIE, cookie, rows[i].length, rows[i].times);

        print_message("%s\n", rows[i].name);
        assert_int_equal(ke_response_read(bytes, length, &asked, &read), rows[i].failure);
        assert_int_equal(read.cookie_count, rows[i].kept);
        for (size_t j = 0; j < rows[i].kept; j++) {
            assert_int_equal(read.cookies[j].length, rows[i].length);
            assert_memory_equal(read.cookies[j].bytes, cookie, rows[i].length);
        }
    }
}

static void test_servers(void **state)
{
    static const struct {
        const char *server;
        bool good;
    } rows[] = {
        {"192.0.2.1", true},
        {"2001:db8::1", true},
        {"::ffff:192.0.2.1", true},
        {"ntp.example.net", true},
        {"xn--bcher-kva.example", true},
        {"127.0.0.1", false},
        {"127.255.255.254", false},
        {"0.0.0.0", false},
        {"0.1.2.3", false},
        {"224.0.1.1", false},
        {"239.255.255.255", false},
        {"255.255.255.255", false},
        {"240.0.0.1", false},
        {"::", false},
        {"::1", false},
        {"ff02::101", false},
        {"ff0e::1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:224.0.1.1", false},
        {"fe80::1%1", false},
        {"192.0.2", false},
        {"[2001:db8::1]", false},
        {"192.0.2.1:123", false},
        {"-example", false},
        {"a..b", false},
        {".", false},
        {"a/b", false},
        {"a;b", false},
    };
    const KeRequest asked = {.ntp = true, .aeads = {NTS_AEAD_AES_SIV_CMAC_256}, .aead_count = 1};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t bytes[128];
        ByteWriter writer = byte_writer(bytes, sizeof(bytes));
        NtsEstablishment read = {.failure = NTS_OK};

        print_message("%s\n", rows[i].server);
        ke_record_write_u16(&writer, true, KE_NEXT_PROTOCOL, 0);
        ke_record_write_u16(&writer, true, KE_AEAD, NTS_AEAD_AES_SIV_CMAC_256);
        ke_record_write(&writer, false, KE_COOKIE, "cookie", 6);
        ke_record_write(&writer, true, KE_SERVER, rows[i].server, strlen(rows[i].server));
        ke_record_write(&writer, true, KE_END_OF_MESSAGE, NULL, 0);
        assert_int_equal(ke_response_read(bytes, sizeof(bytes) - writer.left, &asked, &read),
                         rows[i].good ? NTS_OK : NTS_BAD_SERVER);
        assert_string_equal(read.server, rows[i].good ? rows[i].server : "");
    }
}

static void test_long_name(void **state)
{
    const KeRequest asked = {.ntp = true, .aeads = {NTS_AEAD_AES_SIV_CMAC_256}, .aead_count = 1};
    static uint8_t bytes[70000];
    static char name[65535];

    (void) state;
    memset(name, 'a', sizeof(name));
    for (size_t length = 250; length < sizeof(name); length = length < 260 ? length + 1 : length * 2) {
        NtsEstablishment read = {.failure = NTS_OK};
        size_t n = response_with(bytes, sizeof(bytes), KE_SERVER, name, length, 1);

        assert_int_equal(ke_response_read(bytes, n, &asked, &read), NTS_BAD_SERVER);
    }
}

/* A response that is cut off anywhere, or wrong in any bit, is read to its end and not beyond. */
static void test_mutilated(void **state)
{
    const KeRequest asked = {.ntp = true, .aeads = {NTS_AEAD_AES_SIV_CMAC_256}, .aead_count = 1};
    uint8_t bytes[128];
    size_t length = from_hex(START COOKIE "8006 0003 612e62 8007 0002 007b " END, bytes, sizeof(bytes));

    (void) state;
    for (size_t cut = 0; cut < length; cut++) {
        NtsEstablishment read = {.failure = NTS_OK};
        uint8_t *copy = malloc(cut + 1); /* its end is seen by a sanitizer */

        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        assert_int_equal(ke_response_read(copy, cut, &asked, &read), NTS_BAD_RECORD);
        assert_int_equal(read.cookie_count, 0);
        free(copy);
    }
    for (size_t bit = 0; bit < 8 * length; bit++) {
        NtsEstablishment read = {.failure = NTS_OK};
        NtsFailure failure;

        bytes[bit / 8] ^= (uint8_t) (1U << bit % 8);
        failure = ke_response_read(bytes, length, &asked, &read);
        assert_int_equal(read.cookie_count > 0, failure == NTS_OK);
        bytes[bit / 8] ^= (uint8_t) (1U << bit % 8);
    }
}

/* --- Keys -------------------------------------------------------------------------------------------- */

static void test_export_context(void **state)
{
    static const struct {
        NtsAead aead;
        bool compliant;
        KeDirection direction;
        uint8_t context[KE_EXPORT_CONTEXT];
    } rows[] = {
        {NTS_AEAD_AES_SIV_CMAC_256, true, KE_CLIENT_TO_SERVER, {0, 0, 0, 15, 0}},
        {NTS_AEAD_AES_SIV_CMAC_256, true, KE_SERVER_TO_CLIENT, {0, 0, 0, 15, 1}},
        {NTS_AEAD_AES_SIV_CMAC_256, false, KE_CLIENT_TO_SERVER, {0, 0, 0, 15, 0}},
        {NTS_AEAD_AES_128_GCM_SIV, true, KE_CLIENT_TO_SERVER, {0, 0, 0, 30, 0}},
        {NTS_AEAD_AES_128_GCM_SIV, true, KE_SERVER_TO_CLIENT, {0, 0, 0, 30, 1}},
        {NTS_AEAD_AES_128_GCM_SIV, false, KE_CLIENT_TO_SERVER, {0, 0, 0, 15, 0}},
        {NTS_AEAD_AES_128_GCM_SIV, false, KE_SERVER_TO_CLIENT, {0, 0, 0, 15, 1}},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t context[KE_EXPORT_CONTEXT];

        ke_export_context(rows[i].aead, rows[i].compliant, rows[i].direction, context);
        assert_memory_equal(context, rows[i].context, sizeof(context));
    }
    assert_true(ke_export_is_ambiguous(NTS_AEAD_AES_128_GCM_SIV));
    assert_false(ke_export_is_ambiguous(NTS_AEAD_AES_SIV_CMAC_256));
    assert_int_equal(nts_aead_key_length(NTS_AEAD_AES_128_GCM_SIV), 16);
    assert_int_equal(nts_aead_key_length(NTS_AEAD_AES_SIV_CMAC_256), 32);
    assert_int_equal(nts_aead_key_length((NtsAead) 17), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_record_write),
        cmocka_unit_test(test_inbox),
        cmocka_unit_test(test_inbox_limit),
        cmocka_unit_test(test_request_write),
        cmocka_unit_test(test_request_read),
        cmocka_unit_test(test_request_of_many_ciphers),
        cmocka_unit_test(test_response_write),
        cmocka_unit_test(test_response_read),
        cmocka_unit_test(test_response_to_less),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_mutilated),
        cmocka_unit_test(test_export_context),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
