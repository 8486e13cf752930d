// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The messages of a key establishment under arbitrary bytes. The first byte says who reads them and in pieces
 * of which size they arrive. A server gives every request an answer that a client understands; what a client
 * takes from a response is what it may take, and says the same when it is written again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host-name.h"
#include "base/macros.h"
#include "fuzz.h"
#include "nts/ke-server.h"

static const KeRequest ASKED = {
    .ntp = true,
    .aeads = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256},
    .aead_count = 2,
    .compliant_export = true,
};

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

/* What an inbox makes of bytes that come in pieces. */
static KeInboxVerdict receive(KeInbox *inbox, const uint8_t *data, size_t size, size_t piece)
{
    KeInboxVerdict verdict = KE_INBOX_WAITS;

    for (size_t at = 0; at < size && verdict == KE_INBOX_WAITS; at += piece)
        verdict = ke_inbox_append(inbox, data + at, MIN(piece, size - at));
    return verdict;
}

/* --- As a client ------------------------------------------------------------------------------------- */

static void check_establishment(const NtsEstablishment *read)
{
    require(read->cookie_count >= 1 && read->cookie_count <= NTS_COOKIES, "one to eight cookies");
    for (size_t i = 0; i < read->cookie_count; i++)
        require(read->cookies[i].length >= 1 && read->cookies[i].length <= NTS_COOKIE_MAX,
                "cookies that fit");
    require(read->keys.aead == NTS_AEAD_AES_128_GCM_SIV || read->keys.aead == NTS_AEAD_AES_SIV_CMAC_256,
            "a cipher that was asked for");
    require(read->server[0] == '\0' || host_name_is_valid(read->server), "the name of a server");
}

static void check_same(const NtsEstablishment *read)
{
    static uint8_t bytes[8192];
    NtsEstablishment again = {.failure = NTS_OK};
    KeResponse response = {
        .error = KE_ERROR_NONE,
        .ntp = true,
        .aead = read->keys.aead,
        .compliant_export = read->compliant_export,
        .server = read->server[0] ? read->server : NULL,
        .port = read->port,
        .cookies = read->cookies,
        .cookie_count = read->cookie_count,
    };
    size_t length = ke_response_write(&response, bytes, sizeof(bytes));

    require(length > 0, "a response of ours fits");
    require(ke_response_read(bytes, length, &ASKED, &again) == NTS_OK, "and is understood");
    require(memcmp(&again, read, sizeof(again)) == 0, "and says the same");
}

static void as_client(const uint8_t *data, size_t size, size_t piece)
{
    static const NtsEstablishment nothing;
    KeInbox inbox = ke_inbox(KE_RESPONSE_MAX);
    NtsEstablishment read = nothing;
    KeInboxVerdict verdict = receive(&inbox, data, size, piece);

    if (verdict == KE_INBOX_COMPLETE) {
        if (ke_response_read(inbox.bytes, inbox.length, &ASKED, &read) == NTS_OK) {
            check_establishment(&read);
            check_same(&read);
        } else {
            require(memcmp(&read, &nothing, sizeof(read)) == 0, "nothing is taken from a bad response");
        }
    }
    ke_inbox_clear(&inbox);
    read = nothing; /* and all at once, without an inbox before it */
    require(ke_response_read(data, size, &ASKED, &read) != NTS_OK || verdict == KE_INBOX_COMPLETE,
            "what is right is right in pieces, too");
}

/* --- As a server ------------------------------------------------------------------------------------- */

static bool export_keys(void *userdata, NtsAead aead, bool compliant, NtsKeys *ret)
{
    (void) userdata;
    *ret = (NtsKeys) {.aead = aead, .length = (uint8_t) nts_aead_key_length(aead), .c2s = {compliant}};
    return true;
}

static size_t seal(void *userdata, const NtsKeys *keys, uint8_t ret[static NTS_COOKIE_MAX])
{
    const uint8_t *length = userdata;

    require(keys->length > 0, "keys of an AEAD that exists");
    memset(ret, 7, *length);
    return *length;
}

static bool open(void *userdata, const uint8_t *cookie, size_t length, NtsKeys *ret)
{
    (void) userdata, (void) cookie, (void) length, (void) ret;
    return false;
}

static void check_request(const uint8_t *data, size_t size)
{
    KeRequest request = {0}, again = {0};
    uint8_t bytes[256];

    if (ke_request_read(data, size, &request) != KE_ERROR_NONE || !request.ntp || request.aead_count == 0)
        return;
    size_t length = ke_request_write(&request, bytes, sizeof(bytes));
    require(length > 0 && ke_request_read(bytes, length, &again) == KE_ERROR_NONE, "a request of ours");
    require(memcmp(&again, &request, sizeof(again)) == 0, "says the same");
}

static void as_server(const uint8_t *data, size_t size, uint8_t cookie_length)
{
    static uint8_t answer[4096];
    KeServerConfig config = {
        .jar = {.open = open, .seal = seal, .userdata = &cookie_length},
        .aeads = {NTS_AEAD_AES_128_GCM_SIV, NTS_AEAD_AES_SIV_CMAC_256},
        .aead_count = 2,
        .ntp_server = cookie_length % 2 ? "ntp.example.net" : NULL,
        .ntp_port = cookie_length % 3 ? 4123 : 0,
    };
    NtsEstablishment read = {.failure = NTS_OK};
    KeServerState state = KE_SERVER_FAILED;
    size_t length = ke_server_answer(&config, data, size, export_keys, NULL, answer, sizeof(answer), &state);

    require(length > 0, "every request has its answer");
    require(state == KE_SERVER_ANSWERED || state == KE_SERVER_REFUSED, "with or without cookies");
    NtsFailure failure = ke_response_read(answer, length, &ASKED, &read);
    require((failure == NTS_OK) == (state == KE_SERVER_ANSWERED), "and a client knows which");
    require(failure != NTS_BAD_RECORD && failure != NTS_NO_COOKIES && failure != NTS_BAD_SERVER,
            "and understands it");
    check_request(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        as_client(data + 1, size - 1, (size_t) data[0] / 2 + 1);
    else
        as_server(data + 1, size - 1, data[0] / 2);
    return 0;
}
