// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Answers of name servers to a question for a service, under arbitrary bytes. Whatever comes out is a host
 * that may be asked: a full name, a port, in the order of priority, and not too many. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host-name.h"
#include "fuzz.h"
#include "net/service-records.h"

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const LookupRecords records = service_records_read(data, size);

    require(records.count <= LOOKUP_RECORDS_MAX, "not too many");
    for (size_t i = 0; i < records.count; i++) {
        const LookupRecord *record = &records.items[i];
        size_t length = strnlen(record->host, sizeof(record->host));

        require(record->port != 0, "a port");
        require(i == 0 || record[-1].priority <= record->priority, "the lowest priority first");
        require(length > 1 && length < sizeof(record->host) && record->host[length - 1] == '.',
                "a full name");
        char host[sizeof(record->host)];
        memcpy(host, record->host, sizeof(host));
        host[length - 1] = '\0';
        require(host_name_is_valid(host), "of a host");
        require(strpbrk(record->host, " /\\%;#'\"\n") == NULL, "and nothing else");
    }
    return 0;
}
