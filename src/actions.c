// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Actions of the engine, one function for each kind; see actions.h.
 *
 * Another program that steers the clock is looked for whenever we touch it ourselves, never in between: that
 * would cost wake-ups, and nothing of ours depends on it in between. */

#include "actions.h"

#include <errno.h>
#include <string.h>

#include "drift-file.h"
#include "known-time.h"
#include "number-file.h"

static void look_for_interference(const World *world, Engine *engine)
{
    double frequency;

    if (world->may_set_clock && kernel_clock_was_changed(world->clock, &frequency))
        engine_on_interference(engine, frequency, kernel_clock_now());
}

static void set_frequency(const World *world, Engine *engine, const Action *action)
{
    RawTime when = RAW_UNSET;
    double frequency = 0;
    int r = -EPERM;

    look_for_interference(world, engine);
    if (world->may_set_clock) {
        r = kernel_clock_set_frequency(world->clock, action->frequency.frequency, &when, &frequency);
        if (r < 0)
            journal_print(world->journal, LOG_LEVEL_ERROR,
                          "Could not set the frequency of the system clock: %s", strerror(-r));
    }
    engine_on_frequency_set(engine, r >= 0, when, frequency);
}

static void step(const World *world, Engine *engine, const Action *action)
{
    int r = -EPERM;

    if (world->may_set_clock) {
        r = kernel_clock_step(world->clock, action->step.offset_ns);
        if (r < 0)
            journal_print(world->journal, LOG_LEVEL_ERROR, "The kernel refused to step its clock: %s",
                          strerror(-r));
    }
    engine_on_stepped(engine, r >= 0, action->step.offset_ns, kernel_clock_now());
}

static void set_status(const World *world, Engine *engine, const Action *action)
{
    const KernelStatus status = {
        .synchronized = action->status.synchronized && world->rtc_sync,
        .leap = action->status.leap == LEAP_INSERT   ? 1
                : action->status.leap == LEAP_DELETE ? -1
                                                     : 0,
        .max_error = action->status.max_error,
        .est_error = action->status.est_error,
        .tai_offset = action->status.tai_offset,
    };

    if (!world->may_set_clock)
        return;
    look_for_interference(world, engine);
    int r = kernel_clock_set_status(world->clock, &status);
    if (r < 0)
        journal_print(world->journal, LOG_LEVEL_ERROR, "Could not set the status of the system clock: %s",
                      strerror(-r));
}

static void save_drift(const World *world, const Action *action)
{
    const Drift drift = {.frequency_ppm = action->drift.frequency_ppm, .skew_ppm = action->drift.skew_ppm};

    if (!world->drift_file)
        return;
    int r = drift_file_write(world->drift_file, &drift);
    if (r < 0)
        journal_print(world->journal, LOG_LEVEL_WARNING, "Could not write %s: %s", world->drift_file,
                      strerror(-r));
}

/* There are some in a row: that it does not work is told for the first. */
static void save_updates(const World *world, const Action *action)
{
    int r = world->updates_file ? number_file_write(world->updates_file, action->updates) : 0;

    if (r < 0 && action->updates == 1)
        journal_print(world->journal, LOG_LEVEL_WARNING,
                      "Could not write %s: %s; after a crash, makestep would begin to count again",
                      world->updates_file, strerror(-r));
}

static void save_stamp(const World *world, const Action *action)
{
    int r = world->nts_directory ? known_time_write(world->nts_directory, action->stamp_s) : 0;

    if (r < 0)
        journal_print(world->journal, LOG_LEVEL_WARNING, "Could not write %s/" KNOWN_TIME_FILE ": %s",
                      world->nts_directory, strerror(-r));
}

static void send_packet(const World *world, const Action *action)
{
    const IpEndpoint local = {.address = action->send.local, .port = action->send.local_port};

    exchanges_send(world->exchanges, action->send.exchange, &action->send.remote, &local, action->send.bytes,
                   action->send.length);
}

ActionsOutcome actions_run(const World *world, Engine *engine, int *ret_status)
{
    ActionsOutcome outcome = ACTIONS_DONE;
    Action action;

    while (engine_next_action(engine, &action))
        switch (action.kind) {
        case ACTION_SEND: send_packet(world, &action); break;
        case ACTION_CLOSE: exchanges_close(world->exchanges, action.close); break;
        case ACTION_RESOLVE:
            resolver_ask(world->resolver, &action.resolve.question, world->on_resolved, world->userdata,
                         action.resolve.source.value);
            break;
        case ACTION_SET_FREQUENCY: set_frequency(world, engine, &action); break;
        case ACTION_STEP: step(world, engine, &action); break;
        case ACTION_SET_STATUS: set_status(world, engine, &action); break;
        case ACTION_SAVE_DRIFT: save_drift(world, &action); break;
        case ACTION_SAVE_UPDATES: save_updates(world, &action); break;
        case ACTION_ESTABLISH_KEYS: key_establisher_establish(world->keys, &action); break;
        case ACTION_KEEP_KEYS: key_establisher_keep(world->keys, &action); break;
        case ACTION_TEST_WAY:
            engine_on_way(engine, action.way.source,
                          exchanges_test_way(world->exchanges, &action.way.remote, &action.way.local),
                          kernel_clock_now());
            break;
        case ACTION_SAVE_STAMP: save_stamp(world, &action); break;
        case ACTION_EXIT:
            *ret_status = action.exit_status;
            outcome = ACTIONS_EXIT;
            break;
        case ACTION_KIND_COUNT: break;
        }
    return outcome;
}
