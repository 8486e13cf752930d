// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Names of the server's verdicts, in the order of the enum; see server-report.h. */

#include "core/api/server-report.h"

#include <assert.h>
#include <stddef.h>

#include "base/macros.h"

static const char *const names[] = {
    [SERVER_ANSWERED] = "answered",
    [SERVER_KISSED] = "kiss-of-death",
    [SERVER_NTS_NAK] = "nts-nak",
    [SERVER_LIMITED] = "rate-limited",
    [SERVER_DENIED] = "denied",
    [SERVER_MALFORMED] = "malformed",
    [SERVER_BAD_VERSION] = "bad-version",
    [SERVER_BAD_MODE] = "bad-mode",
    [SERVER_MS_SNTP] = "ms-sntp",
    [SERVER_UNAUTHENTICATED] = "unauthenticated",
    [SERVER_LATE] = "late",
};
static_assert(ELEMENTS(names) == SERVER_VERDICT_COUNT, "one for each verdict");

const char *server_verdict_name(ServerVerdict verdict)
{
    return (size_t) verdict < ELEMENTS(names) ? names[verdict] : "invalid";
}

void server_report_add(ServerReport *to, const ServerReport *from)
{
    to->received += from->received;
    to->dropped += from->dropped;
    to->failed += from->failed;
    to->log_dropped += from->log_dropped;
    to->clients += from->clients;
    to->interleaved += from->interleaved;
    to->authenticated += from->authenticated;
    to->exchanges += from->exchanges;
    to->exchanges_span = MAX(to->exchanges_span, from->exchanges_span);
    for (size_t i = 0; i < ELEMENTS(to->verdicts); i++)
        to->verdicts[i] += from->verdicts[i];
    for (size_t i = 0; i < ELEMENTS(to->receive_stamps); i++) {
        to->receive_stamps[i] += from->receive_stamps[i];
        to->transmit_stamps[i] += from->transmit_stamps[i];
    }
}
