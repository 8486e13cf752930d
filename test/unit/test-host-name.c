// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Names of hosts: what is one, and above all what is not. */

#include "base/host-name.h"

#include <string.h>

#include "unit.h"

static const struct {
    const char *text;
    bool valid;
} ROWS[] = {
    {"a", true},
    {"ntp.example.net", true},
    {"ntp.example.net.", true},
    {"_ntp._udp.example.net", true},
    {"2.debian.pool.ntp.org", true},
    {"xn--bcher-kva.example", true},
    {"192.0.2.1", true},
    {"2001:db8::1", true},
    {"ntp1", true},
    {"3com", true},
    {"", false},
    {".", false},
    {"..", false},
    {"a..b", false},
    {".a", false},
    {"-a", false},
    {"a-", false},
    {"a.-b", false},
    {"a b", false},
    {"a\nb", false},
    {"a#b", false},
    {"a;b", false},
    {"a/b", false},
    {"a%b", false},
    {"a\x80", false},
    {"b\303\274cher.example", false},
    {"192.0.2", false},
    {"192.0.2.256", false},
    {"192.0.2.1.", false},
    {"12", false},
    {"2001:db8::1::2", false},
    {"[2001:db8::1]", false},
};

static void test_rows(void **state unused_)
{
    for (size_t i = 0; i < ELEMENTS(ROWS); i++)
        if (host_name_is_valid(ROWS[i].text) != ROWS[i].valid)
            fail_msg("\"%s\" should be %s", ROWS[i].text, ROWS[i].valid ? "valid" : "invalid");
}

/* Labels of `label` letters each, as many as fit into length. */
static const char *long_name(char *buffer, size_t length, size_t label)
{
    for (size_t i = 0; i < length; i++)
        buffer[i] = (i + 1) % (label + 1) == 0 ? '.' : 'a';
    buffer[length] = '\0';
    return buffer;
}

static void test_lengths(void **state unused_)
{
    char buffer[10001];

    assert_true(host_name_is_valid(long_name(buffer, 63, 63)));
    assert_false(host_name_is_valid(long_name(buffer, 64, 64)));
    assert_true(host_name_is_valid(long_name(buffer, 253, 49)));
    assert_false(host_name_is_valid(long_name(buffer, 254, 49)));
    assert_false(host_name_is_valid(long_name(buffer, 10000, 49)));
    long_name(buffer, 253, 49);
    assert_true(host_name_is_valid(strcat(buffer, ".")));
    assert_false(host_name_is_valid(strcat(buffer, ".")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
