// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* `ntpdata`: the last exchange with each server. The offset is a correction here, as on the bus. */

#include <inttypes.h>
#include <math.h>

#include "base/reference-id.h"
#include "base/text.h"
#include "core/api/bus-names.h"
#include "ctl/format.h"
#include "ctl/name.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

/* Words that both forms of the report print. */
typedef struct NtpWords {
    char remote[IP_ADDRESS_TEXT_MAX], local[IP_ADDRESS_TEXT_MAX];
    uint32_t local_id; /* 0: nothing was received at it yet */
    Cell reference;
    char tests[11]; /* of '0' and '1', most significant first */
    const char *mode, *transmit, *receive, *interleaved, *authenticated;
} NtpWords;

static const char *mode_title(uint8_t mode)
{
    return mode == 1   ? "Symmetric active"
           : mode == 2 ? "Symmetric passive"
           : mode == 4 ? "Server"
                       : "Invalid";
}

static const char *origin_title(const NtpReport *ntp, TimestampOrigin origin)
{
    if (!ntp->valid)
        return "Invalid";
    switch (origin) {
    case TIMESTAMP_DAEMON: return "Daemon";
    case TIMESTAMP_KERNEL: return "Kernel";
    case TIMESTAMP_HARDWARE: return "Hardware";
    }
    return "Invalid";
}

static void fill_words(const NtpReport *ntp, NtpWords *w)
{
    ip_address_format(&ntp->remote.address, w->remote);
    w->local_id = ntp->valid ? reference_id_of(&ntp->local) : 0;
    if (w->local_id != 0)
        ip_address_format(&ntp->local, w->local);
    else
        text_copy(w->local, sizeof(w->local), "[UNSPEC]");
    w->reference[0] = '\0';
    if (ntp->stratum <= 1)
        format_reference_id(ntp->reference_id, w->reference);
    for (int i = 0; i < 10; i++)
        w->tests[i] = ntp->tests & 1u << (9 - i) ? '1' : '0';
    w->tests[10] = '\0';
    w->mode = mode_title(ntp->mode);
    w->transmit = origin_title(ntp, ntp->transmit_origin);
    w->receive = origin_title(ntp, ntp->receive_origin);
    w->interleaved = ntp->interleaved ? "Yes" : "No";
    w->authenticated = ntp->authenticated ? "Yes" : "No";
}

static void print_exchange(const NtpReport *n, const NtpWords *w)
{
    Cell cell;

    printf("Remote address  : %s (%08" PRIX32 ")\n", w->remote, reference_id_of(&n->remote.address));
    printf("Remote port     : %u\n", n->remote.port);
    printf("Local address   : %s (%08" PRIX32 ")\n", w->local, w->local_id);
    printf("Leap status     : %s\n", leap_status_title(n->leap));
    printf("Version         : %u\n", n->version);
    printf("Mode            : %s\n", w->mode);
    printf("Stratum         : %u\n", n->stratum);
    printf("Poll interval   : %d (%.0f seconds)\n", n->poll, exp2(n->poll));
    printf("Precision       : %d (%.9f seconds)\n", n->precision, exp2(n->precision));
    printf("Root delay      : %.6f seconds\n", n->root_delay);
    printf("Root dispersion : %.6f seconds\n", n->root_dispersion);
    printf("Reference ID    : %08" PRIX32 " (%s)\n", n->reference_id, w->reference);
    printf("Reference time  : %s\n", format_instant(n->reference_time, cell));
    printf("Offset          : %+.9f seconds\n", n->offset);
    printf("Peer delay      : %.9f seconds\n", n->peer_delay);
    printf("Peer dispersion : %.9f seconds\n", n->peer_dispersion);
    printf("Response time   : %.9f seconds\n", n->response_time);
    printf("Jitter asymmetry: %+.2f\n", n->jitter_asymmetry);
}

static void print_counters(const NtpReport *n, const NtpWords *w)
{
    printf("NTP tests       : %.3s %.3s %.4s\n", w->tests, w->tests + 3, w->tests + 6);
    printf("Interleaved     : %s\n", w->interleaved);
    printf("Authenticated   : %s\n", w->authenticated);
    printf("TX timestamping : %s\n", w->transmit);
    printf("RX timestamping : %s\n", w->receive);
    printf("Total TX        : %" PRIu32 "\n", n->sent);
    printf("Total RX        : %" PRIu32 "\n", n->received);
    printf("Total valid RX  : %" PRIu32 "\n", n->valid_received);
    printf("Total good RX   : %" PRIu32 "\n", n->good_received);
    printf("Total kernel TX : %" PRIu32 "\n", n->kernel_sent);
    printf("Total kernel RX : %" PRIu32 "\n", n->kernel_received);
    printf("Total HW TX     : %" PRIu32 "\n", n->hardware_sent);
    printf("Total HW RX     : %" PRIu32 "\n", n->hardware_received);
}

static void print_csv(const NtpReport *n, const NtpWords *w)
{
    Cell cell;

    printf("%s,%08" PRIX32 ",%u,%s,%08" PRIX32 ",%s,%u,%s,%u,%d,%.0f,%d,%.9f,%.6f,%.6f,%08" PRIX32 ",%s,%s",
           w->remote, reference_id_of(&n->remote.address), n->remote.port, w->local, w->local_id,
           leap_status_title(n->leap), n->version, w->mode, n->stratum, n->poll, exp2(n->poll), n->precision,
           exp2(n->precision), n->root_delay, n->root_dispersion, n->reference_id, w->reference,
           format_epoch(n->reference_time, cell));
    printf(",%.9f,%.9f,%.9f,%.9f,%.2f,%.3s,%.3s,%.4s,%s,%s,%s,%s", n->offset, n->peer_delay,
           n->peer_dispersion, n->response_time, n->jitter_asymmetry, w->tests, w->tests + 3, w->tests + 6,
           w->interleaved, w->authenticated, w->transmit, w->receive);
    printf(",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32
           "\n",
           n->sent, n->received, n->valid_received, n->good_received, n->kernel_sent, n->kernel_received,
           n->hardware_sent, n->hardware_received);
}

static void print_ntp(const Options *options, const SourceEntry *entry)
{
    NtpWords words;

    fill_words(&entry->ntp, &words);
    if (options->csv) {
        print_csv(&entry->ntp, &words);
    } else {
        print_exchange(&entry->ntp, &words);
        print_counters(&entry->ntp, &words);
    }
}

static int print_one(Client *client, const SourceList *list, const char *name)
{
    const SourceEntry *entry = source_list_find(list, name);

    if (!entry || !entry->has_ntp) {
        puts("503 No such source");
        return 1;
    }
    if (client->options.json != JSON_OFF)
        return report_json_sources(client, list, entry, BUS_INTERFACE_NTP);
    print_ntp(&client->options, entry);
    return 0;
}

static int print_all(Client *client, const SourceList *list)
{
    if (client->options.json != JSON_OFF)
        return report_json_sources(client, list, NULL, BUS_INTERFACE_NTP);
    for (size_t i = 0; i < list->count; i++) {
        const SourceEntry *entry = &list->entries[i];
        if (!entry->has_ntp || entry->source.remote.address.family == IP_UNSPEC)
            continue;
        if (!client->options.csv)
            putchar('\n');
        print_ntp(&client->options, entry);
    }
    return 0;
}

int verb_ntpdata(Client *client, int argc, char **argv)
{
    SourceList list;
    int r = client_sources(client, false, true, &list);

    if (r < 0)
        return r;
    r = argc > 1 ? print_one(client, &list, argv[1]) : print_all(client, &list);
    source_list_clear(&list);
    return r;
}
