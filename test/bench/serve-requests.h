// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Requests with NTS for serve-load, made beforehand, and a look at their answers. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of every request and every answer: header, identifier, cookie, authenticator. */
#define NTS_REQUEST_SIZE 228

typedef struct NtsRequests NtsRequests;

/* So many requests of as many clients, with cookies of a server that has the keys of this file (`ntskeys`).
 * NULL: it cannot be read. */
NtsRequests *nts_requests_new(const char *keys, size_t count);

/* The next one, and from the beginning again after the last one. */
const uint8_t *nts_requests_next(NtsRequests *requests);

/* Whether it is a proven answer with a cookie to one of the requests. */
bool nts_requests_answered(const NtsRequests *requests, const uint8_t *bytes, size_t length);
