// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The server's end of NTS (RFC 8915, section 5.7): it keeps nothing of its clients. All that it knows of one
 * comes out of the cookie in the request, and goes into the cookies of the answer, which are as many as the
 * request has made room for: an answer is never longer than its request. */

#include "core/ntp/nts-fields.h"

/* Who has the server's keys, and the ciphers. Without functions there is no NTS. */
typedef struct NtsServer {
    CookieJar jar;
    Aead aead;
} NtsServer;

/* What a request is. */
typedef enum NtsRequest {
    NTS_REQUEST_NONE = 0, /* without NTS */
    NTS_REQUEST_BROKEN,   /* nothing that could be answered */
    NTS_REQUEST_REFUSED,  /* its cookie is none of ours, or it is not proven: to be answered with a NAK */
    NTS_REQUEST_GOOD,
} NtsRequest;

/* What the answer has to have, besides its header. Has secrets. */
typedef struct NtsQuestion {
    AeadText unique_id; /* to be repeated, with NTS or without; no bytes: there is none */
    NtsKeys keys;       /* of a good request; so is the rest: */
    size_t cookies;     /* that it asks for, at least 1 */
} NtsQuestion;

/* Looks at a request that was parsed from these bytes. */
NtsRequest nts_server_open(const NtsServer *server, const uint8_t *bytes, const NtpPacket *packet,
                           NtsQuestion *ret);

/* Appends the unique identifier of the request, if it has one, to `length` bytes in a buffer of `size`.
 * Returns the new length, 0: no room. */
size_t nts_server_append_id(const NtsQuestion *question, uint8_t *bytes, size_t length, size_t size);

/* Appends cookies and authenticator. nonce: AEAD_NONCE_MAX unpredictable bytes. Returns the new length, 0: no
 * room. */
size_t nts_server_append_proof(const NtsServer *server, const NtsQuestion *question, const uint8_t *nonce,
                               uint8_t *bytes, size_t length, size_t size);

/* Wipes what is secret. */
void nts_question_clear(NtsQuestion *question);
