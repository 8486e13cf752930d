// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What is taken of a list of servers that a network offers. */

#include "core/config/offered.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "unit.h"

#define LABEL63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define NAME253                                                                                              \
    LABEL63 "." LABEL63 "." LABEL63 ".aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffg"

/* The names that were taken, with blanks between them. */
static const char *taken(const OfferedNames *offered, Text *text)
{
    for (size_t i = 0; i < offered->count; i++) {
        text_append(text, i > 0 ? " " : "");
        text_append(text, offered->names[i]);
    }
    return text->data;
}

static void test_words(void **state)
{
    static const struct {
        const char *name, *text, *expected;
        size_t refused;
        OfferRefusal reason;
        const char *excerpt;
    } rows[] = {
        {"nothing", "", "", 0, OFFER_NOT_REFUSED, ""},
        {"blanks", "  \t ", "", 0, OFFER_NOT_REFUSED, ""},
        {"addresses", "192.0.2.1 2001:db8::1", "192.0.2.1 2001:db8::1", 0, OFFER_NOT_REFUSED, ""},
        {"blanks around", "\t192.0.2.1   a.example ", "192.0.2.1 a.example", 0, OFFER_NOT_REFUSED, ""},
        {"canonical", "2001:DB8:0:0::1 NTP.Example.Net.", "2001:db8::1 ntp.example.net", 0, OFFER_NOT_REFUSED,
         ""},
        {"twice", "a.example A.Example. 2001:db8::1 2001:db8:0::1", "a.example 2001:db8::1", 0,
         OFFER_NOT_REFUSED, ""},
        {"scope of the interface", "fe80::1", "fe80::1%lo", 0, OFFER_NOT_REFUSED, ""},
        {"scope of another one", "fe80::1%eth0", "", 1, OFFER_NO_NAME, "fe80::1%eth0"},
        {"any", "0.0.0.0 :: a.example", "a.example", 2, OFFER_NO_SERVER, "0.0.0.0"},
        {"loopback", "127.0.0.1 127.1.2.3 ::1 ::ffff:127.0.0.1", "", 4, OFFER_NO_SERVER, "127.0.0.1"},
        {"multicast", "224.0.1.1 ff02::101", "", 2, OFFER_NO_SERVER, "224.0.1.1"},
        {"broadcast", "255.255.255.255", "", 1, OFFER_NO_SERVER, "255.255.255.255"},
        {"no address", "192.0.2.256 192.0.2 1", "", 3, OFFER_NO_NAME, "192.0.2.256"},
        {"semicolon", "192.0.2.1;reboot a.example", "a.example", 1, OFFER_NO_NAME, "192.0.2.1;reboot"},
        {"number sign", "a#b #c", "", 2, OFFER_NO_NAME, "a#b"},
        {"newline", "a.example\nserver b.example", "b.example", 1, OFFER_NO_NAME, "a.example\\x0aserver"},
        {"carriage return", "a.example\r", "", 1, OFFER_NO_NAME, "a.example\\x0d"},
        {"shell", "$(id) `id` a|b a&b a>b <a (a) {a,b} a'b *.example ~root !! a\\b", "", 13, OFFER_NO_NAME,
         "$(id)"},
        {"quotes", "\"a\"", "", 1, OFFER_NO_NAME, "\\x22a\\x22"},
        {"backslash", "a\\x41", "", 1, OFFER_NO_NAME, "a\\x5cx41"},
        {"escape", "\x1b[2J", "", 1, OFFER_NO_NAME, "\\x1b[2J"},
        {"unicode", "zeit.m\xc3\xbcnchen \xe2\x80\xae.example", "", 2, OFFER_NO_NAME,
         "zeit.m\\xc3\\xbcnchen"},
        {"path", "../../etc/passwd /etc/passwd", "", 2, OFFER_NO_NAME, "../../etc/passwd"},
        {"dashes", "-p --help a-.example -a.example", "", 4, OFFER_NO_NAME, "-p"},
        {"service", "_ntp._udp.example", "", 1, OFFER_NO_NAME, "_ntp._udp.example"},
        {"dots", ". .. .a a..b", "", 4, OFFER_NO_NAME, "."},
        {"253 bytes", NAME253, NAME253, 0, OFFER_NOT_REFUSED, ""},
        {"253 bytes and a dot", NAME253 ".", NAME253, 0, OFFER_NOT_REFUSED, ""},
        {"254 bytes", NAME253 "h", "", 1, OFFER_NO_NAME,
         "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg..."},
        {"255 bytes", NAME253 "hh", "", 1, OFFER_NO_NAME,
         "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg..."},
        {"256 bytes", NAME253 "hhh", "", 1, OFFER_NO_NAME,
         "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg..."},
        {"label of 64", LABEL63 "h.example", "", 1, OFFER_NO_NAME, LABEL63 "..."},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        OfferedNames offered;
        char buffer[4096];
        Text text = TEXT(buffer);

        offered_read(rows[i].text, "lo", &offered);
        if (!text_equal(taken(&offered, &text), rows[i].expected))
            fail_msg("%s: taken \"%s\"", rows[i].name, buffer);
        if (offered.refused != rows[i].refused || offered.reason != rows[i].reason)
            fail_msg("%s: refused %zu: %s", rows[i].name, offered.refused,
                     offer_refusal_name(offered.reason));
        if (strncmp(offered.excerpt, rows[i].excerpt, 63) != 0)
            fail_msg("%s: excerpt \"%s\"", rows[i].name, offered.excerpt);
    }
}

static void test_no_interface(void **state)
{
    OfferedNames offered;

    (void) state;
    offered_read("fe80::1 192.0.2.1", "", &offered);
    assert_int_equal(offered.count, 1);
    assert_int_equal(offered.refused, 1);
    assert_int_equal(offered.reason, OFFER_NO_SERVER);
    offered_read("fe80::1", "no-such-if", &offered);
    assert_int_equal(offered.count, 0);
}

/* The first ones are taken. */
static void test_thousand(void **state)
{
    cleanup_(freep) char *text = calloc(1, 32768);
    OfferedNames offered;
    char name[32];
    size_t length = 0;

    (void) state;
    for (unsigned i = 0; i < 1000; i++)
        length += (size_t) sprintf(text + length, "n%u.example ", i);
    offered_read(text, "lo", &offered);
    assert_int_equal(offered.count, OFFERED_MAX);
    assert_int_equal(offered.refused, 1000 - OFFERED_MAX);
    assert_int_equal(offered.reason, OFFER_TOO_MANY);
    (void) snprintf(name, sizeof(name), "n%u.example", OFFERED_MAX);
    assert_string_equal(offered.excerpt, name);
    for (unsigned i = 0; i < OFFERED_MAX; i++) {
        (void) snprintf(name, sizeof(name), "n%u.example", i);
        assert_string_equal(offered.names[i], name);
    }
}

/* One word or many: what is behind the limit is not looked at, and nothing is cut into another name. */
static void test_ten_megabytes(void **state)
{
    const size_t size = 10 << 20;
    cleanup_(freep) char *text = malloc(size + 1);
    OfferedNames offered;

    (void) state;
    memset(text, 'a', size);
    text[size] = '\0';
    offered_read(text, "lo", &offered);
    assert_int_equal(offered.count, 0);
    assert_int_equal(offered.refused, 1);
    assert_int_equal(offered.reason, OFFER_TOO_LONG);
    assert_true(strlen(offered.excerpt) < OFFERED_EXCERPT_MAX);

    memset(text, ' ', size);
    memcpy(text, "a.example", 9);
    memcpy(text + OFFERED_TEXT_MAX - 5, "b.example", 9);
    memcpy(text + OFFERED_TEXT_MAX + 20, "c.example", 9);
    offered_read(text, "lo", &offered);
    assert_int_equal(offered.count, 1);
    assert_string_equal(offered.names[0], "a.example");
    assert_int_equal(offered.reason, OFFER_TOO_LONG);
}

static void test_names_that_are_the_same(void **state)
{
    (void) state;
    assert_true(offered_name_equal("ntp.example", "NTP.Example."));
    assert_true(offered_name_equal("ntp.example.", "ntp.example."));
    assert_false(offered_name_equal("ntp.example", "ntp.example.."));
    assert_false(offered_name_equal("ntp.example", "ntp.exampl"));
    assert_false(offered_name_equal("a", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_interface),
        cmocka_unit_test(test_thousand),
        cmocka_unit_test(test_ten_megabytes),
        cmocka_unit_test(test_names_that_are_the_same),
    };

    return cmocka_run_group_tests_name("offered", tests, NULL, NULL);
}
