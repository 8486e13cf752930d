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

static const char *const key_names[] = {
    [KEYS_GIVEN] = "given",          [KEYS_REFUSED] = "refused", [KEYS_NO_TLS] = "no-tls",
    [KEYS_HUNG_UP] = "hung-up",      [KEYS_LATE] = "late",       [KEYS_CROWDED_OUT] = "crowded-out",
    [KEYS_LIMITED] = "rate-limited", [KEYS_DENIED] = "denied",   [KEYS_FAILED] = "failed",
};
static_assert(ELEMENTS(key_names) == KEY_VERDICT_COUNT, "one for each verdict");

const char *key_verdict_name(KeyVerdict verdict)
{
    return (size_t) verdict < ELEMENTS(key_names) ? key_names[verdict] : "invalid";
}

static const char *const state_names[] = {
    [KEY_SERVER_OFF] = "off",
    [KEY_SERVER_LISTENING] = "listening",
    [KEY_SERVER_NO_CERTIFICATE] = "no-certificate",
    [KEY_SERVER_NO_KEYS] = "no-keys",
    [KEY_SERVER_NO_SOCKET] = "no-socket",
};
static_assert(ELEMENTS(state_names) == KEY_SERVER_STATE_COUNT, "one for each state");

const char *key_server_state_name(KeyServerState state)
{
    return (size_t) state < ELEMENTS(state_names) ? state_names[state] : "invalid";
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
