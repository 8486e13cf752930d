// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A machine behind a captive portal, whose owner answers in the name of others, and on a network that costs
 * money. */

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "core/api/explain.h"
#include "sim.h"
#include "unit.h"

#define EPOCH_S (SIM_EPOCH / NSEC_PER_SEC)
#define NAME    "time.example"

static const SimOscillator usual = {.offset = 0.1, .frequency = 20e-6, .wander = 1e-9};
static const SimServer honest = {.there = {.delay = 5e-3, .jitter = 1e-4},
                                 .back = {.delay = 5e-3, .jitter = 1e-4}};
static const SimServer secure = {.there = {.delay = 5e-3, .jitter = 1e-4},
                                 .back = {.delay = 5e-3, .jitter = 1e-4},
                                 .validity = {EPOCH_S - 86400, EPOCH_S + 86400},
                                 .establishing = 0.05};
static const SimServer liar = {.there = {.delay = 1e-3, .jitter = 1e-5},
                               .back = {.delay = 1e-3, .jitter = 1e-5},
                               .offset = 5};

/* A `server` line by name. */
static SourceConfig *add_name(Sim *sim, const char *name)
{
    SourceConfig source = source_config_default(SOURCE_SERVER, name);

    source.iburst = true;
    assert_int_equal(config_add_source(sim_config(sim), &source), 0);
    return &sim_config(sim)->sources[sim_config(sim)->source_count - 1];
}

/* What a name stands for from now on: that server, and no other. */
static void point(Sim *sim, const char *name, size_t server, size_t servers)
{
    for (size_t i = 0; i < servers; i++)
        if (strcmp(sim_server(sim, i)->name, name) == 0)
            sim_server(sim, i)->name[0] = '\0';
    (void) text_copy(sim_server(sim, server)->name, sizeof(sim_server(sim, server)->name), name);
}

static SourceReport report_of(Sim *sim, size_t index)
{
    SourceId ids[SIM_SERVERS_MAX];
    SourceReport report;

    assert_in_range(engine_sources(sim_engine(sim), ids, SIM_SERVERS_MAX), index + 1, SIM_SERVERS_MAX);
    assert_true(engine_source_report(sim_engine(sim), ids[index], sim_now(sim), &report));
    return report;
}

static void assert_asks(Sim *sim, size_t index, size_t server)
{
    IpAddress address = sim_server_address(server);
    SourceReport report = report_of(sim, index);

    assert_true(ip_address_equal(&report.remote.address, &address));
}

static void assert_explained(Sim *sim, size_t index, const char *words)
{
    SourceReport report = report_of(sim, index);
    Explanation explanation;
    char buffer[1024];
    Text text = TEXT(buffer);

    assert_true(engine_explain(sim_engine(sim), report.id, sim_now(sim), &explanation));
    explain_source(&explanation, &text);
    if (!strstr(buffer, words))
        fail_msg("\"%s\" is not in: %s", words, buffer);
}

/* The name is looked up before anybody says that there is a portal, and stands for a liar there. When the
 * portal is passed it is looked up anew, and nothing is left of what the liar said. */
static void test_liar_behind_the_portal(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        cleanup_(sim_freep) Sim *sim = sim_new(seed, &usual);
        size_t right = sim_add_server(sim, &honest), wrong = sim_add_server(sim, &liar);

        add_name(sim, NAME);
        sim_config(sim)->clock.step_threshold = 1;
        sim_config(sim)->clock.step_limit = -1;
        point(sim, NAME, wrong, 2);
        sim_start(sim);
        sim_run(sim, 2);
        sim_tell_network(sim, CONNECTIVITY_PORTAL, false);
        sim_run(sim, 300);
        assert_asks(sim, 0, wrong);
        assert_true(sim_error(sim) > 4); /* the liar is believed: there is nobody else */
        assert_explained(sim, 0, "behind a captive portal");

        point(sim, NAME, right, 2);
        sim_tell_network(sim, CONNECTIVITY_FULL, false);
        assert_int_equal(report_of(sim, 0).samples, 0);
        sim_run(sim, 30);
        assert_asks(sim, 0, right);
        if (fabs(sim_error(sim)) > 1e-3)
            fail_msg("seed %u: %g s", (unsigned) seed, sim_error(sim));
        assert_int_equal(sim_counters(sim)->events[EVENT_PORTAL], 1);
        assert_int_equal(sim_counters(sim)->events[EVENT_PORTAL_PASSED], 1);
    }
}

/* An address from before is as good as it was, whatever the name stands for behind the portal; and the source
 * keeps its samples. */
static void test_address_from_before(void **state)
{
    cleanup_(sim_freep) Sim *sim = sim_new(1, &usual);
    size_t right = sim_add_server(sim, &honest), wrong = sim_add_server(sim, &liar);
    const Command refresh = {.kind = COMMAND_REFRESH};
    CommandReply reply;

    (void) state;
    add_name(sim, NAME)->maxpoll = 6;
    point(sim, NAME, right, 2);
    sim_start(sim);
    sim_run(sim, 5);
    sim_tell_network(sim, CONNECTIVITY_FULL, false);
    sim_run(sim, 600);
    SourceReport before = report_of(sim, 0);

    point(sim, NAME, wrong, 2);
    sim_tell_network(sim, CONNECTIVITY_PORTAL, false);
    assert_int_equal(sim_apply(sim, &refresh, &reply), COMMAND_OK);
    sim_run(sim, 60);
    /* ... also of one that is silent: the portal lets nothing through */
    sim_server(sim, right)->there.loss = 1;
    sim_run(sim, 3000);
    assert_asks(sim, 0, right);
    assert_true(report_of(sim, 0).samples >= before.samples);
    assert_true(fabs(sim_error(sim)) < 0.05);
    sim_server(sim, right)->there.loss = 0;

    point(sim, NAME, right, 2);
    sim_tell_network(sim, CONNECTIVITY_FULL, false);
    sim_run(sim, 600);
    assert_asks(sim, 0, right);
    assert_true(report_of(sim, 0).samples >= before.samples);
    assert_true(report_of(sim, 0).id.value == before.id.value);
    assert_true(fabs(sim_error(sim)) < 1e-3);
}

/* A look-up that is under way when the portal is passed has asked the portal. */
static void test_answer_that_comes_late(void **state)
{
    cleanup_(sim_freep) Sim *sim = sim_new(1, &usual);
    size_t right = sim_add_server(sim, &honest), wrong = sim_add_server(sim, &liar);

    (void) state;
    add_name(sim, NAME);
    point(sim, NAME, wrong, 2);
    sim_start(sim); /* asked now, answered in a moment */
    sim_tell_network(sim, CONNECTIVITY_PORTAL, false);
    sim_tell_network(sim, CONNECTIVITY_LIMITED, false);
    point(sim, NAME, right, 2);
    sim_run(sim, 10);
    assert_asks(sim, 0, right);
}

/* All members of a pool are looked up anew, by as few look-ups as before. */
static void test_pool(void **state)
{
    cleanup_(sim_freep) Sim *sim = sim_new(1, &usual);
    SourceConfig pool = source_config_default(SOURCE_POOL, NAME);

    (void) state;
    for (size_t i = 0; i < 8; i++) {
        SimServer server = i < 4 ? honest : liar;
        (void) text_copy(server.name, sizeof(server.name), i < 4 ? "" : NAME);
        sim_add_server(sim, &server);
    }
    pool.iburst = true;
    assert_int_equal(config_add_source(sim_config(sim), &pool), 0);
    sim_start(sim);
    sim_tell_network(sim, CONNECTIVITY_PORTAL, false);
    sim_run(sim, 300);
    for (size_t i = 0; i < 8; i++)
        (void) text_copy(sim_server(sim, i)->name, sizeof(sim_server(sim, i)->name), i < 4 ? NAME : "");
    sim_tell_network(sim, CONNECTIVITY_FULL, false);
    sim_run(sim, 300);
    for (size_t i = 0; i < 4; i++) {
        SourceReport report = report_of(sim, i);
        assert_false(report.resolving);
        assert_in_range(report.remote.address.bytes[3], 1, 4);
    }
    assert_true(sim_counters(sim)->synchronized);
}

/* Keys wait for the portal to be passed, and no longer; the source in our own network goes on, and is not
 * kept waiting. */
static void test_keys_wait(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        cleanup_(sim_freep) Sim *sim = sim_new(seed, &usual);
        size_t near = sim_add_server(sim, &honest), far = sim_add_server(sim, &secure);

        sim_add_source(sim, near)->iburst = true;
        sim_config(sim)->selection.auth_mode = AUTH_SELECT_IGNORE;
        add_name(sim, NAME)->nts = true;
        point(sim, NAME, far, 2);
        sim_start(sim);
        sim_tell_network(sim, CONNECTIVITY_PORTAL, false);
        sim_run(sim, 20);
        assert_true(sim_counters(sim)->synchronized);
        sim_run(sim, 1780);
        assert_int_equal(report_of(sim, 0).state, STATE_SELECTED);
        assert_int_equal(sim_counters(sim)->events[EVENT_KEYS_ESTABLISHED], 0);
        assert_explained(sim, 1, "behind a captive portal");

        sim_tell_network(sim, CONNECTIVITY_FULL, false);
        sim_run(sim, 2);
        assert_int_equal(sim_counters(sim)->events[EVENT_KEYS_ESTABLISHED], 1);
        sim_run(sim, 20);
        assert_in_range(report_of(sim, 1).samples, 3, 20);
    }
}

/* What is taken for a portal and stays keeps no keys away for ever. So it does not when NetworkManager goes.
 */
static void test_portal_that_stays(void **state)
{
    for (int vanishes = 0; vanishes <= 1; vanishes++) {
        cleanup_(sim_freep) Sim *sim = sim_new(1, &usual);
        size_t far = sim_add_server(sim, &secure);

        (void) state;
        add_name(sim, NAME)->nts = true;
        point(sim, NAME, far, 1);
        sim_start(sim);
        sim_tell_network(sim, CONNECTIVITY_PORTAL, false);
        sim_run(sim, 3500);
        assert_int_equal(sim_counters(sim)->events[EVENT_KEYS_ESTABLISHED], 0);
        if (vanishes)
            sim_tell_network(sim, CONNECTIVITY_UNKNOWN, false);
        sim_run(sim, vanishes ? 5 : 200);
        assert_int_equal(sim_counters(sim)->events[EVENT_KEYS_ESTABLISHED], 1);
        assert_int_equal(sim_counters(sim)->events[EVENT_PORTAL_PASSED], 0);
    }
}

/* When NetworkManager goes behind a portal, nothing is concluded; when it is back and all is well, the portal
 * is passed. */
static void test_manager_vanishes_behind_the_portal(void **state)
{
    cleanup_(sim_freep) Sim *sim = sim_new(1, &usual);
    size_t right = sim_add_server(sim, &honest), wrong = sim_add_server(sim, &liar);

    (void) state;
    add_name(sim, NAME);
    point(sim, NAME, wrong, 2);
    sim_start(sim);
    sim_tell_network(sim, CONNECTIVITY_PORTAL, false);
    sim_run(sim, 100);
    uint32_t samples = report_of(sim, 0).samples;
    sim_tell_network(sim, CONNECTIVITY_UNKNOWN, false);
    sim_run(sim, 10);
    assert_asks(sim, 0, wrong);
    assert_true(report_of(sim, 0).samples >= samples);
    point(sim, NAME, right, 2);
    sim_tell_network(sim, CONNECTIVITY_FULL, false);
    sim_run(sim, 10);
    assert_asks(sim, 0, right);
}

/* A network that is metered is spared from the next request on, which is as far away as it may be; afterwards
 * the source is asked at its own pace again, without waiting for the end of that. */
static void test_metered(void **state)
{
    cleanup_(sim_freep) Sim *sim = sim_new(1, &usual);
    SourceConfig *source = sim_add_source(sim, sim_add_server(sim, &honest));

    (void) state;
    source->iburst = true;
    source->minpoll = 4;
    source->maxpoll = 10;
    sim_start(sim);
    sim_tell_network(sim, CONNECTIVITY_FULL, true);
    sim_run(sim, 20);
    assert_in_range(sim_counters(sim)->sent, 4, 8); /* the burst at the start stays */
    assert_true(sim_counters(sim)->synchronized);
    uint64_t before = sim_counters(sim)->sent;
    sim_run(sim, 3.5 * 1024);
    assert_in_range(sim_counters(sim)->sent - before, 2, 4);
    assert_int_equal(report_of(sim, 0).poll, 10);
    assert_explained(sim, 0, "The network is metered: it is polled at its longest interval, every 1024 s.");

    before = sim_counters(sim)->sent;
    sim_tell_network(sim, CONNECTIVITY_FULL, false);
    sim_run(sim, 200);
    assert_in_range(sim_counters(sim)->sent - before, 3, 14);
    assert_in_range(report_of(sim, 0).poll, 4, 9);
    assert_true(fabs(sim_error(sim)) < 5e-3);

    /* the running interval is stretched at once */
    sim_tell_network(sim, CONNECTIVITY_FULL, true);
    before = sim_counters(sim)->sent;
    sim_run(sim, 500);
    assert_int_equal(sim_counters(sim)->sent, before);
    assert_int_equal(sim_counters(sim)->events[EVENT_METERED], 2);
    assert_int_equal(sim_counters(sim)->events[EVENT_UNMETERED], 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_liar_behind_the_portal),
        cmocka_unit_test(test_address_from_before),
        cmocka_unit_test(test_answer_that_comes_late),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_keys_wait),
        cmocka_unit_test(test_portal_that_stays),
        cmocka_unit_test(test_manager_vanishes_behind_the_portal),
        cmocka_unit_test(test_metered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
