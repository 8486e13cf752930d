// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Access: named cases, and random rules of every length against a table that is searched rule by rule. */

#include <string.h>

#include "core/ntp/access.h"
#include "unit.h"

static IpAddress address(const char *text)
{
    IpAddress parsed;

    assert_true(ip_address_parse(text, &parsed));
    return parsed;
}

/* "+192.0.2.0/24", "-all", "+!10.0.0.0/8": allow or deny, `all` of the language, network. */
static AccessRule rule(const char *text)
{
    AccessRule made = {.allow = text[0] == '+'};
    char network[IP_ADDRESS_TEXT_MAX];

    text++;
    made.all = text[0] == '!';
    text += made.all ? 1 : 0;
    if (strcmp(text, "any") == 0)
        return made;
    const char *slash = strchr(text, '/');
    assert_non_null(slash);
    memcpy(network, text, (size_t) (slash - text));
    network[slash - text] = '\0';
    made.network = address(network);
    made.prefix = (uint8_t) atoi(slash + 1);
    return made;
}

typedef struct Case {
    const char *name;
    const char *rules[6];
    const char *allowed[4], *denied[4];
} Case;

static const Case cases[] = {
    {"nothing said", {0}, {0}, {"192.0.2.1", "2001:db8::1"}},
    {"everybody",
     {"+any"},
     {"0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
     {0}},
    {"one network",
     {"+192.0.2.0/24"},
     {"192.0.2.0", "192.0.2.255"},
     {"192.0.1.255", "192.0.3.0", "2001:db8::1"}},
    {"one address", {"+192.0.2.7/32"}, {"192.0.2.7"}, {"192.0.2.6", "192.0.2.8"}},
    {"one IPv6 address", {"+2001:db8::1/128"}, {"2001:db8::1"}, {"2001:db8::", "2001:db8::2"}},
    {"the last address there is",
     {"+255.255.255.255/32"},
     {"255.255.255.255"},
     {"255.255.255.254", "0.0.0.0"}},
    {"all of IPv4", {"+0.0.0.0/0"}, {"0.0.0.0", "255.255.255.255"}, {"::"}},
    {"bits behind the prefix are nothing", {"+192.0.2.77/24"}, {"192.0.2.0", "192.0.2.255"}, {"192.0.3.77"}},
    {"a hole", {"+10.0.0.0/8", "-10.1.0.0/16"}, {"10.0.255.255", "10.2.0.0"}, {"10.1.0.0", "10.1.255.255"}},
    {"a hole, said first", {"-10.1.0.0/16", "+10.0.0.0/8"}, {"10.0.255.255", "10.2.0.0"}, {"10.1.0.0"}},
    {"a hole that `all` fills", {"-10.1.0.0/16", "+!10.0.0.0/8"}, {"10.1.0.0", "10.2.0.0"}, {"11.0.0.0"}},
    {"`all` before the hole", {"+!10.0.0.0/8", "-10.1.0.0/16"}, {"10.2.0.0"}, {"10.1.0.0"}},
    {"`all` of a network leaves what is around it",
     {"+any", "-!10.0.0.0/8"},
     {"11.0.0.0", "::1"},
     {"10.0.0.0"}},
    {"`all` forgets both families",
     {"+10.0.0.0/8", "+2001:db8::/32", "-!any"},
     {0},
     {"10.0.0.1", "2001:db8::1"}},
    {"the later one of two", {"+10.0.0.0/8", "-10.0.0.0/8"}, {0}, {"10.0.0.1"}},
    {"the later one of two, again", {"-10.0.0.0/8", "+10.0.0.0/8"}, {"10.0.0.1"}, {0}},
    /* CVE-2015-1821: lengths that are no multiple of 4. */
    {"/6 in /5",
     {"+8.0.0.0/5", "-12.0.0.0/6"},
     {"8.0.0.0", "11.255.255.255"},
     {"12.0.0.0", "15.255.255.255"}},
    {"/27 in /25",
     {"+192.0.2.128/25", "-192.0.2.160/27"},
     {"192.0.2.159", "192.0.2.192"},
     {"192.0.2.160", "192.0.2.191", "192.0.2.127"}},
    {"neighbours of one nibble",
     {"+192.0.2.0/30", "-192.0.2.2/31"},
     {"192.0.2.0", "192.0.2.1"},
     {"192.0.2.2", "192.0.2.3", "192.0.2.4"}},
    {"neighbours of one nibble, other order",
     {"-192.0.2.2/31", "+192.0.2.0/30"},
     {"192.0.2.1"},
     {"192.0.2.2"}},
    {"three deep", {"+10.0.0.0/8", "-10.0.0.0/9", "+10.0.0.0/10"}, {"10.0.0.0", "10.128.0.0"}, {"10.64.0.0"}},
    {"IPv6 /127 in /33",
     {"+2001:db8:8000::/33", "-2001:db8:8000::2/127"},
     {"2001:db8:8000::1", "2001:db8:8000::4"},
     {"2001:db8:8000::2", "2001:db8:8000::3", "2001:db8:7fff::"}},
};

static bool allows(const AccessTable *table, const char *text)
{
    IpAddress asked = address(text);

    return access_table_allows(table, &asked);
}

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        AccessRule rules[ELEMENTS(c->rules)];
        cleanup_(access_table_freep) AccessTable *table = NULL;
        size_t count = 0;

        print_message("# %s\n", c->name);
        for (; count < ELEMENTS(rules) && c->rules[count]; count++)
            rules[count] = rule(c->rules[count]);
        assert_int_equal(access_table_new(rules, count, &table), 0);
        for (size_t j = 0; j < ELEMENTS(c->allowed) && c->allowed[j]; j++)
            assert_true(allows(table, c->allowed[j]));
        for (size_t j = 0; j < ELEMENTS(c->denied) && c->denied[j]; j++)
            assert_false(allows(table, c->denied[j]));
    }
}

static void test_any(void **state)
{
    const AccessRule v4 = rule("+192.0.2.0/24"), nobody = rule("-192.0.2.0/24");
    cleanup_(access_table_freep) AccessTable *table = NULL;

    (void) state;
    assert_int_equal(access_table_new(&v4, 1, &table), 0);
    assert_true(access_table_allows_any(table, IP_V4));
    assert_false(access_table_allows_any(table, IP_V6));
    assert_false(access_table_allows(table, &(IpAddress) {0}));
    table = access_table_free(table);
    assert_int_equal(access_table_new(&nobody, 1, &table), 0);
    assert_false(access_table_allows_any(table, IP_V4));
    table = access_table_free(table);
    assert_int_equal(access_table_new(NULL, 0, &table), 0);
    assert_false(access_table_allows_any(table, IP_V6));
}

/* A generator of our own, so that every machine tests the same. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static bool inside(const IpAddress *address, const AccessRule *rule)
{
    if (rule->network.family == IP_UNSPEC)
        return true;
    if (rule->network.family != address->family)
        return false;
    for (size_t i = 0; i < rule->prefix; i++)
        if ((address->bytes[i / 8] ^ rule->network.bytes[i / 8]) & 0x80 >> i % 8)
            return false;
    return true;
}

/* What the header promises, by looking at every rule. */
static bool allowed_by_hand(const AccessRule *rules, size_t count, const IpAddress *address)
{
    int longest = -1;
    bool allow = false;

    for (size_t i = 0; i < count; i++) {
        if (!inside(address, &rules[i]))
            continue;
        if (rules[i].prefix >= longest || rules[i].all) {
            longest = rules[i].prefix;
            allow = rules[i].allow;
        }
    }
    return allow;
}

/* Few bits vary, so that networks nest and touch. */
static IpAddress random_address(uint64_t *state, IpFamily family)
{
    IpAddress made = {.family = (uint8_t) family};
    size_t length = family == IP_V4 ? 4 : 16;

    for (size_t i = 0; i < length; i++)
        made.bytes[i] = draw(state) % 4 == 0 ? (uint8_t) draw(state) : (uint8_t) (draw(state) % 2 ? 0xff : 0);
    return made;
}

static void test_random(void **state)
{
    uint64_t seed = 1;

    (void) state;
    for (int round = 0; round < 2000; round++) {
        IpFamily family = round % 2 ? IP_V4 : IP_V6;
        unsigned bits = family == IP_V4 ? 32 : 128;
        AccessRule rules[24];
        size_t count = draw(&seed) % (ELEMENTS(rules) + 1);
        cleanup_(access_table_freep) AccessTable *table = NULL;

        for (size_t i = 0; i < count; i++)
            rules[i] = (AccessRule) {
                .network = random_address(&seed, family),
                .prefix = (uint8_t) (draw(&seed) % (bits + 1)),
                .allow = draw(&seed) % 2,
                .all = draw(&seed) % 4 == 0,
            };
        assert_int_equal(access_table_new(rules, count, &table), 0);
        for (int i = 0; i < 40; i++) {
            IpAddress asked = random_address(&seed, family);
            if (i % 2 && count > 0) { /* near a rule, one bit off */
                size_t bit = draw(&seed) % bits;
                asked = rules[draw(&seed) % count].network;
                asked.bytes[bit / 8] ^= (uint8_t) (0x80 >> bit % 8);
            }
            assert_int_equal(access_table_allows(table, &asked), allowed_by_hand(rules, count, &asked));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
