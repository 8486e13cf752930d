// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* SRV records (RFC 2782) by the resolver of libc, and out of the bytes that a server has sent. */

#include "core/api/name-lookup.h"

/* Reads the records of an answer, which may hold anything. */
LookupRecords service_records_read(const uint8_t *bytes, size_t length);

/* Asks for the records of a name. Waits for the answer: a matter of half a minute if nobody answers. */
LookupRecords service_records_ask(const char *name);
