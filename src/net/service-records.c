// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See service-records.h. The bytes are read by the functions of libresolv, which check each length; what
 * comes out of them is checked here, for a label of a name may be of any bytes. */

#include "net/service-records.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

/* priority, weight, port; the host comes behind them. */
#define FIXED_SIZE 6

static void read_record(const ns_msg *message, const ns_rr *record, LookupRecords *records)
{
    const uint8_t *data = ns_rr_rdata(*record);
    char host[NS_MAXDNAME];

    if (ns_rr_type(*record) == ns_t_srv && ns_rr_class(*record) == ns_c_in &&
        ns_rr_rdlen(*record) > FIXED_SIZE &&
        dn_expand(ns_msg_base(*message), ns_msg_end(*message), data + FIXED_SIZE, host, sizeof host) >= 0)
        lookup_records_add(records, (uint16_t) ns_get16(data), (uint16_t) ns_get16(data + 2),
                           (uint16_t) ns_get16(data + 4), host);
}

LookupRecords service_records_read(const uint8_t *bytes, size_t length)
{
    LookupRecords records = {0};
    ns_msg message;
    ns_rr record;

    if (length > NS_MAXMSG || ns_initparse(bytes, (int) length, &message) < 0)
        return records;
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        if (ns_parserr(&message, ns_s_an, i, &record) < 0)
            break;
        read_record(&message, &record, &records);
    }
    return records;
}

LookupRecords service_records_ask(const char *name)
{
    cleanup_(freep) uint8_t *bytes = malloc(NS_MAXMSG);
    struct __res_state state = {0};
    int length;

    if (!bytes || res_ninit(&state) < 0)
        return (LookupRecords) {0};
    length = res_nquery(&state, name, ns_c_in, ns_t_srv, bytes, NS_MAXMSG);
    res_nclose(&state);
    return length > 0 ? service_records_read(bytes, (size_t) MIN(length, NS_MAXMSG)) : (LookupRecords) {0};
}
