// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Requests that want Samba's signature, and what is said to ntp_signd about them. */

#include <string.h>

#include "core/ntp/ms-sntp.h"
#include "unit.h"

static const MsSntpAnswer answer = {.key = {0x50, 0x04, 0x00, 0x80}, .bytes = {0x1c, 2, [24] = 7, [47] = 9}};

static void test_requests(void **state)
{
    static const struct {
        const char *name;
        uint8_t version;
        size_t length;
        size_t changed; /* byte, to 1; 0: none */
        uint8_t key;    /* first byte of it */
        bool yes;
    } rows[] = {
        {"as Windows asks", 3, 68, 0, 0x50, true},
        {"the last byte of the account", 3, 68, 51, 0, true},
        {"without an account", 3, 68, 0, 0, false},
        {"with a digest", 3, 68, 52, 0x50, false},
        {"with the last byte of one", 3, 68, 67, 0x50, false},
        {"version 4", 4, 68, 0, 0x50, false},
        {"version 1", 1, 68, 0, 0x50, false},
        {"no tail", 3, 48, 0, 0x50, false},
        {"a digest of 20 bytes", 3, 72, 0, 0x50, false},
        {"the extended form", 3, 120, 0, 0x50, false},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t request[120] = {[0] = (uint8_t) (rows[i].version << 3 | 3), [48] = rows[i].key};
        if (rows[i].changed > 0)
            request[rows[i].changed] = 1;
        if (ms_sntp_is_request(request, rows[i].length) != rows[i].yes)
            fail_msg("%s", rows[i].name);
    }
}

/* Byte for byte: nobody here can ask a Samba. */
static void test_question(void **state)
{
    static const uint8_t expected[24] = {
        0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 0x50, 0x04, 0x00, 0x80, 0x1c, 2, 0, 0,
    };
    uint8_t question[SIGND_QUESTION_SIZE];

    (void) state;
    assert_int_equal(sizeof question, 68);
    signd_question_build(0x1234, &answer, question);
    assert_memory_equal(question, expected, sizeof expected);
    assert_memory_equal(question + 20, answer.bytes, sizeof answer.bytes);
}

/* A reply to question 0x1234 that signs the answer above. */
static void good_reply(uint8_t ret[static SIGND_REPLY_SIZE])
{
    static const uint8_t head[16] = {0, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0x12, 0x34};

    memcpy(ret, head, sizeof head);
    memcpy(ret + 16, answer.bytes, sizeof answer.bytes);
    memcpy(ret + 64, answer.key, sizeof answer.key);
    memset(ret + 68, 0xd1, MS_SNTP_DIGEST_SIZE);
}

static void test_replies(void **state)
{
    static const struct {
        const char *name;
        size_t at; /* byte that is changed; 0: none */
        uint8_t value;
        SigndVerdict verdict;
    } rows[] = {
        {"signed", 0, 0, SIGND_SIGNED},
        {"another digest", 83, 7, SIGND_SIGNED},
        {"refused", 11, 4, SIGND_REFUSED},
        {"another operation", 11, 0, SIGND_RUBBISH},
        {"another version", 7, 1, SIGND_RUBBISH},
        {"another number", 15, 0x35, SIGND_RUBBISH},
        {"a number beyond ours", 12, 1, SIGND_RUBBISH},
        {"another packet", 16 + 47, 8, SIGND_RUBBISH},
        {"another account", 64, 0x51, SIGND_RUBBISH},
        {"too short for what it says", 3, 79, SIGND_RUBBISH},
        {"longer than any", 3, 81, SIGND_RUBBISH},
        {"huge", 1, 0xff, SIGND_RUBBISH},
        {"empty", 3, 0, SIGND_RUBBISH},
    };
    uint8_t result[MS_SNTP_SIZE];

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        uint8_t reply[SIGND_REPLY_SIZE];
        good_reply(reply);
        if (rows[i].at > 0)
            reply[rows[i].at] = rows[i].value;
        if (signd_reply_parse(reply, sizeof reply, 0x1234, &answer, result) != rows[i].verdict)
            fail_msg("%s", rows[i].name);
        if (rows[i].verdict == SIGND_SIGNED)
            assert_memory_equal(result, reply + 16, sizeof result);
    }
}

/* Samba sends 12 bytes behind the length when it refuses. */
static void test_short_refusal(void **state)
{
    static const uint8_t refusal[16] = {[3] = 12, [11] = 4, [14] = 0x12, [15] = 0x34};
    uint8_t result[MS_SNTP_SIZE];

    (void) state;
    assert_int_equal(signd_reply_parse(refusal, sizeof refusal, 0x1234, &answer, result), SIGND_REFUSED);
    assert_int_equal(signd_reply_parse(refusal, sizeof refusal, 0x1235, &answer, result), SIGND_RUBBISH);
}

/* Whatever is missing is waited for, and nothing is written before. */
static void test_pieces(void **state)
{
    uint8_t reply[SIGND_REPLY_SIZE], result[MS_SNTP_SIZE] = {0};
    static const uint8_t untouched[MS_SNTP_SIZE];

    (void) state;
    good_reply(reply);
    for (size_t length = 0; length < sizeof reply; length++)
        assert_int_equal(signd_reply_parse(reply, length, 0x1234, &answer, result), SIGND_INCOMPLETE);
    assert_memory_equal(result, untouched, sizeof result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),      cmocka_unit_test(test_question), cmocka_unit_test(test_replies),
        cmocka_unit_test(test_short_refusal), cmocka_unit_test(test_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
