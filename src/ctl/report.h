// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What the reports share: JSON of whole interfaces. */

#include "ctl/client.h"
#include "ctl/table.h"

/* All properties of an interface of the root object, as one JSON object. */
int report_json(Client *client, const char *interface) must_check_;

/* An array with an object for each source: its "Name", then the properties of the interface. source: only
 * this one (as one object), NULL: all that the options show. */
int report_json_sources(Client *client, const SourceList *list, const SourceEntry *only,
                        const char *interface) must_check_;

/* How a source's row is coloured. */
Tone source_tone(SourceState state);

/* '^', '=' or '#'. */
char source_mode_letter(SourceKind kind);
