// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Commands, and a new configuration: whatever changes the engine from outside while it runs. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "core/config/config-diff.h"
#include "core/engine/engine-internal.h"

/* --- which sources --- */

static bool in_network(const IpAddress *address, const IpAddress *network, unsigned prefix)
{
    unsigned bytes = prefix / 8, bits = prefix % 8;

    if (address->family != network->family || prefix > (network->family == IP_V4 ? 32U : 128U) ||
        memcmp(address->bytes, network->bytes, bytes) != 0)
        return false;
    if (bits == 0)
        return true;
    uint8_t mask = (uint8_t) (0xff << (8 - bits));
    return ((address->bytes[bytes] ^ network->bytes[bytes]) & mask) == 0;
}

static bool meets(const Source *source, const SourceMask *mask)
{
    if (source->owner == SOURCE_OF_PRELUDE)
        return false;
    if (mask->id.value != 0)
        return source_id_equal(source->id, mask->id);
    if (mask->unresolved_only)
        return !source_is_resolved(source);
    if (mask->network.family != IP_UNSPEC)
        return in_network(&source->remote.address, &mask->network, mask->prefix);
    return true;
}

typedef void (*SourceAction)(Engine *engine, Source *source, const Command *command);

static CommandResult for_each(Engine *engine, const Command *command, SourceAction act, CommandReply *ret)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        if (!meets(engine->sources[i], &command->sources))
            continue;
        act(engine, engine->sources[i], command);
        ret->count++;
    }
    return ret->count > 0 ? COMMAND_OK : COMMAND_NO_SOURCE;
}

static void set_online(Engine *engine, Source *source, const Command *command)
{
    source_command_online(engine, source, command->online);
}

static void onoffline(Engine *engine, Source *source, unused_ const Command *command)
{
    source_command_onoffline(engine, source);
}

static void burst(Engine *engine, Source *source, const Command *command)
{
    if (!source_is_resolved(source) || !engine_asks(engine, source))
        return;
    poll_burst(&source->poll, command->burst.good, command->burst.total);
    source_schedule(engine, source, 0);
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

/* --- options of one source --- */

static void set_option(SourceConfig *config, SourceOption option, double value)
{
    switch (option) {
    case OPTION_MINPOLL:
        config->minpoll = (int32_t) value;
        config->maxpoll = MAX(config->maxpoll, config->minpoll);
        break;
    case OPTION_MAXPOLL:
        config->maxpoll = (int32_t) value;
        config->minpoll = MIN(config->minpoll, config->maxpoll);
        break;
    case OPTION_MINSTRATUM: config->min_stratum = (int32_t) value; break;
    case OPTION_POLLTARGET: config->poll_target = (int32_t) value; break;
    case OPTION_MAXDELAY: config->max_delay = value; break;
    case OPTION_MAXDELAYRATIO: config->max_delay_ratio = value; break;
    case OPTION_MAXDELAYDEVRATIO: config->max_delay_dev_ratio = value; break;
    case OPTION_OFFSET: config->offset = value; break;
    case SOURCE_OPTION_COUNT: break;
    }
}

static void apply_option(Engine *engine, Source *source, const Command *command)
{
    set_option(&source->config, command->set.option, command->set.value);
    poll_on_limits(&source->poll, &source->config);
    /* A shorter interval is not to begin after the long one that is running. */
    if (mono_is_set(source->poll_deadline) &&
        mono_diff(source->poll_deadline, engine->now.mono) > exp2(source_poll(engine, source)))
        source_schedule(engine, source, exp2(source_poll(engine, source)));
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

static void apply_select_options(Engine *engine, Source *source, const Command *command)
{
    const SelectOptions *mask = &command->select.mask, *value = &command->select.value;
    SelectOptions *options = &source->config.select;

    options->noselect = mask->noselect ? value->noselect : options->noselect;
    options->prefer = mask->prefer ? value->prefer : options->prefer;
    options->trust = mask->trust ? value->trust : options->trust;
    options->require = mask->require ? value->require : options->require;
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

static CommandResult for_one(Engine *engine, const Command *command, SourceAction act, CommandReply *ret)
{
    Source *source = engine_find(engine, command->sources.id);

    if (!source)
        return COMMAND_NO_SOURCE;
    act(engine, source, command);
    ret->source = source->id;
    ret->count = 1;
    return COMMAND_OK;
}

/* --- all sources --- */

static void reselect(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++)
        engine->sources[i]->memory = (SelectMemory) {0};
    engine_select(engine);
}

static void reset_sources(Engine *engine)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        Source *source = engine->sources[i];
        source_drop_samples(engine, source);
        if (source_is_resolved(source) && source->online)
            source_start_polling(engine, source);
        engine_emit(engine, EVENT_SOURCE_CHANGED, source);
    }
    engine_select(engine);
}

static CommandResult make_step(Engine *engine)
{
    int64_t remaining = clock_remaining_ns(&engine->clock, engine->now.raw);

    if (!engine_steers(engine))
        return COMMAND_NO_CLOCK;
    if (!engine->reference.was_updated || engine->reference.doubtful)
        return COMMAND_NOT_SYNCHRONIZED;
    if (!engine->step_pending)
        engine_step(engine, remaining);
    return COMMAND_OK;
}

CommandResult engine_apply(Engine *engine, const Command *command, Now now, CommandReply *ret)
{
    *ret = (CommandReply) {0};
    engine_enter(engine, now);
    switch (command->kind) {
    case COMMAND_REMOVE_SOURCE: {
        Source *source = engine_find(engine, command->sources.id);
        if (!source)
            return COMMAND_NO_SOURCE;
        engine_dismiss_offered(engine, source);
        engine_remove(engine, source);
        engine_select(engine);
        return COMMAND_OK;
    }
    case COMMAND_SET_ONLINE: {
        CommandResult result = for_each(engine, command, set_online, ret);
        engine_select(engine);
        return result;
    }
    case COMMAND_ONOFFLINE:
        (void) for_each(engine, command, onoffline, ret);
        engine_select(engine);
        return COMMAND_OK;
    case COMMAND_BURST: return for_each(engine, command, burst, ret);
    case COMMAND_REFRESH: engine_refresh(engine); return COMMAND_OK;
    case COMMAND_RESELECT: reselect(engine); return COMMAND_OK;
    case COMMAND_RESET_SOURCES: reset_sources(engine); return COMMAND_OK;
    case COMMAND_SET_RESELECT_DISTANCE:
        engine->config->selection.reselect_distance = command->seconds;
        return COMMAND_OK;
    case COMMAND_SET_SOURCE_OPTION: return for_one(engine, command, apply_option, ret);
    case COMMAND_SET_SELECT_OPTIONS: {
        CommandResult result = for_one(engine, command, apply_select_options, ret);
        engine_select(engine);
        return result;
    }
    case COMMAND_MAKE_STEP: return make_step(engine);
    case COMMAND_SET_STEP_POLICY:
        discipline_set_step_policy(&engine->discipline, command->step.threshold, command->step.limit);
        return COMMAND_OK;
    case COMMAND_SET_MAX_UPDATE_SKEW: engine->discipline.max_update_skew = command->skew; return COMMAND_OK;
    case COMMAND_SET_TIME: return engine_set_time(engine, command, ret);
    case COMMAND_SET_MANUAL:
    case COMMAND_RESET_MANUAL: engine_change_manual(engine, command); return COMMAND_OK;
    case COMMAND_DELETE_MANUAL: return engine_delete_manual(engine, command, ret);
    case COMMAND_DUMP: engine_save_drift(engine); return COMMAND_OK;
    case COMMAND_SET_LOCAL: engine_set_local(engine, &command->local); return COMMAND_OK;
    case COMMAND_ALLOW:
    case COMMAND_DENY:
    case COMMAND_RESET_CLIENTS:
    case COMMAND_ADD_SOURCE:
    case COMMAND_RELOAD:
    case COMMAND_RELOAD_SOURCES:
    case COMMAND_REKEY:
    case COMMAND_CYCLE_LOGS:
    case COMMAND_KIND_COUNT: break;
    }
    return COMMAND_NOT_ENABLED;
}

CommandResult engine_add_source(Engine *engine, const SourceConfig *source, Now now, CommandReply *ret)
{
    CommandReply unused;

    if (!ret)
        ret = &unused;
    *ret = (CommandReply) {0};
    engine_enter(engine, now);
    CommandResult result = engine_insert(engine, source, SOURCE_OF_COMMAND, ret);
    engine_select(engine);
    return result;
}

/* --- a new configuration --- */

/* Its line in the configuration; NULL: it has none any more. */
static const SourceConfig *find_line(const Config *config, const Source *source)
{
    for (size_t i = 0; i < config->source_count; i++)
        if (source_config_equal(&config->sources[i], &source->line))
            return &config->sources[i];
    return NULL;
}

/* The same line may stand in another file now. */
static void follow_line(Engine *engine, Source *source, const SourceConfig *line)
{
    if (text_equal(source->line.origin, line->origin))
        return;
    memcpy(source->line.origin, line->origin, sizeof(source->line.origin));
    engine_emit(engine, EVENT_SOURCE_CHANGED, source);
}

static void drop_or_follow(Engine *engine, Source *source)
{
    const SourceConfig *line = find_line(engine->config, source);

    if (line)
        follow_line(engine, source, line);
    else
        engine_remove(engine, source);
}

static bool is_there(const Engine *engine, const SourceConfig *line)
{
    for (size_t i = 0; i < engine->source_count; i++)
        if (engine->sources[i]->owner == SOURCE_OF_CONFIGURATION &&
            source_config_equal(&engine->sources[i]->line, line))
            return true;
    return false;
}

static void replace_config(Engine *engine, Config *config)
{
    discipline_reconfigure(&engine->discipline, &engine->config->clock, &config->clock);
    if (engine->config->net.refresh != config->net.refresh)
        engine->next_refresh =
            config->net.refresh > 0 ? mono_add(engine->now.mono, config->net.refresh) : MONO_UNSET;
    bool same_local = local_config_equal(&engine->config->local, &config->local);

    if (engine->config->clock.manual != config->clock.manual)
        engine->manual.enabled = config->clock.manual;
    config_free(engine->config);
    engine->config = config;
    if (!same_local)
        engine_set_local(engine, &config->local);
}

/* The old configuration had it as well: somebody has removed it since. */
static bool was_removed(const ConfigDiff *diff, size_t i)
{
    return diff && diff->kept_from[i] != CONFIG_NO_SOURCE;
}

/* Makes the list of sources what the configuration says. diff: from the one until now; NULL: all that it
 * names are to be there. */
static int apply_sources(Engine *engine, const ConfigDiff *diff)
{
    const Config *config = engine->config;
    SourceWills wills = {0};

    if (source_wills_take(engine, &wills) < 0)
        return -ENOMEM;
    for (size_t i = engine->source_count; i > 0; i--) {
        if (engine->sources[i - 1]->owner == SOURCE_OF_CONFIGURATION)
            drop_or_follow(engine, engine->sources[i - 1]);
    }
    CommandResult result = COMMAND_OK;
    for (size_t i = 0; i < config->source_count && result != COMMAND_FAILED; i++)
        if (!is_there(engine, &config->sources[i]) && !was_removed(diff, i))
            result = engine_insert(engine, &config->sources[i], SOURCE_OF_CONFIGURATION, NULL);
    source_wills_restore(engine, &wills);
    if (result == COMMAND_FAILED)
        return -ENOMEM;
    /* From which addresses and devices requests leave may be different. */
    engine_test_ways(engine);
    engine_check_offers(engine);
    engine_retry_keys(engine);
    engine_select(engine);
    return 0;
}

int engine_reconfigure(Engine *engine, const Config *config, Now now)
{
    Config *copy;
    int r = config_copy(config, &copy);

    if (r < 0)
        return r;
    engine_enter(engine, now);
    replace_config(engine, copy);
    if (engine_log_reserve(engine) < 0)
        return -ENOMEM;
    engine_restore_offered(engine);
    return apply_sources(engine, NULL);
}

int engine_reconfigure_sources(Engine *engine, const Config *config, Now now)
{
    cleanup_(config_diff_freep) ConfigDiff *diff = NULL;
    cleanup_(config_freep) Config *copy = NULL;
    int r = config_diff_new(engine->config, config, &diff);

    if (r < 0 || (r = config_copy(config, &copy)) < 0)
        return r;
    engine_enter(engine, now);
    config_swap_sources(engine->config, copy);
    return apply_sources(engine, diff);
}
