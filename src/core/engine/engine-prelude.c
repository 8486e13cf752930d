// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The prelude: what `initstepslew` does before anything else. Its hosts are sources like all others, but only
 * they are asked and selected, nobody sees them in the list, and they are gone at the end. The sources of the
 * configuration are there from the beginning, and wait.
 *
 * It ends with the first selection, which corrects the clock, or when no host has anything more to say, or
 * when the time for it is over. Until then we serve nobody: whoever had followed us before our restart, and
 * is asked for the time now, must not follow us again before we have it. */

#include <errno.h>

#include "core/engine/engine-internal.h"

/* For hosts that are absent, or whose names are not found: a burst takes up to 16 s. */
#define PRELUDE_MAX 20.0

bool engine_in_prelude(const Engine *engine)
{
    return mono_is_set(engine->prelude_end);
}

/* Not for whoever restarts us, with -R or by making us crash. */
int engine_begin_prelude(Engine *engine)
{
    char *const *host = engine->config->initstepslew.hosts;

    if (!host || !*host || engine->setup.restarted || engine->setup.updates > 0 || engine_runs_once(engine))
        return 0;
    engine->prelude_end = mono_add(engine->now.mono, PRELUDE_MAX);
    for (; *host; host++) {
        SourceConfig line = source_config_default(SOURCE_SERVER, *host);
        line.iburst = true;
        /* One that is named twice has one voice. */
        if (engine_insert(engine, &line, SOURCE_OF_PRELUDE, NULL) == COMMAND_FAILED)
            return -ENOMEM;
    }
    engine_lose_reference(engine, CLOCK_INITSTEPSLEW);
    return 0;
}

static bool may_still_tell(const Source *source)
{
    return !source_is_resolved(source) || poll_in_burst(&source->poll) || client_is_waiting(&source->client);
}

static bool is_hopeless(const Engine *engine)
{
    if (engine->now.mono.ns >= engine->prelude_end.ns)
        return true;
    for (size_t i = 0; i < engine->source_count; i++)
        if (engine->sources[i]->owner == SOURCE_OF_PRELUDE && may_still_tell(engine->sources[i]))
            return false;
    return true;
}

/* The sources begin. */
static void end(Engine *engine)
{
    engine->prelude_end = MONO_UNSET;
    for (size_t i = engine->source_count; i > 0; i--)
        if (engine->sources[i - 1]->owner == SOURCE_OF_PRELUDE)
            engine_remove(engine, engine->sources[i - 1]);
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        if (source->online && source_is_resolved(source))
            source_start_polling(engine, source);
    }
    /* While a step is under way nothing is selected: this is what can be said until then. */
    engine_lose_reference(engine, engine->source_count > 0 ? CLOCK_STARTING : CLOCK_NO_SOURCES);
    engine_select(engine);
}

void engine_advance_prelude(Engine *engine)
{
    if (!engine_in_prelude(engine) || engine->ended || engine->step_pending)
        return;
    if (engine_select_hosts(engine))
        engine_correct_start(engine);
    else if (is_hopeless(engine))
        engine_emit(engine, EVENT_NO_INITSTEPSLEW, NULL);
    else
        return;
    end(engine);
}
