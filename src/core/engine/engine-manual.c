// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The time as people enter it: an entry is taken at the moment at which it was confirmed, which may be some
 * time ago when somebody had to be asked for a password on the way. */

#include <math.h>

#include "base/text.h"
#include "core/engine/engine-internal.h"

/* An entry may be so many seconds old. */
#define ENTRY_AGE_MAX 600.0

static CommandResult refuse(CommandResult result, const char *detail, CommandReply *ret)
{
    (void) text_copy(ret->detail, sizeof(ret->detail), detail);
    return result;
}

CommandResult engine_set_time(Engine *engine, const Command *command, CommandReply *ret)
{
    MonoTime when = mono_is_set(command->set_time.at) ? command->set_time.at : engine->now.mono;
    double age = mono_diff(engine->now.mono, when);

    if (!engine->manual.enabled)
        return COMMAND_NOT_ENABLED;
    if (age < 0 || age > ENTRY_AGE_MAX)
        return refuse(COMMAND_INVALID,
                      "the moment at which it was that time is not within the last ten minutes", ret);

    RawTime raw = {engine->now.raw.ns - (engine->now.mono.ns - when.ns)};
    ManualEntry entry = {.time = clock_to_local(&engine->clock, raw), .truth = command->set_time.time};
    entry.original = cooked_diff(entry.truth, clock_to_cooked(&engine->clock, entry.time));
    /* As long as there are sources, what they know is better. */
    if (engine->manual.count == 0 || engine->reference.synchronized)
        manual_set_known(&engine->manual, engine->discipline.frequency,
                         engine->discipline.has_frequency ? engine->discipline.skew : NAN);
    if (!manual_add(&engine->manual, &entry))
        return refuse(COMMAND_FAILED, "two times must be entered at least a second apart", ret);
    engine_update_by_hand(engine, ret);
    return COMMAND_OK;
}

void engine_change_manual(Engine *engine, const Command *command)
{
    if (command->kind == COMMAND_RESET_MANUAL)
        engine->manual.count = 0;
    else
        engine->manual.enabled = command->enabled;
    engine_emit(engine, EVENT_CLOCK_UPDATED, NULL)->reason = engine->reference.reason;
}

CommandResult engine_delete_manual(Engine *engine, const Command *command, CommandReply *ret)
{
    if (!manual_delete(&engine->manual, command->entry))
        return COMMAND_NO_ENTRY;
    engine_update_by_hand(engine, ret);
    return COMMAND_OK;
}

void engine_manual_report(const Engine *engine, ManualReport *ret)
{
    manual_report(&engine->manual, &engine->clock, ret);
}
