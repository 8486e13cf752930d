// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#include "core/api/nts.h"

#include <assert.h>
#include <string.h>

#include "base/macros.h"

static const struct {
    const char *name, *text;
} failures[] = {
    [NTS_OK] = {"", ""},
    [NTS_LOCAL] = {"local", "this machine lacks memory, file descriptors or certificates to trust; check "
                            "ntstrustedcerts, certset "
                            "and nosystemcert"},
    [NTS_UNREACHABLE] = {"unreachable", "no way to the key establishment server; check routes and address"},
    [NTS_REFUSED] = {"refused", "nobody listens at the key establishment port; check ntsport"},
    [NTS_TIMEOUT] = {"timeout", "no answer from the key establishment port; a firewall may block TCP there"},
    [NTS_CLOSED] = {"closed", "the key establishment server closed the connection"},
    [NTS_NO_TLS] = {"no-tls", "what answers at the key establishment port does not speak TLS 1.3"},
    [NTS_NO_ALPN] = {"no-alpn",
                     "what answers at the key establishment port is no NTS server (no ALPN ntske/1)"},
    [NTS_CERT_UNTRUSTED] =
        {"certificate-untrusted",
         "nobody that is trusted has signed the certificate; check ntstrustedcerts and certset"},
    [NTS_CERT_NAME] = {"certificate-name", "the certificate is for other names; use a name that it has"},
    [NTS_CERT_EXPIRED] = {"certificate-expired", "the certificate has expired; the server needs a new one"},
    [NTS_CERT_NOT_YET] = {"certificate-not-yet-valid",
                          "the certificate is not valid yet by the clock of this machine"},
    [NTS_CERT_BAD] = {"certificate-bad",
                      "the certificate cannot be used: revoked, too weak, or not for servers"},
    [NTS_BAD_RECORD] = {"bad-record", "the key establishment server sent something malformed or unknown"},
    [NTS_BAD_REQUEST] = {"bad-request", "the key establishment server did not understand our request"},
    [NTS_SERVER_ERROR] = {"server-error", "the key establishment server reports an error of its own"},
    [NTS_NO_PROTOCOL] = {"no-protocol", "the server does not do NTPv4 with NTS"},
    [NTS_NO_AEAD] = {"no-aead", "no cipher that both know; check ntsaeads"},
    [NTS_NO_COOKIES] = {"no-cookies", "the key establishment server gave no usable cookie"},
    [NTS_BAD_SERVER] = {"bad-server", "the key establishment server names an NTP server that cannot be one"},
};
static_assert(ELEMENTS(failures) == NTS_FAILURE_COUNT, "each failure has its words");

size_t nts_aead_key_length(NtsAead aead)
{
    switch (aead) {
    case NTS_AEAD_AES_SIV_CMAC_256: return 32;
    case NTS_AEAD_AES_128_GCM_SIV: return 16;
    case NTS_AEAD_NONE: break;
    }
    return 0;
}

const char *nts_aead_name(NtsAead aead)
{
    switch (aead) {
    case NTS_AEAD_AES_SIV_CMAC_256: return "AES-SIV-CMAC-256";
    case NTS_AEAD_AES_128_GCM_SIV: return "AES-128-GCM-SIV";
    case NTS_AEAD_NONE: break;
    }
    return "";
}

const char *nts_failure_name(NtsFailure failure)
{
    return failure < NTS_FAILURE_COUNT ? failures[failure].name : "";
}

const char *nts_failure_text(NtsFailure failure)
{
    return failure < NTS_FAILURE_COUNT ? failures[failure].text : "";
}

bool nts_host_key_is_same(const NtsHostKey *a, const NtsHostKey *b)
{
    static const NtsHostKey unknown;

    return memcmp(a, b, sizeof(*a)) == 0 && memcmp(a, &unknown, sizeof(*a)) != 0;
}
