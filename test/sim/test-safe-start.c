// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Sources with Network Time Security, and a clock that does not fit the dates of their certificates: it comes
 * right by itself, and nobody who has the key of one certificate, however old, can send it elsewhere. */

#include <math.h>
#include <string.h>

#include "sim.h"
#include "unit.h"

#define DAY     INT64_C(86400)
#define EPOCH_S (SIM_EPOCH / NSEC_PER_SEC)
/* When this program was made: nothing is earlier. */
#define BUILT_S (EPOCH_S - 100 * DAY)
/* Midnight at the begin of years. */
#define Y1970   INT64_C(0)
#define Y2000   INT64_C(946684800)
#define Y2015   INT64_C(1420070400)
#define Y2040   INT64_C(2208988800)
#define Y2100   INT64_C(4102444800)
/* What the clock may be wrong by once it is right, s. */
#define RIGHT   0.05
/* By then it is: establishments, a burst, a step and a slew, s. */
#define SETTLED 300.0

static const SimOscillator usual = {.frequency = 20e-6, .wander = 1e-9};
static const SimServer honest = {.there = {.delay = 5e-3, .jitter = 1e-4},
                                 .back = {.delay = 5e-3, .jitter = 1e-4},
                                 .validity = {EPOCH_S - 30 * DAY, EPOCH_S + 60 * DAY},
                                 .establishing = 0.05};

static const int64_t clocks[] = {Y1970, Y2015, EPOCH_S, EPOCH_S + 80 * DAY, Y2040, Y2100};

typedef struct Seen {
    Sim *sim;
    uint64_t wrong_steps; /* after which the clock was not right */
    Event failed;         /* the last EVENT_KEYS_FAILED */
} Seen;

static void see(void *userdata, double time, const Event *event)
{
    Seen *seen = userdata;

    (void) time;
    if (event->kind == EVENT_STEPPED && fabs(sim_error(seen->sim)) > 1)
        seen->wrong_steps++;
    if (event->kind == EVENT_KEYS_FAILED)
        seen->failed = *event;
}

/* A clock that shows that time at first, and a step allowed at any time. */
static Sim *build(uint64_t seed, int64_t clock_s, Seen *seen)
{
    Sim *sim = sim_new(seed, &usual);

    *seen = (Seen) {.sim = sim};
    sim_listen(sim, see, seen);
    sim_set_clock(sim, (double) (clock_s - EPOCH_S));
    sim_config(sim)->clock.step_threshold = 1;
    sim_config(sim)->clock.step_limit = -1;
    sim_setup(sim)->lower_bound_s = BUILT_S;
    return sim;
}

static SourceConfig *add(Sim *sim, const SimServer *server)
{
    SourceConfig *source = sim_add_source(sim, sim_add_server(sim, server));

    source->nts = source->iburst = true;
    source->maxpoll = 6;
    return source;
}

static SourceState state_of(Sim *sim, size_t index)
{
    SourceId ids[SIM_SERVERS_MAX];
    SourceReport report;

    assert_in_range(engine_sources(sim_engine(sim), ids, SIM_SERVERS_MAX), index + 1, SIM_SERVERS_MAX);
    assert_true(engine_source_report(sim_engine(sim), ids[index], sim_now(sim), &report));
    return report.state;
}

static ClockReport clock_of(Sim *sim)
{
    ClockReport report;

    engine_clock_report(sim_engine(sim), sim_now(sim), &report);
    return report;
}

static uint64_t count(const Sim *sim, EventKind kind)
{
    return sim_counters(sim)->events[kind];
}

static void assert_right(Sim *sim, const Seen *seen, const char *name, int64_t clock_s)
{
    ClockReport clock = clock_of(sim);

    if (!clock.synchronized || fabs(sim_error(sim)) > RIGHT || seen->wrong_steps > 0)
        fail_msg("%s, clock %lld: %s, error %g s, %llu wrong steps", name, (long long) clock_s,
                 clock_reason_name(clock.reason), sim_error(sim), (unsigned long long) seen->wrong_steps);
}

static void assert_untouched(Sim *sim, const char *name, int64_t clock_s)
{
    double moved = sim_error(sim) - (double) (clock_s - EPOCH_S);

    if (clock_of(sim).synchronized || sim_counters(sim)->steps > 0 || fabs(moved) > 1)
        fail_msg("%s, clock %lld: %s, moved by %g s in %llu steps", name, (long long) clock_s,
                 clock_reason_name(clock_of(sim).reason), moved,
                 (unsigned long long) sim_counters(sim)->steps);
}

static void test_comes_right(void **state)
{
    (void) state;
    for (size_t c = 0; c < ELEMENTS(clocks); c++)
        for (size_t sources = 2; sources <= 4; sources++) {
            Seen seen;
            cleanup_(sim_freep) Sim *sim = build(c + 1, clocks[c], &seen);
            bool fits = clocks[c] == EPOCH_S;

            for (size_t i = 0; i < sources; i++)
                add(sim, &honest);
            sim_start(sim);
            sim_run(sim, SETTLED);
            assert_right(sim, &seen, "honest sources", clocks[c]);
            assert_int_equal(sim_counters(sim)->steps, !fits);
            assert_int_equal(count(sim, EVENT_TIME_CONFIRMED), !fits);
            assert_int_equal(count(sim, EVENT_KEYS_FAILED), 0);
        }
}

/* Nobody confirms what it says: it may be true. */
static void test_one_source(void **state)
{
    (void) state;
    for (size_t c = 0; c < ELEMENTS(clocks); c++) {
        Seen seen;
        cleanup_(sim_freep) Sim *sim = build(c + 1, clocks[c], &seen);

        add(sim, &honest);
        sim_start(sim);
        sim_run(sim, 20000);
        if (clocks[c] == EPOCH_S) {
            assert_right(sim, &seen, "one source that fits", clocks[c]);
            continue;
        }
        assert_untouched(sim, "one source", clocks[c]);
        assert_int_equal(state_of(sim, 0), STATE_UNCONFIRMED);
        assert_int_equal(clock_of(sim).reason, CLOCK_UNCONFIRMED);
        assert_int_equal(sim_counters(sim)->stamps, 0);
        assert_true(count(sim, EVENT_SELECTION_FAILED) > 0);
        sim_stop(sim);
        assert_int_equal(sim_counters(sim)->kept, 0); /* the next start must not take them for proven */
    }
}

/* Names that one certificate stands for, or several with one key: who has stolen it has all of them. */
static void test_one_key_of_many_names(void **state)
{
    (void) state;
    for (size_t c = 0; c < ELEMENTS(clocks); c++) {
        SimServer one = honest;
        Seen seen;
        cleanup_(sim_freep) Sim *sim = build(c + 1, clocks[c], &seen);

        if (clocks[c] == EPOCH_S)
            continue;
        one.host_key = 7;
        for (size_t i = 0; i < 4; i++)
            add(sim, &one);
        sim_start(sim);
        sim_run(sim, 3000);
        assert_untouched(sim, "one key", clocks[c]);
        assert_int_equal(state_of(sim, 0), STATE_UNCONFIRMED);
    }
}

/* -q and -Q: the same rules, and nothing is written down. */
static void test_once(void **state)
{
    static const EngineMode modes[] = {ENGINE_SET_ONCE, ENGINE_SHOW_ONCE};

    (void) state;
    for (size_t m = 0; m < ELEMENTS(modes); m++)
        for (size_t sources = 1; sources <= 2; sources++) {
            Seen seen;
            cleanup_(sim_freep) Sim *sim = build(m + 1, Y2015, &seen);

            for (size_t i = 0; i < sources; i++)
                add(sim, &honest);
            sim_setup(sim)->mode = modes[m];
            sim_start(sim);
            sim_run(sim, 1000);
            assert_true(sim_counters(sim)->exited);
            assert_int_equal(sim_counters(sim)->exit_status, sources == 1);
            assert_int_equal(sim_counters(sim)->steps, sources == 2 && modes[m] == ENGINE_SET_ONCE);
            assert_int_equal(seen.wrong_steps, 0);
            sim_stop(sim);
            assert_int_equal(sim_counters(sim)->stamps, 0);
        }
}

/* Other programs have set the clock meanwhile: then it fits. */
static void test_clock_is_set_by_others(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(1, Y2015, &seen);

    (void) state;
    add(sim, &honest);
    sim_start(sim);
    sim_run(sim, 600);
    assert_int_equal(clock_of(sim).reason, CLOCK_UNCONFIRMED);
    sim_set_clock(sim, 2000);
    sim_run(sim, 600);
    assert_right(sim, &seen, "set from outside", Y2015);
    assert_int_equal(count(sim, EVENT_TIME_CONFIRMED), 0);
}

/* chrony's way: for so many updates, dates mean nothing. */
static void test_no_time_check(void **state)
{
    (void) state;
    for (size_t c = 0; c < ELEMENTS(clocks); c++) {
        Seen seen;
        cleanup_(sim_freep) Sim *sim = build(c + 1, clocks[c], &seen);

        add(sim, &honest);
        sim_config(sim)->nts.no_time_check = 1;
        sim_start(sim);
        sim_run(sim, SETTLED);
        assert_right(sim, &seen, "nocerttimecheck", clocks[c]);
    }
}

/* --- an attacker, who tells any time he likes --- */

static const struct {
    const char *name;
    NtsValidity validity;
} chains[] = {
    {"as good as any", {EPOCH_S - 30 * DAY, EPOCH_S + 60 * DAY}},
    {"expired long ago", {Y2000, BUILT_S - DAY}},
    {"expired since this was made", {BUILT_S - 90 * DAY, EPOCH_S - 10 * DAY}},
    {"not valid yet", {EPOCH_S + 10 * DAY, EPOCH_S + 100 * DAY}},
    {"valid for a century", {Y2000, Y2100}},
};

/* offset: of his time from true time. */
static const int64_t lies[] = {Y1970 - EPOCH_S, Y2015 - EPOCH_S, BUILT_S - DAY - EPOCH_S, -20 * DAY, -60, 60,
                               20 * DAY,        Y2040 - EPOCH_S, Y2100 - EPOCH_S};

static SimServer attacker(const NtsValidity *validity, int64_t lie)
{
    SimServer server = honest;

    server.validity = *validity;
    server.offset = (double) lie;
    server.establishing = 0;
    return server;
}

/* He is one of three, and the first whose keys are there: the others take that many seconds longer. */
static void attack(size_t chain, int64_t lie, int64_t clock_s, double later)
{
    SimServer lying = attacker(&chains[chain].validity, lie), slow = honest;
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(chain + 1, clock_s, &seen);

    slow.establishing = later;
    add(sim, &lying);
    add(sim, &slow);
    add(sim, &slow);
    sim_start(sim);
    sim_run(sim, SETTLED);
    assert_right(sim, &seen, chains[chain].name, clock_s);
}

static void test_one_attacker_of_three(void **state)
{
    (void) state;
    for (size_t chain = 0; chain < ELEMENTS(chains); chain++)
        for (size_t lie = 0; lie < ELEMENTS(lies); lie++)
            for (size_t c = 0; c < ELEMENTS(clocks); c++) {
                attack(chain, lies[lie], clocks[c], 0.1);
                /* With a clock that may be right and fits his certificates he is a source like any other. */
                bool fits =
                    clocks[c] >= chains[chain].validity.from && clocks[c] <= chains[chain].validity.to;
                if (!fits || clocks[c] < BUILT_S)
                    attack(chain, lies[lie], clocks[c], 5);
            }
}

/* He has two of five, and is faster: while the clock is in doubt, all are waited for. */
static void test_two_attackers_of_five(void **state)
{
    (void) state;
    for (size_t chain = 0; chain < ELEMENTS(chains); chain++)
        for (size_t lie = 0; lie < ELEMENTS(lies); lie++)
            for (size_t c = 0; c < ELEMENTS(clocks); c++) {
                SimServer lying = attacker(&chains[chain].validity, lies[lie]), slow = honest;
                bool fits =
                    clocks[c] >= chains[chain].validity.from && clocks[c] <= chains[chain].validity.to;
                Seen seen;
                cleanup_(sim_freep) Sim *sim = build(chain + 1, clocks[c], &seen);

                if (fits && clocks[c] >= BUILT_S)
                    continue;
                slow.establishing = 10;
                for (size_t i = 0; i < 5; i++)
                    add(sim, i < 2 ? &lying : &slow);
                sim_start(sim);
                sim_run(sim, SETTLED);
                assert_right(sim, &seen, chains[chain].name, clocks[c]);
            }
}

/* The others do not answer at all. Where his certificates fit the clock he is believed, as every daemon does;
 * elsewhere nothing that he says is. */
static void test_attacker_who_silences_others(void **state)
{
    (void) state;
    for (size_t chain = 0; chain < ELEMENTS(chains); chain++)
        for (size_t lie = 0; lie < ELEMENTS(lies); lie++)
            for (size_t c = 0; c < ELEMENTS(clocks); c++) {
                SimServer lying = attacker(&chains[chain].validity, lies[lie]), silent = honest;
                Seen seen;
                cleanup_(sim_freep) Sim *sim = build(chain + 1, clocks[c], &seen);

                if (clocks[c] >= chains[chain].validity.from && clocks[c] <= chains[chain].validity.to)
                    continue;
                silent.outages[0] = (SimOutage) {0, 1e9};
                add(sim, &lying);
                add(sim, &silent);
                add(sim, &silent);
                sim_start(sim);
                sim_run(sim, 3000);
                assert_untouched(sim, chains[chain].name, clocks[c]);
            }
}

/* Even one whose certificates fit the clock reaches no time outside of them. */
static void test_attacker_stays_within_his_dates(void **state)
{
    (void) state;
    for (size_t chain = 0; chain < ELEMENTS(chains); chain++)
        for (size_t lie = 0; lie < ELEMENTS(lies); lie++)
            for (size_t c = 0; c < ELEMENTS(clocks); c++) {
                const NtsValidity *validity = &chains[chain].validity;
                SimServer lying = attacker(validity, lies[lie]);
                int64_t told = EPOCH_S + lies[lie];
                Seen seen;
                cleanup_(sim_freep) Sim *sim = build(chain + 1, clocks[c], &seen);

                if (told + 3000 >= MAX(validity->from, BUILT_S) && told <= validity->to)
                    continue;
                add(sim, &lying);
                sim_start(sim);
                sim_run(sim, 1000);
                assert_untouched(sim, chains[chain].name, clocks[c]);
            }
}

/* --- what becomes of the keys --- */

/* A server whose certificate has run out, though its time is right: useless at first by its own word, later
 * for its certificate. */
static void test_keys_of_the_expired_are_dropped(void **state)
{
    (void) state;
    for (size_t c = 0; c < ELEMENTS(clocks); c++) {
        SimServer forgotten = honest;
        Seen seen;
        cleanup_(sim_freep) Sim *sim = build(c + 1, clocks[c], &seen);
        AuthenticationReport report;

        forgotten.validity.to = EPOCH_S - DAY;
        add(sim, &honest);
        add(sim, &honest);
        add(sim, &forgotten);
        sim_start(sim);
        sim_run(sim, SETTLED);
        assert_right(sim, &seen, "one has expired", clocks[c]);
        assert_int_equal(seen.failed.failure, NTS_CERT_EXPIRED);
        assert_int_equal(seen.failed.source.value, 3);
        /* ... which is no reason to call our clock wrong */
        assert_int_equal(count(sim, EVENT_TIME_CONFIRMED), clocks[c] != EPOCH_S);
        assert_true(seen.failed.validity.to == forgotten.validity.to);
        assert_true(engine_authentication_report(sim_engine(sim), (SourceId) {3}, &report));
        assert_false(report.has_key);
        assert_int_equal(report.failure, NTS_CERT_EXPIRED);
        uint64_t established = count(sim, EVENT_KEYS_ESTABLISHED), failed = count(sim, EVENT_KEYS_FAILED);
        sim_run(sim, 6000); /* tried again, and not let in again */
        assert_true(engine_authentication_report(sim_engine(sim), (SourceId) {3}, &report));
        assert_true(report.attempts > 1 && !report.has_key);
        assert_int_equal(count(sim, EVENT_KEYS_ESTABLISHED), established);
        assert_int_equal(count(sim, EVENT_KEYS_FAILED), failed);
    }
}

/* The time becomes known while keys are established: they are held against it at once. */
static void test_keys_that_come_late(void **state)
{
    SimServer forgotten = honest;
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(1, EPOCH_S, &seen);

    (void) state;
    forgotten.validity.to = EPOCH_S - DAY;
    forgotten.establishing = 12;
    add(sim, &honest);
    add(sim, &forgotten);
    sim_start(sim);
    sim_run(sim, 60);
    assert_right(sim, &seen, "keys that come late", EPOCH_S);
    assert_int_equal(seen.failed.failure, NTS_CERT_EXPIRED);
    assert_int_equal(count(sim, EVENT_KEYS_ESTABLISHED), 1);
}

/* A clock that is never stepped, or never touched, is right all the same as far as certificates are
 * concerned. */
static void test_clock_that_stays_wrong(void **state)
{
    static const EngineMode modes[] = {ENGINE_STEER, ENGINE_OBSERVE};

    (void) state;
    for (size_t m = 0; m < ELEMENTS(modes); m++) {
        Seen seen;
        cleanup_(sim_freep) Sim *sim = build(1, Y2015, &seen);

        for (size_t i = 0; i < 3; i++)
            add(sim, &honest);
        sim_config(sim)->clock.step_limit = 0;
        sim_config(sim)->nts.refresh = 900;
        sim_setup(sim)->mode = modes[m];
        sim_start(sim);
        sim_run(sim, 10000);
        assert_true(clock_of(sim).synchronized);
        assert_int_equal(count(sim, EVENT_KEYS_FAILED), 0);
        assert_true(count(sim, EVENT_KEYS_ESTABLISHED) > 9);
        assert_true(fabs((double) sim_setup(sim)->stamp_s - (double) EPOCH_S) < 10000);
    }
}

/* Somebody sets the clock while we run: keys that were proven count on, with one source as well. */
static void test_jump(void **state)
{
    (void) state;
    for (size_t c = 0; c < ELEMENTS(clocks); c++)
        for (size_t sources = 1; sources <= 3; sources++) {
            Seen seen;
            cleanup_(sim_freep) Sim *sim = build(c + 1, EPOCH_S, &seen);

            for (size_t i = 0; i < sources; i++)
                add(sim, &honest);
            sim_start(sim);
            sim_run(sim, SETTLED);
            sim_set_clock(sim, (double) (clocks[c] - EPOCH_S));
            sim_run(sim, 1000);
            assert_right(sim, &seen, "set while we run", clocks[c]);
        }
}

/* ... and with no cookies left, none of the servers being there for a while. */
static void test_jump_without_cookies(void **state)
{
    (void) state;
    for (size_t c = 0; c < ELEMENTS(clocks); c++) {
        SimServer away = honest;
        Seen seen;
        cleanup_(sim_freep) Sim *sim = build(c + 1, EPOCH_S, &seen);

        away.outages[0] = (SimOutage) {SETTLED, SETTLED + 2000};
        for (size_t i = 0; i < 3; i++)
            add(sim, &away);
        sim_start(sim);
        sim_run(sim, SETTLED);
        sim_set_clock(sim, (double) (clocks[c] - EPOCH_S));
        sim_run(sim, 6000);
        assert_right(sim, &seen, "set while we run, and cut off", clocks[c]);
        assert_int_equal(seen.failed.failure, NTS_TIMEOUT);
    }
}

/* --- the stamp --- */

static void test_stamp_is_written(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(1, Y2015, &seen);

    (void) state;
    for (size_t i = 0; i < 3; i++)
        add(sim, &honest);
    sim_start(sim);
    sim_run(sim, 10 * 3600);
    assert_in_range(sim_counters(sim)->stamps, 9, 11);
    assert_in_range(sim_setup(sim)->stamp_s, EPOCH_S + 9 * 3600 - 100, EPOCH_S + 10 * 3600);
    sim_stop(sim);
    assert_in_range(sim_setup(sim)->stamp_s, EPOCH_S + 10 * 3600 - 1, EPOCH_S + 10 * 3600);
    assert_int_equal(sim_counters(sim)->kept, 3);
}

/* Strangers may set the clock, where they are allowed to; what they say is not written down. */
static void test_stamp_needs_authentication(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(1, EPOCH_S, &seen);

    (void) state;
    for (size_t i = 0; i < 3; i++)
        add(sim, &honest)->nts = false;
    sim_start(sim);
    sim_run(sim, 10000);
    assert_right(sim, &seen, "strangers", EPOCH_S);
    sim_stop(sim);
    assert_int_equal(sim_counters(sim)->stamps, 0);
}

/* Nor is a time after the end of the certificates of those who say so, be they in force or not. */
static void test_stamp_is_vouched_for(void **state)
{
    SimServer short_lived = honest;
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(1, EPOCH_S, &seen);

    (void) state;
    short_lived.validity.to = EPOCH_S + 2 * 3600;
    for (size_t i = 0; i < 3; i++)
        add(sim, &short_lived);
    sim_start(sim);
    sim_run(sim, 5 * 3600);
    assert_right(sim, &seen, "expired by now", EPOCH_S);
    assert_int_equal(sim_setup(sim)->stamp_s, short_lived.validity.to);
}

/* Of five sources he has two, with certificates that have expired since this was made, but before the time
 * that was known; the others do not answer. The clock is wrong, or fits his certificates. */
static void test_stamp_keeps_minority_out(void **state)
{
    static const int64_t shown[] = {Y2015, EPOCH_S - 40 * DAY, Y2040};
    const NtsValidity stolen = {BUILT_S - 10 * DAY, EPOCH_S - 30 * DAY};

    (void) state;
    for (size_t c = 0; c < ELEMENTS(shown); c++)
        for (size_t known = 0; known < 2; known++) {
            SimServer lying = attacker(&stolen, -35 * DAY), silent = honest;
            Seen seen;
            cleanup_(sim_freep) Sim *sim = build(c + 1, shown[c], &seen);

            silent.outages[0] = (SimOutage) {0, 1e9};
            for (size_t i = 0; i < 5; i++)
                add(sim, i < 2 ? &lying : &silent);
            sim_setup(sim)->stamp_s = known ? EPOCH_S - DAY : 0;
            sim_start(sim);
            sim_run(sim, 3000);
            if (!known) { /* what the stamp is good for: without it they are two, and agree */
                assert_true(clock_of(sim).synchronized);
                continue;
            }
            assert_untouched(sim, "a minority", shown[c]);
            assert_int_equal(clock_of(sim).reason, CLOCK_UNCONFIRMED);
            assert_int_equal(state_of(sim, 0), STATE_UNCONFIRMED);
        }
}

/* It says that it is 2040 at least. */
static void test_stamp_of_the_future_is_overruled(void **state)
{
    (void) state;
    for (size_t c = 0; c < ELEMENTS(clocks); c++) {
        Seen seen;
        cleanup_(sim_freep) Sim *sim = build(c + 1, clocks[c], &seen);

        for (size_t i = 0; i < 3; i++)
            add(sim, &honest);
        sim_setup(sim)->stamp_s = Y2040;
        sim_start(sim);
        sim_run(sim, SETTLED);
        assert_right(sim, &seen, "a stamp of the future", clocks[c]);
        assert_int_equal(count(sim, EVENT_STAMP_OVERRULED), 1);
        assert_in_range(sim_setup(sim)->stamp_s, EPOCH_S, EPOCH_S + (int64_t) SETTLED);
    }
}

/* A clock that is wrong when we start is not what is written down, nor is it when it becomes wrong. */
static void test_bad_boots_leave_no_stamp(void **state)
{
    Seen seen;
    cleanup_(sim_freep) Sim *sim = build(1, Y2040, &seen);

    (void) state;
    for (size_t i = 0; i < 3; i++)
        add(sim, &honest);
    for (size_t boot = 0; boot < 3; boot++) {
        sim_start(sim);
        sim_run(sim, 1);
        sim_stop(sim);
        sim_kill(sim);
        assert_int_equal(sim_counters(sim)->stamps, 0);
    }
    sim_start(sim);
    sim_run(sim, SETTLED);
    assert_right(sim, &seen, "after bad boots", Y2040);
    sim_set_clock(sim, (double) (Y2040 - EPOCH_S));
    sim_stop(sim);
    assert_in_range(sim_setup(sim)->stamp_s, EPOCH_S, EPOCH_S + (int64_t) SETTLED + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_right),
        cmocka_unit_test(test_one_source),
        cmocka_unit_test(test_one_key_of_many_names),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_clock_is_set_by_others),
        cmocka_unit_test(test_no_time_check),
        cmocka_unit_test(test_one_attacker_of_three),
        cmocka_unit_test(test_two_attackers_of_five),
        cmocka_unit_test(test_attacker_who_silences_others),
        cmocka_unit_test(test_attacker_stays_within_his_dates),
        cmocka_unit_test(test_keys_of_the_expired_are_dropped),
        cmocka_unit_test(test_keys_that_come_late),
        cmocka_unit_test(test_clock_that_stays_wrong),
        cmocka_unit_test(test_jump),
        cmocka_unit_test(test_jump_without_cookies),
        cmocka_unit_test(test_stamp_is_written),
        cmocka_unit_test(test_stamp_needs_authentication),
        cmocka_unit_test(test_stamp_is_vouched_for),
        cmocka_unit_test(test_stamp_keeps_minority_out),
        cmocka_unit_test(test_stamp_of_the_future_is_overruled),
        cmocka_unit_test(test_bad_boots_leave_no_stamp),
    };

    return cmocka_run_group_tests_name("safe-start", tests, NULL, NULL);
}
