// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Events of the engine as messages for people: chrony's words where administrators' rules look for them, each
 * with a MESSAGE_ID and fields. One table. */

#include "base/journal.h"
#include "base/text.h"
#include "core/api/event.h"

/* Writes the message of an event. Returns false, and nothing is written, for one that is not for the log.
 * drift_file: where DRIFT_LOADED was read from. */
bool event_text(const Event *event, const char *drift_file, Text *text);

/* Severity of the event's message. */
LogLevel event_level(const Event *event);

/* MESSAGE_ID of this kind of event, 32 hexadecimal digits; NULL: it is never logged. */
const char *event_message_id(EventKind kind);

/* Writes the event to the journal, if it is for the log. */
void event_log(Journal *journal, const Event *event, const char *drift_file);
