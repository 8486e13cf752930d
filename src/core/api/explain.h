// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Sentences for people out of reports: why a source is not used, why the clock is not synchronised. */

#include "base/text.h"
#include "core/api/report.h"

/* "It differs by 1.000 s from the interval on which 3 of 4 sources agree" ... One or two sentences. */
void explain_source(const Explanation *explanation, Text *text);

/* Why it is not asked, as the rest of a sentence without full stop: "there is no route to 192.0.2.1 (Network
 * is unreachable)". error: errno that decided it, or 0. address: NULL or IP_UNSPEC stands for "it". Nothing
 * for OFFLINE_NOT. */
void explain_offline(OfflineReason reason, int error, const IpAddress *address, Text *text);

/* "" when synchronised. */
void explain_clock(const ClockReport *clock, const ActivityReport *activity, Text *text);
