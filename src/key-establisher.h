// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Key establishments of sources with Network Time Security: a connection, TLS over it, and the result for the
 * engine. Keys that were kept from the last run come first. */

#include <systemd/sd-event.h>

#include "base/journal.h"
#include "core/engine/engine.h"
#include "nts/trust.h"

typedef struct KeyEstablisher KeyEstablisher;

/* The arguments are those of the engine_on_*() calls of the same names. Called from the event loop, and from
 * key_establisher_establish() for what is known at once. */
typedef struct KeyHandlers {
    void (*on_established)(void *userdata, SourceId source, const NtsEstablishment *establishment);
    bool (*on_kept)(void *userdata, SourceId source, const NtsKept *kept);
} KeyHandlers;

/* event is referenced, handlers must live as long as the object. keeps: keys are kept from run to run. */
int key_establisher_new(sd_event *event, Journal *journal, const Config *config, bool keeps,
                        const KeyHandlers *handlers, void *userdata, KeyEstablisher **ret) must_check_;
KeyEstablisher *key_establisher_free(KeyEstablisher *establisher);
DEFINE_CLEANUP(KeyEstablisher, key_establisher_free);

/* From the next establishment on. config lives until the next call. */
int key_establisher_configure(KeyEstablisher *establisher, const Config *config) must_check_;

/* ACTION_ESTABLISH_KEYS: whatever was under way for the source is given up. */
void key_establisher_establish(KeyEstablisher *establisher, const Action *action);
/* What the service manager has kept (KEPT_KEYS_STORED); it forgets it. The descriptor stays the caller's. */
void key_establisher_take_over(KeyEstablisher *establisher, int fd);
/* Gives it what is kept now. */
void key_establisher_hand_over(const KeyEstablisher *establisher);

/* ACTION_KEEP_KEYS. */
void key_establisher_keep(KeyEstablisher *establisher, const Action *action);

/* The set of trusted certificates that sources with that certset have. */
int key_establisher_open_trust(KeyEstablisher *establisher, uint32_t set, TrustSet **ret) must_check_;
/* After somebody has given such a set back: what it took goes back to the system, unless it is in use. */
void key_establisher_tidy_up(const KeyEstablisher *establisher);
/* What the end of a stream means for who wanted keys through it; error as in StreamHandlers, not 0. */
NtsFailure key_establisher_failure(int error);
