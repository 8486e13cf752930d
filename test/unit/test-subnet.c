// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Texts of networks. */

#include "base/subnet.h"
#include "unit.h"

static void test_good(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"192.0.2.77", "192.0.2.77/32"},
        {"192.0.2.77/24", "192.0.2.0/24"},
        {"192.0.2", "192.0.2.0/24"},
        {"10.1", "10.1.0.0/16"},
        {"10", "10.0.0.0/8"},
        {"10/7", "10.0.0.0/7"},
        {"11/7", "10.0.0.0/7"},
        {"10.1/32", "10.1.0.0/32"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"255.255.255.255", "255.255.255.255/32"},
        {"192.0.2.255/27", "192.0.2.224/27"},
        {"::", "::/128"},
        {"2001:db8::1/33", "2001:db8::/33"},
        {"2001:db8:ffff::/33", "2001:db8:8000::/33"},
        {"2001:db8::ff/127", "2001:db8::fe/127"},
        {"::/0", "::/0"},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char text[IP_SUBNET_TEXT_MAX];
        IpAddress address;
        uint8_t prefix;
        if (!ip_subnet_parse(rows[i].text, &address, &prefix))
            fail_msg("%s", rows[i].text);
        assert_string_equal(ip_subnet_format(&address, prefix, text), rows[i].expected);
    }
}

static void test_bad(void **state)
{
    static const char *const rows[] = {
        "",         "/",
        "/8",       "256",
        "10.",      ".10",
        "10..1",    "10.1.2.3.4",
        "1000",     "10/",
        "10/33",    "10/-1",
        "10/a",     "10/8/8",
        "10 /8",    "2001:db8::/129",
        "2001:db8", "a.example.net",
        "0x10",     "10.1.2.3x",
        "-1",
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        IpAddress address = {.scope = 7};
        uint8_t prefix = 7;
        if (ip_subnet_parse(rows[i], &address, &prefix))
            fail_msg("\"%s\" was taken for a network", rows[i]);
        assert_true(prefix == 7 && address.scope == 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
