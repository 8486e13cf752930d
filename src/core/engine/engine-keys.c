// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The keys of sources: a source whose key is missing is not asked, which is told once, as is a weak key. */

#include "core/engine/engine-internal.h"

/* One member of a pool tells for all of them. */
static bool was_told(const Engine *engine, const Source *source, KeyNews news)
{
    for (size_t i = 0; i < engine->source_count; i++) {
        const Source *other = engine->sources[i];
        if (other == source || (source->pool != 0 && other->pool == source->pool))
            if (other->key_news == news)
                return true;
    }
    return false;
}

static void tell(Engine *engine, Source *source, KeyNews news, const KeyInfo *info)
{
    bool told = news == KEY_NEWS_NONE || was_told(engine, source, news);

    source->key_news = news;
    if (told)
        return;
    Event *event = engine_emit(engine, news == KEY_NEWS_MISSING ? EVENT_KEY_MISSING : EVENT_KEY_WEAK, source);
    event->key = source->config.key;
    event->value = info->bits;
}

bool source_has_key(Engine *engine, Source *source)
{
    KeyInfo info = {0};

    if (source->config.key == 0)
        return true;
    bool found = authenticator_find(&engine->setup.authenticator, source->config.key, &info);
    tell(engine, source,
         !found                     ? KEY_NEWS_MISSING
         : info.bits < KEY_BITS_MIN ? KEY_NEWS_WEAK
                                    : KEY_NEWS_NONE,
         &info);
    return found;
}

void engine_on_keys_changed(Engine *engine, Now now)
{
    engine_enter(engine, now);
    for (size_t i = 0; i < engine->source_count && !engine->ended; i++) {
        Source *source = engine->sources[i];
        bool was_missing = source->key_news == KEY_NEWS_MISSING;
        if (source->config.key == 0)
            continue;
        if (source_has_key(engine, source) && was_missing && source->online && source_is_resolved(source))
            source_start_polling(engine, source);
        engine_emit(engine, EVENT_SOURCE_CHANGED, source);
    }
}
