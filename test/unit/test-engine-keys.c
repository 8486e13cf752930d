// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Keys of sources in a whole engine: when it asks, what it tells, what authselectmode makes of them. */

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "core/api/explain.h"
#include "core/engine/engine.h"
#include "unit.h"

#define EPOCH_NS (INT64_C(1772323200) * NSEC_PER_SEC)

/* Key 5 is strong, 6 is weak; others are missing until `all` is set. */
typedef struct World {
    Engine *engine;
    bool all;
    int64_t ns; /* since the start */
    uint32_t sent, events[EVENT_KIND_COUNT];
    uint16_t length;  /* of the last request */
    uint32_t told[2]; /* keys of the last EVENT_KEY_MISSING and EVENT_KEY_WEAK */
} World;

static bool find(void *userdata, uint32_t key, KeyInfo *ret)
{
    const World *world = userdata;

    if (!world->all && key != 5 && key != 6)
        return false;
    *ret = (KeyInfo) {.type = KEY_TYPE_SHA1, .bits = key == 6 ? 79 : 80, .mac_length = 20};
    return true;
}

static size_t sign(void *userdata, uint32_t key, const uint8_t *bytes, size_t length,
                   uint8_t ret[static NTP_DIGEST_MAX])
{
    KeyInfo info;

    (void) bytes, (void) length;
    memset(ret, (int) key, 20);
    return find(userdata, key, &info) ? 20 : 0;
}

static void fill_random(void *userdata, void *buffer, size_t size)
{
    (void) userdata;
    memset(buffer, 0x5a, size);
}

static Now now_of(const World *world)
{
    return (Now) {.mono = {world->ns + NSEC_PER_SEC}, .raw = {EPOCH_NS + world->ns}};
}

static void drain(World *world)
{
    Action action;
    Event event;

    while (engine_next_action(world->engine, &action))
        if (action.kind == ACTION_SEND) {
            world->sent++;
            world->length = action.send.length;
        }
    while (engine_next_event(world->engine, &event)) {
        world->events[event.kind]++;
        if (event.kind == EVENT_KEY_MISSING)
            world->told[0] = event.key;
        if (event.kind == EVENT_KEY_WEAK)
            world->told[1] = event.key;
    }
}

static void run(World *world, int64_t seconds)
{
    for (int64_t i = 0; i < seconds * 4; i++) {
        world->ns += NSEC_PER_SEC / 4;
        engine_on_timer(world->engine, now_of(world));
        drain(world);
    }
}

typedef struct Line {
    const char *name;
    uint32_t key;
    bool noselect;
} Line;

static void start(World *world, const Line *lines, size_t count, AuthSelectMode mode)
{
    cleanup_(config_freep) Config *config = NULL;
    EngineSetup setup = {
        .precision = 1e-7,
        .drift_frequency = NAN,
        .drift_skew = NAN,
        .random = fill_random,
        .authenticator = {.find = find, .sign = sign, .userdata = world},
    };

    *world = (World) {0};
    assert_int_equal(config_new(&config), 0);
    config->selection.auth_mode = mode;
    for (size_t i = 0; i < count; i++) {
        SourceConfig source = source_config_default(SOURCE_SERVER, lines[i].name);
        source.key = lines[i].key;
        source.select.noselect = lines[i].noselect;
        assert_int_equal(config_add_source(config, &source), 0);
    }
    assert_int_equal(engine_new(&setup, config, now_of(world), &world->engine), 0);
    drain(world);
}

static void test_key_in_use(void **state)
{
    static const Line lines[] = {{"192.0.2.1", 5}};
    AuthenticationReport report;
    World world;

    (void) state;
    start(&world, lines, 1, AUTH_SELECT_MIX);
    run(&world, 2);
    assert_int_equal(world.sent, 1);
    assert_int_equal(world.length, 48 + 24);
    assert_int_equal(world.events[EVENT_KEY_MISSING] + world.events[EVENT_KEY_WEAK], 0);
    assert_true(engine_authentication_report(world.engine, (SourceId) {1}, &report));
    assert_true(report.key == 5 && report.has_key && report.info.bits == 80);
    assert_string_equal(authentication_mode_name(report.mode), "symmetric");
    assert_false(engine_authentication_report(world.engine, (SourceId) {2}, &report));
    engine_free(world.engine);
}

static void test_weak_key(void **state)
{
    static const Line lines[] = {{"192.0.2.1", 6}};
    World world;

    (void) state;
    start(&world, lines, 1, AUTH_SELECT_MIX);
    run(&world, 300);
    assert_true(world.sent > 2);
    assert_int_equal(world.events[EVENT_KEY_WEAK], 1);
    assert_int_equal(world.told[1], 6);
    engine_free(world.engine);
}

static void test_missing_key(void **state)
{
    static const Line lines[] = {{"192.0.2.1", 7}};
    AuthenticationReport report;
    Explanation explanation;
    char buffer[512];
    Text text = TEXT(buffer);
    World world;

    (void) state;
    start(&world, lines, 1, AUTH_SELECT_MIX);
    run(&world, 600);
    assert_int_equal(world.sent, 0);
    assert_int_equal(world.events[EVENT_KEY_MISSING], 1);
    assert_int_equal(world.told[0], 7);
    assert_true(engine_authentication_report(world.engine, (SourceId) {1}, &report));
    assert_true(report.key == 7 && !report.has_key && report.info.type == KEY_TYPE_NONE);
    assert_true(engine_explain(world.engine, (SourceId) {1}, now_of(&world), &explanation));
    explain_source(&explanation, &text);
    assert_string_equal(buffer, "It is not asked: its key 7 is not in the key file.");

    world.all = true;
    engine_on_keys_changed(world.engine, now_of(&world));
    run(&world, 2);
    assert_int_equal(world.sent, 1);

    /* It goes away again, which is news again. */
    world.all = false;
    engine_on_keys_changed(world.engine, now_of(&world));
    drain(&world);
    run(&world, 600);
    assert_int_equal(world.sent, 1);
    assert_int_equal(world.events[EVENT_KEY_MISSING], 2);
    engine_free(world.engine);
}

/* What is added to the options that are configured, as letters. */
static void test_select_modes(void **state)
{
    static const struct {
        const char *name;
        AuthSelectMode mode;
        Line lines[3];
        const char *effective[3]; /* N, TR or nothing */
    } rows[] = {
        {"require", AUTH_SELECT_REQUIRE, {{"192.0.2.1", 5}, {"192.0.2.2"}, {"192.0.2.3"}}, {"", "N", "N"}},
        {"require, none",
         AUTH_SELECT_REQUIRE,
         {{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.3"}},
         {"N", "N", "N"}},
        {"prefer", AUTH_SELECT_PREFER, {{"192.0.2.1", 5}, {"192.0.2.2"}, {"192.0.2.3", 7}}, {"", "N", ""}},
        {"prefer, none", AUTH_SELECT_PREFER, {{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.3"}}, {"", "", ""}},
        {"prefer, none that counts",
         AUTH_SELECT_PREFER,
         {{"192.0.2.1", 5, true}, {"192.0.2.2"}, {"192.0.2.3"}},
         {"N", "", ""}},
        {"mix", AUTH_SELECT_MIX, {{"192.0.2.1", 5}, {"192.0.2.2"}, {"192.0.2.3", 6}}, {"TR", "", "TR"}},
        {"mix, all with",
         AUTH_SELECT_MIX,
         {{"192.0.2.1", 5}, {"192.0.2.2", 5}, {"192.0.2.3", 5}},
         {"", "", ""}},
        {"mix, the other does not count",
         AUTH_SELECT_MIX,
         {{"192.0.2.1", 5}, {"192.0.2.2", 0, true}, {"192.0.2.3", 5}},
         {"", "N", ""}},
        {"ignore", AUTH_SELECT_IGNORE, {{"192.0.2.1", 5}, {"192.0.2.2"}, {"192.0.2.3"}}, {"", "", ""}},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        World world;

        print_message("%s\n", rows[i].name);
        start(&world, rows[i].lines, 3, rows[i].mode);
        for (uint32_t j = 0; j < 3; j++) {
            SelectionReport report;
            const char *expected = rows[i].effective[j];

            assert_true(engine_selection_report(world.engine, (SourceId) {j + 1}, now_of(&world), &report));
            assert_int_equal(report.authenticated, rows[i].lines[j].key != 0);
            assert_int_equal(report.effective.noselect, expected[0] == 'N');
            assert_int_equal(report.effective.trust, expected[0] == 'T');
            assert_int_equal(report.effective.require, expected[0] == 'T');
            assert_int_equal(report.configured.noselect, rows[i].lines[j].noselect);
            assert_false(report.configured.trust || report.configured.require);
        }
        engine_free(world.engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_in_use),
        cmocka_unit_test(test_weak_key),
        cmocka_unit_test(test_missing_key),
        cmocka_unit_test(test_select_modes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
