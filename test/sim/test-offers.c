// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A network that offers servers which lie: somebody runs the DHCP server of a second link. He has as many
 * servers as an offer may have, they are the nearest and agree with one another, and he knows all about ours.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"
#include "base/text.h"
#include "sim.h"
#include "unit.h"

#define EPOCH_S (SIM_EPOCH / NSEC_PER_SEC)
#define OURS    3
#define LIARS   8
#define LIE     7.0
/* What the clock may be wrong by once it is right, s. */
#define RIGHT   0.05
#define SETTLED 300.0

static const SimOscillator usual = {.offset = 0.02, .frequency = 20e-6, .wander = 1e-9};
static const SimServer secure = {.there = {.delay = 20e-3, .jitter = 1e-3},
                                 .back = {.delay = 20e-3, .jitter = 1e-3},
                                 .validity = {EPOCH_S - 30 * 86400, EPOCH_S + 60 * 86400},
                                 .establishing = 0.05};
static const SimServer near = {.there = {.delay = 1e-4, .jitter = 1e-6},
                               .back = {.delay = 1e-4, .jitter = 1e-6}};

typedef struct Scene {
    Sim *sim;
    size_t ours[OURS];
    char offer[512]; /* the addresses of the others */
} Scene;

/* Our sources by name, all with NTS, and eight servers of his that say the same. */
static Scene build(uint64_t seed, double lie, AuthSelectMode mode)
{
    Scene scene = {.sim = sim_new(seed, &usual)};
    Config *config = sim_config(scene.sim);
    Text offer = TEXT(scene.offer);
    SimServer liar = near;
    char address[IP_ADDRESS_TEXT_MAX];

    config->selection.auth_mode = mode;
    config->clock.step_threshold = 0.1;
    config->clock.step_limit = -1;
    assert_int_equal(strings_add(&config->source_dirs, CONFIG_OFFERS_DIRECTORY), 0);
    for (size_t i = 0; i < OURS; i++) {
        SimServer server = secure;
        (void) snprintf(server.name, sizeof(server.name), "nts%zu.example", i + 1);
        scene.ours[i] = sim_add_server(scene.sim, &server);
        SourceConfig source = source_config_default(SOURCE_SERVER, server.name);
        source.nts = source.iburst = true;
        source.maxpoll = 6;
        assert_int_equal(config_add_source(config, &source), 0);
    }
    liar.offset = lie;
    for (size_t i = 0; i < LIARS; i++) {
        IpAddress where = sim_server_address(sim_add_server(scene.sim, &liar));
        text_append(&offer, ip_address_format(&where, address));
        text_append(&offer, " ");
    }
    return scene;
}

static bool report_of(const Scene *scene, const char *name, SourceReport *ret)
{
    SourceId ids[SIM_SERVERS_MAX];
    size_t count = engine_sources(sim_engine(scene->sim), ids, ELEMENTS(ids));

    for (size_t i = 0; i < count; i++)
        if (engine_source_report(sim_engine(scene->sim), ids[i], sim_now(scene->sim), ret) &&
            text_equal(ret->name, name))
            return true;
    return false;
}

/* Sources of an offer, and those of them from which the time is taken. */
static size_t count_offered(const Scene *scene, size_t *ret_used)
{
    SourceId ids[SIM_SERVERS_MAX];
    size_t count = engine_sources(sim_engine(scene->sim), ids, ELEMENTS(ids)), offered = 0;

    *ret_used = 0;
    for (size_t i = 0; i < count; i++) {
        SourceReport report;
        assert_true(engine_source_report(sim_engine(scene->sim), ids[i], sim_now(scene->sim), &report));
        offered += report.origin == ORIGIN_NETWORKD;
        *ret_used += report.origin == ORIGIN_NETWORKD &&
                     (report.state == STATE_SELECTED || report.state == STATE_COMBINED);
    }
    return offered;
}

static void assert_ours_work(const Scene *scene)
{
    for (size_t i = 0; i < OURS; i++) {
        SourceReport report;
        assert_true(report_of(scene, sim_server(scene->sim, scene->ours[i])->name, &report));
        assert_false(report.resolving);
        assert_true(report.state == STATE_SELECTED || report.state == STATE_COMBINED ||
                    report.state == STATE_WAITING_UPDATE || report.state == STATE_DISTANT);
    }
}

/* Runs on and sees to it that the clock is never further from the truth than that. */
static void run_bounded(const Scene *scene, double seconds, double bound, const char *name)
{
    for (double end = sim_time(scene->sim) + seconds; sim_time(scene->sim) < end;) {
        sim_run(scene->sim, 1);
        if (fabs(sim_error(scene->sim)) > bound)
            fail_msg("%s: the clock is wrong by %g s after %g s", name, sim_error(scene->sim),
                     sim_time(scene->sim));
    }
}

/* Offered from the beginning, before ours have their keys, or later. */
static void test_cannot_outvote(void **state)
{
    static const double lies[] = {LIE, -LIE, 0.2, 3600};
    static const AuthSelectMode modes[] = {AUTH_SELECT_MIX, AUTH_SELECT_PREFER, AUTH_SELECT_REQUIRE};

    (void) state;
    for (size_t i = 0; i < ELEMENTS(lies) * ELEMENTS(modes) * 2; i++) {
        bool later = i % 2;
        Scene scene = build(100 + i, lies[i / 2 % ELEMENTS(lies)], modes[i / 2 / ELEMENTS(lies)]);
        size_t used;

        sim_start(scene.sim);
        if (later)
            run_bounded(&scene, 400, RIGHT, "before");
        sim_offer(scene.sim, "eth1", scene.offer);
        run_bounded(&scene, 1800, RIGHT, later ? "offered later" : "offered at once");
        assert_int_equal(count_offered(&scene, &used), LIARS);
        assert_int_equal(used, 0);
        assert_ours_work(&scene);
        sim_free(scene.sim);
    }
}

/* He cuts ours off as well: then there is no time, rather than his. */
static void test_cannot_stand_in(void **state)
{
    (void) state;
    for (size_t i = 0; i < 4; i++) {
        Scene scene = build(200 + i, i % 2 ? LIE : -0.2, AUTH_SELECT_MIX);

        for (size_t k = 0; k < OURS; k++)
            sim_server(scene.sim, scene.ours[k])->outages[0] = (SimOutage) {i < 2 ? 0 : 600, 1e9};
        sim_start(scene.sim);
        sim_offer(scene.sim, "eth1", scene.offer);
        run_bounded(&scene, 7200, 0.2, "cut off");
        sim_free(scene.sim);
    }
}

/* The addresses and names of ours, offered before ours are looked up and after. */
static void test_cannot_take_their_place(void **state)
{
    (void) state;
    for (size_t i = 0; i < 2; i++) {
        Scene scene = build(300 + i, LIE, AUTH_SELECT_MIX);
        char buffer[512], address[IP_ADDRESS_TEXT_MAX];
        Text offer = TEXT(buffer);

        for (size_t k = 0; k < OURS; k++) {
            IpAddress where = sim_server_address(scene.ours[k]);
            text_append_format(&offer, "%s %s. ", ip_address_format(&where, address),
                               sim_server(scene.sim, scene.ours[k])->name);
        }
        sim_start(scene.sim);
        if (i == 1)
            sim_run(scene.sim, 400);
        sim_offer(scene.sim, "eth1", buffer);
        sim_run(scene.sim, SETTLED);
        assert_ours_work(&scene);
        sim_run(scene.sim, 3600);
        assert_ours_work(&scene);
        assert_in_range(fabs(sim_error(scene.sim)) * 1e3, 0, RIGHT * 1e3);
        sim_free(scene.sim);
    }
}

/* Servers that are right are of use, beside ours and without them. */
static void test_good_ones_are_used(void **state)
{
    Scene scene = build(400, 0, AUTH_SELECT_MIX);
    size_t used;

    (void) state;
    sim_start(scene.sim);
    sim_offer(scene.sim, "eth1", scene.offer);
    sim_run(scene.sim, SETTLED);
    assert_int_equal(count_offered(&scene, &used), LIARS);
    assert_in_range(used, 1, LIARS);
    sim_free(scene.sim);

    scene = build(401, 0, AUTH_SELECT_MIX);
    sim_config(scene.sim)->source_count = 0;
    sim_start(scene.sim);
    sim_offer(scene.sim, "eth1", scene.offer);
    sim_run(scene.sim, SETTLED);
    run_bounded(&scene, 600, RIGHT, "alone");
    sim_offer(scene.sim, "eth1", "");
    assert_int_equal(count_offered(&scene, &used), 0);
    sim_free(scene.sim);
}

/* That all this is not for nothing: who ignores what authentication is worth is led astray. */
static void test_without_authentication_they_win(void **state)
{
    Scene scene = build(500, LIE, AUTH_SELECT_IGNORE);

    (void) state;
    sim_start(scene.sim);
    sim_offer(scene.sim, "eth1", scene.offer);
    sim_run(scene.sim, SETTLED);
    assert_in_range(sim_error(scene.sim), LIE - 1, LIE + 1);
    sim_free(scene.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cannot_outvote),
        cmocka_unit_test(test_cannot_stand_in),
        cmocka_unit_test(test_cannot_take_their_place),
        cmocka_unit_test(test_good_ones_are_used),
        cmocka_unit_test(test_without_authentication_they_win),
    };

    return cmocka_run_group_tests_name("offers", tests, NULL, NULL);
}
