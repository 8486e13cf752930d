// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `nts-check`: the daemon tries a server, timectl shows how far it came. Status 0 only when an authenticated
 * answer has told the time. What stands in certificates was written by strangers, and is escaped. */

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "core/api/bus-names.h"
#include "core/api/nts-check.h"
#include "ctl/fields.h"
#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

typedef struct Report {
    char failure[SOURCE_NAME_MAX], reason[SOURCE_NAME_MAX], protocol[SOURCE_NAME_MAX];
    IpEndpoint server, ntp;
    uint32_t server_port, ntp_port, aead, key_bits, cookies, cookie_length, stratum;
    PacketVerdict verdict; /* PACKET_VERDICT_COUNT: nobody has answered */
    double offset, delay;
    NtsCertificate certificates[NTS_CERTIFICATES_MAX];
    size_t certificate_count;
} Report;

static const Field fields[] = {
#define F(name, kind, member)                                                                                \
    {                                                                                                        \
        name, kind, offsetof(Report, member)                                                                 \
    }
    F("Failure", FIELD_NAME, failure),
    F("FailureReason", FIELD_NAME, reason),
    F("Protocol", FIELD_NAME, protocol),
    F("Address", FIELD_ADDRESS, server.address),
    F("Port", FIELD_COUNT, server_port),
    F("AEAD", FIELD_COUNT, aead),
    F("KeyBits", FIELD_COUNT, key_bits),
    F("Cookies", FIELD_COUNT, cookies),
    F("CookieLength", FIELD_COUNT, cookie_length),
    F("NTPAddress", FIELD_ADDRESS, ntp.address),
    F("NTPPort", FIELD_COUNT, ntp_port),
    F("Verdict", FIELD_VERDICT, verdict),
    F("Stratum", FIELD_COUNT, stratum),
    F("Offset", FIELD_SECONDS, offset),
    F("Delay", FIELD_SECONDS, delay),
#undef F
};

static int read_certificates(sd_bus_message *m, Report *ret)
{
    int r = sd_bus_message_enter_container(m, 'v', "a(sstt)");

    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "(sstt)");
    while (r >= 0 && ret->certificate_count < NTS_CERTIFICATES_MAX) {
        NtsCertificate *certificate = &ret->certificates[ret->certificate_count];
        const char *subject, *issuer;
        uint64_t from, to;

        r = sd_bus_message_read(m, "(sstt)", &subject, &issuer, &from, &to);
        if (r <= 0)
            break;
        (void) text_copy(certificate->subject, sizeof(certificate->subject), subject);
        (void) text_copy(certificate->issuer, sizeof(certificate->issuer), issuer);
        certificate->validity = (NtsValidity) {(int64_t) (from / 1000000), (int64_t) (to / 1000000)};
        ret->certificate_count++;
    }
    return r;
}

/* The one entry that is no field. */
static int find_certificates(sd_bus_message *m, Report *ret)
{
    const char *name;
    int r = sd_bus_message_rewind(m, true);

    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0 && text_equal(name, "Certificates"))
            return read_certificates(m, ret);
        if (r >= 0)
            r = sd_bus_message_skip(m, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    return r;
}

static int read_report(sd_bus_message *m, Report *ret)
{
    *ret = (Report) {.verdict = PACKET_VERDICT_COUNT};
    int r = fields_decode(fields, ELEMENTS(fields), m, ret);

    ret->server.port = (uint16_t) ret->server_port;
    ret->ntp.port = (uint16_t) ret->ntp_port;
    return r < 0 ? r : find_certificates(m, ret);
}

/* --- Showing it --- */

static const char *date_of(int64_t seconds, char buffer[static 32])
{
    time_t time = (time_t) seconds;
    struct tm broken;

    buffer[0] = '\0';
    if (gmtime_r(&time, &broken))
        (void) strftime(buffer, 32, "%Y-%m-%d %H:%M:%S", &broken);
    return buffer;
}

static void print_escaped(const char *before, const char *text, const char *after)
{
    fputs(before, stdout);
    table_write_escaped(stdout, text);
    fputs(after, stdout);
}

static void print_certificate(const NtsCertificate *certificate, bool first)
{
    char from[32], to[32];

    print_escaped(first ? "Certificate     : " : "  signed by     : ", certificate->subject, "\n");
    printf("                  valid from %s to %s UTC\n", date_of(certificate->validity.from, from),
           date_of(certificate->validity.to, to));
}

static void print_keys(const Report *report)
{
    char text[IP_ENDPOINT_TEXT_MAX];
    size_t count = report->certificate_count;

    if (report->server.address.family == IP_UNSPEC) {
        puts("Key server      : the name has no address");
        return;
    }
    printf("Key server      : %s\n", ip_endpoint_format(&report->server, text));
    if (report->protocol[0] != '\0')
        print_escaped("Protocol        : ", report->protocol, "\n");
    for (size_t i = 0; i < count; i++)
        print_certificate(&report->certificates[i], i == 0);
    if (count > 0)
        print_escaped("  signed by     : ", report->certificates[count - 1].issuer, "\n");
    if (report->cookies > 0) {
        printf("AEAD            : %" PRIu32 " (%" PRIu32 " bits)\n", report->aead, report->key_bits);
        printf("Cookies         : %" PRIu32 " of %" PRIu32 " bytes\n", report->cookies,
               report->cookie_length);
    }
}

/* What the time server said, if it came to that. */
static void print_time(const Report *report)
{
    char text[IP_ENDPOINT_TEXT_MAX];

    if (report->ntp.address.family == IP_UNSPEC)
        return;
    printf("Time server     : %s\n", ip_endpoint_format(&report->ntp, text));
    if (report->verdict != PACKET_GOOD)
        return;
    printf("Stratum         : %" PRIu32 "\n", report->stratum);
    printf("Offset          : %.9f seconds %s of it\n", fabs(report->offset),
           report->offset > 0 ? "slow" : "fast");
    printf("Delay           : %.9f seconds\n", report->delay);
}

/* In one line: whether it works, or what to do. */
static int print_result(const Report *report)
{
    if (report->failure[0] != '\0')
        print_escaped("Result          : failed, ", report->reason, "\n");
    else if (report->ntp.address.family == IP_UNSPEC)
        puts("Result          : failed, the name of the time server has no address");
    else if (report->verdict == PACKET_GOOD)
        puts("Result          : works, the answer was authenticated");
    else if (report->verdict == PACKET_VERDICT_COUNT)
        puts("Result          : failed, no answer from the time server; a firewall may block UDP there, or "
             "long packets");
    else
        printf("Result          : failed, the answer of the time server is of no use: %s\n",
               packet_verdict_text(report->verdict));
    return report->failure[0] == '\0' && report->verdict == PACKET_GOOD ? 0 : 1;
}

static int print_json(Client *client, sd_bus_message *reply)
{
    Json json = json_init(stdout, client->options.json);
    int r = sd_bus_message_rewind(reply, true);

    json_begin(&json, '{');
    if (r >= 0)
        r = json_members(&json, reply);
    json_end(&json, '}');
    json_finish(&json);
    return r;
}

static int show(Client *client, sd_bus_message *reply)
{
    Report report;
    int r = read_report(reply, &report);

    if (r < 0)
        return r;
    if (client->options.json != JSON_OFF) {
        r = print_json(client, reply);
        return r < 0 ? r : report.failure[0] == '\0' && report.verdict == PACKET_GOOD ? 0 : 1;
    }
    print_keys(&report);
    print_time(&report);
    return print_result(&report);
}

int verb_nts_check(Client *client, int argc, char **argv)
{
    cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int64_t port = 0, cert_set = 0;

    if ((argc > 2 && (!text_to_int(argv[2], &port) || port < 0 || port > UINT16_MAX)) ||
        (argc > 3 && (!text_to_int(argv[3], &cert_set) || cert_set < 0 || cert_set > UINT32_MAX)))
        return syntax_error(argv[0]);
    int r = client_command(client, &reply, BUS_ROOT_PATH, BUS_INTERFACE_SOURCES, "CheckNTS", "squ", argv[1],
                           (int) port, (uint32_t) cert_set);
    return r < 0 ? r : show(client, reply);
}
