// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See nts-checks.h. */

#include "bus/nts-checks.h"

#include <errno.h>

#include "bus/bus-internal.h"
#include "bus/held-call.h"

typedef struct Check {
    NtsChecks *checks;
    HeldCall *call;
    NtsCheck *check; /* NULL: it did not begin */
    struct Check *next;
} Check;

struct NtsChecks {
    const Service *service;
    HeldCalls calls;
    Check *list;
};

static void check_free(Check *check)
{
    const Service *service = check->checks->service;
    Check **link = &check->checks->list;

    while (*link && *link != check)
        link = &(*link)->next;
    if (*link)
        *link = check->next;
    if (check->check)
        service->methods->cancel_nts_check(service->userdata, check->check);
    held_call_free(check->call);
    free(check);
}

static void on_call_ended(void *userdata, HeldCallEnd end)
{
    Check *check = userdata;

    if (end == HELD_CALL_TOO_MANY)
        (void) sd_bus_reply_method_errorf(held_call_message(check->call), SD_BUS_ERROR_LIMITS_EXCEEDED,
                                          "Too many calls of this user are waiting");
    check_free(check);
}

/* Of certificates that were valid before 1970, or will be for ever, the nearest that can be said. */
static uint64_t usec_of(int64_t seconds)
{
    return seconds <= 0 ? 0 : (uint64_t) MIN(seconds, INT64_MAX / 1000000) * 1000000;
}

static int append_certificates(sd_bus_message *reply, const NtsCheckReport *report)
{
    int r = sd_bus_message_append(reply, "s", "Certificates");

    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'v', "a(sstt)");
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sstt)");
    for (size_t i = 0; i < report->certificate_count && r >= 0; i++) {
        const NtsCertificate *certificate = &report->certificates[i];
        r = sd_bus_message_append(reply, "(sstt)", certificate->subject, certificate->issuer,
                                  usec_of(certificate->validity.from), usec_of(certificate->validity.to));
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_figures(sd_bus_message *reply, const NtsCheckReport *report)
{
    char server[IP_ADDRESS_TEXT_MAX], ntp[IP_ADDRESS_TEXT_MAX];
    const struct {
        const char *name, *text;
    } texts[] = {
        {"Failure", nts_failure_name(report->failure)},
        {"FailureReason", nts_failure_text(report->failure)},
        {"Address", ip_address_format(&report->server.address, server)},
        {"Protocol", report->protocol},
        {"NTPAddress", ip_address_format(&report->ntp.address, ntp)},
        {"Verdict", report->answered ? packet_verdict_name(report->verdict) : ""},
    };
    const struct {
        const char *name;
        uint32_t number;
    } numbers[] = {
        {"Port", report->server.port},
        {"AEAD", report->aead},
        {"KeyBits", report->key_bits},
        {"Cookies", report->cookies},
        {"CookieLength", report->cookie_length},
        {"NTPPort", report->ntp.port},
        {"Stratum", report->stratum},
    };
    int r = 0;

    for (size_t i = 0; i < ELEMENTS(texts) && r >= 0; i++)
        r = sd_bus_message_append(reply, "{sv}", texts[i].name, "s", texts[i].text);
    for (size_t i = 0; i < ELEMENTS(numbers) && r >= 0; i++)
        r = sd_bus_message_append(reply, "{sv}", numbers[i].name, "u", numbers[i].number);
    if (r >= 0)
        r = sd_bus_message_append(reply, "{sv}", "Offset", "d", report->offset);
    return r < 0 ? r : sd_bus_message_append(reply, "{sv}", "Delay", "d", report->delay);
}

static int append_report(sd_bus_message *reply, const NtsCheckReport *report)
{
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r >= 0)
        r = append_figures(reply, report);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'e', "sv");
    if (r >= 0)
        r = append_certificates(reply, report);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int reply_with(sd_bus_message *message, const NtsCheckReport *report)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(message, &reply);

    if (r >= 0)
        r = append_report(reply, report);
    return r < 0 ? r : sd_bus_message_send(reply);
}

static void on_done(void *userdata, const NtsCheckReport *report)
{
    Check *check = userdata;
    sd_bus_message *message = held_call_message(check->call);
    int r = reply_with(message, report);

    if (r < 0)
        (void) sd_bus_reply_method_errno(message, r, NULL);
    check_free(check);
}

static int hold(NtsChecks *checks, sd_bus_message *message, Check **ret)
{
    Check *check = calloc(1, sizeof(*check));

    if (!check)
        return -ENOMEM;
    *check = (Check) {.checks = checks, .next = checks->list};
    checks->list = check;
    int r = held_call_new(&checks->calls, message, on_call_ended, check, &check->call);
    if (r < 0) {
        check_free(check);
        return r;
    }
    *ret = check;
    return 0;
}

int nts_checks_add(NtsChecks *checks, sd_bus_message *message, const NtsCheckRequest *request,
                   sd_bus_error *error)
{
    const Service *service = checks->service;
    CommandReply reply = {0};
    Check *check;

    if (!held_calls_have_room(&checks->calls, message))
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too many calls are waiting");
    int r = hold(checks, message, &check);
    if (r < 0)
        return r;
    CommandResult result =
        service->methods->check_nts(service->userdata, request, on_done, check, &reply, &check->check);
    if (result != COMMAND_OK) {
        check_free(check);
        return bus_refuse(result, reply.detail, error);
    }
    return 1;
}

int nts_checks_new(const Service *service, NtsChecks **ret)
{
    NtsChecks *checks = calloc(1, sizeof(*checks));

    if (!checks)
        return -ENOMEM;
    checks->service = service;
    *ret = checks;
    return 0;
}

NtsChecks *nts_checks_free(NtsChecks *checks)
{
    if (!checks)
        return NULL;
    while (checks->list)
        check_free(checks->list);
    free(checks);
    return NULL;
}
